"""Each documented port closed alone, before anything starts: which service of a new client stops, and which go on.

What each scenario awaits, cell by cell, is `edgesim.readiness.port_matrix`.
"""

from __future__ import annotations

from edgesim.clients.jabber import Jabber
from edgesim.readiness.port_matrix import Scene, Service, row, works
from edgesim.scenario import HttpResponse, Lab, Setting, TcpOpened, ZoneState, containing, one_of, scenario, seconds

PROBE = {"mra.media_probe": {"to": "inside-1"}}


async def every_service(lab: Lab, alice: Jabber, flow: str, rule: str) -> None:
    """Try every service as a new client; assert each cell of the port's row."""
    closed = row(flow)
    scene = Scene.of(lab.written, closed.wall, (alice.node.name,))
    path = await lab.media_path(alice)

    async with lab.step("alice signs in, and sends a packet of media"):
        path.send()
        await alice.sign_in()
        path.send()

    # What follows looks at everything since the start: links fail before anybody signs in.
    await lab.symptom(rule)
    for service in Service:
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
async def tcp_7001_closed(lab: Lab, alice: Jabber) -> None:
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
async def tcp_2222_closed(lab: Lab, alice: Jabber) -> None:
    """C to E TCP 2222 closed: 502 to every HTTPS request, so nobody signs in; zone, XCP link and media path stand."""
    lab.never(ZoneState(zone="UCTraversal", state=containing("Failed")))
    lab.never(HttpResponse(node=alice.node.name, status=200))
    await every_service(lab, alice, "ssh-tunnel", "NET-15.https")


@scenario(
    shows="NET-15",
    changes=closing("internal", "tcp 7400"),
    breaks="NET-15.xmpp",
    mutations=opened("internal"),
)
async def tcp_7400_closed(lab: Lab, alice: Jabber) -> None:
    """C to E TCP 7400 closed: E accepts XMPP, offers no mechanism, and closes; phone and media go on."""
    await every_service(lab, alice, "xcp", "NET-15.xmpp")


@scenario(
    shows="NET-15",
    changes=closing("internal", "udp 2776-2777"),
    breaks="NET-15.media",
    mutations=opened("internal"),
)
async def udp_2776_closed(lab: Lab, alice: Jabber) -> None:
    """C to E UDP 2776-2777 closed: C opens no pinhole, media ends at E; all signalling goes on."""
    await every_service(lab, alice, "traversal-media", "NET-15.media")


@scenario(
    shows="NET-15",
    changes={**closing("internal", "udp 36000-36011"), "expressway_e.expe.size": "large"},
    breaks="NET-15.media",
    mutations=opened("internal"),
)
async def udp_36000_closed_on_a_large_system(lab: Lab, alice: Jabber) -> None:
    """C to E UDP 36000-36011 closed before a large system: the same, on the ports that it uses."""
    await every_service(lab, alice, "traversal-media", "NET-15.media")


@scenario(
    shows="NET-16",
    changes=closing("external", "tcp 8443"),
    breaks="NET-16.https",
    mutations=opened("external"),
)
async def tcp_8443_closed(lab: Lab, alice: Jabber) -> None:
    """Inbound TCP 8443 closed: discovery finds E, and nothing answers there; nobody signs in."""
    await every_service(lab, alice, "edge-https", "NET-16.https")


@scenario(
    shows="NET-16",
    changes=closing("external", "tcp 5061"),
    breaks="NET-16.sip",
    mutations=opened("external"),
)
async def tcp_5061_closed(lab: Lab, alice: Jabber) -> None:
    """Inbound TCP 5061 closed: no registration; sign-in, files, chat and media go on."""
    await every_service(lab, alice, "edge-sip", "NET-16.sip")


@scenario(
    shows="NET-16",
    changes=closing("external", "tcp 5222"),
    breaks="NET-16.xmpp",
    mutations=opened("external"),
)
async def tcp_5222_closed(lab: Lab, alice: Jabber) -> None:
    """Inbound TCP 5222 closed: no chat; sign-in, files, phone and media go on."""
    await every_service(lab, alice, "edge-xmpp", "NET-16.xmpp")


@scenario(
    shows="NET-16",
    changes=closing("external", "udp 36002-59999"),
    breaks="NET-16.media",
    mutations=opened("external"),
)
async def udp_36002_closed(lab: Lab, alice: Jabber) -> None:
    """Inbound UDP 36002-59999 closed: media does not reach E; all signalling goes on."""
    await every_service(lab, alice, "edge-media", "NET-16.media")


@scenario(
    shows=("NET-15", "NET-16"), changes=PROBE, mutations=[Setting("network.firewalls.internal.closed", ["tcp 2222"])]
)
async def nothing_closed(lab: Lab, alice: Jabber) -> None:
    """All documented ports open, and nothing else: every service works, and nobody ever opens a connection inward."""
    inside = one_of(*(spec.name for spec in lab.deployment.host_specs() if spec.interfaces[0].zone == "inside"))
    lab.never(TcpOpened(node="expe", peer=inside))
    path = await lab.media_path(alice)
    scene = Scene.of(lab.deployment, "internal", (alice.node.name,))
    async with lab.step("alice signs in, and sends a packet of media"):
        await alice.sign_in()
        path.send()
        for service in Service:
            await lab.expect(works(scene, service), within=seconds(5))
