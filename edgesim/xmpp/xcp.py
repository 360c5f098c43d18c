"""The XCP link: what Expressway-C dials on TCP 7400 to Expressway-E and to IM and Presence, and what runs over it.

The product's XCP is proprietary and no public capture shows it. **What follows is the emulator's own exchange**: it
keeps what is documented (who dials, port 7400, the component's name ``jabberd-port-1.<realm>`` with the dots of the
host name turned into dashes, a query for SASL mechanisms that fails when a realm is unknown) and invents the rest.

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

``resumes='sasl'`` hands a session over whose stream header and offer of mechanisms the opener has dealt with: the next
that comes is the client's ``<auth>``. Nodes of IM and Presence do so with users whose home is another node, and pass
each other stanzas of their users as ``<stanza>``; at most `XcpLimits.unsent` octets may wait for such a link.

A route is one client's session. The side that opens it chooses the id (``a<n>`` where it accepted the link, ``d<n>``
where it dialled). Either side may send at most a window of octets that the other has not declared `XcpLink.consumed`;
more waits here, up to a bound, beyond which the session is closed with ``resource-constraint``.

`XcpLink` is sans-IO; `edgesim.xmpp.link.XcpConnection` runs one over asyncio. A relay in few lines::

    def on_event(event: XcpEvent) -> None:                 # C, for the link to E
        match event:
            case SessionOpened():
                behind[event.session] = inner.open(event.client, event.domain, event.stream_id)
            case DataArrived():
                inner.send(behind[event.session], event.data, restart=event.restart)
                outer.consumed(event.session, event.octets)
            case SessionClosed():
                inner.close_session(behind.pop(event.session), event.reason)
"""

from __future__ import annotations

import hashlib
import hmac
from collections import deque
from collections.abc import KeysView, Sequence
from dataclasses import dataclass
from enum import Enum

from edgesim.xmpp.stream import (
    STREAM_END,
    StanzaRead,
    StreamClosed,
    StreamError,
    StreamEvent,
    StreamOpened,
    StreamParser,
    XmppLimits,
    stream_error,
)
from edgesim.xmpp.xml import CLIENT, COMPONENT, STREAMS, Element, element, escape_value

XCP = "urn:edgesim:xcp:0"
_PIECE = 16_384
"""Octets of the largest route; a window must hold one."""
_MAX_NAME = 255


def realm_of(host_name: str) -> str:
    """Return a host's realm: its name with dots turned into dashes."""
    return host_name.replace(".", "-")


def component_of(host_name: str) -> str:
    """Return the component by which a host dials: ``jabberd-port-1.<realm>``."""
    return f"jabberd-port-1.{realm_of(host_name)}"


def digest(stream_id: str, secret: str) -> str:
    """Return the handshake (XEP-0114, section 3): lower-case hex of SHA-1 over stream id and secret."""
    return hashlib.sha1(f"{stream_id}{secret}".encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class XcpLimits:
    """Bounds of a link: octets of an element, unconsumed and waiting octets of a session, sessions, open queries."""

    element: int = 131_072
    window: int = 65_536
    backlog: int = 1_048_576
    sessions: int = 10_000
    queries: int = 10_000
    unsent: int = 524_288


class LinkPhase(Enum):
    """How far a link is."""

    NEW = "new"
    OPENING = "opening"
    HANDSHAKE = "handshake"
    UP = "up"
    CLOSED = "closed"


# ---- events


@dataclass(frozen=True, slots=True, kw_only=True)
class XcpEvent:
    """Base of what a link tells its owner. ``raw`` is the element as it stood in the stream."""

    raw: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkUp(XcpEvent):
    """The handshake is done; ``component`` is the dialler's name."""

    component: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDown(XcpEvent):
    """The link is over, and with it every session. ``condition`` is a stream error of this or the other side."""

    condition: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened(XcpEvent):
    """The other side opens a client's session; ``client`` is ``address:port`` as Expressway-E saw it."""

    session: str
    client: str
    domain: str
    stream_id: str
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DataArrived(XcpEvent):
    """Octets of a session; call `XcpLink.consumed` with ``octets`` when they have gone on."""

    session: str
    data: bytes
    restart: bool = False

    @property
    def octets(self) -> int:
        """How many octets count against the window."""
        return len(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionClosed(XcpEvent):
    """A session is over, by the other side or by its bounds."""

    session: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StanzaArrived(XcpEvent):
    """A stanza from a user of the other side to one of this."""

    stanza: Element


@dataclass(frozen=True, slots=True, kw_only=True)
class Writable(XcpEvent):
    """What waited for a session's window has been written."""

    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MechanismsAsked(XcpEvent):
    """The other side asks for the SASL mechanisms of a domain: `XcpLink.answer` or `XcpLink.refuse`."""

    query: str
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MechanismsAnswered(XcpEvent):
    """The answer to `XcpLink.ask`."""

    query: str
    mechanisms: tuple[str, ...]
    hostnames: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryFailed(XcpEvent):
    """A query was refused: ``item-not-found`` for an unknown realm or domain, ``recipient-unavailable``..."""

    query: str
    condition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ponged(XcpEvent):
    """The other side is alive."""


class _Route:
    """One session's flow: what may still be sent, what waits, what was taken and not yet credited back."""

    __slots__ = ("credit", "received", "waiting", "waiting_octets")

    def __init__(self, window: int) -> None:
        self.credit = window
        self.waiting: deque[tuple[str, int, bool]] = deque()
        self.waiting_octets = 0
        self.received = 0


def _ready(route: _Route) -> bool:
    return bool(route.waiting) and route.waiting[0][1] <= route.credit


# ---- the link


class XcpLink:
    """One end of a link. Make it by `dial` or `accept`; feed octets, take events until None, write `data_to_send`."""

    def __init__(
        self, *, dialled: bool, name: str, peer: str, secret: str, stream_id: str, limits: XcpLimits | None
    ) -> None:
        self.limits = limits or XcpLimits()
        self.dialled = dialled
        self.name = name
        self.component = name if dialled else ""
        self.phase = LinkPhase.NEW
        self.peer = peer
        self._further: tuple[str, ...] = ()
        self._secret = secret
        self._stream_id = stream_id
        self._parser = StreamParser(limits=XmppLimits(stanza=self.limits.element), namespace=COMPONENT)
        self._out = bytearray()
        self._events: deque[XcpEvent] = deque()
        self._routes: dict[str, _Route] = {}
        self._queries: dict[str, None] = {}
        self._asked: dict[str, None] = {}
        self._next = 0
        self._header_sent = False
        self._corked = False
        self._turn = 0
        if dialled:
            self._header(from_=name, to=peer)
            self.phase = LinkPhase.OPENING

    @classmethod
    def dial(cls, *, component: str, realm: str, secret: str, limits: XcpLimits | None = None) -> XcpLink:
        """Return the dialler's end. ``component`` names it (`component_of`), ``realm`` the one it dials."""
        return cls(dialled=True, name=component, peer=realm, secret=secret, stream_id="", limits=limits)

    @classmethod
    def accept(
        cls, *, realm: str, secret: str, stream_id: str, also: Sequence[str] = (), limits: XcpLimits | None = None
    ) -> XcpLink:
        """Return the acceptor's end. ``realm`` is its own, ``also`` those of its further names: who dials another is
        refused, ``host-unknown``."""
        link = cls(dialled=False, name=realm, peer="", secret=secret, stream_id=stream_id, limits=limits)
        link._further = tuple(also)
        return link

    @property
    def closed(self) -> bool:
        """Whether the link is over: write what is due, then close."""
        return self.phase is LinkPhase.CLOSED

    @property
    def up(self) -> bool:
        """Whether sessions can be opened."""
        return self.phase is LinkPhase.UP

    @property
    def sessions_open(self) -> KeysView[str]:
        """The sessions that are open, in the order of their opening."""
        return self._routes.keys()

    def feed(self, data: bytes) -> None:
        """Take octets from the other side."""
        if not self.closed:
            self._parser.feed(data)

    def next_event(self) -> XcpEvent | None:
        """Return the next event, or None until more octets come."""
        while not self._events:
            if self.closed:
                return None
            try:
                read = self._parser.next()
                if read is None:
                    return None
                self._step(read)
            except StreamError as error:
                self._fail(error.condition, error.text)
        return self._events.popleft()

    def data_to_send(self) -> bytes:
        """Return, and forget, the octets that are due to the other side."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def open(self, client: str, domain: str, stream_id: str, *, resumed: bool = False) -> str:
        """Open a client's session and return its id; ``resumed`` goes on at the client's ``<auth>``.

        Raises `RuntimeError` unless the link is up.
        """
        self._need_up()
        self._next += 1
        session = f"{'d' if self.dialled else 'a'}{self._next}"
        self._routes[session] = _Route(self.limits.window)
        where = {"client": client, "domain": domain, "stream": stream_id, "resumes": "sasl" if resumed else None}
        self._write(element("route", XCP, session=session, type="open", **where))
        return session

    def pass_on(self, stanza: Element) -> None:
        """Give the other side a stanza for one of its users. Raises `RuntimeError` unless the link is up."""
        self._need_up()
        self._write(element("stanza", XCP, stanza))

    def send(self, session: str, data: bytes, *, restart: bool = False) -> bool:
        """Send octets of a session; return False if some had to wait. Unknown sessions are ignored.

        ``data`` is UTF-8 text of an XML stream. ``restart`` says that the client opens a new stream after it.
        """
        route = self._routes.get(session)
        if route is None or not self.up:
            return True
        text = data.decode()
        pieces = [text[start : start + _PIECE // 4] for start in range(0, len(text), _PIECE // 4)] or [""]
        for index, piece in enumerate(pieces):
            octets = len(piece.encode())
            route.waiting.append((piece, octets, restart and index == len(pieces) - 1))
            route.waiting_octets += octets
        self._pump(session, route)
        if route.waiting_octets > self.limits.backlog:
            self.close_session(session, "resource-constraint")
            self._events.append(SessionClosed(session=session, reason="resource-constraint"))
        return not route.waiting

    def consumed(self, session: str, octets: int) -> None:
        """Say that octets of a session have gone on; the other side may send as many more."""
        route = self._routes.get(session)
        if route is None or octets <= 0:
            return
        owed = route.received
        route.received = max(0, owed - octets)
        self._write(element("route", XCP, session=session, type="credit", octets=str(min(octets, owed))))

    def waiting(self, session: str) -> int:
        """Return how many octets of a session wait for the other side."""
        route = self._routes.get(session)
        return route.waiting_octets if route is not None else 0

    def cork(self) -> None:
        """Keep the octets of sessions here: the way to the other side is full."""
        self._corked = True

    def uncork(self, budget: int) -> bool:
        """Let the sessions go on, in turn, for so many octets; return whether some must wait for the next call."""
        self._corked = False
        order = [(session, route) for session, route in self._routes.items() if route.waiting]
        first = self._turn % len(order) if order else 0
        order = order[first:] + order[:first]
        while order and len(self._out) < budget:
            for session, route in order:
                self._turn += 1
                self._step_out(session, route)
                if not route.waiting:
                    self._events.append(Writable(session=session))
            order = [(session, route) for session, route in order if _ready(route)]
        self._corked = bool(order)
        return self._corked

    def close_session(self, session: str, reason: str = "") -> None:
        """End a session; what still waits for its window is dropped. Unknown sessions are ignored."""
        if self._routes.pop(session, None) is not None and self.up:
            self._write(element("route", XCP, session=session, type="close", reason=reason or None))

    def ask(self, domain: str) -> str:
        """Ask the other side for the SASL mechanisms of a domain; return the query's id."""
        self._need_up()
        self._next += 1
        query = str(self._next)
        self._queries[query] = None
        self._write(element("mechanisms", XCP, type="get", id=query, domain=domain))
        return query

    def answer(self, query: str, mechanisms: tuple[str, ...], hostnames: tuple[str, ...] = ()) -> None:
        """Answer a query. One that is not open is ignored."""
        if self._asked.pop(query, 0) is None and self.up:
            names = [element("mechanism", XCP, name) for name in mechanisms]
            names += [element("hostname", XCP, name) for name in hostnames]
            self._write(element("mechanisms", XCP, *names, type="result", id=query))

    def refuse(self, query: str, condition: str = "item-not-found") -> None:
        """Refuse a query. One that is not open is ignored."""
        if self._asked.pop(query, 0) is None and self.up:
            self._write(element("mechanisms", XCP, type="error", id=query, condition=condition))

    def ping(self) -> None:
        """Ask for a sign of life, which comes as `Ponged`."""
        if self.up:
            self._next += 1
            self._write(element("ping", XCP, id=str(self._next)))

    def close(self, condition: str | None = None, text: str = "") -> None:
        """End the link, with a stream error if ``condition`` is given."""
        if not self.closed:
            self._fail(condition, text)

    # ---- what comes in

    def _step(self, read: StreamEvent) -> None:
        if isinstance(read, StreamClosed):
            self._fail(None, "closed by the other side")
        elif isinstance(read, StreamOpened):
            self._opened(read)
        elif isinstance(read, StanzaRead):
            what = read.element
            if (what.namespace, what.name) == (STREAMS, "error"):
                first = what.first()
                self._down(first.name if first else "undefined-condition", "told by the other side")
            elif self.phase is LinkPhase.HANDSHAKE and (what.namespace, what.name) == (COMPONENT, "handshake"):
                self._handshake(read)
            elif self.phase is not LinkPhase.UP:
                raise StreamError("not-authorized", "before the handshake")
            elif what.namespace == XCP and what.name in _ELEMENTS:
                getattr(self, f"_on_{what.name}")(what, read.raw)
            else:
                raise StreamError("unsupported-stanza-type", what.name[:40])

    def _opened(self, header: StreamOpened) -> None:
        if self.dialled:
            self._stream_id = header.id or ""
            if not self._stream_id:
                raise StreamError("bad-format", "no stream id")
            self._out += element("handshake", COMPONENT, digest(self._stream_id, self._secret)).encode(COMPONENT)
        else:
            self.component = (header.from_ or "")[:_MAX_NAME]
            if header.to in self._further:
                self.name = header.to
            self._header(from_=self.name, id=self._stream_id)
            if header.to != self.name:
                raise StreamError("host-unknown", f"this is {self.name}")
            if not self.component:
                raise StreamError("improper-addressing", "the component's name is missing")
        self.phase = LinkPhase.HANDSHAKE

    def _handshake(self, read: StanzaRead) -> None:
        if not self.dialled:
            wanted = digest(self._stream_id, self._secret)
            if not hmac.compare_digest(read.element.text.strip().encode(), wanted.encode()):
                raise StreamError("not-authorized", "wrong secret")
            self._out += element("handshake", COMPONENT).encode(COMPONENT)
        self.phase = LinkPhase.UP
        self._events.append(LinkUp(component=self.component, raw=read.raw))

    def _on_route(self, route: Element, raw: bytes) -> None:
        session = route.get("session") or ""
        kind = route.get("type")
        known = self._routes.get(session)
        if kind == "open":
            self._on_open(session, route, raw)
        elif kind not in ("data", "credit", "close"):
            raise StreamError("bad-format", "type of route")
        elif known is None:
            return  # it crossed our close
        elif kind == "data":
            data = route.text.encode()
            known.received += len(data)
            if known.received > self.limits.window:
                raise StreamError("policy-violation", "more than the window")
            self._events.append(
                DataArrived(session=session, data=data, restart=route.get("restart") == "true", raw=raw)
            )
        elif kind == "credit":
            known.credit += _number(route.get("octets"))
            if known.credit > self.limits.window:
                raise StreamError("policy-violation", "more credit than the window")
            if known.waiting:
                self._pump(session, known)
                if not known.waiting:
                    self._events.append(Writable(session=session))
        else:
            del self._routes[session]
            self._events.append(SessionClosed(session=session, reason=(route.get("reason") or "")[:200], raw=raw))

    def _on_open(self, session: str, route: Element, raw: bytes) -> None:
        theirs = "a" if self.dialled else "d"
        if session[:1] != theirs or not session[1:].isdigit() or len(session) > 20 or session in self._routes:
            raise StreamError("bad-format", "session id")
        if len(self._routes) >= self.limits.sessions:
            self._write(element("route", XCP, session=session, type="close", reason="resource-constraint"))
            return
        self._routes[session] = _Route(self.limits.window)
        self._events.append(
            SessionOpened(
                session=session,
                client=(route.get("client") or "")[:_MAX_NAME],
                domain=(route.get("domain") or "")[:_MAX_NAME],
                stream_id=(route.get("stream") or "")[:_MAX_NAME],
                resumed=route.get("resumes") == "sasl",
                raw=raw,
            )
        )

    def _on_mechanisms(self, query: Element, raw: bytes) -> None:
        kind, id = query.get("type"), (query.get("id") or "")[:20]
        if kind == "get":
            if id in self._asked or len(self._asked) >= self.limits.queries:
                raise StreamError("policy-violation", "query id, or too many queries")
            self._asked[id] = None
            self._events.append(MechanismsAsked(query=id, domain=(query.get("domain") or "")[:_MAX_NAME], raw=raw))
            return
        if kind not in ("result", "error"):
            raise StreamError("bad-format", "type of mechanisms")
        if self._queries.pop(id, 0) is not None:
            return  # nobody asked
        if kind == "error":
            condition = (query.get("condition") or "undefined-condition")[:_MAX_NAME]
            self._events.append(QueryFailed(query=id, condition=condition, raw=raw))
            return
        names = [(child.name, child.text) for child in query.elements() if child.namespace == XCP]
        self._events.append(
            MechanismsAnswered(
                query=id,
                mechanisms=tuple(text for name, text in names if name == "mechanism"),
                hostnames=tuple(text for name, text in names if name == "hostname"),
                raw=raw,
            )
        )

    def _on_stanza(self, wrapped: Element, raw: bytes) -> None:
        stanza = wrapped.first()
        if stanza is None or stanza.namespace != CLIENT or stanza.name not in ("message", "presence", "iq"):
            raise StreamError("bad-format", "no stanza")
        self._events.append(StanzaArrived(stanza=stanza, raw=raw))

    def _on_ping(self, ping: Element, raw: bytes) -> None:
        self._write(element("pong", XCP, id=(ping.get("id") or "")[:20]))

    def _on_pong(self, pong: Element, raw: bytes) -> None:
        self._events.append(Ponged(raw=raw))

    # ---- what goes out

    def _header(self, **attributes: str) -> None:
        named = " ".join(f"{key.rstrip('_')}='{escape_value(value)}'" for key, value in attributes.items())
        self._out += f"<stream:stream xmlns='{COMPONENT}' xmlns:stream='{STREAMS}' {named} version='1.0'>".encode()
        self._header_sent = True

    def _write(self, what: Element) -> None:
        self._out += what.encode(COMPONENT)

    def _pump(self, session: str, route: _Route) -> None:
        while not self._corked and _ready(route):
            self._step_out(session, route)

    def _step_out(self, session: str, route: _Route) -> None:
        if not _ready(route):
            return
        text, octets, restart = route.waiting.popleft()
        route.credit -= octets
        route.waiting_octets -= octets
        self._write(
            element("route", XCP, text, session=session, type="data", restart="true" if restart else None),
        )

    def _fail(self, condition: str | None, text: str) -> None:
        if condition is not None:
            if not self._header_sent:
                self._header(from_=self.name, id=self._stream_id)
            self._out += stream_error(condition, text).encode(COMPONENT)
        self._down(condition, text)

    def _down(self, condition: str | None, text: str) -> None:
        if self._header_sent:
            self._out += STREAM_END
        self.phase = LinkPhase.CLOSED
        self._routes.clear()
        self._events.append(LinkDown(condition=condition, detail=text))

    def _need_up(self) -> None:
        if not self.up:
            raise RuntimeError(f"the XCP link is {self.phase.value}")


_ELEMENTS = frozenset({"route", "mechanisms", "stanza", "ping", "pong"})


def _number(text: str | None) -> int:
    if not text or len(text) > 9 or not (text.isascii() and text.isdigit()):
        raise StreamError("bad-format", "octets")
    return int(text)
