"""SIP connections over asyncio: the base of all transports, and TCP and TLS streams."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from edgesim.journal import Recorder
from edgesim.sip import journalling
from edgesim.sip.errors import SipCongestion, SipProtocolError, SipTimeout, SipTransportError
from edgesim.sip.framing import Frame, Framer, KeepAlive, SipLimits, StunData
from edgesim.sip.message import Request, Response
from edgesim.sip.parsing import MalformedMessage
from edgesim.sip.stun import StunClass, StunMessage, binding
from edgesim.world import Entropy
from edgesim.world.pace import Pace
from edgesim.world.tls.engine import TlsView

Address = tuple[str, int]
T = TypeVar("T")


class Owner(Protocol):
    """The owner of connections: an endpoint, which sets their limits and receives everything that arrives."""

    recorder: Recorder
    limits: SipLimits
    stun: bool
    stun_entropy: Entropy
    answer_crlf: bool
    on_stun: StunHook

    def pace_of(self, connection: StreamConnection) -> Pace: ...
    def connection_made(self, connection: StreamConnection) -> None: ...
    def connection_lost(self, connection: Connection, exc: Exception | None) -> None: ...
    def respond(self, response: Response) -> bool: ...
    def got_message(self, message: Request | Response, connection: Connection) -> None: ...
    def got_garbage(self, error: MalformedMessage, connection: Connection) -> None: ...
    def saw_keepalive(self, form: str, connection: Connection, data: bytes) -> None: ...
    def saw_stun(self, message: StunMessage, connection: Connection, data: bytes) -> None: ...
    def unread(self, connection: Connection) -> None: ...
    def idle_too_long(self, connection: Connection) -> None: ...


class Connection(ABC):
    """A connection to one peer over any transport: a TCP or TLS stream, or a UDP flow.

    ``transport`` is ``tcp``, ``tls`` or ``udp``; ``accepted`` is true if the peer opened it; ``context`` is free for
    the product (a zone, a device). ``shared`` means that the peer is a proxy that carries many users: one of them must
    not be able to end or stall the connection. ``tasks`` counts requests in progress.
    """

    transport = "tcp"
    reliable = True
    shared = False
    pace: Pace | None = None
    """The pace at which a stream is read; None for a UDP flow."""

    def __init__(self, endpoint: Owner, *, accepted: bool) -> None:
        self.endpoint = endpoint
        self.accepted = accepted
        self.local: Address = ("", 0)
        self.peer: Address = ("", 0)
        self.context: Any = None
        self.tasks = 0
        self._stranger = False
        self._pings: list[asyncio.Future[None]] = []
        self._stuns: dict[bytes, asyncio.Future[StunMessage]] = {}

    def __repr__(self) -> str:
        way = "<-" if self.accepted else "->"
        return f"<SIP {self.transport} {self.local[0]}:{self.local[1]} {way} {self.peer[0]}:{self.peer[1]}>"

    # ---- pace

    def hold(self, why: object) -> None:
        """Stop reading from the peer until `release`, unless the connection is shared."""
        if self.pace is not None and not self.shared:
            self.pace.hold(why)

    def release(self, why: object) -> None:
        """Remove one reason not to read."""
        if self.pace is not None:
            self.pace.release(why)

    def follow(self, way: Connection) -> None:
        """Stop reading from the peer while the connection that its messages leave by is congested."""
        if self.pace is not None and way.pace is not None and not self.shared:
            self.pace.follow(way.pace)

    def allow_silence(self, seconds: float | None) -> None:
        """Set how long the peer may stay silent before the connection is closed; None: no limit."""
        if self.pace is not None:
            self.pace.idle = seconds

    @property
    @abstractmethod
    def open(self) -> bool:
        """Whether the connection can send."""

    @property
    def ssl_object(self) -> TlsView | None:
        """The TLS session, or None."""
        return None

    @property
    def peer_certificate(self) -> bytes | None:
        """The peer's certificate in DER, or None."""
        session = self.ssl_object
        certificate: bytes | None = session.getpeercert(binary_form=True) if session is not None else None
        return certificate

    def send(self, message: Request | Response) -> None:
        """Send a message; a response goes through its server transaction if it has one.

        Raises `SipTransportError` if the connection is gone.
        """
        if isinstance(message, Response) and self.endpoint.respond(message):
            return
        self.send_now(message)

    def send_now(self, message: Request | Response) -> None:
        """Send a message without going through a transaction. Raises `SipTransportError`."""
        if self._stranger:
            self.endpoint.recorder.sent(
                journalling.event_of(message, self.transport),
                peer=self.peer,
                payload=bytes(message),
                keys=journalling.keys_of(message),
                secrets=journalling.secrets_of(message),
            )
        self._write(message)

    def _write(self, message: Request | Response) -> None:
        self.send_raw(bytes(message))

    @abstractmethod
    def send_raw(self, data: bytes) -> None:
        """Write octets. Raises `SipTransportError` if the connection is gone."""

    @abstractmethod
    def close(self) -> None:
        """Close after pending output has been written."""

    @abstractmethod
    def abort(self) -> None:
        """Close immediately."""

    @abstractmethod
    async def wait_closed(self) -> None:
        """Wait until the connection is closed."""

    async def ping(self, timeout: float) -> None:
        """Send a CRLF ping and wait for the pong (RFC 5626, 4.4.1). Raises `SipTimeout`, `SipTransportError`."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pings.append(waiter)
        try:
            self.send_raw(KeepAlive.PING.value)
            await _within(waiter, timeout, "no CRLF pong")
        finally:
            if waiter in self._pings:
                self._pings.remove(waiter)

    async def stun(self, timeout: float, attributes: tuple[tuple[int, bytes], ...] = ()) -> StunMessage:
        """Send a STUN Binding request, usually without attributes, and return the response, success or error.

        Raises `SipTimeout`, `SipTransportError`. On a reliable transport the request is sent once (RFC 5389, 7.2.2).
        """
        request = binding(self.endpoint.stun_entropy.randbytes(12), attributes)
        waiter: asyncio.Future[StunMessage] = asyncio.get_running_loop().create_future()
        self._stuns[request.transaction] = waiter
        try:
            self.send_raw(bytes(request))
            return await _within(waiter, timeout, "no STUN answer")
        finally:
            self._stuns.pop(request.transaction, None)

    def _got_keep_alive(self, kind: KeepAlive) -> None:
        self.endpoint.saw_keepalive("CRLF ping" if kind is KeepAlive.PING else "CRLF pong", self, kind.value)
        if self._pings:
            waiter = self._pings.pop(0)
            if not waiter.done():
                waiter.set_result(None)
        elif kind is KeepAlive.PING and self.accepted and self.endpoint.answer_crlf:
            self.send_raw(KeepAlive.PONG.value)

    def _got_stun(self, data: bytes) -> None:
        message = StunMessage.decode(data)
        self.endpoint.saw_stun(message, self, data)
        if message.cls is StunClass.REQUEST:
            answer = self.endpoint.on_stun(message, self)
            if answer is not None:
                self.send_raw(bytes(answer))
            return
        waiter = self._stuns.get(message.transaction)
        if waiter is not None and not waiter.done():
            waiter.set_result(message)

    def _fail_waiters(self, reason: str) -> None:
        waiters: list[asyncio.Future[Any]] = [*self._pings, *self._stuns.values()]
        self._pings.clear()
        self._stuns.clear()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(SipTransportError(reason))


class StreamConnection(Connection, asyncio.Protocol):
    """A TCP or TLS connection."""

    def __init__(self, endpoint: Owner, *, accepted: bool, transport: str) -> None:
        super().__init__(endpoint, accepted=accepted)
        self.transport = transport
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._framer = Framer(endpoint.limits, stun=endpoint.stun)
        self._wire: asyncio.Transport | None = None
        self._closing = False
        self.pace = self._pace = endpoint.pace_of(self)

    # ---- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; called after the TLS handshake."""
        self._wire = cast(asyncio.Transport, transport)  # uvloop's transports do not derive from asyncio's
        self.local = (transport.get_extra_info("sockname") or ("", 0))[:2]
        self.peer = (transport.get_extra_info("peername") or ("", 0))[:2]
        self._stranger = not self.endpoint.recorder.is_lab(self.peer)
        self._pace.start(self._wire)
        self.endpoint.connection_made(self)

    def data_received(self, data: bytes) -> None:
        """Frame the stream and dispatch complete messages."""
        self._framer.receive(data)
        if not self.shared:
            self._pace.spend(len(data))
        if not self._pace.held:
            self.take()

    def take(self) -> None:
        """Dispatch complete messages, as far as the pace allows."""
        framer, pace, burst = self._framer, self._pace, self.endpoint.limits.burst
        frames = 0
        try:
            while not self._closing and not pace.held and self._take():
                frames += 1
                if frames >= burst and framer.buffered:
                    pace.turn_over()
        except SipTransportError:
            self.abort()
        if not self._closing:
            if not self.shared:
                pace.spend(0, frames)
            pace.took(frames, partial=framer.waits)

    def _take(self) -> bool:
        """Dispatch the next event from the stream; return false if there is none or the framing is lost."""
        try:
            frame = self._framer.next_event()
            if frame is not None:
                self._got(frame)
        except SipProtocolError as error:
            malformed = MalformedMessage.of(error)
            self.endpoint.got_garbage(malformed, self)
            return malformed.framed
        return frame is not None

    def _got(self, frame: Frame) -> None:
        try:
            if isinstance(frame, KeepAlive):
                self._got_keep_alive(frame)
            elif isinstance(frame, StunData):
                self._got_stun(frame.data)
            else:
                self.endpoint.got_message(frame, self)
        except SipCongestion:
            """Nothing to do: a waiter whose response is lost tries again."""

    def out_of_time(self, why: str) -> None:
        """A time limit of `edgesim.world.pace` expired."""
        if why == "unread":
            self.endpoint.unread(self)
            self.abort()
        elif why == "idle":
            self.endpoint.idle_too_long(self)
            self.close()
        else:
            data, request = self._framer.partial()
            error = MalformedMessage("the message did not arrive in time", status=408, request=request, data=data)
            self.endpoint.got_garbage(error, self)

    def pause_writing(self) -> None:
        self._pace.pause_writing(shared=self.shared)

    def resume_writing(self) -> None:
        self._pace.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail all waiters, and notify the endpoint."""
        self._closing = True
        self._wire = None
        self._pace.stop()
        self._fail_waiters("connection lost")
        if not self.closed.done():
            self.closed.set_result(None)
        self.endpoint.connection_lost(self, exc)

    # ---- ours

    @property
    def open(self) -> bool:
        return self._wire is not None and not self._closing

    @property
    def ssl_object(self) -> TlsView | None:
        session: TlsView | None = self._wire.get_extra_info("ssl_object") if self._wire is not None else None
        return session

    def send_raw(self, data: bytes) -> None:
        wire = self._wire
        if wire is None or self._closing:
            raise SipTransportError(f"{self!r} is closed")
        limit = self.endpoint.limits.write_buffer
        if self.shared and wire.get_write_buffer_size() > limit:
            raise SipCongestion(f"{self!r}: too much unsent data")
        wire.write(data)
        if not self.shared and wire.get_write_buffer_size() > limit:
            # A peer that does not read must not exhaust memory.
            self.endpoint.unread(self)
            self.abort()

    def close(self) -> None:
        """Close after pending output has been written."""
        self._closing = True
        if self._wire is not None:
            self._wire.close()
            self._pace.closing()

    def abort(self) -> None:
        """Close immediately."""
        self._closing = True
        if self._wire is not None:
            self._wire.abort()

    async def wait_closed(self) -> None:
        """Wait until the connection is closed."""
        await asyncio.shield(self.closed)


async def _within(waiter: asyncio.Future[T], timeout: float, what: str) -> T:
    try:
        async with asyncio.timeout(timeout):
            return await waiter
    except TimeoutError as error:
        raise SipTimeout(f"{what} within {timeout} s") from error


StunHook = Callable[[StunMessage, Connection], StunMessage | None]
