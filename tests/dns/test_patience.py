"""DNS over TCP, and a client that takes its time."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.dns import DnsServer
from edgesim.journal import Journal
from edgesim.world.sim import SimWorld
from tests.dns.lab import LIMITS, OUTSIDE, query
from tests.simrun import host, sim_run

SERVER = "10.0.40.53"
ASKED = query("_collab-edge._tls.example.com", "SRV").to_wire()
WHOLE = len(ASKED).to_bytes(2, "big") + ASKED


def play(scene: object) -> None:
    async def main(world: SimWorld) -> None:
        serving, client = await host(world, "dns", SERVER), await host(world, "client", "10.0.50.10")
        server = DnsServer(Journal(world).recorder(serving), {"outside": OUTSIDE}, limits=LIMITS)
        await serving.run(server.listen(SERVER, view="outside"))
        await client.run(scene(server))
        await serving.run(server.close())
        await asyncio.sleep(1)
        assert not server.connections

    sim_run(main)


@pytest.mark.parametrize("pause", [0.0, 1.0])
def test_half_a_query_has_its_time(pause: float) -> None:
    async def scene(_: DnsServer) -> None:
        loop = asyncio.get_running_loop()
        reader, writer = await asyncio.open_connection(SERVER, 53)
        closed = asyncio.ensure_future(reader.read())
        began = loop.time()
        for octet in WHOLE[:-1]:
            writer.write(bytes((octet,)))
            if pause:
                await asyncio.sleep(pause)
            if closed.done():
                break
        assert await closed == b""
        assert loop.time() - began == pytest.approx(10, abs=1.1)
        writer.close()

    play(scene)


def test_queries_may_follow_each_other_for_as_long_as_they_like() -> None:
    async def scene(_: DnsServer) -> None:
        reader, writer = await asyncio.open_connection(SERVER, 53)
        for _ in range(5):
            writer.write(WHOLE)
            size = int.from_bytes(await reader.readexactly(2), "big")
            assert (await reader.readexactly(size))[:2] == ASKED[:2]
            await asyncio.sleep(8)
        writer.close()

    play(scene)


def test_a_client_that_does_not_read_its_answers_is_dropped() -> None:
    async def scene(server: DnsServer) -> None:
        _, writer = await asyncio.open_connection(SERVER, 53)
        writer.transport.pause_reading()
        writer.write(WHOLE * 20_000)
        await asyncio.sleep(5)
        [stream] = server.connections.values()
        assert stream.transport.get_write_buffer_size() < 100_000
        assert len(stream.buffer) < len(WHOLE) * 20_000
        await asyncio.sleep(6)
        assert not server.connections
        writer.transport.abort()

    play(scene)
