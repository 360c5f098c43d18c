"""Hosts that answer by TCP, and sockets that keep the datagrams they hear."""

from __future__ import annotations

import asyncio
from typing import Any

from edgesim.world import Host


class Echo(asyncio.Protocol):
    """Says everything twice."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data + data)


async def ask(source: Host, address: str, port: int = 80) -> bytes:
    """Open a connection, say something and return the answer."""

    async def talk() -> bytes:
        reader, writer = await asyncio.open_connection(address, port)
        writer.write(b"hey")
        try:
            return await reader.readexactly(6)
        finally:
            writer.close()

    return await source.run(talk())


class Datagrams(asyncio.DatagramProtocol):
    """Keeps what it hears, and may answer."""

    def __init__(self, *, answers: bool = False) -> None:
        self.answers = answers
        self.heard: list[tuple[bytes, tuple[str, int]]] = []
        self.errors: list[Exception] = []
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.append((data, addr))
        if self.answers:
            self.transport.sendto(b"re: " + data, addr)

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)


async def socket_on(where: Host, port: int, *, answers: bool = False, to: tuple[str, int] | None = None) -> Datagrams:
    """Return a UDP socket of a host."""

    async def bind() -> Datagrams:
        loop = asyncio.get_running_loop()
        address = (where.address(), port)
        _, protocol = await loop.create_datagram_endpoint(
            lambda: Datagrams(answers=answers), local_addr=address, remote_addr=to
        )
        return protocol

    return await where.run(bind())
