"""Service discovery that goes another way: a leak of inside names, several Expressway-Es, one of them down."""

from __future__ import annotations

from collections import Counter

from edgesim.clients.jabber import Jabber
from edgesim.scenario import (
    DnsAnswer,
    HostDown,
    HttpResponse,
    Lab,
    Registered,
    Setting,
    TcpFailed,
    TcpOpened,
    containing,
    scenario,
    seconds,
)


@scenario(
    shows="NET-14",
    changes={"dns.cisco_uds_outside": True},
    breaks="NET-14.cisco-uds-outside",
    mutations=[Setting("dns.cisco_uds_outside", False)],
)
async def cisco_uds_leaks_outside(lab: Lab, alice: Jabber) -> None:
    """_cisco-uds that resolves outside: Jabber takes itself for inside and never tries the edge."""
    lab.never(Registered(device="CSFALICE"))

    async with lab.step("alice signs in from the internet"):
        await alice.sign_in()
        await lab.symptom("NET-14.cisco-uds-outside")


@scenario(shows="NET-10", deployment="pair", mutations=[HostDown("expe2"), Setting("dns.collab_edge", False)])
async def first_target_down(lab: Lab, alice: Jabber) -> None:
    """One SRV record an Expressway-E: when the first target is down, the client goes on to the next."""
    me = alice.node.name
    async with lab.step("expe1 crashes"):
        await lab.crash("expe1")

    async with lab.step("alice signs in until the dead one was her first choice"):
        for _ in range(16):
            await alice.sign_in()
            if lab.match(TcpFailed(node=me, port=8443)):
                break
            await alice.sign_out()
        await lab.expect(TcpFailed(node=me, port=8443, reason="refused"), within=seconds(1))
        await lab.expect(HttpResponse(node=me, peer="expe2", status=200, payload=containing("getEdgeConfigResponse")))


FAVOURITE = {
    "view": "outside",
    "name": "_collab-edge._tls.example.com",
    "type": "SRV",
    "value": "10 90 8443 expe1.example.com",
}


@scenario(shows="NET-10", deployment="pair", mutations=[Setting("dns.extra", [FAVOURITE])])
async def equal_weights_share_the_load(lab: Lab, alice: Jabber) -> None:
    """Two targets of equal priority and weight: over many discoveries each is first about as often."""
    resolver = alice.node.resolver
    first: Counter[str] = Counter()

    async def discover() -> None:
        for _ in range(1000):
            answer = await resolver.srv("_collab-edge._tls.example.com")
            first[answer[0].target] += 1

    async with lab.step("a thousand discoveries"):
        await alice.node.host.run(discover())
        shares = {host: round(count / 1000, 3) for host, count in sorted(first.items())}
        lab.report(**shares)
        lab.check(len(first) == 2, "both Expressway-Es are chosen")
        lab.check(all(430 <= count <= 570 for count in first.values()), "each is first about half the time")

    async with lab.step("and a sign-in by either"):
        await alice.sign_in()
        answers = containing("expe2.example.com")
        await lab.expect(DnsAnswer(node=alice.node.name, name="_collab-edge._tls.example.com", answers=answers))
        await lab.expect(TcpOpened(node=alice.node.name, port=8443))
