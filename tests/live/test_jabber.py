"""Two of the lab's own Jabber clients, live: both sign in through the edge, by phone and chat, and talk."""

from __future__ import annotations

import asyncio

from edgesim.clients.jabber import Jabber
from tests.live.lab import LiveLab, has


def jabber(lab: LiveLab, machine: str, user: str) -> Jabber:
    return Jabber(lab.lab.node(machine), lab.deployment.user(user))


def test_two_clients_sign_in_and_chat(lab: LiveLab) -> None:
    since = lab.mark()

    async def story() -> None:
        alice, bob = jabber(lab, "jabber-1", "alice"), jabber(lab, "jabber-2", "bob")
        for client in (alice, bob):
            result = await client.sign_in()
            assert result.ok and result.phone and result.chat and result.outside, result
        await alice.say("bob", "hello")
        async with asyncio.timeout(10):
            while not bob.messages:  # noqa: ASYNC110 - a list fills, nothing signals
                await asyncio.sleep(0.01)
        assert bob.messages == [("alice@example.com", "hello")]
        for client in (alice, bob):
            await client.sign_out()

    lab.within(story())
    for user, machine in (("alice", "jabber-1"), ("bob", "jabber-2")):
        edge = lab.expect("http.request", "expe", since=since, target=has("get_edge_config"))
        assert edge.peer in ("jabber-1", "jabber-2")
        lab.expect("dns.answer", machine, since=since, name="_cisco-uds._tcp.example.com", rcode="NXDOMAIN")
        lab.expect("sip.response", machine, since=since, status=407, method="REGISTER")
        lab.expect("sip.registered", "ucm-pub", since=since, device=f"CSF{user.upper()}", via="expc", fresh=True)
        lab.expect("xmpp.session", "imp-pub", since=since, jid=has(f"{user}@example.com/"), state="bound")
        lab.expect("sip.unregistered", "ucm-pub", since=since, device=f"CSF{user.upper()}")
        lab.expect("xmpp.session", "imp-pub", since=since, jid=has(f"{user}@example.com/"), state=has("ended"))
    assert not lab.seen("malformed", since=since)


def test_a_client_inside_needs_no_edge(lab: LiveLab) -> None:
    since = lab.mark()

    async def story() -> None:
        carol = jabber(lab, "inside-1", "carol")
        result = await carol.sign_in()
        assert result.ok and not result.outside, result
        await carol.sign_out()

    lab.within(story())
    lab.expect("sip.registered", "ucm-pub", since=since, device="CSFCAROL", via="inside-1")
    assert not lab.seen("http.request", "expe", since=since)


def test_a_wrong_password(lab: LiveLab) -> None:
    since = lab.mark()

    async def story() -> None:
        alice = jabber(lab, "jabber-3", "alice")
        result = await alice.sign_in("guess")
        assert not result.ok and "401" in result.reason, result
        await alice.close()

    lab.within(story())
    lab.expect("auth", "expc", since=since, user="alice", how="basic", granted=False)
    assert not lab.seen("sip.registered", since=since)
