"""Edges that are broken in ways that the field knows: certificate, tunnel, Unified CM, cookie."""

from __future__ import annotations

from edgesim.edge.cookie import EXPIRY_UNUSABLE
from edgesim.scenario import (
    Client,
    ClientState,
    Discovery,
    HttpRequest,
    HttpResponse,
    JabberUser,
    Lab,
    Registered,
    Setting,
    SshTunnel,
    TcpFailed,
    TlsRefused,
    TlsUp,
    WithFault,
    ZoneState,
    containing,
    other_than,
    scenario,
    seconds,
)
from edgesim.world.faults import RefuseConnection, ResetConnection, Rewrite, Selector

UNKNOWN_CA = {"trust": [{"host": "jabber-1", "store": "system", "holds": ["enterprise"]}]}


@scenario(shows="EP-02", changes=UNKNOWN_CA, breaks="EP-02.system-trust", mutations=[Setting("trust", [])])
async def authority_not_trusted(lab: Lab, alice: JabberUser) -> None:
    """Expressway-E's CA is missing from the system's trust store: an alert on 8443, and no request is ever sent."""
    me = alice.machine
    lab.never(HttpRequest(node="expe", peer=me))
    lab.never(Registered(device="CSFALICE"))

    async with lab.step("alice signs in, and does not accept the certificate"):
        await alice.sign_in()
        await lab.symptom("EP-02.system-trust")


@scenario(
    shows="EP-02",
    changes={**UNKNOWN_CA, "defaults.client.invalid_certificate": "refuse"},
    breaks="EP-02.system-trust",
    mutations=[Setting("defaults.client.invalid_certificate", "prompt"), Setting("trust", [])],
)
async def authority_not_trusted_and_refused_by_policy(lab: Lab, alice: JabberUser) -> None:
    """The same with InvalidCertificateBehavior RejectAndNotify: the user is not asked."""
    lab.never(HttpRequest(node="expe", peer=alice.machine))
    alice.accept_untrusted = True
    async with lab.step("alice signs in, and would accept"):
        await alice.sign_in()
        await lab.symptom("EP-02.system-trust")


@scenario(
    shows="EP-02",
    changes={
        "trust": [{"host": machine, "store": "system", "holds": ["enterprise"]} for machine in ("jabber-1", "jabber-2")]
    },
    clients={"alice": Client(platform="mac"), "bob": Client(platform="ios"), "carol": Client(platform="android")},
    breaks="EP-02.system-trust",
    mutations=[
        Setting("trust", []),
        Setting("trust", [{"host": "jabber-3", "store": "system", "holds": ["enterprise"]}]),
    ],
)
async def each_machine_has_its_own_store(lab: Lab, alice: JabberUser, bob: JabberUser, carol: JabberUser) -> None:
    """A Mac's keychain and an iPhone's trust store lack the CA, an Android's has it: each is asked for itself."""
    for client in (alice, bob):
        lab.never(HttpRequest(node="expe", peer=client.machine))

    async def untrusting() -> None:
        async with lab.step("alice on a Mac and bob on an iPhone sign in, and decline"):
            await lab.together(alice.sign_in(), bob.sign_in())
            await lab.symptom("EP-02.system-trust")
            for client in (alice, bob):
                await lab.expect(TlsRefused(node="expe", peer=client.machine, port=8443, alert="unknown ca"))

    async def trusting() -> None:
        me, granted = carol.machine, containing("getEdgeConfigResponse")
        async with lab.step("carol on an Android signs in"):
            await carol.sign_in()
            await lab.expect(TlsUp(node=me, peer="expe", port=8443, role="client"))
            await lab.expect(HttpResponse(node=me, peer="expe", status=200, payload=granted))

    await lab.together(untrusting(), trusting())


@scenario(
    shows="EP-02",
    changes=UNKNOWN_CA,
    breaks="EP-02.system-trust",
    mutations=[Setting("defaults.client.invalid_certificate", "refuse"), Setting("trust", [])],
)
async def certificate_accepted_by_the_user(lab: Lab, alice: JabberUser) -> None:
    """The same, but the user accepts the certificate when Jabber asks: the sign-in continues."""
    me = alice.machine
    alice.accept_untrusted = True

    async with lab.step("alice signs in and accepts"):
        await alice.sign_in()
        await lab.symptom("EP-02.system-trust")
        await lab.expect(HttpResponse(node=me, peer="expe", status=200, payload=containing("getEdgeConfigResponse")))


NO_TUNNEL = RefuseConnection(name="2222 closed", where=Selector(target="expe", port=2222))
CUT_TUNNEL = ResetConnection(name="2222 cut", where=Selector(target="expe", port=2222), times=1)


@scenario(
    mutations=[WithFault(Rewrite(name="another reason", find=b"Next Hop Connection Failed", replace=b"Bad Gateway"))],
)
async def tunnel_down(lab: Lab, alice: JabberUser) -> None:
    """No SSH tunnel: every HTTPS request gets 502 Next Hop Connection Failed, while the SIP zone stays active."""
    me = alice.machine
    lab.never(Registered(device="CSFALICE"))

    async with lab.fault(NO_TUNNEL), lab.fault(CUT_TUNNEL):
        async with lab.step("the tunnel breaks, and C cannot build it again"):
            await lab.expect(SshTunnel(node="expe", state="down"), within=seconds(90))
            await lab.expect(TcpFailed(node="expc", port=2222, reason="refused"), within=seconds(30))

        async with lab.step("alice signs in"):
            lab.never(ZoneState(state=containing("Failed")))
            await alice.sign_in()
            await lab.expect(HttpResponse(node=me, peer="expe", status=502, reason="Next Hop Connection Failed"))


@scenario(
    without=("ucm-pub", "ucm-sub"),
    mutations=[Setting("mra.unified_cm_clusters", [])],
)
async def unified_cm_down_before_sign_in(lab: Lab, alice: JabberUser) -> None:
    """Unified CM is down when the edge starts: discovery fails with a reason, and a sign-in gets the edge's 401."""
    me = alice.machine
    lab.never(HttpResponse(node=me, status=200))
    await lab.expect(Discovery(node="expc", product="Unified CM", state=other_than("active")), within=seconds(60))

    async with lab.step("alice signs in"):
        await alice.sign_in()
        refusal = HttpResponse(node=me, peer="expe", status=401, payload=containing('realm="Cisco-Edge"'))
        await lab.expect(refusal, within=seconds(120))


@scenario(
    changes={"expressway_e.expe.dns_domain": "other.example"},
    breaks="NET-09.cookie-domain",
    mutations=[Setting("expressway_e.expe.dns_domain", "example.com")],
)
async def cookie_of_another_domain(lab: Lab, alice: JabberUser) -> None:
    """The cookie's domain is not that of the SRV target: 200, and still no sign-in."""
    me = alice.machine
    lab.never(HttpRequest(node="expe", peer=me, decoded=containing("/cucm-uds/")))

    async with lab.step("alice signs in"):
        await alice.sign_in()
        answer = await lab.expect(HttpResponse(node=me, peer="expe", status=200))
        await lab.symptom("NET-09.cookie-domain")
        lab.check(b"Domain=.other.example" in answer.payload, "E sets the cookie for its own DNS domain")
        await lab.expect(ClientState(node=me, outcome="failed", detail=containing(EXPIRY_UNUSABLE)))
