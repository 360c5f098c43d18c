"""The internal _cisco-uds record: recommended, and not required from Expressway X12.5 on."""

from __future__ import annotations

from edgesim.scenario import (
    DnsAnswer,
    HttpResponse,
    Inside,
    JabberUser,
    Lab,
    Registered,
    Setting,
    containing,
    scenario,
    seconds,
)

GATE = {"expressway_e.expe.release": "X12.5", "expressway_c.expc.release": "X12.5"}
BEFORE = {"expressway_e.expe.release": "X12.4", "expressway_c.expc.release": "X12.4"}


@scenario(
    shows="NET-11",
    changes={"dns.cisco_uds": False, **GATE},
    clients={"bob": Inside, "carol": Inside},
    breaks="NET-11.cisco-uds-inside",
    mutations=[Setting("expressway_c.expc.release", "X12.4"), Setting("dns.cisco_uds", True)],
)
async def not_needed_from_x12_5(lab: Lab, alice: JabberUser, bob: JabberUser, carol: JabberUser) -> None:
    """There is no _cisco-uds record inside: MRA does not need it. It is recommended for clients inside."""
    me = alice.machine

    async def outside() -> None:
        async with lab.step("alice signs in through an edge that has no _cisco-uds"):
            await alice.sign_in()
            server = containing("<address>ucm-pub.inside.example.com</address>")
            await lab.expect(HttpResponse(node=me, peer="expe", status=200, payload=server))
            await lab.expect(Registered(device="CSFALICE"), within=seconds(10))

    async def inside() -> None:
        async with lab.step("bob and carol, on the company's network, find no service"):
            await lab.together(bob.sign_in(), carol.sign_in())
            await lab.symptom("NET-11.cisco-uds-inside")

    await lab.together(outside(), inside())


@scenario(
    shows="NET-11",
    changes={"dns.cisco_uds": False, **BEFORE},
    breaks="NET-04.cisco-uds-before-x12.5",
    mutations=[
        Setting("expressway_c.expc.release", "X12.5"),
        Setting("dns.cisco_uds", True),
    ],
)
async def needed_before_x12_5(lab: Lab, alice: JabberUser) -> None:
    """The same before X12.5: the edge configuration says NameError, and the client has no server to go on with."""
    lab.never(Registered(device="CSFALICE"))

    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.symptom("NET-04.cisco-uds-before-x12.5")


async def _by_the_record(lab: Lab, alice: JabberUser) -> None:
    async with lab.step("alice signs in"):
        await alice.sign_in()
        asked = DnsAnswer(node="expc", name="_cisco-uds._tcp.example.com", answers=containing("10 10 8443 ucm-sub."))
        await lab.expect(asked)
        for node in ("ucm-pub", "ucm-sub"):
            record = containing(f"<priority>10</priority><weight>10</weight><port>8443</port><address>{node}.inside.")
            await lab.expect(HttpResponse(node=alice.machine, peer="expe", status=200, payload=record))
        await lab.expect(Registered(device="CSFALICE"), within=seconds(10))


@scenario(shows="NET-11", changes=BEFORE, mutations=[Setting("dns.cisco_uds", False)])
async def enough_before_x12_5(lab: Lab, alice: JabberUser) -> None:
    """With the record, one for each Unified CM node, the older release signs users in."""
    await _by_the_record(lab, alice)


@scenario(shows="NET-11", changes=GATE, mutations=[Setting("dns.cisco_uds", False)])
async def used_from_x12_5(lab: Lab, alice: JabberUser) -> None:
    """Where the record is there, the newer release goes by it, too."""
    await _by_the_record(lab, alice)
