"""The internal _cisco-uds record: recommended, and not required from Expressway X12.5 on."""

from __future__ import annotations

from edgesim.clients.jabber import Jabber
from edgesim.scenario import HttpRequest, HttpResponse, Lab, Registered, Setting, containing, scenario, seconds

BEFORE = {"expressway_e.expe.release": "X12.1", "expressway_c.expc.release": "X12.1"}


@scenario(
    shows="NET-11",
    changes={"dns.cisco_uds": False},
    mutations=[Setting("expressway_c.expc.release", "X12.1")],
)
async def not_needed_from_x12_5(lab: Lab, alice: Jabber) -> None:
    """Nothing answers to _cisco-uds inside: the edge configuration still names Unified CM, and the sign-in works."""
    me = alice.node.name
    async with lab.step("alice signs in through an edge that has no _cisco-uds"):
        await alice.sign_in()
        server = containing("<address>ucm-pub.inside.example.com</address>")
        await lab.expect(HttpResponse(node=me, peer="expe", status=200, payload=server))
        await lab.expect(Registered(device="CSFALICE"), within=seconds(10))


@scenario(
    shows="NET-11",
    changes={"dns.cisco_uds": False, **BEFORE},
    mutations=[
        Setting("expressway_c.expc.release", "X12.5"),
        Setting("dns.cisco_uds", True),
    ],
)
async def needed_before_x12_5(lab: Lab, alice: Jabber) -> None:
    """The same before X12.5: the edge configuration says NameError, and the client has no server to go on with."""
    me = alice.node.name
    lab.never(HttpRequest(node="expe", peer=me, decoded=containing("/cucm-uds/")))
    lab.never(Registered(device="CSFALICE"))

    async with lab.step("alice signs in"):
        await alice.sign_in()
        unknown = containing("<service><name>_cisco-uds</name><error>NameError</error></service>")
        await lab.expect(HttpResponse(node=me, peer="expe", status=200, payload=unknown))


@scenario(
    shows="NET-11",
    changes=BEFORE,
    mutations=[Setting("dns.cisco_uds", False)],
)
async def enough_before_x12_5(lab: Lab, alice: Jabber) -> None:
    """With the record, one for each Unified CM node, the older release signs users in."""
    async with lab.step("alice signs in"):
        await alice.sign_in()
        for node in ("ucm-pub", "ucm-sub"):
            record = containing(f"<priority>10</priority><weight>10</weight><port>8443</port><address>{node}.inside.")
            await lab.expect(HttpResponse(node=alice.node.name, peer="expe", status=200, payload=record))
        await lab.expect(Registered(device="CSFALICE"), within=seconds(10))
