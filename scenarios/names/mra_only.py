"""Clients that use the edge from everywhere, because only _collab-edge records exist."""

from __future__ import annotations

from typing import Any

from edgesim.scenario import (
    ClientState,
    DnsAnswer,
    HttpRequest,
    Inside,
    JabberUser,
    Lab,
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
ONE_DOMAIN: dict[str, Any] = {
    "domains.inside": "example.com",
    "dns.split": False,
    "dns.cisco_uds": False,
    "dns.collab_edge_inside": True,  # without split DNS there is one DNS, and it is the public one
    "expressway_e.expe.inner_name": "expe-lan",
}
GATE = {"expressway_e.expe.release": "X12.5", "expressway_c.expc.release": "X12.5"}
BEFORE = {"expressway_e.expe.release": "X12.4", "expressway_c.expc.release": "X12.4"}
SERVERS = one_of("ucm-pub", "ucm-sub", "imp-pub")


@scenario(
    shows="NET-06",
    changes=ONE_DOMAIN,
    clients={"alice": Inside},
    mutations=[Setting("dns.cisco_uds", True), Setting("dns.collab_edge_inside", False)],
)
async def on_premises_through_the_edge(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """Public records only, one domain: at her desk alice signs in through the edge, as bob does at home."""
    me = alice.machine
    for client in (alice, bob):
        lab.never(TcpOpened(node=client.machine, peer=SERVERS))

    async def on_premises() -> None:
        async with lab.step("alice signs in on the company's network"):
            await alice.sign_in()
            await lab.expect(DnsAnswer(node=me, name=EDGE, answers=containing("expe.example.com")))
            await lab.expect(HttpRequest(node="expe", peer=me, target=containing("/get_edge_config")))
            await lab.expect(Registered(device="CSFALICE", peer="expc"), within=seconds(10))
            await lab.expect(XmppSession(jid=containing("alice@example.com/"), state="bound"), within=seconds(10))

    async def at_home() -> None:
        async with lab.step("bob signs in from the internet"):
            await bob.sign_in()
            await lab.expect(Registered(device="CSFBOB", peer="expc"), within=seconds(10))

    await lab.together(on_premises(), at_home())


@scenario(
    shows="NET-06",
    changes={**ONE_DOMAIN, "dns.collab_edge": False},
    clients={"alice": Inside},
    mutations=[Setting("dns.collab_edge", True), Setting("dns.collab_edge_inside", False)],
)
async def records_inside_only(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """Users who may not use MRA off premises: _collab-edge is inside only, and clients at home do not find the edge."""
    me, home = alice.machine, bob.machine
    lab.never(TcpOpened(node=home))

    async def on_premises() -> None:
        async with lab.step("alice signs in on the company's network"):
            await alice.sign_in()
            await lab.expect(HttpRequest(node="expe", peer=me, target=containing("/get_edge_config")))
            await lab.expect(Registered(device="CSFALICE", peer="expc"), within=seconds(10))

    async def at_home() -> None:
        async with lab.step("bob tries at home"):
            await bob.sign_in()
            await lab.expect(DnsAnswer(node=home, name=EDGE, rcode="NXDOMAIN"))
            await lab.expect(ClientState(node=home, user="bob", stage="service discovery", outcome="failed"))

    await lab.together(on_premises(), at_home())


@scenario(
    shows="NET-07",
    changes={**ONE_DOMAIN, **GATE},
    mutations=[Setting("expressway_c.expc.release", "X12.4"), Setting("dns.cisco_uds", True)],
)
async def collab_edge_alone(lab: Lab, alice: JabberUser) -> None:
    """From X12.5 one record is enough: nothing answers to _cisco-uds anywhere, and alice signs in."""
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(DnsAnswer(node=alice.machine, name=UDS, rcode="NXDOMAIN"))
        await lab.expect(DnsAnswer(node="expc", name=UDS, rcode="NXDOMAIN"))
        await lab.expect(Registered(device="CSFALICE", peer="expc"), within=seconds(10))
        await lab.expect(XmppSession(jid=containing("alice@example.com/"), state="bound"), within=seconds(10))


@scenario(
    shows="NET-07",
    changes={**ONE_DOMAIN, **BEFORE},
    breaks="NET-04.cisco-uds-before-x12.5",
    mutations=[Setting("expressway_c.expc.release", "X12.5"), Setting("dns.cisco_uds", True)],
)
async def collab_edge_alone_before_x12_5(lab: Lab, alice: JabberUser) -> None:
    """Before X12.5 it is not: the edge configuration comes without a Unified CM to go to."""
    lab.never(Registered(device="CSFALICE"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.symptom("NET-04.cisco-uds-before-x12.5")
