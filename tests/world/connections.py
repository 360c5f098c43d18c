"""Both ends of a connection between two hosts, in either world."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.world import Host, here
from tests.world.worlds import FAR, tls_pair

layered = pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])


class Talk(asyncio.Protocol):
    """Record what a connection reports."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.transport: Any = None
        self.eof = False
        self.lost: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self.paused = 0
        self.host: Host | None = None
        self.keep_open = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.host = here()

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> bool:
        self.eof = True
        return self.keep_open

    def pause_writing(self) -> None:
        self.paused += 1

    def connection_lost(self, exc: BaseException | None) -> None:
        if not self.lost.done():
            self.lost.set_result(exc)


async def until(holds: Any) -> None:
    """Wait for a condition, at most ten seconds of lab time."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the conditions are about both worlds' sockets, which set no event
            await asyncio.sleep(0.002)


async def connect(
    near: Host, far: Host, secure: bool = False, port: int = 4000, contexts: Any = (None, None)
) -> tuple[Talk, Talk, Any]:
    """Return both ends of a connection from near to far, and the listening server."""
    accepted: list[Talk] = []
    contexts = tls_pair() if secure else contexts

    def accept() -> Talk:
        accepted.append(Talk())
        return accepted[-1]

    async def listen() -> Any:
        return await asyncio.get_running_loop().create_server(accept, FAR, port, ssl=contexts[0])

    async def dial() -> Talk:
        options: dict[str, Any] = {"ssl": contexts[1], "server_hostname": "far.example.com"} if contexts[1] else {}
        _, protocol = await asyncio.get_running_loop().create_connection(Talk, FAR, port, **options)
        return protocol

    server = await far.run(listen())
    client = await near.run(dial())
    await until(lambda: accepted and accepted[0].transport is not None)
    return client, accepted[0], server
