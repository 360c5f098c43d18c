"""IM and Presence: XMPP for inside clients on 5222, presence, rosters and messages between users."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from edgesim.journal import events
from edgesim.servers.im_presence.roster import OCTETS
from edgesim.xmpp import sasl, stanzas
from edgesim.xmpp.jid import Jid
from edgesim.xmpp.stanzas import RosterItem
from edgesim.xmpp.stream import client_header
from edgesim.xmpp.xcp import XcpLimits
from edgesim.xmpp.xml import Element, element
from tests.servers.im_presence_lab import ADDRESS, Lab, run

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"


def error_of(stanza: Element) -> str:
    error = stanza.find("error")
    first = error.first() if error else None
    assert first is not None
    return first.name


def test_a_sign_in_by_one_time_password_is_journalled_with_its_secret_masked() -> None:
    async def main(lab: Lab) -> None:
        client = await lab.connect()
        assert client.stream_ids[0] == client.stream_ids[1]
        token = await lab.token("alice", "alice-secret")
        assert (await client.auth("CISCO-VTG-TOKEN", sasl.encode_token("alice@example.com", token))).name == "success"
        answer = await client.bind("jabber_9934")
        assert answer.get("type") == "result"
        assert client.jid == "alice@example.com/jabber_9934"
        (session,) = lab.entries("xmpp.session")
        assert session.event == events.XmppSession(jid=client.jid, state="bound")
        assert session.keys == ("jid:alice@example.com", "user:alice")
        auth = next(each for each in lab.entries("xmpp.stream") if each.event.element == "auth")
        ((start, end),) = auth.secrets
        assert base64.b64decode(auth.payload[start:end]) == b"userid=alice@example.com\0token=" + token.encode()
        assert auth.keys == ("jid:alice@example.com", "user:alice")
        again = await lab.connect()
        assert (await again.auth("CISCO-VTG-TOKEN", sasl.encode_token("alice@example.com", token))).name == "failure"
        await client.end()
        await again.quiet_end()

    run(main)


def test_a_one_time_password_lapses() -> None:
    async def main(lab: Lab) -> None:
        token = await lab.token("alice", "alice-secret")
        await asyncio.sleep(lab.deployment.defaults.im.one_time_password_s)
        client = await lab.connect()
        assert (await client.auth("CISCO-VTG-TOKEN", sasl.encode_token("alice@example.com", token))).name == "failure"
        await client.quiet_end()

    run(main)


@pytest.mark.parametrize(
    ("domain", "user", "password"),
    [
        ("example.com", "alice", "wrong"),
        ("example.com", "nobody", "alice-secret"),
        ("example.org", "alice", "alice-secret"),
        ("example.com", "alice@example.org", "alice-secret"),
        ("example.com", "bob", "alice-secret"),
    ],
)
def test_wrong_domain_user_and_password_get_the_same_answer(domain: str, user: str, password: str) -> None:
    async def main(lab: Lab) -> None:
        client = await lab.connect(domain)
        failure = await client.auth("PLAIN", sasl.encode_plain(user, password))
        assert failure == element("failure", SASL, element("not-authorized", SASL))
        await client.quiet_end()
        assert client.closed
        (checked,) = lab.entries("auth")
        assert isinstance(checked.event, events.Authentication)
        assert (checked.event.how, checked.event.granted) == ("sasl PLAIN", False)

    run(main)


def test_a_user_not_assigned_cannot_sign_in() -> None:
    async def main(lab: Lab) -> None:
        client = await lab.connect()
        assert (await client.auth("PLAIN", sasl.encode_plain("carol", "carol-secret"))).name == "failure"
        await client.quiet_end()

    run(main, changes={"users.2.im_presence": False})


def test_a_user_cannot_act_for_another() -> None:
    async def main(lab: Lab) -> None:
        client = await lab.connect()
        message = sasl.encode_plain("alice", "alice-secret", authorization="bob@example.com")
        assert (await client.auth("PLAIN", message)).name == "failure"
        await client.quiet_end()

    run(main)


def test_resources_are_chosen_or_refused() -> None:
    async def main(lab: Lab) -> None:
        first = await lab.sign_in("alice")
        assert first.jid.startswith("alice@example.com/jabber_")
        assert len(first.jid.rpartition("_")[2]) == 4
        second = await lab.sign_in("alice", "phone")
        third = await lab.connect()
        await third.auth("PLAIN", sasl.encode_plain("alice", "alice-secret"))
        refused = await third.bind("phone")
        assert error_of(refused) == "conflict"
        await first.end()
        await second.end()
        third.drop()

    run(main)


def test_a_newcomer_may_replace_an_older_session() -> None:
    async def main(lab: Lab) -> None:
        older = await lab.sign_in("alice", "phone")
        newer = await lab.sign_in("alice", "phone", available=False)
        error = await older.until(lambda what: what.name == "error")
        assert error.find("conflict", "urn:ietf:params:xml:ns:xmpp-streams")
        await older.quiet_end()
        assert (await newer.ask(stanzas.session_request("s"))).get("type") == "result"
        states = [each.event.state for each in lab.entries("xmpp.session")]
        assert states == ["bound", "ended: conflict", "bound"]
        await newer.end()

    run(main, changes={"defaults.im.resource_conflict": "replace"})


def test_a_message_for_an_unknown_user_may_be_dropped() -> None:
    async def main(lab: Lab) -> None:
        alice = await lab.sign_in("alice", "a")
        alice.send(stanzas.message("bob@example.com", "hello"))
        assert await alice.quiet() == []
        await alice.end()

    run(main, changes={"defaults.im.offline_message": "drop"})


def test_a_broken_intercluster_sync_agent_refuses_every_bind() -> None:
    async def main(lab: Lab) -> None:
        lab.service.chat.intercluster_sync_broken = True
        client = await lab.connect()
        await client.auth("PLAIN", sasl.encode_plain("alice", "alice-secret"))
        assert error_of(await client.bind("jabber_1")) == "conflict"
        client.drop()

    run(main)


def test_two_users_become_contacts_see_each_other_and_chat() -> None:
    async def main(lab: Lab) -> None:
        alice, bob = await lab.sign_in("alice", "a"), await lab.sign_in("bob", "b")
        for client in (alice, bob):
            await client.ask(stanzas.roster_request("r"))
        added = await alice.ask(
            stanzas.roster_set("s", RosterItem(jid="bob@example.com", name="Bob", groups=("Team",)))
        )
        assert added.get("type") == "result"
        alice.send(stanzas.presence("subscribe", to="bob@example.com"))
        seen = await alice.until(lambda what: what.name == "presence" and what.get("from") == "bob@example.com/b")
        assert seen.get("type") is None
        roster = await alice.ask(stanzas.roster_request("r2"))
        assert b"<item jid='bob@example.com' name='Bob' subscription='to'><group>Team</group></item>" in roster.encode()

        bob.send(stanzas.presence(show="away", status="lunch"))
        changed = await alice.until(lambda what: what.name == "presence")
        assert changed.find("show") == element("show", "jabber:client", "away")

        alice.send(stanzas.message("bob@example.com", "hello", id="m1"))
        message = await bob.until(lambda what: what.name == "message")
        assert (message.get("from"), message.get("id")) == ("alice@example.com/a", "m1")
        bob.send(stanzas.message(message.get("from") or "", "hello yourself"))
        assert (await alice.until(lambda what: what.name == "message")).get("from") == "bob@example.com/b"

        bob.drop()
        gone = await alice.until(lambda what: what.name == "presence")
        assert (gone.get("type"), gone.get("from")) == ("unavailable", "bob@example.com/b")
        sent = next(each for each in lab.entries("xmpp.stanza") if each.event.name == "message")
        assert sent.payload == stanzas.message("bob@example.com", "hello", id="m1").encode()
        await alice.end()

    run(main)


@pytest.mark.parametrize("part", ["name", "group"])
def test_a_roster_never_grows_beyond_what_its_owner_can_be_sent(part: str) -> None:
    async def main(lab: Lab) -> None:
        alice = await lab.sign_in("alice", "jabber_1")
        long = "&" * 4000  # five octets each on the wire

        def contact(number: int, text: str) -> Element:
            item = RosterItem(jid=f"u{number}@example.com", **{"name": text} if part == "name" else {"groups": (text,)})
            return stanzas.roster_set(f"s{number}", item)

        taken = 0
        while (answer := await alice.ask(contact(taken, long))).get("type") == "result":
            taken += 1
        assert error_of(answer) == "resource-constraint" and taken < 30
        roster = stanzas.roster_result(stanzas.roster_request("r"), lab.service.rosters.listed(Jid.parse(alice.jid)))
        assert roster.encode().count(b"<item ") == taken
        assert 0.9 * OCTETS < len(roster.encode()) < XcpLimits().backlog
        assert (await alice.ask(contact(0, "short"))).get("type") == "result", "a contact may get shorter"
        assert (await alice.ask(contact(taken, long))).get("type") == "result", "and then another fits"
        gone = RosterItem(jid="u1@example.com", subscription="remove")
        assert (await alice.ask(stanzas.roster_set("x", gone))).get("type") == "result"
        assert (await alice.ask(contact(taken + 1, long))).get("type") == "result"
        assert (await alice.ask(contact(taken + 2, long))).get("type") == "error"
        await alice.end()

    run(main)


def test_rosters_survive_a_crash_and_presence_is_sent_at_the_next_sign_in() -> None:
    async def main(lab: Lab) -> None:
        alice = await lab.sign_in("alice", "a")
        alice.send(stanzas.presence("subscribe", to="bob@example.com"))
        await alice.quiet()
        await lab.world.crash("imp-pub")
        await lab.world.start("imp-pub")
        bob = await lab.sign_in("bob", "b")
        alice = await lab.sign_in("alice", "a", available=False)
        alice.send(stanzas.presence())
        assert "bob@example.com/b" in [what.get("from") for what in await alice.quiet()]
        removed = await alice.ask(stanzas.roster_set("x", RosterItem(jid="bob@example.com", subscription="remove")))
        assert removed.get("type") == "result"
        bob.send(stanzas.presence(show="dnd"))
        assert [what.get("type") for what in await alice.quiet()] == ["unavailable"]
        missing = await alice.ask(stanzas.roster_set("y", RosterItem(jid="bob@example.com", subscription="remove")))
        assert error_of(missing) == "item-not-found"
        await alice.end()
        await bob.end()

    run(main)


def test_a_subscription_to_an_unknown_user_is_refused() -> None:
    async def main(lab: Lab) -> None:
        alice = await lab.sign_in("alice", "a")
        await alice.ask(stanzas.roster_request("r"))
        alice.send(stanzas.presence("subscribe", to="nobody@example.com"))
        pushes = [what for what in await alice.quiet() if what.name == "iq"]
        assert b"ask='subscribe'" in pushes[0].encode()
        assert b"ask=" not in pushes[-1].encode()
        assert b"subscription='none'" in pushes[-1].encode()
        await alice.end()

    run(main)


def test_without_automatic_approval_the_contact_is_asked() -> None:
    async def main(lab: Lab) -> None:
        lab.service.chat.presence.auto_approve = False
        alice = await lab.sign_in("alice", "a")
        alice.send(stanzas.presence("subscribe", to="bob@example.com"))
        await alice.quiet()
        bob = await lab.sign_in("bob", "b")
        asked = await bob.until(lambda what: what.get("type") == "subscribe")
        assert asked.get("from") == "alice@example.com"
        assert await alice.quiet() == []
        bob.send(stanzas.presence("subscribed", to="alice@example.com"))
        kinds = [(what.get("type"), what.get("from")) for what in await alice.quiet()]
        assert kinds == [("subscribed", "bob@example.com"), (None, "bob@example.com/b")]
        bob.send(stanzas.presence("unsubscribed", to="alice@example.com"))
        kinds = [(what.get("type"), what.get("from")) for what in await alice.quiet()]
        assert kinds == [("unsubscribed", "bob@example.com"), ("unavailable", "bob@example.com/b")]
        await alice.end()
        await bob.end()

    run(main)


def test_undeliverable_messages_come_back() -> None:
    async def main(lab: Lab) -> None:
        alice = await lab.sign_in("alice", "a")
        for to, condition in (
            ("bob@example.com", "service-unavailable"),
            ("bob@example.com/x", "service-unavailable"),
            ("nobody@example.com", "service-unavailable"),
            ("dave@elsewhere.example", "remote-server-not-found"),
        ):
            alice.send(stanzas.message(to, "hello"))
            assert error_of(await alice.read()) == condition
        alice.send(stanzas.message("bob@example.com", "news", kind="headline"))
        alice.send(element("message", "jabber:client", to="bob@example.com", type="error"))
        room = stanzas.iq("get", "d", element("query", "http://jabber.org/protocol/disco#info"))
        unknown = await alice.ask(room.having(to="room@conference-3-cluster64ba2.example.com"))
        assert error_of(unknown) == "item-not-found"
        assert error_of(await alice.ask(room.having(to="bob@example.com/x", id="e"))) == "service-unavailable"
        assert await alice.quiet() == []
        await alice.end()

    run(main)


def test_the_resource_of_highest_priority_gets_the_message_and_an_iq_its_own() -> None:
    async def main(lab: Lab) -> None:
        low, high = await lab.sign_in("bob", "low"), await lab.sign_in("bob", "high")
        negative = await lab.sign_in("bob", "negative")
        high.send(stanzas.presence(priority=5))
        negative.send(stanzas.presence(priority=-1))
        for client in (low, high, negative):
            await client.quiet()
        alice = await lab.sign_in("alice", "a")
        alice.send(stanzas.message("bob@example.com", "x"))
        assert [what.name for what in await high.quiet()] == ["message"]
        assert await low.quiet() == []
        assert await negative.quiet() == []
        query = stanzas.iq("get", "v", element("query", "jabber:iq:version"), to="bob@example.com/low")
        alice.send(query)
        asked = await low.read()
        assert asked.get("from") == "alice@example.com/a"
        low.send(stanzas.iq("result", "v", element("query", "jabber:iq:version"), to="alice@example.com/a"))
        assert (await alice.read()).get("from") == "bob@example.com/low"
        for client in (alice, low, high, negative):
            await client.end()

    run(main)


@pytest.mark.parametrize("resource", ["low", "high", "negative"])
def test_a_message_to_a_resource_arrives_there_once_and_nowhere_else(resource: str) -> None:
    """RFC 6121, section 8.5.3.1: regardless of priorities."""

    async def main(lab: Lab) -> None:
        clients = {name: await lab.sign_in("bob", name) for name in ("low", "high", "negative")}
        clients["high"].send(stanzas.presence(priority=5))
        clients["negative"].send(stanzas.presence(priority=-1))
        for client in clients.values():
            await client.quiet()
        alice = await lab.sign_in("alice", "a")
        for kind in ("chat", "normal", "headline"):
            alice.send(stanzas.message(f"bob@example.com/{resource}", kind, kind=kind))
        got = {name: [stanza.get("type") for stanza in await client.quiet()] for name, client in clients.items()}
        assert got == {name: ["chat", "normal", "headline"] if name == resource else [] for name in clients}
        assert await alice.quiet() == []
        for client in (alice, *clients.values()):
            await client.end()

    run(main)


def test_directed_presence_ends_with_the_session() -> None:
    async def main(lab: Lab) -> None:
        alice, bob = await lab.sign_in("alice", "a"), await lab.sign_in("bob", "b")
        alice.send(stanzas.presence(to="bob@example.com"))
        assert (await bob.read()).get("from") == "alice@example.com/a"
        await alice.end()
        assert (await bob.read()).get("type") == "unavailable"
        await bob.end()

    run(main)


@pytest.mark.parametrize(
    "octets",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/1.1\r\n\r\n",
        b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>",
        client_header("example.com") + b"<message to='bob@example.com'/>",
        client_header("example.com") + b"<a " + b"x" * 70_000,
        b" " * 20_000,
    ],
)
def test_hostile_octets_end_their_own_connection_only(octets: bytes) -> None:
    async def main(lab: Lab) -> None:
        alice = await lab.sign_in("alice", "a")
        reader, writer = await asyncio.open_connection(ADDRESS, 5222)
        writer.write(octets)
        answer = await reader.read()
        assert answer.startswith(b"<stream:stream ")
        assert answer.endswith(b"</stream:error></stream:stream>")
        writer.close()
        assert len(lab.entries("malformed")) == 1
        assert (await alice.ask(stanzas.session_request("s"))).get("type") == "result"
        await alice.end()

    run(main)


def test_a_client_that_never_signs_in_is_disconnected() -> None:
    async def main(lab: Lab) -> None:
        reader, writer = await asyncio.open_connection(ADDRESS, 5222)
        assert b"connection-timeout" in await reader.read()
        writer.close()
        second = await lab.connect()
        await asyncio.sleep(300)
        await second.quiet_end()
        assert second.closed

    run(main)


def test_a_shutdown_ends_every_stream_gracefully() -> None:
    async def main(lab: Lab) -> None:
        alice = await lab.sign_in("alice", "a")
        await lab.world.stop("imp-pub")
        error = await alice.read()
        assert error.find("system-shutdown", "urn:ietf:params:xml:ns:xmpp-streams")
        await alice.quiet_end()
        assert alice.closed

    run(main)


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  # what is awaited are lists of a stock client
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("live", [False, True], ids=["sim", "live"])
def test_a_stock_slixmpp_client_signs_in_and_chats(live: bool) -> None:
    from slixmpp import ClientXMPP

    class Bot(ClientXMPP):
        """A client as its documentation shows it, with the lab's TLS, ids and address."""

        def __init__(self, jid: str, password: str, tls: ssl.SSLContext) -> None:
            super().__init__(jid, password, ssl_context=tls)
            self.enable_direct_tls = False
            self.counter = 0
            self.heard: list[Any] = []
            self.ready = asyncio.Event()
            self.add_event_handler("session_start", self.started)
            self.add_event_handler("message", self.heard.append)
            self.register_plugin("xep_0198")
            self.register_plugin("xep_0199")

        def new_id(self) -> str:
            self.counter += 1
            return f"id{self.counter}"

        async def started(self, _: object) -> None:
            self.send_presence()
            await self.get_roster()
            self.ready.set()

    async def main(lab: Lab) -> None:
        from edgesim.pki import client_context

        bots = [
            Bot(f"{user}@example.com/bot", f"{user}-secret", client_context(lab.trust)) for user in ("alice", "bob")
        ]
        for bot in bots:
            bot.connect(lab.address, 5222)
            async with asyncio.timeout(10):
                await bot.ready.wait()
        alice, bob = bots
        alice.send_presence_subscription("bob@example.com")
        alice.send_message("bob@example.com", "hello", mtype="chat")
        assert await alice.plugin["xep_0199"].send_ping("example.com") is not None
        await eventually(lambda: [message["body"] for message in bob.heard] == ["hello"])
        await eventually(lambda: alice.client_roster["bob@example.com"]["subscription"] in ("to", "both"))
        for bot in bots:
            await bot.disconnect()
        await eventually(lambda: len(lab.entries("xmpp.session")) == 4)
        states = [each.event.state for each in lab.entries("xmpp.session")]
        assert states.count("bound") == 2

    run(main, live=live)
