"""Expressway-E's part of a client's XMPP connection: stream and TLS end here, the rest goes over the XCP link.

Sans-IO, with the calls of `edgesim.xmpp.session.Session`. The edge opens the stream, demands TLS, and reads the
client's second stream header; then it asks for a session behind (`SessionWanted`) and passes each whole element up as
it came (`Upward`) and the server's octets down (`EdgeStream.downward`). What is no well-formed XMPP ends here with a
stream error and never reaches the inside. Where there is no session to be had, `EdgeStream.unavailable` writes a header
and features without mechanisms; the owner closes the connection after a while. An edge server in few lines, with
`edgesim.xmpp.connection.ClientConnection` for the client and `edgesim.xmpp.link.XcpConnection` for the link to C::

    def on_client(client: ClientConnection, event: SessionEvent) -> None:
        match event:
            case SessionWanted() if link.up:
                session = link.link.open(client.client, event.domain, event.stream_id)
                link.know(session, client.scribe.keys)
                clients[session] = client
                link.link.send(session, event.data)
            case SessionWanted():
                client.machine.unavailable()            # then client.machine.close(), client.flush() 10 s later
            case Upward():
                session = session_of[client]
                link.know(session, client.scribe.keys)
                if not link.link.send(session, event.data):
                    client.hold(link)                   # a fast sender waits for its own session's window
                    link.after_written(session, lambda: client.release(link))
            case Ended():
                link.close_session(session_of.pop(client), event.detail)
        link.flush()

    def on_link(link: XcpConnection, event: XcpEvent) -> None:
        match event:
            case DataArrived():
                client = clients[event.session]
                client.machine.downward(event.data, restart=event.restart)
                if event.restart:
                    client.established()                # signed in: no longer disconnected for being slow
                client.flush()
                client.after_written(lambda: link.consumed(event.session, event.octets))
            case SessionClosed():
                clients.pop(event.session).machine.closed_behind()  # or unavailable(), if the session never began
            case LinkDown():
                ...                                     # every client: machine.close("system-shutdown"), flush()
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum

from edgesim.xmpp.jid import Jid, JidError
from edgesim.xmpp.session import Decoded, Ended, SessionEvent, StartTls
from edgesim.xmpp.stream import (
    PROCEED,
    STARTTLS_REQUIRED,
    STREAM_END,
    StanzaRead,
    StreamClosed,
    StreamError,
    StreamEvent,
    StreamOpened,
    StreamParser,
    XmppLimits,
    features,
    server_header,
    stream_error,
)
from edgesim.xmpp.xml import SASL, TLS, element


class EdgePhase(Enum):
    """How far the edge is with a client."""

    NEW = "new"
    TLS_OFFERED = "TLS offered"
    TLS = "TLS handshake"
    SECURE = "secure"
    ASKING = "session asked for"
    OPEN = "session open"
    UNAVAILABLE = "no session to be had"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWanted(SessionEvent):
    """TLS is up and the client addressed ``domain``: open a session behind, and give it ``data``, the stream header."""

    domain: str
    stream_id: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Upward(SessionEvent):
    """Octets for the session behind: one element, a stream header, or the stream's end."""

    data: bytes


class EdgeStream:
    """One client's connection at the edge. ``domain`` answers a header that addresses none."""

    def __init__(self, *, domain: str, stream_id: str, limits: XmppLimits | None = None) -> None:
        self.domain = domain
        self.stream_id = stream_id
        self.phase = EdgePhase.NEW
        self._parser = StreamParser(limits=limits)
        self._events: deque[SessionEvent] = deque()
        self._out = bytearray()
        self._header_sent = False

    @property
    def closed(self) -> bool:
        """Whether the stream is over: write what is due, then close."""
        return self.phase is EdgePhase.CLOSED

    @property
    def partial(self) -> bool:
        """Whether a part of an element has come."""
        return not self._parser.idle

    def feed(self, data: bytes) -> None:
        """Take octets from the client."""
        if self.phase not in (EdgePhase.TLS, EdgePhase.CLOSED):
            self._parser.feed(data)

    def next_event(self) -> SessionEvent | None:
        """Return the next event, or None until more octets, or `secured`, come."""
        while not self._events:
            if self.phase in (EdgePhase.TLS, EdgePhase.CLOSED):
                return None
            try:
                read = self._parser.next()
                if read is None:
                    return None
                self._events.append(Decoded(event=read))
                self._step(read)
            except StreamError as error:
                self.close(error.condition, error.text)
        return self._events.popleft()

    def data_to_send(self) -> bytes:
        """Return, and forget, the octets that are due to the client."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def secured(self) -> None:
        """Say that TLS is up."""
        if self.phase is not EdgePhase.TLS:
            raise RuntimeError(f"edge stream is {self.phase.value}, not waiting for TLS")
        self._restart()
        self.phase = EdgePhase.SECURE

    def downward(self, data: bytes, *, restart: bool = False) -> None:
        """Pass the server's octets to the client; with ``restart`` the client opens a new stream after them."""
        if self.phase not in (EdgePhase.ASKING, EdgePhase.OPEN):
            return
        self.phase = EdgePhase.OPEN
        self._header_sent = True
        self._out += data
        if restart:
            self._restart()

    def unavailable(self) -> None:
        """Tell the client that there is no way to authenticate: features without mechanisms."""
        if self.phase is not EdgePhase.ASKING:
            return
        self._out += server_header(self.domain, self.stream_id) + features().encode()
        self._header_sent = True
        self.phase = EdgePhase.UNAVAILABLE

    def closed_behind(self) -> None:
        """Say that the session behind is gone; its last octets came before."""
        if not self.closed:
            self.phase = EdgePhase.CLOSED
            self._events.append(Ended(detail="closed by the server"))

    def close(self, condition: str | None = None, text: str = "") -> None:
        """End the stream from here, with a stream error if ``condition`` is given."""
        if self.closed:
            return
        if condition is not None:
            if not self._header_sent:
                self._out += server_header(self.domain, self.stream_id)
                self._header_sent = True
            self._out += stream_error(condition, text).encode()
        if self._header_sent:
            self._out += STREAM_END
        self.phase = EdgePhase.CLOSED
        self._events.append(Ended(condition=condition, detail=text))

    def _restart(self) -> None:
        self._parser.restart()
        self._header_sent = False

    def _step(self, read: StreamEvent) -> None:
        phase = self.phase
        if phase in (EdgePhase.ASKING, EdgePhase.OPEN):
            self._events.append(Upward(data=read.raw))
        elif isinstance(read, StreamClosed):
            self.close()
        elif isinstance(read, StreamOpened) and phase in (EdgePhase.NEW, EdgePhase.SECURE):
            self._opened(read)
        elif isinstance(read, StanzaRead):
            self._negotiate(read)
        else:
            raise StreamError("policy-violation", f"not now: {phase.value}")

    def _opened(self, header: StreamOpened) -> None:
        try:
            if header.to is not None:
                self.domain = Jid.parse(header.to).domain
        except JidError:
            raise StreamError("improper-addressing", "bad to") from None
        if header.major < 1:
            raise StreamError("unsupported-version", "XMPP 1.0 is needed")
        if self.phase is EdgePhase.NEW:
            self._out += server_header(self.domain, self.stream_id) + STARTTLS_REQUIRED.encode()
            self._header_sent = True
            self.phase = EdgePhase.TLS_OFFERED
        else:
            self._events.append(SessionWanted(domain=self.domain, stream_id=self.stream_id, data=header.raw))
            self.phase = EdgePhase.ASKING

    def _negotiate(self, read: StanzaRead) -> None:
        what = (read.element.namespace, read.element.name)
        if self.phase is EdgePhase.TLS_OFFERED and what == (TLS, "starttls"):
            self._out += PROCEED.encode()
            self.phase = EdgePhase.TLS
            self._events.append(StartTls())
        elif self.phase is EdgePhase.UNAVAILABLE and what == (SASL, "auth"):
            self._out += element("failure", SASL, element("temporary-auth-failure", SASL)).encode()
            self.close()
        elif what[0] in (TLS, SASL):
            raise StreamError("policy-violation", f"not now: {self.phase.value}")
        else:
            raise StreamError("not-authorized", f"{read.element.name[:40]} before authentication")
