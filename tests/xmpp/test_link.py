"""An XCP link on a connection: its methods write in order, regardless of caller and room."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from edgesim.journal import Entry, Event, Journal
from edgesim.world.sim import SimWorld
from edgesim.xmpp import sasl
from edgesim.xmpp.link import XcpConnection
from edgesim.xmpp.xcp import XcpLimits, XcpLink
from edgesim.xmpp.xcp_events import DataArrived, MechanismsAsked, SessionClosed, SessionOpened, XcpEvent
from edgesim.xmpp.xml import element
from tests.simrun import host, sim_run


class End:
    """One end of a link, and what it heard."""

    def __init__(self, journal: Journal, made: object, link: XcpLink) -> None:
        self.heard: list[XcpEvent] = []
        self.answer: Callable[[XcpEvent], None] = lambda _: None
        recorder = journal.recorder(made)
        self.connection = XcpConnection(link, recorder=recorder, on_event=self._on_event, keepalive=30, patience=10)

    def _on_event(self, _: XcpConnection, event: XcpEvent) -> None:
        self.heard.append(event)
        self.answer(event)

    def data(self, session: str | None = None) -> bytes:
        found = [each for each in self.heard if isinstance(each, DataArrived) and session in (None, each.session)]
        return b"".join(each.data for each in found)


class Pair:
    """The two ends, and what the one that dialled wrote to its transport, write by write."""

    def __init__(self, journal: Journal, dialler: End, acceptor: End) -> None:
        self.journal = journal
        self.dialler = dialler
        self.acceptor = acceptor
        self.writes: list[bytes] = []

    def entries(self, kind: str) -> list[Entry[Event]]:
        return list(self.journal.select(kind=kind))


def joined(story: Callable[[Pair], Awaitable[None]], *, limits: XcpLimits | None = None) -> None:
    async def main(world: SimWorld) -> None:
        c, e = await host(world, "c", "10.0.0.1"), await host(world, "e", "10.0.0.2")
        journal = Journal(world)
        dialler = End(journal, c, XcpLink.dial(component="jabberd-port-1.c", realm="e", secret="s", limits=limits))
        acceptor = End(journal, e, XcpLink.accept(realm="e", secret="s", stream_id="1", limits=limits))
        pair = Pair(journal, dialler, acceptor)
        loop = asyncio.get_running_loop()

        async def listen() -> asyncio.AbstractServer:
            return await loop.create_server(lambda: acceptor.connection, "10.0.0.2", 7400)

        async def connect() -> None:
            transport, _ = await loop.create_connection(lambda: dialler.connection, "10.0.0.2", 7400)
            write = transport.write

            def noted(data: bytes) -> None:
                pair.writes.append(bytes(data))
                write(data)

            transport.write = noted
            await asyncio.sleep(1)
            assert dialler.connection.up and acceptor.connection.up
            pair.writes.clear()
            await story(pair)
            dialler.connection.close()
            await asyncio.sleep(1)

        server = await e.run(listen())
        await c.run(connect())
        server.close()

    sim_run(main)


def test_each_verb_writes_once_and_at_once() -> None:
    async def story(pair: Pair) -> None:
        link = pair.dialler.connection
        session = link.open("1:1", "example.com", "AB", data=b"<one/>")
        link.send(session, b"<two/>")
        link.pass_on(element("message", "jabber:client"))
        link.ask("example.com")
        link.consumed(session, 3)  # nothing came: nothing to credit
        link.close_session(session, "done", last=b"<three/>")
        kinds = [re.findall(rb"<(route|stanza|mechanisms)[^>]*?(?:type='(\w+)'|>)", each) for each in pair.writes]
        assert kinds == [
            [(b"route", b"open"), (b"route", b"data")],
            [(b"route", b"data")],
            [(b"stanza", b"")],
            [(b"mechanisms", b"get")],
            [(b"route", b"data"), (b"route", b"close")],
        ]
        await asyncio.sleep(1)
        assert pair.acceptor.data(session) == b"<one/><two/><three/>"
        assert [type(each).__name__ for each in pair.acceptor.heard] == [
            "LinkUp", "SessionOpened", "DataArrived", "DataArrived", "StanzaArrived", "MechanismsAsked", "DataArrived",
            "SessionClosed",
        ]  # fmt: skip

    joined(story)


def test_what_is_asked_while_events_are_dealt_with_goes_out_behind_them_in_order() -> None:
    async def story(pair: Pair) -> None:
        link = pair.dialler.connection

        def answer(event: XcpEvent) -> None:
            match event:
                case SessionOpened():
                    link.send(event.session, b"<1/>")
                case DataArrived():
                    link.send(event.session, b"<2/>")
                    link.consumed(event.session, event.octets)
                    link.send(event.session, b"<3/>", then=lambda: link.send(event.session, b"<4/>"))
                    link.send(event.session, b"<5/>")
                case MechanismsAsked():
                    link.answer(event.query, ("PLAIN",))
                    link.refuse(event.query)  # it is answered: ignored

        pair.dialler.answer = answer
        session = pair.acceptor.connection.open("1:1", "example.com", "AB", data=b"<a/>")
        pair.acceptor.connection.ask("example.com")
        await asyncio.sleep(1)
        assert pair.acceptor.data(session) == b"<1/><2/><3/><4/><5/>"
        assert type(pair.acceptor.heard[-1]).__name__ == "MechanismsAnswered"
        for each in pair.writes:
            assert b"&lt;2/&gt;" not in each or b"&lt;5/&gt;" in each, "written before all that had come was dealt with"

    joined(story)


def test_data_that_waits_for_its_window_stays_in_order_and_its_owner_is_called_once() -> None:
    sent = [b"<%05d/>" % number + b"x" * (6000 if number % 2 else 0) for number in range(100)]

    async def story(pair: Pair) -> None:
        link, reported = pair.dialler.connection, []
        slow, quick = (link.open("1:1", "example.com", each) for each in ("AB", "CD"))
        for number, data in enumerate(sent):
            link.send(slow, data, then=lambda number=number: reported.append(number))
        await asyncio.sleep(1)
        assert len(pair.acceptor.data(slow)) <= 65_536
        assert reported == list(range(len(reported))) and len(reported) < 25
        link.send(quick, b"<quick/>", then=lambda: reported.append(-1))
        assert reported[-1] == -1  # another session does not wait
        await asyncio.sleep(1)
        assert pair.acceptor.data(quick) == b"<quick/>"

        def take(event: XcpEvent) -> None:
            if isinstance(event, DataArrived):
                pair.acceptor.connection.consumed(event.session, event.octets)

        pair.acceptor.answer = take
        pair.acceptor.connection.consumed(slow, len(pair.acceptor.data(slow)))
        await asyncio.sleep(5)
        assert pair.acceptor.data(slow) == b"".join(sent)
        assert sorted(reported) == [-1, *range(100)]
        assert not link.waiting(slow)

    joined(story)


def test_the_end_of_a_session_calls_its_waiters() -> None:
    for end in ("here", "there", "link"):

        async def story(pair: Pair, end: str = end) -> None:
            link, reported = pair.dialler.connection, []
            session = link.open("1:1", "example.com", "AB")
            link.send(session, b"x" * 200_000, then=lambda: reported.append(end))
            await asyncio.sleep(1)
            assert not reported
            if end == "here":
                link.close_session(session)
            elif end == "there":
                pair.acceptor.connection.close_session(session)
            else:
                pair.acceptor.connection.abort()
            await asyncio.sleep(1)
            assert reported == [end]
            link.send(session, b"<late/>", then=lambda: reported.append("late"))  # ignored
            assert reported == [end, "late"]

        joined(story)


def test_more_than_may_wait_ends_the_session_alone() -> None:
    async def story(pair: Pair) -> None:
        link = pair.dialler.connection
        slow, other = (link.open("1:1", "example.com", each) for each in ("AB", "CD"))
        for _ in range(10):
            link.send(slow, b"x" * 30_000)
        link.send(other, b"<b/>")
        await asyncio.sleep(1)
        assert [each.reason for each in pair.dialler.heard if isinstance(each, SessionClosed)] == [
            "resource-constraint"
        ]
        assert pair.acceptor.data(other) == b"<b/>"
        assert list(link.sessions_open) == [other]

    joined(story, limits=XcpLimits(window=32_768, backlog=100_000))


def test_the_journal_knows_whose_a_session_is_from_the_octets_or_from_another_leg() -> None:
    async def story(pair: Pair) -> None:
        link = pair.dialler.connection
        auth = sasl.auth("PLAIN", sasl.encode_plain("alice", "secret")).encode()
        by_auth, by_leg = (link.open("1:1", "example.com", each) for each in ("AB", "CD"))
        link.send(by_auth, auth)
        link.send(by_leg, b"<iq/>", keys=("user:bob",))
        await asyncio.sleep(1)
        for session in (by_auth, by_leg):
            pair.acceptor.connection.send(session, b"<success/>")
        await asyncio.sleep(1)
        assert "user:alice" in pair.acceptor.connection.keys(by_auth)
        assert pair.acceptor.connection.keys(by_leg) == ()
        found = {each.event.session: each.keys for each in pair.entries("xcp.route") if each.node == "c"}
        assert found == {by_auth: (), by_leg: ("user:bob",)}

    joined(story)
