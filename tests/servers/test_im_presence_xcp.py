"""IM and Presence behind XCP: an edge and Expressway-C's link carry a client's session to 7400."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from edgesim.journal import events
from edgesim.pki import client_context
from edgesim.world.events import TlsFailed
from edgesim.xmpp import component_stream, sasl, stanzas, xcp_events
from edgesim.xmpp.front import EdgeStream
from edgesim.xmpp.link import XcpConnection
from edgesim.xmpp.session_events import Ended, Passed, SessionWanted
from edgesim.xmpp.stream import STARTTLS, StanzaRead, StreamOpened, StreamParser, client_header
from edgesim.xmpp.xcp import XcpLink
from edgesim.xmpp.xml import Element, element
from tests.servers.im_presence_lab import ADDRESS, FQDN, Lab, run

REALM = component_stream.realm_of(FQDN)

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"


class Link:
    """Expressway-C's end, in the small: what a client on the edge sends goes up, what comes down goes back."""

    def __init__(self, lab: Lab, *, secret: str | None = None, realm: str = REALM) -> None:
        self.lab = lab
        self.edges: dict[str, Edge] = {}
        self.heard: list[xcp_events.XcpEvent] = []
        link = XcpLink.dial(
            component=component_stream.component_of("expc.inside.example.com"),
            realm=realm,
            secret=secret or lab.deployment.xcp_link.secret,
        )
        recorder = lab.journal.recorder(lab.c)
        self.connection = XcpConnection(link, recorder=recorder, on_event=self._on_event, keepalive=30, patience=10)

    async def dial(self, tls: ssl.SSLContext | None = None) -> None:
        context = tls or client_context(self.lab.trust, identity=self.lab.identity)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self.connection, ADDRESS, 7400, ssl=context, server_hostname=FQDN)
        await asyncio.sleep(1)

    def _on_event(self, _: XcpConnection, event: xcp_events.XcpEvent) -> None:
        self.heard.append(event)
        if isinstance(event, xcp_events.DataArrived):
            self.connection.consumed(event.session, event.octets)
            if edge := self.edges.get(event.session):
                edge.stream.downward(event.data, restart=event.restart)
        elif isinstance(event, xcp_events.SessionClosed) and (edge := self.edges.get(event.session)):
            edge.stream.closed_behind()


class Edge:
    """Expressway-E's end of one client, with the client's octets given by hand."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.stream = EdgeStream(domain="example.com", stream_id="17124513C1DF")
        self.session = ""
        self.ended = False
        self.parser = StreamParser()
        self.stream.feed(client_header("example.com") + STARTTLS.encode())
        self._drain()
        self.stream.secured()
        self.stream.data_to_send()

    async def say(self, what: Element | bytes, seconds: float = 0.5) -> list[Element]:
        """Send octets as the client and return the elements that come within some lab time."""
        if isinstance(what, bytes) and b"<stream:stream" in what:
            self.parser.restart()
        self.stream.feed(what if isinstance(what, bytes) else what.encode())
        self._drain()
        await asyncio.sleep(seconds)
        self._drain()
        self.parser.feed(self.stream.data_to_send())
        found = []
        while (read := self.parser.next()) is not None:
            if isinstance(read, StanzaRead):
                found.append(read.element)
            elif isinstance(read, StreamOpened):
                assert read.id == "17124513C1DF"
        return found

    async def sign_in(self, user: str, resource: str) -> None:
        assert [each.name for each in await self.say(client_header("example.com"))] == ["features"]
        found = await self.say(sasl.auth("PLAIN", sasl.encode_plain(user, f"{user}-secret")))
        assert [each.name for each in found] == ["success"]
        await self.say(client_header("example.com"))
        (bound,) = await self.say(stanzas.bind_request("b", resource))
        assert bound.get("type") == "result"
        await self.say(stanzas.presence())

    def _drain(self) -> None:
        up = self.link.connection
        while (event := self.stream.next_event()) is not None:
            if isinstance(event, SessionWanted):
                where = "198.51.100.25:50123"
                self.session = up.open(where, event.domain, event.stream_id, data=event.data)
                self.link.edges[self.session] = self
            elif isinstance(event, Passed):
                up.send(self.session, event.data)
            elif isinstance(event, Ended):
                self.ended = True


def test_a_session_over_xcp_shares_users_presence_and_messages_with_an_inside_client() -> None:
    async def main(lab: Lab) -> None:
        bob = await lab.sign_in("bob", "b")

        async def outside() -> None:
            link = Link(lab)
            await link.dial()
            assert link.connection.up
            edge = Edge(link)
            await edge.sign_in("alice", "jabber_1234")
            found = await edge.say(stanzas.presence("subscribe", to="bob@example.com"))
            assert "bob@example.com/b" in [each.get("from") for each in found]
            await edge.say(stanzas.message("bob@example.com", "from outside"))
            assert await edge.say(b"</stream:stream>") == []
            assert edge.ended
            assert list(link.connection.sessions_open) == []
            link.connection.close()
            await asyncio.sleep(1)

        await lab.c.run(outside())
        message = await bob.until(lambda what: what.name == "message")
        assert message.get("from") == "alice@example.com/jabber_1234"
        await bob.end()
        auth = next(each for each in lab.entries("xmpp.stream") if each.peer == "expc")
        assert auth.peer == "expc"
        checked = next(each for each in lab.entries("auth") if each.peer == "198.51.100.25:50123")
        assert isinstance(checked.event, events.Authentication)
        assert checked.keys == ("jid:alice@example.com", "user:alice")
        routed = [each for each in lab.entries("xmpp.stanza") if each.peer == "expc"]
        assert all("user:alice" in each.keys for each in routed)
        states = [each.event.state for each in lab.entries("xcp.link")]
        assert states == ["up", "down"]
        masked = [each for each in lab.journal if each.node == "expc" and each.kind == "xcp.route"]
        assert masked
        assert all(b"alice-secret" not in each.payload for each in masked)

    run(main)


def test_a_wrong_password_ends_the_session_and_leaves_the_link() -> None:
    async def main(lab: Lab) -> None:
        async def outside() -> None:
            link = Link(lab)
            await link.dial()
            edge, other = Edge(link), Edge(link)
            await edge.say(client_header("example.com"))
            await other.sign_in("bob", "x")
            found = await edge.say(sasl.auth("PLAIN", sasl.encode_plain("alice", "wrong")))
            assert found == [element("failure", SASL, element("not-authorized", SASL))]
            assert edge.ended
            assert [each.name for each in await other.say(stanzas.session_request("s"))] == ["iq"]
            link.connection.close()

        await lab.c.run(outside())

    run(main)


def test_a_lost_link_ends_its_sessions() -> None:
    async def main(lab: Lab) -> None:
        bob = await lab.sign_in("bob", "b")

        async def outside() -> None:
            link = Link(lab)
            await link.dial()
            edge = Edge(link)
            await edge.sign_in("alice", "a")
            await edge.say(stanzas.presence(to="bob@example.com"))
            link.connection.abort()
            await asyncio.sleep(1)

        await lab.c.run(outside())
        assert [what.get("type") for what in await bob.quiet()] == [None, "unavailable"]
        ended = lab.entries("xmpp.session")[-1]
        assert ended.event == events.XmppSession(jid="alice@example.com/a", state="ended: XCP link lost")
        await bob.end()

    run(main)


def test_mechanisms_can_be_asked_for() -> None:
    async def main(lab: Lab) -> None:
        async def outside() -> None:
            link = Link(lab)
            await link.dial()
            link.connection.ask("example.com")
            await asyncio.sleep(1)
            answer = link.heard[-1]
            assert isinstance(answer, xcp_events.MechanismsAnswered)
            assert answer.mechanisms == ("PLAIN", "CISCO-VTG-TOKEN")
            link.connection.close()

        await lab.c.run(outside())

    run(main)


@pytest.mark.parametrize(
    ("options", "condition"), [({"secret": "wrong"}, "not-authorized"), ({"realm": "imp-old"}, "host-unknown")]
)
def test_a_wrong_secret_or_a_stale_realm_is_refused(options: dict[str, str], condition: str) -> None:
    async def main(lab: Lab) -> None:
        async def outside() -> None:
            link = Link(lab, **options)
            await link.dial()
            (down,) = link.heard
            assert isinstance(down, xcp_events.LinkDown)
            assert down.condition == condition

        await lab.c.run(outside())
        assert len(lab.entries("malformed")) == 1

    run(main)


def test_a_link_without_a_trusted_certificate_never_comes_up() -> None:
    async def main(lab: Lab) -> None:
        failed: list[TlsFailed] = []
        lab.world.observe(lambda event: failed.append(event) if isinstance(event, TlsFailed) else None)

        async def outside() -> None:
            link = Link(lab)
            try:
                await link.dial(client_context(lab.trust))
            except OSError:
                return
            assert not link.connection.up

        await lab.c.run(outside())
        assert "imp-pub" in [event.host for event in failed]

    run(main)


def test_a_silent_peer_is_dropped_and_a_quiet_link_is_kept_alive() -> None:
    async def main(lab: Lab) -> None:
        async def outside() -> None:
            link = Link(lab)
            await link.dial()
            await asyncio.sleep(600)
            assert link.connection.up
            loop = asyncio.get_running_loop()
            context = client_context(lab.trust, identity=lab.identity)
            lost = loop.create_future()

            class Silent(asyncio.Protocol):
                def connection_lost(self, exc: Exception | None) -> None:
                    lost.set_result(None)

            await loop.create_connection(Silent, ADDRESS, 7400, ssl=context, server_hostname=FQDN)
            async with asyncio.timeout(30):
                await lost
            link.connection.close()

        await lab.c.run(outside())

    run(main)


async def a_day(lab: Lab) -> None:
    bob = await lab.sign_in("bob")

    async def outside() -> None:
        link = Link(lab)
        await link.dial()
        edge = Edge(link)
        await edge.sign_in("alice", "jabber_1234")
        await edge.say(stanzas.presence("subscribe", to="bob@example.com"))
        await edge.say(stanzas.message("bob@example.com", "x"))
        link.connection.close()

    await lab.token("alice", "alice-secret")
    await lab.c.run(outside())
    await bob.end()


def test_one_seed_gives_one_journal_and_another_gives_another() -> None:
    def written(seed: int) -> list[tuple[object, ...]]:
        journal = run(a_day, seed=seed)
        return [(each.id, each.at_ns, each.kind, each.event.as_json(), each.payload, each.keys) for each in journal]

    first = written(1)
    assert written(1) == first
    assert written(2) != first
