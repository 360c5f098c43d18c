"""The layer between a connection of either world and the application's protocol.

It is asyncio's protocol to the wire below and asyncio's transport to the application above; octets are encrypted and
decrypted by an engine (`edgesim.world.tls.engine`). An application sees asyncio's own TLS, but for this:

* A failed handshake sends its alert before the connection closes, as products do; asyncio drops it.
* An application that pauses reading gets no more than one piece of what was decrypted already.
* Handshakes that end, well or badly, are reported to the world, so that the journal shows them for every library.
* Nothing is set aside for a connection that is idle; asyncio's TLS keeps 256 KiB of buffer for each.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Protocol

from edgesim.world.buffered import fill
from edgesim.world.tls.engine import PIECE, TlsEngine

HANDSHAKE_TIME = 60.0
"""The default limit of a handshake in seconds; this and the following are asyncio's own."""
SHUTDOWN_TIME = 30.0
"""Seconds for the peer to answer our close_notify."""
UNSENT = 512 * 1024
"""Encrypted octets that may wait for the wire before the application is asked to pause."""
UNREAD = 256 * 1024
"""Encrypted octets that may wait for an application that has paused; the wire pauses then, until a quarter is left."""


class State(Enum):
    """How far a connection is."""

    __hash__ = object.__hash__  # a member is equal to itself alone: quicker than by name

    NEW = auto()
    HANDSHAKE = auto()
    OPEN = auto()
    DRAINING = auto()
    """Closing has begun; the application may still get earlier data."""
    CLOSING = auto()
    """Our close_notify is sent."""
    CLOSED = auto()


NEW, HANDSHAKE, OPEN, DRAINING, CLOSING, CLOSED = State


class On(Enum):
    """Events of a connection."""

    __hash__ = object.__hash__

    DATA = auto()
    """Octets came from the wire."""
    END = auto()
    """The wire will bring no more."""
    READ = auto()
    """The application reads again."""
    CLOSE = auto()
    """The application closes."""


class TlsMisuse(RuntimeError):
    """The wire or the application did what the state of the connection does not allow."""


class Watch(Protocol):
    """Is notified when the connection below begins and ends."""

    def made(self, tls: TlsLayer, wire: Any) -> None: ...

    def lost(self, tls: TlsLayer, exc: BaseException | None) -> None: ...


class TlsLayer(asyncio.Protocol, asyncio.Transport):
    """One side of a TLS connection. ``made`` says that the application's protocol has had its ``connection_made``."""

    __slots__ = (
        "__weakref__",
        "_app",
        "_app_full",
        "_app_made",
        "_app_paused",
        "_buffered",
        "_end_heard",
        "_end_reported",
        "_handshake_time",
        "_high",
        "_loop",
        "_low",
        "_reported",
        "_shutdown_time",
        "_state",
        "_timer",
        "_waiter",
        "_why",
        "_wire_full",
        "_wire_paused",
        "connection",
        "engine",
        "server_side",
        "wanted_name",
        "watch",
        "wire",
    )  # fmt: skip

    def __init__(
        self,
        loop: Any,
        app: Any,
        engine: TlsEngine,
        waiter: asyncio.Future[None] | None = None,
        *,
        server_side: bool,
        wanted_name: str | None = None,
        handshake_time: float | None = None,
        shutdown_time: float | None = None,
        made: bool = False,
    ) -> None:
        self.engine = engine
        self.server_side = server_side
        self.wanted_name = wanted_name
        """The server name that this client asked for."""
        self.wire: Any = None
        """The transport below; None before the connection is made and once it is lost."""
        self.watch: Watch | None = None
        self.connection = ""
        self._loop = loop
        self._waiter = waiter
        self._handshake_time = HANDSHAKE_TIME if handshake_time is None else handshake_time
        self._shutdown_time = SHUTDOWN_TIME if shutdown_time is None else shutdown_time
        self._state = NEW
        self._timer: asyncio.TimerHandle | None = None
        self._why: BaseException | None = None
        self._reported = False
        self._app_made = made
        self._app_paused = self._app_full = False
        self._wire_paused = self._wire_full = False
        self._end_heard = self._end_reported = False
        self._high, self._low = UNSENT, UNSENT // 4
        self._app: Any = app
        self._buffered = isinstance(app, asyncio.BufferedProtocol)

    @property
    def role(self) -> str:
        """``client`` or ``server``."""
        return "server" if self.server_side else "client"

    # ---- to the wire: a protocol

    def connection_made(self, transport: Any) -> None:
        if self._state is not NEW:
            return  # lost again before TLS could start
        if self.watch is not None:
            self.watch.made(self, transport)
        self.wire = transport
        self._state = HANDSHAKE
        self._timer = self._loop.call_later(self._handshake_time, self._handshake_takes_too_long)
        self._shake()

    def data_received(self, data: bytes) -> None:
        action = self._action(On.DATA)
        if action is not None:
            self.engine.feed(data)
            action(self)

    def eof_received(self) -> bool:
        """Return whether the wire stays open: it does while the application has not read the rest."""
        self._end_heard = True
        action = self._action(On.END)
        if action is not None:
            action(self)
        return self._state is DRAINING and self._app_paused

    def connection_lost(self, exc: BaseException | None) -> None:
        exc = exc or self._why
        begun = self._state not in (NEW, HANDSHAKE)
        if self._state is HANDSHAKE:
            exc = exc or ConnectionResetError("connection closed during the TLS handshake")
            self._report(exc)
        if self.watch is not None:
            self.watch.lost(self, exc)
        self._state = CLOSED
        if begun and self._app_made:
            self._loop.call_soon(self._app.connection_lost, exc)
        self.wire = self._app = self._why = None
        self._wake(exc or ConnectionAbortedError("connection closed during the TLS handshake"))
        self._stop_timer()

    def pause_writing(self) -> None:
        self._wire_full = True

    def resume_writing(self) -> None:
        self._wire_full = False
        if self.wire is not None:
            self._send()
            self._control_writing()

    # ---- to the application: a transport

    def get_protocol(self) -> Any:
        return self._app

    def set_protocol(self, protocol: Any) -> None:
        self._app = protocol
        self._buffered = isinstance(protocol, asyncio.BufferedProtocol)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "sslcontext":
            return self.engine.context
        if name in ("ssl_object", "peercert", "cipher", "compression") and self._state not in (NEW, HANDSHAKE):
            known = self.engine.ssl_object
            match name:
                case "peercert":
                    return known.getpeercert()
                case "cipher":
                    return known.cipher()
                case "compression":
                    return known.compression()
            return known
        return self.wire.get_extra_info(name, default) if self.wire is not None else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data: expecting a bytes-like instance, got {type(data).__name__}")
        if self._state is not OPEN or not data:
            return
        try:
            self.engine.encrypt(data)
            if self._wire_full:
                self._control_writing()
            else:
                self.wire.write(self.engine.outgoing())
        except Exception as error:
            self._fail(error)

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self.engine.unsent if self.wire is not None else 0

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = UNSENT if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low
        self._control_writing()

    def is_reading(self) -> bool:
        return not self._app_paused and not self.is_closing()

    def pause_reading(self) -> None:
        self._app_paused = True

    def resume_reading(self) -> None:
        if self._app_paused:
            self._app_paused = False
            self._loop.call_soon(self._happened, On.READ)

    def is_closing(self) -> bool:
        return self._state is CLOSING or self._state is CLOSED or (self._state is DRAINING and not self._end_heard)

    def close(self) -> None:
        self._happened(On.CLOSE)

    def abort(self) -> None:
        self._abort(None)

    # ---- the table

    def _action(self, what: On) -> Callable[[TlsLayer], None] | None:
        """Return what `TABLE` says, None where it changes nothing. Raises `TlsMisuse` for a pair that is not there."""
        try:
            return TABLE[self._state, what]
        except KeyError:
            raise TlsMisuse(f"{what.name} in state {self._state.name}") from None

    def _happened(self, what: On) -> None:
        action = self._action(what)
        if action is not None:
            action(self)

    # ---- the handshake

    def _shake(self) -> None:
        try:
            done = self.engine.handshake()
        except Exception as error:
            self._refuse(error)
            return
        if not done:
            self._send()
            return
        self._report(None)
        self._stop_timer()
        self._state = OPEN
        if not self._app_made:
            self._app_made = True
            self._app.connection_made(self)
        self._wake(None)
        if self._state is OPEN:
            self._read()  # and send the end of the handshake, if the application has not written behind it

    def _refuse(self, error: Exception) -> None:
        self._stop_timer()
        self._report(error)
        self._send()  # the alert
        self._state = CLOSED
        self.wire.close()
        self._wake(error)
        self._log_mistake(error)

    def _handshake_takes_too_long(self) -> None:
        error = ConnectionAbortedError(f"no end of the TLS handshake within {self._handshake_time} s")
        self._report(error)
        self._wake(error)
        self._abort(error)

    def _report(self, error: BaseException | None, *, late: bool = False) -> None:
        """Report to the world how the handshake ended, once; ``late`` errors follow a handshake that seemed fine."""
        if not self._reported or late:
            self._reported = True
            self._loop.tls_observer(self, error)

    def _wake(self, error: BaseException | None) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            return
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)

    # ---- records

    def _read(self) -> None:
        """Give the application what came, piece by piece, until it has enough."""
        engine = self.engine
        try:
            while not self._app_paused:
                data = engine.decrypt()
                if data:
                    seen = self._loop.tls_tap(self, data)
                    if seen:
                        if self._buffered:
                            fill(self._app, seen)
                        else:
                            self._app.data_received(seen)
                    if self._state is not OPEN and self._state is not DRAINING:
                        return
                if len(data) < PIECE:
                    break
            if engine.peer_closed:
                self._report_end()
                if self._state is OPEN:
                    self._begin_to_close()
                return
            if engine.unsent:
                self._send()
            if self._app_paused or self._wire_paused:
                self._control_reading()
        except Exception as error:
            self._fail(error)

    def _keep(self) -> None:
        """Keep what came until the application reads again."""

    def _control_reading(self) -> None:
        unread = self.engine.unread
        if not self._wire_paused and unread >= UNREAD:
            self._wire_paused = True
            self.wire.pause_reading()
        elif self._wire_paused and unread <= UNREAD // 4:
            self._wire_paused = False
            self.wire.resume_reading()

    def _send(self) -> None:
        if not self._wire_full and (data := self.engine.outgoing()):
            self.wire.write(data)

    def _control_writing(self) -> None:
        unsent = self.get_write_buffer_size()
        if self._app is None:
            return
        if not self._app_full and unsent > self._high:
            self._app_full = True
            self._app.pause_writing()
        elif self._app_full and unsent <= self._low:
            self._app_full = False
            self._app.resume_writing()

    # ---- ends

    def _begin_to_close(self) -> None:
        self._state = DRAINING
        self._timer = self._loop.call_later(self._shutdown_time, self._shutdown_takes_too_long)
        self._drain()

    def _refuse_end(self) -> None:
        self._refuse(ConnectionResetError())

    def _begin_to_drain(self) -> None:
        self._state = DRAINING
        self._drain_unless_paused()

    def _drain_unless_paused(self) -> None:
        if not self._app_paused:
            self._drain()

    def _drain(self) -> None:
        """Give the application the rest, if it reads, and close."""
        self._read()
        if self._state is DRAINING:
            self._close_now()

    def _close_after_end(self) -> None:
        """The application closes; it is closing already unless the end was the peer's."""
        if self._end_heard:
            self._close_now()

    def _close_now(self) -> None:
        self._state = CLOSING
        self._shut()

    def _shut(self) -> None:
        """Close our side, and the connection once the peer has closed its own."""
        try:
            done = self._end_heard or self.engine.close()
            if done:
                self._wire_full = False  # there is no later call
            self._send()
        except Exception as error:
            self._fail(error)
            return
        if done:
            self._report_end()
            self._stop_timer()
            if self.wire is not None:
                self._loop.call_soon(self.wire.close)

    def _report_end(self) -> None:
        """Tell the application that the peer sends no more."""
        if self._app_made and not self._end_reported:
            self._end_reported = True
            try:
                self._app.eof_received()
            except Exception as error:
                self._fail(error)

    def _shutdown_takes_too_long(self) -> None:
        self._abort(TimeoutError("TLS shutdown timed out"))

    def _fail(self, error: Exception) -> None:
        if isinstance(error, ssl.SSLError) and self.wire is not None:
            if self._state is not CLOSING:
                # Once both sides are closing, data that crossed our close_notify is not a failure of the handshake.
                self._report(error, late=True)
            self._send()  # an alert, if OpenSSL made one
        self._log_mistake(error)
        self._abort(error)

    def _log_mistake(self, error: Exception) -> None:
        """Say of a mistake in the program that it is one."""
        if not isinstance(error, OSError):
            self._loop.call_exception_handler(
                {"message": "Fatal error over TLS", "exception": error, "transport": self.wire, "protocol": self}
            )

    def _abort(self, why: BaseException | None) -> None:
        self._state, self._why = CLOSED, why
        self._stop_timer()
        if self.wire is not None:
            self._loop.drop_wire(self.wire, why)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


Action = Callable[[TlsLayer], None]
IGNORED: Action | None = None

TABLE: dict[tuple[State, On], Action | None] = {
    (HANDSHAKE, On.DATA): TlsLayer._shake,
    (HANDSHAKE, On.END): TlsLayer._refuse_end,
    (HANDSHAKE, On.READ): IGNORED,
    (HANDSHAKE, On.CLOSE): TlsLayer.abort,
    (OPEN, On.DATA): TlsLayer._read,
    (OPEN, On.END): TlsLayer._begin_to_drain,
    (OPEN, On.READ): TlsLayer._read,
    (OPEN, On.CLOSE): TlsLayer._begin_to_close,
    (DRAINING, On.DATA): TlsLayer._keep,
    (DRAINING, On.END): TlsLayer._close_now,
    (DRAINING, On.READ): TlsLayer._drain_unless_paused,
    (DRAINING, On.CLOSE): TlsLayer._close_after_end,
    (CLOSING, On.DATA): TlsLayer._shut,
    (CLOSING, On.END): TlsLayer._close_now,
    (CLOSING, On.READ): IGNORED,
    (CLOSING, On.CLOSE): IGNORED,
    (CLOSED, On.DATA): IGNORED,
    (CLOSED, On.END): IGNORED,
    (CLOSED, On.READ): IGNORED,
    (CLOSED, On.CLOSE): IGNORED,
}
"""The action of each event. Before the wire is connected nothing may happen: a missing pair is the caller's mistake."""
