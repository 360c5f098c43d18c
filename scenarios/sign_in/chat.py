"""Two users who see and write to each other through the edge."""

from __future__ import annotations

from edgesim.scenario import (
    HostDown,
    Inside,
    JabberUser,
    Lab,
    Outside,
    WithFault,
    XmppStanza,
    containing,
    scenario,
    seconds,
)
from edgesim.world.faults import Rewrite


@scenario(
    clients={"alice": Outside, "bob": Inside},
    mutations=[
        HostDown("imp-pub"),
        WithFault(Rewrite(name="other words", find=b"Lunch at noon?", replace=b"Lunch at once!")),
    ],
)
async def two_users_chat(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """One user outside and one inside sign in, and a message goes each way."""
    async with lab.step("both sign in"):
        await lab.together(alice.sign_in(), bob.sign_in())
        for user in (alice, bob):
            await lab.expect(XmppStanza(node="imp-pub", name="presence", key=f"user:{user.user.id}"))

    async with lab.step("alice, outside, writes to bob, inside"):
        await alice.say("bob", "Lunch at noon?")
        question = XmppStanza(node=bob.machine, name="message", payload=containing("Lunch at noon?"))
        received = await lab.expect(question, within=seconds(5))
        lab.check(str(received.event.from_).startswith("alice@example.com/"), "the message says who sent it")

    async with lab.step("bob answers through the edge"):
        await bob.say("alice", "At one. I am in a call.")
        answer = XmppStanza(node=alice.machine, peer="expe", name="message", payload=containing("At one."))
        await lab.expect(answer, within=seconds(5))
