"""Each documented port closed alone, before the start or during a run: which service stops, and which go on.

What each scenario awaits, cell by cell, is `edgesim.readiness.port_matrix`.
"""

from __future__ import annotations

from edgesim.readiness.port_matrix import Row, Scene, Service, row, works
from edgesim.scenario import (
    HttpResponse,
    Inside,
    JabberUser,
    Lab,
    MediaFlow,
    Outside,
    Registered,
    Setting,
    SipResponse,
    TcpOpened,
    XmppStanza,
    XmppStream,
    ZoneState,
    at_least,
    containing,
    one_of,
    scenario,
    seconds,
)

PROBE = {"mra.media_probe": {"to": "inside-1"}}


async def every_service(lab: Lab, alice: JabberUser, flow: str, rule: str) -> None:
    """Try every service as a new client; assert each cell of the port's row."""
    closed = row(flow)
    scene = Scene.of(lab.written, closed.wall, (alice.machine,))
    path = await lab.media_path(alice)

    async with lab.step("alice signs in, and sends a packet of media"):
        await path.send()
        await alice.sign_in()
        await path.send()

    # The following considers entries since the start: links fail before a user signs in.
    await lab.symptom(rule)
    await cells(lab, closed, scene)


async def cells(lab: Lab, closed: Row, scene: Scene, services: tuple[Service, ...] = tuple(Service)) -> None:
    """Assert the cells of a row: what works, and what shows of the rest."""
    for service in services:
        cell = closed.cell(service)
        if cell.works:
            await lab.expect(works(scene, service), within=seconds(5))
        else:
            for shown in cell.shows(scene):
                await lab.expect(shown, within=seconds(30))
            lab.check(lab.match(works(scene, service)) is None, f"{service.value}: {cell.text}")


def closing(wall: str, port: str) -> dict[str, object]:
    return {**PROBE, f"network.firewalls.{wall}.closed": [port]}


def opened(wall: str) -> list[Setting]:
    return [Setting(f"network.firewalls.{wall}.closed", [])]


@scenario(
    shows="NET-15",
    changes=closing("internal", "tcp 7001"),
    breaks="NET-15.sip",
    mutations=opened("internal"),
)
async def tcp_7001_closed(lab: Lab, alice: JabberUser) -> None:
    """C to E TCP 7001 closed: the zone fails, REGISTER is answered 503; configuration, files, chat and media go on."""
    await every_service(lab, alice, "traversal-sip", "NET-15.sip")
    failed = ZoneState(node="expc", zone="UCTraversal", reason="connection timed out")
    await lab.expect(failed, within=seconds(15))


@scenario(
    shows="NET-15",
    changes=closing("internal", "tcp 2222"),
    breaks="NET-15.https",
    mutations=opened("internal"),
)
async def tcp_2222_closed(lab: Lab, alice: JabberUser) -> None:
    """C to E TCP 2222 closed: 502 to every HTTPS request, so no user can sign in; zone, XCP link and media are up."""
    lab.never(ZoneState(zone="UCTraversal", state=containing("Failed")))
    lab.never(HttpResponse(node=alice.machine, status=200))
    await every_service(lab, alice, "ssh-tunnel", "NET-15.https")


@scenario(
    shows="NET-15",
    changes=closing("internal", "tcp 7400"),
    breaks="NET-15.xmpp",
    mutations=opened("internal"),
)
async def tcp_7400_closed(lab: Lab, alice: JabberUser) -> None:
    """C to E TCP 7400 closed: E accepts XMPP, offers no mechanism, and closes; phone and media go on."""
    await every_service(lab, alice, "xcp", "NET-15.xmpp")


@scenario(
    shows="NET-15",
    changes=closing("internal", "udp 2776-2777"),
    breaks="NET-15.media",
    mutations=opened("internal"),
)
async def udp_2776_closed(lab: Lab, alice: JabberUser) -> None:
    """C to E UDP 2776-2777 closed: C opens no pinhole, media ends at E; all signalling works."""
    await every_service(lab, alice, "traversal-media", "NET-15.media")


@scenario(
    shows="NET-15",
    changes={**closing("internal", "udp 36000-36011"), "expressway_e.expe.size": "large"},
    breaks="NET-15.media",
    mutations=opened("internal"),
)
async def udp_36000_closed_on_a_large_system(lab: Lab, alice: JabberUser) -> None:
    """C to E UDP 36000-36011 closed before a large system: the same, on the ports that it uses."""
    await every_service(lab, alice, "traversal-media", "NET-15.media")


@scenario(
    shows="NET-16",
    changes=closing("external", "tcp 8443"),
    breaks="NET-16.https",
    mutations=opened("external"),
)
async def tcp_8443_closed(lab: Lab, alice: JabberUser) -> None:
    """Inbound TCP 8443 closed: discovery finds E, and nothing answers there; no user can sign in."""
    await every_service(lab, alice, "edge-https", "NET-16.https")


@scenario(
    shows="NET-16",
    changes=closing("external", "tcp 5061"),
    breaks="NET-16.sip",
    mutations=opened("external"),
)
async def tcp_5061_closed(lab: Lab, alice: JabberUser) -> None:
    """Inbound TCP 5061 closed: no registration; sign-in, files, chat and media go on."""
    await every_service(lab, alice, "edge-sip", "NET-16.sip")


@scenario(
    shows="NET-16",
    changes=closing("external", "tcp 5222"),
    breaks="NET-16.xmpp",
    mutations=opened("external"),
)
async def tcp_5222_closed(lab: Lab, alice: JabberUser) -> None:
    """Inbound TCP 5222 closed: no chat; sign-in, files, phone and media go on."""
    await every_service(lab, alice, "edge-xmpp", "NET-16.xmpp")


@scenario(
    shows="NET-16",
    changes=closing("external", "udp 36002-59999"),
    breaks="NET-16.media",
    mutations=opened("external"),
)
async def udp_36002_closed(lab: Lab, alice: JabberUser) -> None:
    """Inbound UDP 36002-59999 closed: media does not reach E; all signalling works."""
    await every_service(lab, alice, "edge-media", "NET-16.media")


@scenario(
    shows=("NET-15", "NET-16"), changes=PROBE, mutations=[Setting("network.firewalls.internal.closed", ["tcp 2222"])]
)
async def nothing_closed(lab: Lab, alice: JabberUser) -> None:
    """Only the documented ports open: every service works, and no host opens a connection inward."""
    inside = one_of(*(spec.name for spec in lab.deployment.host_specs() if spec.interfaces[0].zone == "inside"))
    lab.never(TcpOpened(node="expe", peer=inside))
    path = await lab.media_path(alice)
    scene = Scene.of(lab.deployment, "internal", (alice.machine,))
    async with lab.step("alice signs in, and sends a packet of media"):
        await alice.sign_in()
        await path.send()
        for service in Service:
            await lab.expect(works(scene, service), within=seconds(5))


# ---- during a run: what is open stays open

SEATS = {"alice": Outside, "bob": Inside, "carol": Outside}
FORGETS = [Setting("network.firewalls.external.idle_tcp_s", 10.0)]
"""A firewall whose state expires so soon that connections do not outlive a change of its rules."""
SIGNALLING = (Service.DISCOVERY, Service.EDGE_CONFIGURATION, Service.FILES, Service.REGISTRATION, Service.CHAT)


async def signed_in(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """Sign in outside and inside."""
    async with lab.step("alice signs in from the internet, bob inside"):
        await lab.together(alice.sign_in(), bob.sign_in())
        await lab.expect(Registered(device="CSFALICE", fresh=True))
        for user in ("alice", "bob"):
            await lab.expect(XmppStanza(node="imp-pub", name="presence", key=f"user:{user}"))


async def goes_on(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """Show that alice's phone and chat go on."""
    async with lab.step("a message reaches alice, and her registration is refreshed"):
        await bob.say("alice", "still there?")
        await lab.expect(XmppStanza(node=alice.machine, peer="expe", payload=containing("still there?")))
        await lab.expect(Registered(device="CSFALICE", fresh=False), within=seconds(125))


async def a_new_client(lab: Lab, carol: JabberUser, flow: str) -> None:
    """Show that who comes now meets what the matrix says."""
    closed = row(flow)
    async with lab.step("carol signs in now"):
        await carol.sign_in()
        await cells(lab, closed, Scene.of(lab.deployment, closed.wall, (carol.machine,)), SIGNALLING)


@scenario(shows="NET-16", clients=SEATS, mutations=FORGETS)
async def tcp_8443_closed_during_a_run(lab: Lab, alice: JabberUser, bob: JabberUser, carol: JabberUser) -> None:
    """Inbound TCP 8443 closed during a run: signed-in users keep phone and chat, no other user can sign in."""
    await signed_in(lab, alice, bob)
    await lab.close_ports("external", "tcp 8443")
    await goes_on(lab, alice, bob)
    await a_new_client(lab, carol, "edge-https")


@scenario(shows="NET-16", clients=SEATS, mutations=FORGETS)
async def tcp_5061_closed_during_a_run(lab: Lab, alice: JabberUser, bob: JabberUser, carol: JabberUser) -> None:
    """Inbound TCP 5061 closed during a run: registrations are refreshed on open connections, new ones do not come."""
    await signed_in(lab, alice, bob)
    await lab.close_ports("external", "tcp 5061")
    await goes_on(lab, alice, bob)
    await a_new_client(lab, carol, "edge-sip")


@scenario(shows="NET-16", clients=SEATS, mutations=FORGETS)
async def tcp_5222_closed_during_a_run(lab: Lab, alice: JabberUser, bob: JabberUser, carol: JabberUser) -> None:
    """Inbound TCP 5222 closed during a run: open chat sessions go on, new ones do not come."""
    await signed_in(lab, alice, bob)
    await lab.close_ports("external", "tcp 5222")
    await goes_on(lab, alice, bob)
    await a_new_client(lab, carol, "edge-xmpp")


@scenario(shows="NET-16", changes=PROBE, mutations=[Setting("network.firewalls.external.idle_udp_s", 1.0)])
async def udp_36002_closed_during_a_run(lab: Lab, alice: JabberUser) -> None:
    """Inbound UDP 36002-59999 closed during a run: existing media flows continue, new media is lost."""
    path = await lab.media_path(alice)
    async with lab.step("media flows"):
        await path.send()
        await lab.expect(MediaFlow(node=alice.machine, peer="expe", channel="probe RTP", state="started"))
    await lab.close_ports("external", "udp 36002-59999")
    async with lab.step("and goes on"):
        await lab.wait(seconds(3))
        await path.send()
        both = MediaFlow(node=alice.machine, channel="probe RTP", state="statistics", packets_in=at_least(2))
        await lab.expect(both, within=seconds(11))
    await path.close()

    async with lab.step("another client's does not arrive"):
        other = await lab.media_path("jabber-2")
        await other.send()
        for shown in row("edge-media").symptoms(Scene.of(lab.deployment, "external", ("jabber-2",))):
            await lab.expect(shown)
        await lab.none(MediaFlow(node="jabber-2", state="started"), during=seconds(2))


@scenario(
    shows="NET-15",
    changes=PROBE,
    clients=SEATS,
    mutations=[
        Setting("network.firewalls.internal.idle_tcp_s", 5.0),
        Setting("network.firewalls.internal.idle_udp_s", 5.0),
    ],
)
async def internal_ports_closed_during_a_run(lab: Lab, alice: JabberUser, bob: JabberUser, carol: JabberUser) -> None:
    """All internal ports closed during a run: nothing stops, for new clients neither, until C dials its links anew."""
    await signed_in(lab, alice, bob)
    path = await lab.media_path(alice)
    await lab.close_ports("internal", "tcp 7001", "tcp 7400", "tcp 2222", "udp 2776-2777")
    await goes_on(lab, alice, bob)
    scene = Scene.of(lab.deployment, "internal", (carol.machine,))
    async with lab.step("carol signs in now, and media passes: the links stand, and C keeps the pinholes open"):
        await carol.sign_in()
        await path.send()
        for service in SIGNALLING:
            await lab.expect(works(scene, service))
        await lab.expect(MediaFlow(node=alice.machine, leg="endpoint", state="started"))

    async with lab.step("Expressway-C restarts, and no link comes up again"):
        await lab.restart("expc")
        for flow in ("traversal-sip", "xcp"):
            for shown in row(flow).link(scene):
                await lab.expect(shown, within=seconds(30))
        await lab.expect(SipResponse(node=alice.machine, status=503, method="REGISTER"), within=seconds(60))
        await lab.expect(XmppStream(node=alice.machine, element="close"), within=seconds(60))
        # Except for media: C takes the same ports again, and the firewall still knows that flow.
        await lab.expect(MediaFlow(node="expc", peer="expe", leg="multiplexed", state="open"))
        await carol.sign_in()
        for shown in row("ssh-tunnel").cell(Service.EDGE_CONFIGURATION).shows(scene):
            await lab.expect(shown, within=seconds(30))
