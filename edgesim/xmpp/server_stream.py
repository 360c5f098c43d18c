"""The server's end of a client's XML stream: the base of sessions and edge streams.

`edgesim.xmpp.session.Session` and `edgesim.xmpp.front.EdgeStream` derive from it. Sans-IO: feed octets, take events
until None, write what `ServerStream.data_to_send` returns. Two literal tables define the order of events. A `Table` has
a row for each input that the client may send in a phase, with its handler and the next phase; input without a row ends
the stream with a stream error (RFC 6120, section 4.9.3). `ORDER` has a row for each verb that the server may use in a
phase; `IGNORED` lists the pairs in which a verb merely comes too late, and every other pair is a bug of the server:
`OutOfOrder`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from edgesim.xmpp import sasl
from edgesim.xmpp.jid import Jid, JidError
from edgesim.xmpp.session_events import ASKING, Decoded, Ended, Passed, SessionEvent, StartTls
from edgesim.xmpp.stream import (
    PROCEED,
    STARTTLS_REQUIRED,
    STREAM_END,
    OutOfOrder,
    StanzaRead,
    StreamClosed,
    StreamError,
    StreamEvent,
    StreamOpened,
    StreamParser,
    XmppLimits,
    server_header,
    stream_error,
)
from edgesim.xmpp.xml import BIND, CLIENT, SASL, STREAM_MANAGEMENT, TLS, Element


class Phase(Enum):
    """The phases of a client's stream."""

    __hash__ = object.__hash__  # identity comparison: faster than comparing names

    NEW = "new"
    TLS_OFFERED = "TLS offered"
    TLS = "TLS handshake"
    SECURE = "secure"
    SASL_OFFERED = "SASL offered"
    CHALLENGED = "challenged"
    CHECKING = "credentials being checked"
    AUTHENTICATED = "authenticated"
    BIND_OFFERED = "bind offered"
    BINDING = "resource being bound"
    BOUND = "bound"
    ASKED = "session asked for behind"
    HANDED_OVER = "handed over to another server"
    UNAVAILABLE = "no session to be had"
    CLOSED = "closed"


class Input(Enum):
    """The kinds of client input after the stream header."""

    __hash__ = object.__hash__

    STARTTLS = "starttls"
    AUTH = "auth"
    RESPONSE = "response"
    ABORT = "abort"
    NEGOTIATION = "another element of TLS or SASL"
    BIND = "bind"
    MANAGEMENT = "stream management"
    STANZA = "stanza"
    OTHER = "unknown element"


class Verb(Enum):
    """The server's operations on a stream."""

    __hash__ = object.__hash__

    SECURED = "secured"
    GRANT = "grant"
    REFUSE = "refuse"
    HAND_OVER = "hand over"
    BIND = "bind"
    REFUSE_BIND = "refuse bind"
    SEND = "send"
    DOWNWARD = "downward"
    UNAVAILABLE = "unavailable"
    CLOSED_BEHIND = "closed behind"
    CLOSE = "close"


ORDER: dict[tuple[Phase, Verb], Phase] = {
    (Phase.TLS, Verb.SECURED): Phase.SECURE,
    (Phase.CHECKING, Verb.GRANT): Phase.AUTHENTICATED,
    (Phase.CHECKING, Verb.REFUSE): Phase.CLOSED,
    (Phase.CHECKING, Verb.HAND_OVER): Phase.HANDED_OVER,
    (Phase.BINDING, Verb.BIND): Phase.BOUND,
    (Phase.BINDING, Verb.REFUSE_BIND): Phase.BIND_OFFERED,
    (Phase.BOUND, Verb.SEND): Phase.BOUND,
    (Phase.ASKED, Verb.DOWNWARD): Phase.HANDED_OVER,
    (Phase.ASKED, Verb.UNAVAILABLE): Phase.UNAVAILABLE,
    (Phase.ASKED, Verb.CLOSED_BEHIND): Phase.CLOSED,
    (Phase.HANDED_OVER, Verb.DOWNWARD): Phase.HANDED_OVER,
    (Phase.HANDED_OVER, Verb.CLOSED_BEHIND): Phase.CLOSED,
} | {(phase, Verb.CLOSE): Phase.CLOSED for phase in Phase if phase is not Phase.CLOSED}
"""The verbs allowed in each phase, and the next phase."""

IGNORED: frozenset[tuple[Phase, Verb]] = frozenset(
    {
        (Phase.CLOSED, Verb.SEND),
        (Phase.CLOSED, Verb.DOWNWARD),
        (Phase.CLOSED, Verb.CLOSED_BEHIND),
        (Phase.CLOSED, Verb.CLOSE),
        (Phase.UNAVAILABLE, Verb.DOWNWARD),
    }
)
"""Verbs that come too late because the stream has meanwhile ended or continued without a session."""

PASSING = frozenset({Phase.ASKED, Phase.HANDED_OVER})
"""Phases in which another server has, or will have, the session: all client input is forwarded unchanged."""
STANDING_STILL = frozenset({Phase.TLS, Phase.CHECKING, Phase.BINDING, Phase.CLOSED})
"""Phases that read nothing: in `Phase.TLS` and `Phase.CLOSED` input is dropped, otherwise it waits for the server."""

_ELEMENTS: dict[tuple[str, str], Input] = {
    (TLS, "starttls"): Input.STARTTLS,
    (SASL, "auth"): Input.AUTH,
    (SASL, "response"): Input.RESPONSE,
    (SASL, "abort"): Input.ABORT,
    (CLIENT, "iq"): Input.STANZA,
    (CLIENT, "message"): Input.STANZA,
    (CLIENT, "presence"): Input.STANZA,
}
_NAMESPACES: dict[str, Input] = {
    TLS: Input.NEGOTIATION,
    SASL: Input.NEGOTIATION,
    STREAM_MANAGEMENT: Input.MANAGEMENT,
}

S = TypeVar("S", bound="ServerStream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Generic[S]):
    """The handlers of client input for one kind of stream.

    ``headers`` and ``elements``: the handler, and the next phase unless the handler returns another. ``refused``: the
    stream error for an element without a row, by default ``policy-violation``. The end of the stream needs no row: the
    client may close it in every phase.
    """

    headers: Mapping[Phase, tuple[Callable[[S, StreamOpened], None], Phase]]
    elements: Mapping[tuple[Phase, Input], tuple[Callable[[S, Element], Phase | None], Phase]]
    refused: Mapping[Input, str]


class ServerStream(ABC):
    """A client's stream on a server. ``domain`` is used to answer a header without ``to``."""

    def __init__(
        self, *, domain: str, stream_id: str, phase: Phase = Phase.NEW, limits: XmppLimits | None = None
    ) -> None:
        self.domain = domain
        self.stream_id = stream_id
        self.phase = phase
        self.restarted = False
        """Set when the client must open a new stream next; an XCP link resets it."""
        self._parser = StreamParser(limits=limits)
        self._events: deque[SessionEvent] = deque()
        self._out = bytearray()
        self._header_sent = False

    # ---- called by the server

    @property
    def closed(self) -> bool:
        """Whether the stream has ended: write pending output, then close."""
        return self.phase is Phase.CLOSED

    @property
    def partial(self) -> bool:
        """Whether part of an element has arrived."""
        return not self._parser.idle

    def feed(self, data: bytes) -> None:
        """Take octets from the client; during the TLS handshake they do not belong to the stream and are dropped."""
        if self.phase not in (Phase.TLS, Phase.CLOSED):
            self._parser.feed(data)

    def next_event(self) -> SessionEvent | None:
        """Return the next event, or None until more octets, or a decision, arrive."""
        while not self._events:
            if self.phase in STANDING_STILL:
                return None
            try:
                read = self._parser.next()
                if read is None:
                    return None
                self._events.append(Decoded(event=read))
                if self.phase in PASSING:
                    self._events.append(Passed(data=read.raw))
                elif isinstance(read, StreamClosed):
                    self.close()
                else:
                    self._step(read)
            except StreamError as error:
                self.close(error.condition, error.text)
        return self._events.popleft()

    def data_to_send(self) -> bytes:
        """Return the pending output, and clear it."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def secured(self) -> None:
        """Report that TLS is up. The client opens a new stream; its id stays."""
        self._asked(Verb.SECURED)
        self._restart()

    def downward(self, data: bytes, *, restart: bool = False) -> None:
        """Pass octets of the server behind to the client; with ``restart`` the client opens a new stream after them."""
        if self._asked(Verb.DOWNWARD):
            self._out += data
            self._header_sent = True
            if restart:
                self._restart()

    def closed_behind(self) -> None:
        """Report that the session behind has ended; its last octets came before."""
        if self._asked(Verb.CLOSED_BEHIND):
            self._end(Ended(detail="closed by the server behind"))

    def close(self, condition: str | None = None, text: str = "") -> None:
        """End the stream, with a stream error if ``condition`` is given. Does nothing if it has ended already."""
        if not self._asked(Verb.CLOSE):
            return
        if condition is not None:
            if not self._header_sent:
                self._write_header()
            self._write(stream_error(condition, text))
        if self._header_sent:
            self._out += STREAM_END
        self._end(Ended(condition=condition, detail=text))

    # ---- input

    @abstractmethod
    def _step(self, read: StreamEvent) -> None:
        """Apply the table of this kind of stream."""

    def _follow(self: S, table: Table[S], read: StreamEvent) -> None:
        if isinstance(read, StreamOpened):
            opened = table.headers.get(self.phase)
            if opened is None:
                raise StreamError("policy-violation", f"stream header in phase: {self.phase.value}")
            greet, after = opened
            greet(self, read)
            self.phase = after
        elif isinstance(read, StanzaRead):
            what = input_of(read.element)
            row = table.elements.get((self.phase, what))
            if row is None:
                condition = table.refused.get(what, "policy-violation")
                raise StreamError(condition, f"{what.value} in phase: {self.phase.value}")
            handle, after = row
            instead = handle(self, read.element)
            if not self.closed:
                self.phase = instead or after

    def _open(self, header: StreamOpened) -> None:
        """Handle the client's header."""
        try:
            if header.to is not None:
                self.domain = Jid.parse(header.to).domain
        except JidError:
            raise StreamError("improper-addressing", "bad to") from None
        if header.major < 1:
            raise StreamError("unsupported-version", "expected XMPP version 1.0")

    def _offer_tls(self, header: StreamOpened) -> None:
        """Answer the first header: TLS is required."""
        self._open(header)
        self._write_header()
        self._write(STARTTLS_REQUIRED)

    def _proceed(self, _: Element) -> None:
        """Answer ``<starttls/>``."""
        self._write(PROCEED)
        self._events.append(StartTls())

    # ---- output

    def _write(self, what: Element) -> None:
        self._out += what.encode()

    def _write_header(self) -> None:
        self._out += server_header(self.domain, self.stream_id)
        self._header_sent = True

    def _refuse_sasl(self, condition: str) -> None:
        self._write(sasl.failure(condition))
        self.phase = Phase.CLOSED
        self._out += STREAM_END
        self._end(Ended(detail=f"authentication refused: {condition}"))

    # ---- helpers

    def _asked(self, verb: Verb) -> bool:
        """Apply a verb's transition; return False if it comes too late. Raises `OutOfOrder`."""
        after = ORDER.get((self.phase, verb))
        if after is None:
            if (self.phase, verb) in IGNORED:
                return False
            raise OutOfOrder(f"{verb.value} in phase: {self.phase.value}")
        self.phase = after
        return True

    def _restart(self) -> None:
        self._parser.restart()
        self._header_sent = False
        self.restarted = True

    def _end(self, event: Ended) -> None:
        """Queue the end after the pending events, dropping those that ask for a decision."""
        self._events = deque(each for each in self._events if not isinstance(each, ASKING))
        self._events.append(event)


def input_of(what: Element) -> Input:
    """Classify an element for the tables of a stream."""
    found = _ELEMENTS.get((what.namespace, what.name)) or _NAMESPACES.get(what.namespace, Input.OTHER)
    if found is Input.STANZA and what.name == "iq" and what.get("type") == "set" and what.find("bind", BIND):
        return Input.BIND
    return found
