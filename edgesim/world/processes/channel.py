"""One end of the way between a lab's own process and a host's: frames over a Unix socket, on an event loop."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

from edgesim.world.processes.frames import FrameError, FrameReader, Kind, frame

READ = 256 * 1024
"""Octets that are read at a time."""
ROUNDS = 8
"""How often at most one turn of the loop reads a channel, so that others have their turn."""
BUFFER = 1024 * 1024
"""Octets that the system is asked to hold between the two ends."""
MOST_WAITING = 8 * 1024 * 1024
"""Octets that wait here for an end that does not read; what comes on top of them is not sent."""


class Channel:
    """Frames that come are given to ``on_frame``, the end of them to ``on_end``, with why where it is a mistake.

    `send` writes at once whatever the system takes: what was sent is not lost when this process is killed.
    """

    def __init__(
        self,
        sock: socket.socket,
        loop: asyncio.AbstractEventLoop,
        kinds: frozenset[Kind],
        on_frame: Callable[[Kind, bytes], None],
        on_end: Callable[[str | None], None],
    ) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._loop = loop
        self._reader = FrameReader(kinds)
        self._on_frame = on_frame
        self._on_end = on_end
        self._waiting = bytearray()
        self._writes = False
        self.closed = False
        loop.add_reader(sock.fileno(), self._readable)

    def fileno(self) -> int:
        """Return the socket's descriptor, to wait for it."""
        return self._socket.fileno()

    # ---- sending

    def send(self, kind: Kind, body: bytes) -> bool:
        """Send a frame; return False where too much waits already, or the channel is closed."""
        if self.closed or len(self._waiting) > MOST_WAITING:
            return False
        data = frame(kind, body)
        if not self._waiting:
            sent = self._write(data)
            if sent == len(data):
                return True
            data = data[sent:]
        if not self.closed:
            self._waiting += data
            if not self._writes:
                self._writes = True
                self._loop.add_writer(self._socket.fileno(), self._writable)
        return not self.closed

    def _write(self, data: bytes | bytearray) -> int:
        try:
            return self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            # Nobody reads any more. Whoever reads here learns of the end by reading; what still comes is read first.
            self._drop()
            return len(data)

    def _writable(self) -> None:
        sent = self._write(self._waiting)
        del self._waiting[:sent]
        if not self._waiting:
            self._drop()

    def _drop(self) -> None:
        self._waiting.clear()
        if self._writes:
            self._writes = False
            self._loop.remove_writer(self._socket.fileno())

    # ---- receiving

    def _readable(self) -> None:
        self.read(ROUNDS)

    def read(self, rounds: int) -> None:
        """Take what has come, without waiting for more; it is read ``rounds`` times at most."""
        for _ in range(rounds):
            if self.closed:
                return
            try:
                data = self._socket.recv(READ)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno not in (errno.ECONNRESET, errno.EPIPE):
                    raise
                data = b""
            if not data:
                self._end(None)
                return
            try:
                for kind, body in self._reader.feed(data):
                    self._on_frame(kind, body)
                    if self.closed:
                        return
            except FrameError as error:
                self._end(str(error))
                return
            if len(data) < READ // 2:
                return

    def _end(self, why: str | None) -> None:
        if not self.closed:
            self.close()
            self._on_end(why)

    def close(self) -> None:
        """Close this end."""
        if self.closed:
            return
        self.closed = True
        self._drop()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
