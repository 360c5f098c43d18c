"""UDP ports for media: a socket with a callback, and pairs of adjacent ports for RTP and RTCP."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import Any

Address = tuple[str, int]
Receive = Callable[[bytes, Address], None]
TRIES = 64
"""How many pairs are tried before none counts as free."""


class MediaPort(asyncio.DatagramProtocol):
    """A UDP port. ``receive`` is called with each datagram and its source."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._transport: Any = None

    @classmethod
    async def open(cls, address: str, port: int, receive: Receive) -> MediaPort:
        """Bind a port of the running host. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        _, made = await loop.create_datagram_endpoint(lambda: cls(receive), local_addr=(address, port))
        return made

    @property
    def local(self) -> Address:
        """The bound address and port."""
        address = self._transport.get_extra_info("sockname")
        return address[0], address[1]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._receive(data, (addr[0], addr[1]))

    def send(self, data: bytes, target: Address) -> None:
        """Send a datagram; delivery is not guaranteed."""
        if not self._transport.is_closing():
            self._transport.sendto(data, target)

    def close(self) -> None:
        """Release the port."""
        self._transport.close()


class PortPairs:
    """A range of ports, allocated in pairs: an even one for RTP and the next for RTCP (RFC 3550, section 11)."""

    def __init__(self, first: int, last: int) -> None:
        self._firsts = range(first + first % 2, last, 2)
        self._turn = 0

    async def open(self, address: str, rtp: Receive, rtcp: Receive) -> tuple[MediaPort, MediaPort]:
        """Bind the next free pair. Raises `OSError` if none is."""
        for _ in range(min(TRIES, len(self._firsts))):
            port = self._firsts[self._turn % len(self._firsts)]
            self._turn += 1
            try:
                return await open_pair(address, port, rtp, rtcp)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        raise OSError(errno.EADDRINUSE, f"no pair of media ports is free at {address}")


async def open_pair(address: str, port: int, rtp: Receive, rtcp: Receive) -> tuple[MediaPort, MediaPort]:
    """Bind a port and the next one. Raises `OSError`, with neither bound."""
    first = await MediaPort.open(address, port, rtp)
    try:
        return first, await MediaPort.open(address, port + 1, rtcp)
    except OSError:
        first.close()
        raise
