"""A server-to-server stream in the style of the component protocol (XEP-0114): roles, headers, shared secret.

Sans-IO. `HEADERS` and `ELEMENTS` are the complete state table until the stream is up; the layer above handles what
follows (`edgesim.xmpp.xcp.XcpLink`).
"""

from __future__ import annotations

import hashlib
import hmac
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from enum import Enum

from edgesim.xmpp.stream import (
    STREAM_END,
    OutOfOrder,
    StanzaRead,
    StreamClosed,
    StreamError,
    StreamEvent,
    StreamOpened,
    StreamParser,
    XmppLimits,
    stream_error,
)
from edgesim.xmpp.xcp_events import LinkDown, LinkUp, XcpEvent
from edgesim.xmpp.xml import COMPONENT, STREAMS, Element, element, escape_value

MAX_NAME = 255
"""The maximum length of a stored name, in characters."""
_PORT = "jabberd-port-1."


def realm_of(host_name: str) -> str:
    """Return a host's realm: its name with dots replaced by dashes."""
    return host_name.replace(".", "-")


def component_of(host_name: str) -> str:
    """Return the component name of a dialling host: ``jabberd-port-1.<realm>``."""
    return f"{_PORT}{realm_of(host_name)}"


def digest(stream_id: str, secret: str) -> str:
    """Return the handshake (XEP-0114, section 3): lower-case hex of SHA-1 over stream id and secret."""
    return hashlib.sha1(f"{stream_id}{secret}".encode()).hexdigest()


class LinkPhase(Enum):
    """The phases of a link."""

    __hash__ = object.__hash__  # identity comparison: faster than comparing names

    NEW = "new"
    """Accepted: waiting for the dialler's header."""
    OPENING = "opening"
    """Dialled: waiting for the acceptor's header."""
    CHALLENGED = "challenged"
    """Accepted: waiting for the dialler's handshake."""
    PROVING = "proving"
    """Dialled: waiting for the acceptor to confirm the handshake."""
    UP = "up"
    CLOSED = "closed"


class LinkInput(Enum):
    """The elements that have one meaning in every phase of a link."""

    __hash__ = object.__hash__

    HANDSHAKE = "handshake"
    ERROR = "stream error"
    OTHER = "another element"


class ComponentStream(ABC):
    """One end of a link. Create it with `dial` or `accept`; feed octets, take events until None, write `data_to_send`.

    ``element_limit`` bounds the octets of an element.
    """

    def __init__(self, *, dialled: bool, name: str, peer: str, secret: str, stream_id: str, element_limit: int) -> None:
        self.dialled = dialled
        self.name = name
        self.peer = peer
        self.component = name if dialled else ""
        self.phase = LinkPhase.NEW
        self._further: tuple[str, ...] = ()
        self._secret = secret
        self._stream_id = stream_id
        self._parser = StreamParser(limits=XmppLimits(stanza=element_limit), namespace=COMPONENT)
        self._out = bytearray()
        self._events: deque[XcpEvent] = deque()
        self._header_sent = False
        if dialled:
            self._header(from_=name, to=peer)
            self.phase = LinkPhase.OPENING

    @property
    def closed(self) -> bool:
        """Whether the link has ended: write pending output, then close."""
        return self.phase is LinkPhase.CLOSED

    @property
    def up(self) -> bool:
        """Whether the link is up, so that sessions can be opened."""
        return self.phase is LinkPhase.UP

    @property
    def other_realm(self) -> str:
        """The peer's realm, as used in the names of the link."""
        return self.peer if self.dialled else self.component.removeprefix(_PORT)

    def feed(self, data: bytes) -> None:
        """Take octets from the peer."""
        if not self.closed:
            self._parser.feed(data)

    def next_event(self) -> XcpEvent | None:
        """Return the next event, or None until more octets arrive."""
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
        """Return the pending output, and clear it."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def close(self, condition: str | None = None, text: str = "") -> None:
        """End the link, with a stream error if ``condition`` is given."""
        if not self.closed:
            self._fail(condition, text)

    # ---- input

    def _step(self, read: StreamEvent) -> None:
        if isinstance(read, StreamClosed):
            self._fail(None, "closed by the other side")
        elif isinstance(read, StreamOpened):
            greet, self.phase = HEADERS[self.phase]
            greet(self, read)
        elif isinstance(read, StanzaRead):
            handle = ELEMENTS.get((self.phase, input_of(read.element)))
            if handle is not None:
                handle(self, read.element, read.raw)
            elif self.up:
                self._element(read.element, read.raw)
            else:
                raise StreamError("not-authorized", "element before the handshake")

    @abstractmethod
    def _element(self, what: Element, raw: bytes) -> None:
        """Handle an element on a link that is up. Raises `StreamError`."""

    def _greeted(self, header: StreamOpened) -> None:
        self.component = (header.from_ or "")[:MAX_NAME]
        if header.to in self._further:
            self.name = header.to
        self._header(from_=self.name, id=self._stream_id)
        if header.to != self.name:
            raise StreamError("host-unknown", f"this is {self.name}")
        if not self.component:
            raise StreamError("improper-addressing", "the component's name is missing")

    def _prove(self, header: StreamOpened) -> None:
        self._stream_id = header.id or ""
        if not self._stream_id:
            raise StreamError("bad-format", "no stream id")
        self._write(element("handshake", COMPONENT, digest(self._stream_id, self._secret)))

    def _verify(self, proof: Element, raw: bytes) -> None:
        wanted = digest(self._stream_id, self._secret)
        if not hmac.compare_digest(proof.text.strip().encode(), wanted.encode()):
            raise StreamError("not-authorized", "wrong secret")
        self._write(element("handshake", COMPONENT))
        self._joined(proof, raw)

    def _joined(self, _: Element, raw: bytes) -> None:
        self.phase = LinkPhase.UP
        self._events.append(LinkUp(component=self.component, raw=raw))

    def _reported(self, error: Element, _: bytes) -> None:
        first = error.first()
        self._down(first.name if first else "undefined-condition", "told by the other side")

    # ---- output

    def _header(self, **attributes: str) -> None:
        named = " ".join(f"{key.rstrip('_')}='{escape_value(value)}'" for key, value in attributes.items())
        self._out += f"<stream:stream xmlns='{COMPONENT}' xmlns:stream='{STREAMS}' {named} version='1.0'>".encode()
        self._header_sent = True

    def _write(self, what: Element) -> None:
        self._out += what.encode(COMPONENT)

    def _fail(self, condition: str | None, text: str) -> None:
        if condition is not None:
            if not self._header_sent:
                self._header(from_=self.name, id=self._stream_id)
            self._write(stream_error(condition, text))
        self._down(condition, text)

    def _down(self, condition: str | None, text: str) -> None:
        if self._header_sent:
            self._out += STREAM_END
        self.phase = LinkPhase.CLOSED
        self._events.append(LinkDown(condition=condition, detail=text))

    def _need_up(self) -> None:
        if not self.up:
            raise OutOfOrder(f"the XCP link is {self.phase.value}")


HEADERS: dict[LinkPhase, tuple[Callable[[ComponentStream, StreamOpened], None], LinkPhase]] = {
    LinkPhase.NEW: (ComponentStream._greeted, LinkPhase.CHALLENGED),
    LinkPhase.OPENING: (ComponentStream._prove, LinkPhase.PROVING),
}
"""The handler of the peer's header, and the next phase. A stream has one header."""

ELEMENTS: dict[tuple[LinkPhase, LinkInput], Callable[[ComponentStream, Element, bytes], None]] = {
    (LinkPhase.CHALLENGED, LinkInput.HANDSHAKE): ComponentStream._verify,
    (LinkPhase.PROVING, LinkInput.HANDSHAKE): ComponentStream._joined,
    (LinkPhase.CHALLENGED, LinkInput.ERROR): ComponentStream._reported,
    (LinkPhase.PROVING, LinkInput.ERROR): ComponentStream._reported,
    (LinkPhase.UP, LinkInput.ERROR): ComponentStream._reported,
}
"""The handlers of the link's own elements. Any other is ``not-authorized`` until the link is up."""

_INPUTS = {(COMPONENT, "handshake"): LinkInput.HANDSHAKE, (STREAMS, "error"): LinkInput.ERROR}


def input_of(what: Element) -> LinkInput:
    """Classify an element for the tables of a link."""
    return _INPUTS.get((what.namespace, what.name), LinkInput.OTHER)
