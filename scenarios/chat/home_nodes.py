"""Users whose homes are different nodes of an IM and Presence cluster: every session is served by its user's home."""

from __future__ import annotations

from edgesim.scenario import (
    Authentication,
    HostDown,
    JabberUser,
    Lab,
    Setting,
    XcpLink,
    XmppSession,
    XmppStanza,
    XmppStream,
    containing,
    minutes,
    scenario,
    seconds,
)

HOMES = {"alice": "imp-pub", "bob": "imp-sub"}


async def both_signed_in(lab: Lab, *clients: JabberUser) -> None:
    """Sign all users in; each is bound at the home node, through any node."""
    async with lab.step("both sign in from the internet, each with chat"):
        for client in clients:
            signed = await client.sign_in()
            lab.check(signed.chat, f"{client.user.id} has chat")
            home = HOMES[client.user.id]
            await lab.expect(Authentication(node=home, user=client.user.id, how=containing("CISCO-VTG"), granted=True))
            await lab.expect(XmppSession(node=home, jid=containing(f"{client.user.id}@"), state="bound"))


@scenario(deployment="cluster", mutations=[HostDown("imp-sub"), Setting("users.1.im_presence", False)])
async def users_of_two_nodes_talk(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """Alice's home is the publisher, bob's the subscriber: contacts, availability and messages cross between them."""
    lab.never(XmppSession(node="imp-pub", jid=containing("bob@")))
    lab.never(XmppSession(node="imp-sub", jid=containing("alice@")))
    await both_signed_in(lab, alice, bob)

    async with lab.step("each puts the other on the roster and sees who is there"):
        await alice.add_contact("bob")
        await bob.add_contact("alice")
        await lab.wait(seconds(2))
        lab.check(await alice.presence_of("bob") == "available", "alice sees bob")
        lab.check(await bob.presence_of("alice") == "available", "and he sees her")
        await bob.appear("dnd", "in a call")
        seen = XmppStanza(node=alice.machine, name="presence", payload=containing("<show>dnd</show>"))
        await lab.expect(seen, within=seconds(2))

    async with lab.step("messages arrive once, in order, both ways"):
        for text in ("one", "two & <three>"):
            await alice.say("bob", text)
        await bob.say("alice", "four")
        await lab.wait(seconds(2))
        came = [("alice@example.com", "one"), ("alice@example.com", "two & <three>")]
        lab.check(await bob.messages() == came, "bob's")
        lab.check(await alice.messages() == [("bob@example.com", "four")], "alice's")

    async with lab.step("bob signs out, and alice sees him leave"):
        await bob.sign_out()
        await lab.wait(seconds(2))
        lab.check(await alice.presence_of("bob") == "unavailable", "bob is gone")


@scenario(deployment="cluster", mutations=[Setting("users.1.im_presence_node", "imp-pub")])
async def a_home_node_goes_and_comes_back(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """Bob's home node restarts: alice's session is not touched, bob's ends and comes back, and so does his presence."""
    await both_signed_in(lab, alice, bob)
    await alice.add_contact("bob")
    await bob.add_contact("alice")
    await lab.wait(seconds(2))

    async with lab.step("imp-sub crashes and is started again"):
        lab.never(XmppSession(node="imp-pub", jid=containing("alice@"), state=containing("ended")))
        await lab.crash("imp-sub")
        await lab.expect(XmppStream(node=bob.machine, element="close"), within=seconds(10))
        await alice.say("bob", "are you there?")
        refused = XmppStanza(node=alice.machine, name="message", type="error", payload=containing("remote-server"))
        await lab.expect(refused, within=seconds(2))
        await lab.start("imp-sub")
        await lab.expect(XcpLink(node="imp-sub", state="up", component=containing("imp-")), within=seconds(10))

    async with lab.step("bob's client signs in to chat again"):
        await lab.expect(XmppSession(node="imp-sub", jid=containing("bob@"), state="bound"), within=minutes(12))
        await lab.wait(seconds(5))
        lab.check(await alice.presence_of("bob") == "available", "alice sees bob again")
        await alice.say("bob", "welcome back")
        await lab.wait(seconds(2))
        lab.check(await bob.messages() == [("alice@example.com", "welcome back")], "and her message arrives")


@scenario(deployment="cluster", without=["imp-sub"], mutations=[Setting("users.1.im_presence_node", "imp-pub")])
async def no_way_to_the_home_node(lab: Lab, bob: JabberUser) -> None:
    """Bob's home node is down: his phone works, and no other node serves his chat."""
    lab.never(XmppSession(jid=containing("bob@"), state="bound"))
    async with lab.step("bob signs in"):
        signed = await bob.sign_in()
        lab.check(signed.phone and not signed.chat, "phone without chat")
