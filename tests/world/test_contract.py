"""One contract for both worlds: TCP and TLS connections behave the same for users of asyncio's interface."""

from __future__ import annotations

import asyncio
import errno

import pytest

from edgesim.world import Host, World
from tests.world.connections import Talk, connect, layered, until
from tests.world.worlds import FAR, NEAR, both, play


@both
@layered
def test_bytes_arrive_in_order_in_both_directions(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far, secure)
        for number in range(200):
            client.transport.write(b"%d," % number)
            server.transport.write(b"%d;" % number)
        await until(lambda: server.received.endswith(b"199,") and client.received.endswith(b"199;"))
        assert server.received == b"".join(b"%d," % number for number in range(200))
        assert client.received == b"".join(b"%d;" % number for number in range(200))
        client.transport.close()
        assert await server.lost is None

    play(kind, story)


@both
@layered
def test_a_long_message_arrives_whole(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far, secure)
        text = bytes(range(256)) * 8192
        client.transport.write(text)
        await until(lambda: len(server.received) == len(text))
        assert server.received == text
        client.transport.close()
        await server.lost

    play(kind, story)


@both
@layered
def test_the_source_address_and_the_running_host_are_those_of_each_side(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far, secure)
        assert client.transport.get_extra_info("peername")[:2] == (FAR, 4000)
        assert server.transport.get_extra_info("peername")[0] == NEAR
        assert client.transport.get_extra_info("sockname")[0] == NEAR
        assert (client.host, server.host) == (near, far)
        client.transport.close()
        await server.lost

    play(kind, story)


@both
def test_half_close_lets_the_other_side_answer(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far)
        server.keep_open = True
        client.transport.write(b"question")
        client.transport.write_eof()
        await until(lambda: server.eof)
        assert server.received == b"question"
        server.transport.write(b"answer")
        server.transport.close()
        await client.lost
        assert client.received == b"answer"

    play(kind, story)


@both
@layered
def test_an_abort_is_seen_as_the_end_of_the_connection(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far, secure)
        client.transport.abort()
        assert await client.lost is None
        await asyncio.wait_for(server.lost, 10)

    play(kind, story)


@both
@layered
def test_a_connection_that_is_closing_may_be_closed_again_asked_and_aborted(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far, secure)
        server.transport.pause_reading()
        client.transport.write(bytes(16 * 1024 * 1024))
        for _ in range(3):
            client.transport.close()
        assert client.transport.is_closing()
        assert client.transport.get_write_buffer_size() > 0
        client.transport.abort()
        await asyncio.wait_for(client.lost, 10)
        server.transport.resume_reading()
        await asyncio.wait_for(server.lost, 10)

    play(kind, story)


@both
def test_writing_to_a_connection_that_has_ended_is_ignored_without_a_warning(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far, secure=True)
        client.transport.abort()
        await asyncio.wait_for(server.lost, 10)
        for _ in range(20):
            server.transport.write(b"x")
            client.transport.write(b"x")
        assert client.transport.get_write_buffer_size() == server.transport.get_write_buffer_size() == 0

    play(kind, story)
    assert caplog.records == []


@both
@layered
def test_a_reader_that_pauses_makes_the_writer_pause(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far, secure)
        server.transport.pause_reading()
        await asyncio.sleep(0.01)
        text = bytes(16 * 1024 * 1024)
        for start in range(0, len(text), 1 << 20):
            client.transport.write(text[start : start + (1 << 20)])
            await asyncio.sleep(0)
        assert client.paused == 1
        await asyncio.sleep(0.05)
        assert len(server.received) < len(text)
        server.transport.resume_reading()
        await until(lambda: len(server.received) == len(text))
        client.transport.close()
        await server.lost

    play(kind, story)


@both
def test_a_port_without_a_listener_refuses(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        async def dial() -> None:
            await asyncio.open_connection(FAR, 4001)

        with pytest.raises(ConnectionRefusedError):
            await near.run(dial())

    play(kind, story)


@both
def test_a_closed_listener_refuses_and_its_connections_go_on(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, listener = await connect(near, far)
        listener.close()
        await asyncio.sleep(0.05)

        async def dial() -> None:
            await asyncio.open_connection(FAR, 4000)

        with pytest.raises(ConnectionRefusedError):
            await near.run(dial())
        client.transport.write(b"still here")
        await until(lambda: server.received == b"still here")
        client.transport.close()
        await server.lost

    play(kind, story)


@both
def test_a_port_cannot_be_had_twice(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        await connect(near, far)

        async def again() -> None:
            await asyncio.get_running_loop().create_server(Talk, FAR, 4000)

        with pytest.raises(OSError) as caught:
            await far.run(again())
        assert caught.value.errno == errno.EADDRINUSE

    play(kind, story)
