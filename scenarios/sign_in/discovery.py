"""Service discovery that goes another way: a leak of inside names, several Expressway-Es, one of them down."""

from __future__ import annotations

from collections import Counter

from edgesim.deployment.people import User
from edgesim.scenario import (
    HostDown,
    HttpRequest,
    HttpResponse,
    JabberUser,
    Lab,
    Registered,
    Setting,
    TcpFailed,
    TcpOpened,
    containing,
    one_of,
    scenario,
    seconds,
)

EDGE = "_collab-edge._tls.example.com"


def record(edge: str, *, priority: int = 10, weight: int = 10) -> dict[str, str]:
    """Return one more record of _collab-edge, for this Expressway-E."""
    value = f"{priority} {weight} 8443 {edge}.example.com"
    return {"view": "outside", "name": EDGE, "type": "SRV", "value": value}


@scenario(
    shows="NET-14",
    changes={"dns.cisco_uds_outside": True},
    breaks="NET-14.cisco-uds-outside",
    mutations=[Setting("dns.cisco_uds_outside", False)],
)
async def cisco_uds_leaks_outside(lab: Lab, alice: JabberUser) -> None:
    """_cisco-uds that resolves outside: Jabber takes itself for inside and never tries the edge."""
    lab.never(Registered(device="CSFALICE"))

    async with lab.step("alice signs in from the internet"):
        await alice.sign_in()
        await lab.symptom("NET-14.cisco-uds-outside")


@scenario(
    shows="NET-10",
    deployment="pair",
    mutations=[HostDown("expe2")],
)
async def first_target_down(lab: Lab, alice: JabberUser) -> None:
    """One SRV record for each Expressway-E: if the first target is down, the client tries the next."""
    me = alice.machine
    async with lab.step("expe1 crashes"):
        await lab.crash("expe1")

    async with lab.step("alice signs in until the dead one was her first choice"):
        refused = None
        for _ in range(16):
            await alice.sign_in()
            refused = lab.match(TcpFailed(node=me, peer="expe1", port=8443, reason="refused"))
            if refused:
                break
            await alice.sign_out()
        lab.check(refused, "expe1 was asked, and refused")

    async with lab.step("and at once gets everything from the other"):
        told = HttpResponse(node=me, peer="expe2", status=200, payload=containing("getEdgeConfigResponse"))
        answer = await lab.expect(told, within=seconds(1), after=refused)
        await lab.expect(Registered(device="CSFALICE"), after=answer)


UNGUARDED = {"defaults.protection.intrusion_protection_on_e": False}
"""One machine stands for many: Expressway-E would treat that many refused sign-ins of one address as guessing."""


async def sign_ins(lab: Lab, times: int) -> dict[str, int]:
    """Sign an unknown user in many times; return how many requests each Expressway-E got.

    The Expressway-E of a sign-in is chosen before authentication.
    """
    stranger = lab.client(User.stranger("mallory", "guess"))
    for _ in range(times):
        await stranger.sign_in()
    came = HttpRequest(node=one_of("expe1", "expe2"), peer=stranger.machine, target=containing("/get_edge_config"))
    shares = Counter(entry.node for entry in lab.matches(came))
    lab.report(**shares)
    lab.check(shares.total() == times, "each sign-in comes to one Expressway-E")
    return shares


@scenario(
    shows="NET-10",
    deployment="pair",
    changes=UNGUARDED,
    mutations=[Setting("dns.extra", [record("expe1", weight=90)])],
)
async def equal_weights_share_the_load(lab: Lab) -> None:
    """Two targets of equal priority and weight, 10 and 10: of a thousand sign-ins each gets about half."""
    async with lab.step("a thousand sign-ins"):
        shares = await sign_ins(lab, 1000)
        lab.check(all(430 <= shares[edge] <= 570 for edge in ("expe1", "expe2")), "each gets about half of them")


@scenario(
    shows="NET-10",
    deployment="pair",
    changes={
        "dns.collab_edge": False,
        "dns.extra": [record("expe1", weight=30), record("expe2", weight=10)],
        **UNGUARDED,
    },
    mutations=[Setting("dns.extra", [record("expe1"), record("expe2")])],
)
async def weights_share_the_load(lab: Lab) -> None:
    """Weights of 30 and 10: three sign-ins of four come to the first."""
    async with lab.step("two hundred sign-ins"):
        shares = await sign_ins(lab, 200)
        lab.check(120 <= shares["expe1"] <= 180, "the first gets about three quarters of them")


@scenario(
    shows="NET-10",
    deployment="pair",
    changes={"dns.collab_edge": False, "dns.extra": [record("expe1"), record("expe2", priority=20)]},
    mutations=[Setting("dns.extra", [record("expe1"), record("expe2")]), HostDown("expe2")],
)
async def priority_comes_before_weight(lab: Lab, alice: JabberUser) -> None:
    """Priorities of 10 and 20: the second is for when the first is down."""
    me = alice.machine
    reserve = lab.never(TcpOpened(node=me, peer="expe2", port=8443))
    async with lab.step("alice signs in, again and again"):
        for _ in range(12):
            await alice.sign_in()
            await lab.expect(HttpRequest(node="expe1", peer=me, target=containing("/get_edge_config")))
            await alice.sign_out()
    reserve()

    async with lab.step("expe1 crashes, and she comes to expe2"):
        await lab.crash("expe1")
        await alice.sign_in()
        await lab.expect(HttpRequest(node="expe2", peer=me, target=containing("/get_edge_config")))
