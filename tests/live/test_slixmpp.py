"""A stock slixmpp client chats through Expressway-E's port 5222: STARTTLS, PLAIN, roster, messages."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from slixmpp import ClientXMPP

from edgesim.pki import TrustStore
from tests.live.lab import LiveLab, has


class Bot(ClientXMPP):
    """A client as slixmpp's documentation shows it."""

    def __init__(self, user: str, password: str, ca_file: str) -> None:
        context = ssl.create_default_context(cafile=ca_file)
        super().__init__(f"{user}@example.com/bot", password, ssl_context=context)
        self.enable_direct_tls = False
        self.heard: list[tuple[str, str]] = []
        self.problems: list[str] = []
        self.ready = asyncio.Event()
        self.ended = asyncio.Event()
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("message", self.hear)
        self.add_event_handler("failed_auth", lambda stanza: self.problems.append(stanza["condition"]))
        self.add_event_handler("ssl_invalid_cert", lambda _: self.problems.append("bad certificate"))
        self.add_event_handler("disconnected", lambda _: self.ended.set())
        self.register_plugin("xep_0199")

    async def started(self, _: Any) -> None:
        self.send_presence()
        await self.get_roster()
        self.ready.set()

    def hear(self, message: Any) -> None:
        self.heard.append((message["from"].bare, message["body"]))


def play(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's own clients in a loop of their own; the lab runs in another."""

    async def whole() -> None:
        async with asyncio.timeout(20):
            await work

    asyncio.run(whole())


async def eventually(condition: Callable[[], Any]) -> None:
    while not condition():  # noqa: ASYNC110 - a list fills, nothing signals
        await asyncio.sleep(0.01)


async def connected(lab: LiveLab, user: str, password: str = "") -> Bot:
    bot = Bot(user, password or f"{user}-secret", str(lab.ca_file))
    bot.connect(lab.edge, 5222)
    return bot


async def left(*bots: Bot) -> None:
    for bot in bots:
        bot.disconnect(wait=2.0)
        await bot.ended.wait()


def both(lab: LiveLab) -> Awaitable[Any]:
    return asyncio.gather(connected(lab, "alice"), connected(lab, "bob"))


def test_two_users_chat_through_the_edge(lab: LiveLab) -> None:
    since = lab.mark()

    async def story() -> None:
        alice, bob = await both(lab)
        for bot in (alice, bob):
            await bot.ready.wait()
        assert "example.com" in str(alice.boundjid) and alice.socket is not None
        assert alice.transport.get_extra_info("ssl_object").version() in ("TLSv1.2", "TLSv1.3")
        alice.send_message("bob@example.com", "hello through the edge", mtype="chat")
        await eventually(lambda: bob.heard)
        assert bob.heard == [("alice@example.com", "hello through the edge")]
        bob.send_message("alice@example.com", "grüße zurück ☎", mtype="chat")
        await eventually(lambda: alice.heard)
        assert alice.heard == [("bob@example.com", "grüße zurück ☎")]
        alice.send_presence_subscription("bob@example.com")
        await eventually(lambda: alice.client_roster["bob@example.com"]["subscription"] in ("to", "both"))
        assert await alice.plugin["xep_0199"].send_ping("example.com") is not None
        await left(alice, bob)

    play(story())
    for user in ("alice", "bob"):
        lab.expect("tls.established", "expe", since=since, port=5222)
        lab.expect("auth", "imp-pub", since=since, user=has(user), how=has("PLAIN"), granted=True)
        lab.expect("xmpp.session", "imp-pub", since=since, jid=has(f"{user}@example.com/"), state="bound")
        lab.expect("xmpp.session", "imp-pub", since=since, jid=has(f"{user}@example.com/"), state=has("ended"))
    said = lab.expect("xmpp.stanza", "imp-pub", since=since, name="message", child="body")
    assert b"hello through the edge" in said.payload and said.peer == "expc"
    at_edge = lab.expect("xmpp.stanza", "expe", since=since, name="message")
    assert at_edge.peer is not None and at_edge.peer.startswith("127.0.0.1:")
    assert not lab.seen("malformed", since=since)


def test_a_wrong_password(lab: LiveLab) -> None:
    since = lab.mark()

    async def story() -> None:
        bot = await connected(lab, "alice", "guess")
        await eventually(lambda: bot.problems)
        assert bot.problems == ["not-authorized"]
        assert not bot.ready.is_set()
        await left(bot)

    play(story())
    lab.expect("auth", "imp-pub", since=since, user=has("alice"), granted=False)
    assert not lab.seen("xmpp.session", since=since)


def test_an_edge_that_is_not_trusted(lab: LiveLab) -> None:
    since = lab.mark()
    company = lab.directory / "company.pem"
    company.write_bytes(TrustStore.of("company", lab.lab.authorities.enterprise_root).pem())

    async def story() -> None:
        bot = Bot("alice", "alice-secret", str(company))
        bot.add_event_handler("ssl_invalid_chain", lambda _: bot.problems.append("untrusted"))
        bot.connect(lab.edge, 5222)
        await eventually(lambda: bot.problems)
        assert bot.problems == ["untrusted"]
        bot.cancel_connection_attempt()
        await left(bot)

    play(story())
    lab.expect("tls.failed", "expe", since=since, port=5222, role="server")
    assert not lab.seen("auth", since=since)
