"""The XCP link that Expressway-C dials on TCP 7400 to Expressway-E and to IM and Presence, and its protocol.

The product's XCP is proprietary and no public capture shows it. **The exchange below is the emulator's own**: it keeps
the documented facts (who dials, port 7400, the component's name ``jabberd-port-1.<realm>`` with dots replaced by
dashes, a query for SASL mechanisms that fails for an unknown realm) and invents the rest.

A link is an XML stream in the style of the component protocol (XEP-0114)::

    C: <stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'
        from='jabberd-port-1.expc-inside-example-com' to='expe-example-com' version='1.0'>
    E: <stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'
        from='expe-example-com' id='17124513C1DF' version='1.0'>
    C: <handshake>hex(SHA-1(stream id + shared secret))</handshake>
    E: <handshake/>

then elements of the namespace ``urn:edgesim:xcp:0``, either way::

    <route session='a1' type='open' client='198.51.100.25:50123' domain='example.com' stream='17124513C1DF'/>
    <route session='a2' type='open' client='198.51.100.25:50124' domain='example.com' stream='...' resumes='sasl'/>
    <route session='a1' type='data' restart='true'>octets of the client's stream as character data</route>
    <route session='a1' type='credit' octets='32768'/>
    <route session='a1' type='close' reason='...'/>
    <mechanisms type='get' id='1' domain='example.com'/>
    <mechanisms type='result' id='1'><mechanism>PLAIN</mechanism><hostname>imp-pub...</hostname></mechanisms>
    <mechanisms type='error' id='1' condition='item-not-found'/>
    <stanza><message xmlns='jabber:client' from='alice@example.com/jabber_1' to='bob@example.com'>...</message></stanza>
    <ping id='1'/> <pong id='1'/>

``resumes='sasl'`` hands over a session whose stream header and mechanisms the opener has handled: the client's
``<auth>`` comes next. Nodes of IM and Presence use it for users homed on another node, and exchange stanzas of their
users as ``<stanza>``; at most `XcpLimits.unsent` octets may wait for such a link.

A route is one client's session on the link. The side that opens it chooses the id (``a<n>`` where it accepted the link,
``d<n>`` where it dialled, counting up). Either side may have at most a window of octets in flight that the peer has not
declared `XcpLink.consumed`; more waits here, up to a bound, beyond which the session is closed with
``resource-constraint`` (`edgesim.xmpp.flow`).

Literal tables define what the peer may send: those of `edgesim.xmpp.component_stream` until the link is up, then
`ELEMENTS`, and `ROUTES` for one session. `CROSSED` lists input that comes too late and is ignored; any other violation
ends the link with a stream error. A call for a session that has ended, or a query that is not open, may have crossed
the peer's message and is ignored. A call for a session that never existed is `OutOfOrder`, as are opening, querying and
passing stanzas while the link is not up.

`XcpLink` is sans-IO; `edgesim.xmpp.link.XcpConnection` runs one over asyncio, with methods that write at once. A
minimal relay::

    def on_event(link: XcpConnection, event: XcpEvent) -> None:     # C, for the link to E
        match event:
            case SessionOpened():
                behind[event.session] = inner.open(event.client, event.domain, event.stream_id)
            case DataArrived():
                inner.send(
                    behind[event.session], event.data, restart=event.restart, keys=link.keys(event.session),
                    then=lambda: link.consumed(event.session, event.octets),
                )
            case SessionClosed():
                inner.close_session(behind.pop(event.session), event.reason)
"""

from __future__ import annotations

from collections.abc import Callable, KeysView, Sequence
from dataclasses import dataclass
from enum import Enum

from edgesim.xmpp.component_stream import MAX_NAME, ComponentStream
from edgesim.xmpp.flow import PIECE, Flow, Flows, Piece
from edgesim.xmpp.stream import OutOfOrder, StreamError
from edgesim.xmpp.xcp_events import (
    DataArrived,
    MechanismsAnswered,
    MechanismsAsked,
    Ponged,
    QueryFailed,
    SessionClosed,
    SessionOpened,
    StanzaArrived,
    Writable,
)
from edgesim.xmpp.xml import CLIENT, Element, element

XCP = "urn:edgesim:xcp:0"


@dataclass(frozen=True, slots=True, kw_only=True)
class XcpLimits:
    """Bounds of a link: octets of an element, unconsumed and waiting octets of a session, sessions, open queries, and
    octets waiting for the peer beyond which it gets no more stanzas.
    """

    element: int = 131_072
    window: int = 65_536
    backlog: int = 1_048_576
    sessions: int = 10_000
    queries: int = 10_000
    unsent: int = 524_288

    def __post_init__(self) -> None:
        if self.window < PIECE:
            raise ValueError(f"a window of {self.window} octets is smaller than a piece: {PIECE}")


class RouteState(Enum):
    """The state of a session id on this side."""

    __hash__ = object.__hash__  # identity comparison: faster than comparing names

    NEVER_OPENED = "never opened"
    OPEN = "open"
    OVER = "over"


class RouteType(Enum):
    """The types of ``<route>``."""

    __hash__ = object.__hash__

    OPEN = "open"
    DATA = "data"
    CREDIT = "credit"
    CLOSE = "close"


class XcpLink(ComponentStream):
    """One end of a link, made with `dial` or `accept`; feed octets, take events until None, write `data_to_send`."""

    def __init__(
        self, *, dialled: bool, name: str, peer: str, secret: str, stream_id: str, limits: XcpLimits | None
    ) -> None:
        self.limits = limits or XcpLimits()
        super().__init__(
            dialled=dialled,
            name=name,
            peer=peer,
            secret=secret,
            stream_id=stream_id,
            element_limit=self.limits.element,
        )
        self._flows = Flows(self.limits.window, write=self._write_data, drained=self._drained)
        self._asked: dict[str, None] = {}
        """Queries of this side without a response."""
        self._to_answer: dict[str, None] = {}
        """Queries of the peer without a response."""
        self._ours, self._theirs = ("d", "a") if dialled else ("a", "d")
        self._next = 0
        self._their_last = -1

    @classmethod
    def dial(cls, *, component: str, realm: str, secret: str, limits: XcpLimits | None = None) -> XcpLink:
        """Return the dialler's end. ``component`` is its name (`component_of`), ``realm`` the one it dials."""
        return cls(dialled=True, name=component, peer=realm, secret=secret, stream_id="", limits=limits)

    @classmethod
    def accept(
        cls, *, realm: str, secret: str, stream_id: str, also: Sequence[str] = (), limits: XcpLimits | None = None
    ) -> XcpLink:
        """Return the acceptor's end. ``realm`` is its own, ``also`` those of its other names: dialling any other is
        refused with ``host-unknown``.
        """
        link = cls(dialled=False, name=realm, peer="", secret=secret, stream_id=stream_id, limits=limits)
        link._further = tuple(also)
        return link

    @property
    def sessions_open(self) -> KeysView[str]:
        """The open sessions, in the order of opening."""
        return self._flows.open_sessions

    # ---- methods of this side

    def open(self, client: str, domain: str, stream_id: str, *, resumed: bool = False) -> str:
        """Open a client's session and return its id; with ``resumed`` it starts at the client's ``<auth>``."""
        self._need_up()
        session = f"{self._ours}{self._number()}"
        self._flows.open(session)
        where = {"client": client, "domain": domain, "stream": stream_id, "resumes": "sasl" if resumed else None}
        self._write(element("route", XCP, session=session, type="open", **where))
        return session

    def pass_on(self, stanza: Element) -> None:
        """Send the peer a stanza for one of its users."""
        self._need_up()
        self._write(element("stanza", XCP, stanza))

    def send(self, session: str, data: bytes, *, restart: bool = False) -> bool:
        """Send octets of a session; return False if some had to wait.

        ``data`` is UTF-8 text of an XML stream. ``restart``: the client opens a new stream after it.
        """
        if self._open_flow(session) is None:
            return True
        flow = self._flows.send(session, data, restart=restart)
        if flow.waiting > self.limits.backlog:
            self.close_session(session, "resource-constraint")
            self._events.append(SessionClosed(session=session, reason="resource-constraint"))
        return flow.idle

    def consumed(self, session: str, octets: int) -> None:
        """Report that octets of a session were forwarded; the peer may send as many more."""
        flow = self._open_flow(session)
        owed = flow.consumed(octets) if flow is not None else 0
        if owed:
            self._write(element("route", XCP, session=session, type="credit", octets=str(owed)))

    def waiting(self, session: str) -> int:
        """Return how many octets of a session wait for the peer."""
        flow = self._flows.get(session)
        return flow.waiting if flow is not None else 0

    def cork(self) -> None:
        """Hold back the octets of sessions: the connection is congested."""
        self._flows.cork()

    def uncork(self, budget: int) -> bool:
        """Resume the sessions, in turn, until ``budget`` octets wait for the peer; return whether any still waits."""
        return self._flows.uncork(lambda: len(self._out) >= budget)

    def close_session(self, session: str, reason: str = "") -> None:
        """End a session; octets that wait for its window are dropped."""
        if self._open_flow(session) is not None:
            self._flows.close(session)
            self._write(element("route", XCP, session=session, type="close", reason=reason or None))

    def ask(self, domain: str) -> str:
        """Query the peer for the SASL mechanisms of a domain; return the query's id."""
        self._need_up()
        query = str(self._number())
        self._asked[query] = None
        self._write(element("mechanisms", XCP, type="get", id=query, domain=domain))
        return query

    def answer(self, query: str, mechanisms: tuple[str, ...], hostnames: tuple[str, ...] = ()) -> None:
        """Answer a query; ignored if it is not open."""
        if self._to_answer.pop(query, 0) is None and self.up:
            names = [element("mechanism", XCP, name) for name in mechanisms]
            names += [element("hostname", XCP, name) for name in hostnames]
            self._write(element("mechanisms", XCP, *names, type="result", id=query))

    def refuse(self, query: str, condition: str = "item-not-found") -> None:
        """Refuse a query; ignored if it is not open."""
        if self._to_answer.pop(query, 0) is None and self.up:
            self._write(element("mechanisms", XCP, type="error", id=query, condition=condition))

    def ping(self) -> None:
        """Send a ping; the peer's response is reported as `Ponged`."""
        if self.up:
            self._write(element("ping", XCP, id=str(self._number())))

    # ---- input

    def _element(self, what: Element, raw: bytes) -> None:
        handle = ELEMENTS.get(what.name) if what.namespace == XCP else None
        if handle is None:
            raise StreamError("unsupported-stanza-type", what.name[:40])
        handle(self, what, raw)

    def _route(self, route: Element, raw: bytes) -> None:
        session = route.get("session") or ""
        kind = _TYPES.get(route.get("type") or "")
        if kind is None:
            raise StreamError("bad-format", "unknown type of route")
        state = self._state_of(session)
        handle = ROUTES.get((state, kind))
        if handle is not None:
            handle(self, session, route, raw)
        elif (state, kind) not in CROSSED:
            raise StreamError("bad-format", f"unexpected {kind.value} in a session that is {state.value}")

    def _opened(self, session: str, route: Element, raw: bytes) -> None:
        number = _number_in(session, self._theirs)
        if number is None or number <= self._their_last:
            raise StreamError("bad-format", "invalid session id")
        self._their_last = number
        if len(self._flows) >= self.limits.sessions:
            self._write(element("route", XCP, session=session, type="close", reason="resource-constraint"))
            return
        self._flows.open(session)
        self._events.append(
            SessionOpened(
                session=session,
                client=(route.get("client") or "")[:MAX_NAME],
                domain=(route.get("domain") or "")[:MAX_NAME],
                stream_id=(route.get("stream") or "")[:MAX_NAME],
                resumed=route.get("resumes") == "sasl",
                raw=raw,
            )
        )

    def _data(self, session: str, route: Element, raw: bytes) -> None:
        data = route.text.encode()
        flow = self._flows.get(session)
        if flow is None or not flow.arrived(len(data)):
            raise StreamError("policy-violation", "data exceeds the window")
        restart = route.get("restart") == "true"
        self._events.append(DataArrived(session=session, data=data, restart=restart, raw=raw))

    def _credit(self, session: str, route: Element, _: bytes) -> None:
        if not self._flows.credited(session, _octets(route.get("octets"))):
            raise StreamError("policy-violation", "credit exceeds the window")

    def _closed(self, session: str, route: Element, raw: bytes) -> None:
        self._flows.close(session)
        self._events.append(SessionClosed(session=session, reason=(route.get("reason") or "")[:200], raw=raw))

    def _mechanisms(self, query: Element, raw: bytes) -> None:
        handle = MECHANISMS.get(query.get("type") or "")
        if handle is None:
            raise StreamError("bad-format", "unknown type of mechanisms")
        handle(self, (query.get("id") or "")[:20], query, raw)

    def _query(self, id: str, query: Element, raw: bytes) -> None:
        if id in self._to_answer or len(self._to_answer) >= self.limits.queries:
            raise StreamError("policy-violation", "query id, or too many queries")
        self._to_answer[id] = None
        self._events.append(MechanismsAsked(query=id, domain=(query.get("domain") or "")[:MAX_NAME], raw=raw))

    def _result(self, id: str, query: Element, raw: bytes) -> None:
        if self._asked.pop(id, 0) is not None:
            return  # no such query
        names = [(child.name, child.text) for child in query.elements() if child.namespace == XCP]
        self._events.append(
            MechanismsAnswered(
                query=id,
                mechanisms=tuple(text for name, text in names if name == "mechanism"),
                hostnames=tuple(text for name, text in names if name == "hostname"),
                raw=raw,
            )
        )

    def _refused(self, id: str, query: Element, raw: bytes) -> None:
        if self._asked.pop(id, 0) is None:
            condition = (query.get("condition") or "undefined-condition")[:MAX_NAME]
            self._events.append(QueryFailed(query=id, condition=condition, raw=raw))

    def _stanza(self, wrapped: Element, raw: bytes) -> None:
        stanza = wrapped.first()
        if stanza is None or stanza.namespace != CLIENT or stanza.name not in ("message", "presence", "iq"):
            raise StreamError("bad-format", "expected a stanza")
        self._events.append(StanzaArrived(stanza=stanza, raw=raw))

    def _pinged(self, ping: Element, _: bytes) -> None:
        self._write(element("pong", XCP, id=(ping.get("id") or "")[:20]))

    def _ponged(self, _: Element, raw: bytes) -> None:
        self._events.append(Ponged(raw=raw))

    # ---- output

    def _write_data(self, session: str, piece: Piece) -> None:
        restart = "true" if piece.restart else None
        self._write(element("route", XCP, piece.text, session=session, type="data", restart=restart))

    def _drained(self, session: str) -> None:
        self._events.append(Writable(session=session))

    def _down(self, condition: str | None, text: str) -> None:
        self._flows.clear()
        super()._down(condition, text)

    # ---- helpers

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _state_of(self, session: str) -> RouteState:
        if session in self._flows.open_sessions:
            return RouteState.OPEN
        ours, theirs = _number_in(session, self._ours), _number_in(session, self._theirs)
        if (ours is not None and 0 < ours <= self._next) or (theirs is not None and theirs <= self._their_last):
            return RouteState.OVER
        return RouteState.NEVER_OPENED

    def _open_flow(self, session: str) -> Flow | None:
        """Return a session's flow, or None if it has ended. Raises `OutOfOrder` if it never existed."""
        flow = self._flows.get(session)
        if flow is None and self._state_of(session) is RouteState.NEVER_OPENED:
            raise OutOfOrder(f"session {session!r} was never opened")
        return flow


ELEMENTS: dict[str, Callable[[XcpLink, Element, bytes], None]] = {
    "route": XcpLink._route,
    "mechanisms": XcpLink._mechanisms,
    "stanza": XcpLink._stanza,
    "ping": XcpLink._pinged,
    "pong": XcpLink._ponged,
}
"""The handlers of elements on a link that is up; any other is ``unsupported-stanza-type``."""

ROUTES: dict[tuple[RouteState, RouteType], Callable[[XcpLink, str, Element, bytes], None]] = {
    (RouteState.NEVER_OPENED, RouteType.OPEN): XcpLink._opened,
    (RouteState.OPEN, RouteType.DATA): XcpLink._data,
    (RouteState.OPEN, RouteType.CREDIT): XcpLink._credit,
    (RouteState.OPEN, RouteType.CLOSE): XcpLink._closed,
}
"""The handlers of ``<route>``. Without a row it is ``bad-format``, unless listed in `CROSSED`."""

CROSSED: frozenset[tuple[RouteState, RouteType]] = frozenset(
    {
        (RouteState.OVER, RouteType.DATA),
        (RouteState.OVER, RouteType.CREDIT),
        (RouteState.OVER, RouteType.CLOSE),
    }
)
"""What the peer may have sent before it learned that this side ended the session."""

_TYPES = {each.value: each for each in RouteType}

MECHANISMS: dict[str, Callable[[XcpLink, str, Element, bytes], None]] = {
    "get": XcpLink._query,
    "result": XcpLink._result,
    "error": XcpLink._refused,
}
"""The handlers of ``<mechanisms>``, by type. An unexpected answer is ignored."""


def _number_in(session: str, side: str) -> int | None:
    """Return the number in a session id of one side, or None if the id is not that side's."""
    digits = session[1:]
    if session[:1] != side or len(session) > 20 or not (digits.isascii() and digits.isdigit()):
        return None
    return int(digits)


def _octets(text: str | None) -> int:
    if not text or len(text) > 9 or not (text.isascii() and text.isdigit()):
        raise StreamError("bad-format", "octets")
    return int(text)
