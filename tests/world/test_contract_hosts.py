"""One contract for both worlds: hosts start, crash and come back; names and partitions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.world import Host, HostState, World
from edgesim.world.events import ConnectionClosed, ConnectionOpened, TlsEstablished
from edgesim.world.lifecycle import HostLifecycle
from tests.world.connections import connect, layered, until
from tests.world.worlds import FAR, both, play


@both
@layered
def test_the_world_reports_every_connection(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> list[Any]:
        reported: list[Any] = []
        world.observe(reported.append)
        client, server, _ = await connect(near, far, secure)
        client.transport.close()
        await server.lost
        await until(lambda: sum(isinstance(event, ConnectionClosed) for event in reported) == 2)
        return reported

    reported = play(kind, story)
    opened = [event for event in reported if isinstance(event, ConnectionOpened)]
    assert [(event.host, event.remote) for event in opened] == [("near", (FAR, 4000))]
    assert sorted(event.host for event in reported if isinstance(event, ConnectionClosed)) == ["far", "near"]
    handshakes = {event.role: event for event in reported if isinstance(event, TlsEstablished)}
    assert set(handshakes) == ({"client", "server"} if secure else set())
    if secure:
        assert handshakes["client"].peer_names == ("far.example.com",)


@both
@layered
def test_a_crash_ends_connections_and_tasks_and_a_restart_listens_again(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, _, _ = await connect(near, far, secure)
        ended: list[str] = []

        async def forever() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                ended.append("unwound")

        far.spawn(forever(), name="forever")
        await asyncio.sleep(0.01)
        await world.crash("far")
        await asyncio.wait_for(client.lost, 10)
        assert ended == ["unwound"]
        assert not [row for row in world.sockets("far") if row.state != "CLOSING"]

        async def dial() -> None:
            await asyncio.open_connection(FAR, 4000)

        with pytest.raises(ConnectionRefusedError):
            await near.run(dial())
        await world.start("far")
        assert far.incarnation == 2
        again, _, _ = await connect(near, far, secure)
        again.transport.close()
        await asyncio.wait_for(again.lost, 10)

    play(kind, story)


@both
def test_a_host_starts_once_and_a_state_that_cannot_follow_is_refused(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        with pytest.raises(RuntimeError, match="far is already up"):
            await world.start("far")
        await world.crash("far")
        await world.crash("far")  # there is nothing left to end
        assert far.state is HostState.CRASHED
        assert isinstance(world, HostLifecycle)
        for state in (HostState.UP, HostState.FROZEN, HostState.STOPPED, HostState.OFF):
            with pytest.raises(RuntimeError, match=f"far is crashed: it cannot become {state.value}"):
                world._enter(far, state)
        assert far.state is HostState.CRASHED

    play(kind, story)


@both
def test_names_are_resolved_by_the_running_host(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> bytes:
        async def lookup(name: str) -> list[str]:
            return [FAR] if name == "far.example.com" else []

        near.lookup = lookup

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"found")
            writer.close()

        async def listen() -> None:
            await asyncio.start_server(serve, FAR, 4000)

        async def dial() -> bytes:
            reader, writer = await asyncio.open_connection("far.example.com", 4000)
            answer = await reader.read()
            writer.close()
            with pytest.raises(OSError, match="not known"):
                await asyncio.open_connection("nowhere.example.com", 4000)
            return answer

        await far.run(listen())
        return await near.run(dial())

    assert play(kind, story) == b"found"


@both
def test_a_partition_keeps_new_connections_out(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far)

        async def dial() -> None:
            async with asyncio.timeout(0.3):
                await asyncio.open_connection(FAR, 4000)

        with world.paths.partitioned("near", "far"), pytest.raises(TimeoutError):
            await near.run(dial())
        async with asyncio.timeout(10):
            reader = await near.run(_opened())
        reader.close()
        client.transport.close()
        await server.lost

    async def _opened() -> Any:
        _, writer = await asyncio.open_connection(FAR, 4000)
        return writer

    play(kind, story)
