"""One contract for both worlds: a connection whose dialling is cancelled leaves nothing behind, at whatever moment."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from edgesim.world import Host, World
from tests.world.connections import Talk, layered, until
from tests.world.worlds import FAR, both, play, tls_pair


async def listening(far: Host, context: Any) -> None:
    async def listen() -> Any:
        return await asyncio.get_running_loop().create_server(Talk, FAR, 4000, ssl=context)

    await far.run(listen())


def connections(world: World) -> list[str]:
    return [f"{row.host} {row.state}" for row in world.sockets() if row.remote is not None]


@both
@layered
@pytest.mark.parametrize("turns", range(0, 24, 2))
def test_it_is_cancelled_some_turns_of_the_loop_after_it_began(kind: str, secure: bool, turns: int) -> None:
    """In uvloop a call can be cancelled between the moment its protocol is told and the moment it returns."""

    async def story(world: World, near: Host, far: Host) -> None:
        server_side, client_side = tls_pair() if secure else (None, None)
        await listening(far, server_side)
        options: dict[str, Any] = {"ssl": client_side, "server_hostname": "far.example.com"} if secure else {}

        async def dial() -> None:
            transport, _ = await asyncio.get_running_loop().create_connection(Talk, FAR, 4000, **options)
            transport.abort()

        task = near.spawn(dial(), name="dial")
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await until(lambda: not connections(world))
        assert world.timers(near) == []

    play(kind, story)


@both
def test_it_is_cancelled_by_its_own_protocol_when_that_is_connected(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        await listening(far, None)
        told: list[str] = []

        class Hasty(Talk):
            def connection_made(self, transport: Any) -> None:
                super().connection_made(transport)
                told.append("made")
                task.cancel()

            def connection_lost(self, exc: BaseException | None) -> None:
                told.append("lost")

        async def dial() -> None:
            transport, _ = await asyncio.get_running_loop().create_connection(Hasty, FAR, 4000)
            transport.abort()

        task = near.spawn(dial(), name="dial")
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await until(lambda: not connections(world))
        assert told == ["made", "lost"]

    play(kind, story)


@both
def test_a_datagram_endpoint_is_cancelled_while_it_is_made(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        class Hasty(asyncio.DatagramProtocol):
            def connection_made(self, transport: Any) -> None:
                task.cancel()

        async def bind() -> None:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                Hasty, local_addr=(near.address(), 5060)
            )
            transport.close()

        task = near.spawn(bind(), name="bind")
        with contextlib.suppress(asyncio.CancelledError):
            await task
        again = near.spawn(bind_again(near), name="again")  # the port is free
        await again

    async def bind_again(near: Host) -> None:
        await asyncio.sleep(0.1)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=(near.address(), 5060)
        )
        transport.close()

    play(kind, story)
