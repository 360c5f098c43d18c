"""Simulated TCP: ordered delivery, windows, half-close, resets, and retransmission over a path that may be cut."""

from __future__ import annotations

import asyncio
import errno
from asyncio import events
from collections import deque
from collections.abc import Callable
from contextvars import Context
from enum import Enum
from typing import Any, Protocol

from edgesim.world.admission import Visit
from edgesim.world.api import Host, Incarnation
from edgesim.world.buffered import fill
from edgesim.world.events import Address, ConnectionClosed, WorldEvent
from edgesim.world.faults import Flow
from edgesim.world.paths import FlowState
from edgesim.world.sim.loop import SimLoop
from edgesim.world.sim.sockets import FakeSocket
from edgesim.world.tls.layer import TlsLayer
from edgesim.world.wires import Wires

FIN = b""
"""Marks the end of a stream in a queue."""
HIGH_WATER = 64 * 1024
"""Octets in a write buffer above which the protocol is asked to pause: asyncio's own."""


class Stage(Enum):
    """How far one end of a connection is."""

    __hash__ = object.__hash__  # a member is equal to itself alone: quicker than by name

    OPEN = "open"
    FINISHED = "half closed"
    """Nothing more is written; the peer's octets are still read."""
    CLOSING = "closing"
    """The application has closed; what was written before still goes."""
    CLOSED = "closed"


OPEN, FINISHED, CLOSING, CLOSED = Stage


class Carrier(Protocol):
    """The carrier of a connection's segments (`edgesim.world.sim.fabric.Fabric`)."""

    loop: SimLoop
    wires: Wires

    def segment_delay(self, sender: TcpTransport, data: bytes) -> int | None:
        """Return the extra delay of a segment in nanoseconds, or None where the path is cut."""

    def answers(self, sender: TcpTransport) -> bool:
        """Return whether the machine of an ended peer runs: then its kernel sends a reset."""

    def tap(self, receiver: TcpTransport, data: bytes) -> bytes | None:
        """Return what the application is to see of received data; None resets the connection."""

    def forget(self, transport: TcpTransport) -> None:
        """Forget an ended connection."""

    def report(self, event: type[WorldEvent], host: Host | None, /, **fields: Any) -> None:
        """Report something at ``host`` to the observers."""


class TcpTransport(asyncio.Transport):
    """One end of a simulated TCP connection."""

    def __init__(
        self,
        fabric: Carrier,
        life: Incarnation,
        context: Context,
        local: Address,
        remote: Address,
        name: str,
        latency: int,
    ) -> None:
        super().__init__()
        self.fabric = fabric
        self.loop = fabric.loop
        self.life = life
        self.context = context
        self.local = local
        self.remote = remote
        self.name = name
        self.latency = latency
        self.jitter: Callable[[], float] | None = None
        self.span = 0
        """How much later than its latency a segment may be: as much as `jitter`, from 0 to 1, says of it."""
        self.peer: TcpTransport
        self.state: FlowState | None = None
        """What the firewalls on the way remember of the connection; None where there are none."""
        self.visit: Visit | None = None
        """What it counts as at the port that took it; None at the side that dialled."""
        self.protocol: Any = None
        self.stage = OPEN
        self.backlog: deque[bytes] = deque()
        self.backlog_size = 0
        self.in_flight = 0
        self.inbox: deque[bytes] = deque()
        self._buffered = False
        self._encrypted = False
        self._last_arrival = 0
        self._paused = False
        self._writing_paused = False
        self._high = HIGH_WATER
        self._low = self._high // 4
        self._retry: events.TimerHandle | None = None
        self._retry_wait = 0
        self._stalled_since: int | None = None
        self._flow_in: Flow | None = None
        self._flow_out: Flow | None = None
        self._socket = FakeSocket(local, remote)

    def __repr__(self) -> str:
        return f"<TCP {self.name} {self.local} to {self.remote} {self.stage.value}>"

    # ---- asyncio.Transport

    def start(self, protocol: Any) -> None:
        """Give the connection its protocol; what arrived meanwhile is delivered after ``connection_made``."""
        self.set_protocol(protocol)
        protocol.connection_made(self)
        if self.inbox and not self._paused:
            self.loop.call_soon(self._drain, context=self.context)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol
        self._buffered = isinstance(protocol, asyncio.BufferedProtocol)
        self._encrypted = isinstance(protocol, TlsLayer)

    def get_protocol(self) -> Any:
        return self.protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        match name:
            case "peername":
                return self.remote
            case "sockname":
                return self.local
            case "socket":
                return self._socket
            case "connection":
                return self.name
            case _:
                return default

    def is_closing(self) -> bool:
        return self.stage is CLOSING or self.stage is CLOSED

    def is_reading(self) -> bool:
        return not self._paused and not self.is_closing()

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            if self.inbox and self.protocol is not None:
                self.loop.call_soon(self._drain, context=self.context)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = HIGH_WATER if high is None else high
        self._low = self._high // 4 if low is None else low
        self._control_writing()

    def get_write_buffer_size(self) -> int:
        return self.backlog_size

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def can_write_eof(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.stage is FINISHED or self.stage is CLOSING:
            raise RuntimeError("cannot write after write_eof()")
        if self.stage is CLOSED or not data:
            return
        data = bytes(data)
        room = self.fabric.wires.window - self.in_flight
        if (
            not self.backlog
            and self._retry is None
            and len(data) <= room
            and (self._transmit(data) or self.stage is CLOSED)
        ):
            return
        self.backlog.append(data)
        self.backlog_size += len(data)
        self._pump()
        self._control_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        if self.stage is OPEN:
            self.stage = FINISHED
            self.backlog.append(FIN)
            self._pump()

    def close(self) -> None:
        if self.is_closing():
            return
        before, self.stage = self.stage, CLOSING
        if self.inbox:  # unread data: the kernel answers with a reset (RFC 1122, 4.2.2.13)
            self._reset_peer()
            self._lose(None)
            return
        if before is OPEN:
            self.backlog.append(FIN)
        self._pump()

    def abort(self) -> None:
        self.fail(None)

    def fail(self, exc: BaseException | None) -> None:
        """Abort the connection, and give the protocol this as the reason."""
        if self.stage is CLOSED:
            return
        self.stage = CLOSING
        self._reset_peer()
        self._lose(exc)

    # ---- sending

    def _pump(self) -> None:
        window = self.fabric.wires.window
        while self.backlog and self.in_flight < window and self._retry is None:
            room = window - self.in_flight
            if len(self.backlog[0]) > room:
                whole = self.backlog.popleft()
                self.backlog.extendleft((whole[room:], whole[:room]))
            if not self._transmit(self.backlog[0]):
                return
            self.backlog_size -= len(self.backlog.popleft())
        if self.stage is CLOSING and not self.backlog:
            self._lose(None)
        self._control_writing()

    def _transmit(self, data: bytes) -> bool:
        """Send one segment; return False where the path is cut and the segment must wait."""
        extra = self.fabric.segment_delay(self, data)
        if extra is None:
            self._stall()
            return False
        self._stalled_since = None
        self._retry_wait = 0
        arrival = self.loop.now_ns + self.latency + extra
        if self.jitter is not None:
            arrival += int(self.jitter() * self.span)
        arrival = max(self._last_arrival, arrival)  # what was sent first arrives first
        self._last_arrival = arrival
        self.in_flight += len(data)
        self.loop.at_ns(arrival, self.peer._arrive, data, context=self.peer.context)
        return True

    def _stall(self) -> None:
        """Wait for the path to come back, as retransmission does; give up after the user timeout."""
        now = self.loop.now_ns
        wires = self.fabric.wires
        if self._stalled_since is None:
            self._stalled_since = now
        elif now - self._stalled_since >= wires.user_timeout:
            self._lose(TimeoutError(errno.ETIMEDOUT, "connection timed out"), how="timed out")
            return
        self._retry_wait = min(self._retry_wait * 2 or wires.rto, wires.rto_max)
        self._retry = self.loop.at_ns(now + self._retry_wait, self._retransmit, context=self.context)

    def _retransmit(self) -> None:
        self._retry = None
        if self.stage is CLOSED:
            return
        if self.peer.life.fenced and not self.backlog and self.in_flight:
            if not self.fabric.answers(self):
                self._stall()
            return
        self._pump()

    def path_lost(self) -> None:
        """The other side fell silent: what is in flight is never acknowledged."""
        if self.in_flight and self._retry is None and self.stage is not CLOSED:
            self._stall()

    def _acknowledged(self, size: int) -> None:
        self.in_flight -= size
        if self.backlog and self._retry is None:
            self.loop.at_ns(self.loop.now_ns + self.latency, self._pump, context=self.context)

    def _control_writing(self) -> None:
        if self.protocol is None or self.stage is CLOSED:
            return
        if not self._writing_paused and self.backlog_size > self._high:
            self._writing_paused = True
            self.protocol.pause_writing()
        elif self._writing_paused and self.backlog_size <= self._low:
            self._writing_paused = False
            self.protocol.resume_writing()

    # ---- receiving

    def _arrive(self, data: bytes) -> None:
        if self.stage is CLOSED:
            if data:  # the peer is gone: a reset answers
                self._send_reset()
            return
        if self.stage is CLOSING:
            self.peer._acknowledged(len(data))
            return
        if self._paused or self.inbox or self.protocol is None:
            self.inbox.append(data)
            return
        self._deliver(data)

    def _drain(self) -> None:
        while self.inbox and not self._paused and not self.is_closing():
            self._deliver(self.inbox.popleft())

    def _deliver(self, data: bytes) -> None:
        if data == FIN:
            try:
                keep_open = self.protocol.eof_received()
            except Exception as error:
                self._fatal(error, "eof_received() raised")
                return
            if not keep_open:
                self.close()
            return
        self.peer._acknowledged(len(data))
        if not self._encrypted:
            tapped = self.fabric.tap(self, data)
            if tapped is None:
                self.fail(ConnectionResetError(errno.ECONNRESET, "connection reset by a fault"))
                return
            data = tapped
            if not data:
                return
        try:
            if self._buffered:
                fill(self.protocol, data)
            else:
                self.protocol.data_received(data)
        except Exception as error:
            self._fatal(error, "data_received() raised")

    def _fatal(self, error: Exception, message: str) -> None:
        self.loop.call_exception_handler(
            {"message": message, "exception": error, "transport": self, "protocol": self.protocol}
        )
        self.fail(error)

    def got_reset(self) -> None:
        """A reset arrived."""
        if self.stage is not CLOSED:
            self._lose(ConnectionResetError(errno.ECONNRESET, "connection reset by peer"), how="reset")

    # ---- the end

    def _reset_peer(self) -> None:
        if self.fabric.segment_delay(self, b"") is not None:
            self._send_reset()

    def _send_reset(self) -> None:
        peer = self.peer
        arrival = max(self._last_arrival, self.loop.now_ns + self.latency)  # behind what was sent before
        self.loop.at_ns(arrival, peer.got_reset, context=peer.context)

    def _lose(self, exc: BaseException | None, *, how: str | None = None) -> None:
        if self.stage is CLOSED:
            return
        self.stage = CLOSED
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self.backlog.clear()
        self.backlog_size = 0
        unread = sum(map(len, self.inbox))
        self.inbox.clear()
        if unread:
            self.peer._acknowledged(unread)
        self.fabric.forget(self)
        self.fabric.report(
            ConnectionClosed,
            self.life.host,
            connection=self.name,
            local=self.local,
            remote=self.remote,
            how=how or ("closed" if exc is None else "reset"),
        )
        if self.protocol is not None:
            self.loop.call_soon(self.protocol.connection_lost, exc, context=self.context)

    def vanish(self) -> None:
        """End silently and without a callback: the host is gone."""
        self.stage = CLOSED
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self.fabric.forget(self)
