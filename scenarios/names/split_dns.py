"""One domain, two views of it: the same client is inside or outside by what its DNS answers."""

from __future__ import annotations

from edgesim.scenario import (
    DnsAnswer,
    Inside,
    Lab,
    Outside,
    Registered,
    Setting,
    TcpOpened,
    XmppSession,
    containing,
    one_of,
    scenario,
    seconds,
)

UDS = "_cisco-uds._tcp.example.com"
EDGE = "_collab-edge._tls.example.com"


@scenario(
    shows=("NET-03", "NET-14"),
    mutations=[
        Setting("dns.cisco_uds", False),
        Setting("dns.cisco_uds_outside", True),
        Setting("dns.collab_edge", False),
    ],
)
async def same_name_inside_and_outside(lab: Lab) -> None:
    """Split DNS: inside, alice's client finds _cisco-uds and signs in directly; outside, _collab-edge and the edge."""
    edge = lab.deployment.expressway_e[0]
    async with lab.step("alice signs in at her desk"):
        desk = lab.client("alice", Inside)
        lab.never(TcpOpened(node=desk.machine, peer="expe"))
        await desk.sign_in()
        await lab.expect(DnsAnswer(node=desk.machine, name=UDS, answers=containing("ucm-pub.inside.example.com")))
        await lab.expect(Registered(device="CSFALICE", peer=desk.machine), within=seconds(10))
        await lab.expect(XmppSession(jid=containing("alice@example.com/"), state="bound"), within=seconds(10))
        await desk.sign_out()

    async with lab.step("and at home, with the same address and the same password"):
        home = lab.client("alice", Outside)
        lab.never(TcpOpened(node=home.machine, peer=one_of("ucm-pub", "ucm-sub", "imp-pub")))
        await home.sign_in()
        await lab.expect(DnsAnswer(node=home.machine, name=UDS, rcode="NXDOMAIN"))
        await lab.expect(DnsAnswer(node=home.machine, name=EDGE, answers=containing("expe.example.com")))
        await lab.expect(DnsAnswer(node=home.machine, name="expe.example.com", answers=containing(edge.public_address)))
        await lab.expect(Registered(device="CSFALICE", peer="expc"), within=seconds(10))
        await lab.expect(XmppSession(jid=containing("alice@example.com/"), state="bound"), within=seconds(10))

    # The edge's own name leads to its public address outside, and to the inner one for Expressway-C.
    await lab.expect(DnsAnswer(node="expc", name="expe.example.com", answers=containing(edge.inner_address)))
