"""An HTTP/1.1 server: one protocol object per connection, which handles one request at a time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Any

from edgesim.http.ends import local_of, peer_of
from edgesim.http.errors import MalformedHttp
from edgesim.http.journalling import marked, merged, request_event, request_keys, response_event, response_keys
from edgesim.http.limits import DEFAULT_LIMITS, HttpLimits
from edgesim.http.message import Address, Headers, Request, Response
from edgesim.http.wire import Incoming, Reader
from edgesim.http.writing import encode_response
from edgesim.journal import Recorder, events
from edgesim.journal.keys import Key
from edgesim.journal.suspects import suspected
from edgesim.world import Host, here

Handler = Callable[[Request], Awaitable[Response]]
Refusal = Callable[[int, str], Response]
"""Builds the response to a request that cannot be served, from its status and a one-line cause."""
Decode = Callable[[str], str | None]

CAUSE = 200
"""The maximum length of a cause in a response, in characters."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def plain_refusal(status: int, cause: str = "") -> Response:
    """Return the default response to an unreadable request, or after the handler failed; its body is the cause."""
    body = cause_text(cause)
    kind = [("Content-Type", "text/plain")] if body else []
    headers = Headers([("Connection", "close"), *kind, ("Content-Length", str(len(body)))])
    return Response(status=status, headers=headers, body=body)


def cause_text(cause: str) -> bytes:
    """Return a cause as a plain text body."""
    return f"{cause[:CAUSE]}\n".encode("ascii", "backslashreplace") if cause else b""


class HttpServer:
    """Serves requests with ``handler``, a coroutine function from `Request` to `Response`.

    Every request is journalled as `events.HttpRequest` by this host, octet for octet (the body without its transfer
    coding); responses are journalled only to peers that are not lab hosts. ``refusal`` builds the response to an
    unreadable request, from its status and cause. ``identify`` gives each request its ``id``. ``decode`` returns the
    text that the journal shows beside a target that wraps another address. ``keys`` adds correlation keys to those
    found in the headers. ``on_violation`` is called for input that is not HTTP. A connection that violates the protocol
    is answered and closed, without effect on others. The server belongs to the host in whose context it is created.
    """

    def __init__(
        self,
        recorder: Recorder,
        handler: Handler,
        *,
        limits: HttpLimits = DEFAULT_LIMITS,
        refusal: Refusal = plain_refusal,
        decode: Decode | None = None,
        keys: Callable[[Request], tuple[Key, ...]] | None = None,
        on_violation: Callable[[Address | None], None] | None = None,
        identify: Callable[[], str] | None = None,
        host: Host | None = None,
        name: str = "http",
    ) -> None:
        self.recorder = recorder
        self.handler = handler
        self.limits = limits
        self.refusal = refusal
        self.decode = decode
        self.keys = keys
        self.on_violation = on_violation
        self.identify = identify
        self.host = host or here()
        self.name = name
        self.connections: dict[Connection, None] = {}
        self.waiting = 0
        """The octets received by all connections and not yet passed to the handler."""
        self._listeners: list[asyncio.AbstractServer] = []

    async def listen(self, address: str, port: int, ssl: ssl.SSLContext | None = None) -> asyncio.AbstractServer:
        """Listen on an address of this host. Raises `OSError` if the port is taken or forbidden."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self.protocol, address, port, ssl=ssl)
        self._listeners.append(server)
        return server

    def protocol(self, *, peer: Address | None = None, local: Address | None = None) -> Connection:
        """Return a new protocol for one connection, e.g. a tunnel's channel; the addresses of its ends may be given."""
        return Connection(self, peer=peer, local=local)

    async def close(self) -> None:
        """Stop listening and close every connection; running handlers are cancelled. The server may listen again."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for connection in tuple(self.connections):
            connection.close()


class State(Enum):
    """The states of a connection."""

    __hash__ = object.__hash__  # identity comparison: faster than comparing names

    READING = auto()
    """Idle; the next complete request is handled at once."""
    SERVING = auto()
    """The handler is running, or the peer is still reading the response."""
    WAITING = auto()
    """The next request waits because of the rate limit."""
    CLOSING = auto()
    """Closing: no more requests are served."""


READING, SERVING, WAITING, CLOSING = State


class On(Enum):
    """The events of a connection."""

    __hash__ = object.__hash__

    DATA = auto()
    """Octets arrived."""
    END = auto()
    """The peer closed its side."""
    ANSWERED = auto()
    """The peer has read the response."""
    ANSWERED_LAST = auto()
    """The peer has read the last response of the connection."""
    TURN = auto()
    """The rate limit allows the next request."""


class Connection(asyncio.Protocol):
    """One connection of an `HttpServer`; also usable as the session of an SSH channel (same methods)."""

    def __init__(self, server: HttpServer, *, peer: Address | None = None, local: Address | None = None) -> None:
        self.server = server
        self.peer = peer
        self.local = local
        self._state = READING
        self._reader = Reader(server.limits)
        self._transport: Any = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._stalled: asyncio.TimerHandle | None = None
        self._reading = True
        self._size = 0
        self._secure = False
        self._certificate: bytes | None = None
        self._requests = float(server.limits.requests)
        self._counted = 0.0
        self._next: asyncio.TimerHandle | None = None

    # ---- called by the transport

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        server = self.server
        self.peer = self.peer or peer_of(transport)
        self.local = self.local or local_of(transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self._secure = True
            self._certificate = tls.getpeercert(binary_form=True)
        if len(server.connections) >= server.limits.connections:
            self._state = CLOSING
            transport.close()
            return
        server.connections[self] = None
        transport.set_write_buffer_limits(high=server.limits.unsent)
        self._wait(server.limits.idle, self._idle_too_long)

    def session_started(self) -> None:
        """An SSH channel is open; nothing to do before the first request."""

    def data_received(self, data: bytes, datatype: object = None) -> None:
        if self._state is not CLOSING:
            self._reader.feed(data)
            self._apply(On.DATA)

    def eof_received(self) -> bool:
        self._reader.end()
        self._apply(On.END)
        return self._state is SERVING and not self._secure

    def connection_lost(self, exc: BaseException | None) -> None:
        self._state = CLOSING
        self._weigh()
        self._stop_timer()
        self._not_stalled()
        self._writable.set()
        if self._next is not None:
            self._next.cancel()
        self.server.connections.pop(self, None)

    def pause_writing(self) -> None:
        self._writable.clear()
        self._stall()

    def resume_writing(self) -> None:
        self._writable.set()
        if self._state is not CLOSING:
            self._not_stalled()

    def close(self) -> None:
        """Close the connection now; a running handler is cancelled."""
        self._state = CLOSING
        self._stop_timer()
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._close()

    def _close(self) -> None:
        """Close once the peer has read pending output; a peer that does not is dropped after a time."""
        self._transport.close()
        if self in self.server.connections:
            self._stall()

    def _stall(self) -> None:
        if self._stalled is None:
            loop, waiting = asyncio.get_running_loop(), self._transport.get_write_buffer_size()
            self._stalled = loop.call_later(self.server.limits.write, self._check_peer, waiting)

    def _check_peer(self, waiting: int) -> None:
        """Drop a peer that does not read; one that reads slowly gets more time."""
        self._stalled = None
        if self._state is CLOSING or waiting - self._transport.get_write_buffer_size() < self.server.limits.unsent:
            self._transport.abort()
        else:
            self._stall()

    def _not_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    # ---- the exchange

    def _apply(self, what: On) -> None:
        """Apply the table; a pair that it lacks is a bug."""
        action = TABLE[self._state, what]
        if action is not None:
            action(self)

    def _read(self) -> None:
        """Handle the next request if it is complete."""
        self._advance()
        self._bound()

    def _bound(self) -> None:
        """Enforce the limits on waiting octets, of this and of all connections."""
        self._weigh()
        limits = self.server.limits
        if self.server.waiting > limits.waiting and self._size > limits.modest and self._state is not SERVING:
            self._refuse(MalformedHttp("too much data is queued", 503))
        else:
            self._control_reading()

    def _weigh(self) -> None:
        """Update this connection's share of the server's total."""
        size = 0 if self._state is CLOSING else self._reader.size
        self.server.waiting += size - self._size
        self._size = size

    def _go_on(self) -> None:
        """Handle the next request, now or when the rate limit allows it."""
        wait = self._ahead_of_rate()
        if wait > 0:
            self._state = WAITING
            self._next = asyncio.get_running_loop().call_later(wait, self._apply, On.TURN)
            self._weigh()
            self._control_reading()
        else:
            self._resume()

    def _ahead_of_rate(self) -> float:
        """Count a request, and return how many seconds too early it is."""
        limits = self.server.limits
        if limits.per_second is None:
            return 0.0
        now = asyncio.get_running_loop().time()
        left = min(float(limits.requests), self._requests + (now - self._counted) * limits.per_second) - 1
        self._requests, self._counted = left, now
        return -left / limits.per_second

    def _resume(self) -> None:
        """Handle the next pipelined request."""
        self._state = READING
        self._advance()
        self._weigh()
        self._control_reading()

    def _finish(self) -> None:
        """Close after a response that announces it."""
        self._state = CLOSING
        self._close()

    def _control_reading(self) -> None:
        """Stop reading while a request is handled and enough waits behind it."""
        if self._state is CLOSING:
            return
        full = self._state is not READING and self._reader.buffered > self.server.limits.header_block
        if full and self._reading:
            self._reading = False
            self._transport.pause_reading()
        elif not full and not self._reading:
            self._reading = True
            self._transport.resume_reading()

    def _advance(self) -> None:
        reader, limits = self._reader, self.server.limits
        try:
            message = reader.next()
        except MalformedHttp as error:
            self._refuse(error)
            return
        if message is not None:
            self._stop_timer()
            request = self._request(message)
            self._journal(request)
            self._state = SERVING
            serving = self._serve(request, keep_alive=message.keep_alive and limits.keep_alive)
            self._task = self.server.host.spawn(serving, name=f"{self.server.name} {request.method}")
            return
        if reader.wants_continue:
            reader.wants_continue = False
            if not self._write(CONTINUE):
                return
        if not reader.started:
            self._wait(limits.idle, self._idle_too_long)
        elif self._timer is None or self._timer_is_idle:
            self._wait(limits.message, self._message_too_long)

    def _request(self, message: Incoming) -> Request:
        start = message.start
        return Request(
            method=start.method,
            target=start.target,
            headers=message.headers,
            body=message.body,
            version=start.version,
            peer=self.peer,
            local=self.local,
            secure=self._secure,
            peer_certificate=self._certificate,
            raw=message.head,
            id=self.server.identify() if self.server.identify else "",
        )

    def _journal(self, request: Request) -> None:
        server = self.server
        payload, secrets = marked(server.recorder, request.raw, request.body)
        server.recorder.received(
            request_event(request, server.decode(request.target) if server.decode else None),
            peer=self.peer,
            payload=payload,
            keys=merged(
                request_keys(request, server.recorder.session_cookie), server.keys(request) if server.keys else ()
            ),
            secrets=secrets,
        )

    async def _serve(self, request: Request, *, keep_alive: bool) -> None:
        server = self.server
        try:
            response = await server.handler(request)
            head, framed, close = encode_response(response, request=request, close=not keep_alive)
        except Exception as error:
            failed = {"message": f"{server.name}: the handler failed on {request.method}", "exception": error}
            asyncio.get_running_loop().call_exception_handler(failed)
            response = server.refusal(500, "")
            head, framed, close = encode_response(response, request=request, close=True)
        if self._state is SERVING and self._write(head + framed):
            self._record_sent(response, head, request)
            await self._writable.wait()
        self._task = None
        self._apply(On.ANSWERED_LAST if close else On.ANSWERED)

    def _write(self, octets: bytes) -> bool:
        """Write, and return whether the connection accepted it.

        A socket closed by its peer accepts octets silently until `connection_lost`; a channel of an SSH tunnel raises
        as soon as its peer has closed it, which is before it reports so here, and long before while reading is paused.
        The requester has stopped waiting, so the response has no reader.
        """
        try:
            self._transport.write(octets)
        except OSError:
            self._state = CLOSING
            self._stop_timer()
            self._transport.abort()
            return False
        return True

    def _record_sent(self, response: Response, head: bytes, request: Request) -> None:
        recorder = self.server.recorder
        if not recorder.is_lab(self.peer):
            payload, secrets = marked(recorder, head, b"" if request.method == "HEAD" else response.body)
            recorder.sent(
                response_event(response, request),
                peer=self.peer,
                payload=payload,
                keys=merged(
                    request_keys(request, recorder.session_cookie),
                    response_keys(response.headers, recorder.session_cookie),
                ),
                secrets=secrets,
            )

    # ---- refusals and time limits

    def _refuse(self, error: MalformedHttp) -> None:
        """Answer an unreadable request, then discard input for a while, so that the response arrives."""
        self._state = CLOSING
        remains = self._reader.remains()
        self.server.recorder.received(
            events.Malformed(protocol="http", reason=error.reason, answer=f"answered {error.status} and closed"),
            peer=self.peer,
            payload=remains,
            secrets=suspected(remains),
        )
        if self.server.on_violation is not None and error.status != 408:
            self.server.on_violation(self.peer)
        head, framed, _ = encode_response(self.server.refusal(error.status, error.reason), request=None, close=True)
        if not self._write(head + framed):
            return
        if self._reader.ended:
            self._close()
            return
        if not self._reading:
            self._transport.resume_reading()
        if not self._secure and self._transport.can_write_eof():
            self._transport.write_eof()
        self._wait(self.server.limits.linger, self._close)

    def _wait(self, seconds: float, then: Callable[[], Any]) -> None:
        self._stop_timer()
        self._timer_is_idle = then == self._idle_too_long
        self._timer = asyncio.get_running_loop().call_later(seconds, then)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    _timer_is_idle = False

    def _idle_too_long(self) -> None:
        self._state = CLOSING
        self._close()

    def _message_too_long(self) -> None:
        self._refuse(MalformedHttp("the request did not arrive in time", 408))


Action = Callable[[Connection], None]
IGNORED: Action | None = None

TABLE: dict[tuple[State, On], Action | None] = {
    (READING, On.DATA): Connection._read,
    (READING, On.END): Connection._advance,
    (SERVING, On.DATA): Connection._bound,
    (SERVING, On.END): IGNORED,
    (SERVING, On.ANSWERED): Connection._go_on,
    (SERVING, On.ANSWERED_LAST): Connection._finish,
    (WAITING, On.DATA): Connection._bound,
    (WAITING, On.END): IGNORED,
    (WAITING, On.TURN): Connection._resume,
    (CLOSING, On.END): IGNORED,
    (CLOSING, On.ANSWERED): IGNORED,
    (CLOSING, On.ANSWERED_LAST): IGNORED,
    (CLOSING, On.TURN): IGNORED,
}
"""The action for each event. Octets that arrive while the connection closes are ignored."""
