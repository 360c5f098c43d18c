"""What only the simulated world can do: virtual time, loss, silence, frozen hosts, quiescence reported."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.world import SECOND, Host, Interface, World
from edgesim.world.events import ConnectionClosed, DatagramDropped
from edgesim.world.paths import Link
from edgesim.world.sim import DeadlockError, LivelockError, SimWorld
from tests.simrun import calm, host, idle, sim_run
from tests.world.connections import Talk, connect, until
from tests.world.worlds import FAR, NEAR, play


def test_time_jumps_to_the_next_deadline_and_equal_deadlines_keep_their_order() -> None:
    async def main(world: SimWorld) -> list[int]:
        order: list[int] = []
        loop = asyncio.get_running_loop()
        for number in range(100):
            loop.call_later(3600.0, order.append, number)
        await asyncio.sleep(3600)
        assert world.now() == 3600 * SECOND
        return order

    assert sim_run(main) == list(range(100))


def test_a_step_never_runs_before_its_deadline() -> None:
    async def main(world: SimWorld) -> None:
        for delay in (0.1, 0.2, 1 / 3, 1e-6, 7e-9):
            before = world.now()
            await asyncio.sleep(delay)
            assert world.now() - before == round(delay * SECOND)

    sim_run(main)


def test_latency_is_that_of_the_zones_and_a_link_may_have_its_own() -> None:
    async def main(world: SimWorld) -> tuple[int, int]:
        inside = await host(world, "inside", "10.0.0.1")
        server = await host(world, "server", "203.0.113.1", zone="internet")

        async def serve(_: Any, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async def listen() -> None:
            await asyncio.start_server(serve, "203.0.113.1", 80)

        async def dial() -> int:
            before = world.now()
            reader, writer = await asyncio.open_connection("203.0.113.1", 80)
            took = world.now() - before
            await reader.read()
            writer.close()
            return took

        await server.run(listen())
        usual = await inside.run(dial())
        world.paths.set_link("inside", "server", Link(latency_ns=SECOND))
        return usual, await inside.run(dial())

    wires = calm(latencies={("internet", "inside"): 21_000_000})
    assert sim_run(main, wires=wires) == (2 * 21_000_000, 2 * SECOND)


def test_outside_hosts_cannot_open_connections_inward() -> None:
    async def main(world: SimWorld) -> int:
        await host(world, "inside", "10.0.0.1")
        outside = await host(world, "outside", "198.51.100.1", zone="internet")

        async def dial() -> None:
            await asyncio.open_connection("10.0.0.1", 80)

        with pytest.raises(TimeoutError):
            await outside.run(dial())
        return world.now()

    assert sim_run(main) == 127 * SECOND


def test_power_loss_is_silence_and_a_restarted_machine_answers_with_a_reset() -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, _, _ = await connect(near, far)
        await world.power_off("far")
        await asyncio.sleep(60)
        assert not client.lost.done()
        client.transport.write(b"anybody there?")
        await asyncio.sleep(60)
        assert not client.lost.done()
        await world.start("far")
        await asyncio.sleep(120)
        assert isinstance(client.lost.result(), ConnectionResetError)

    play("sim", story)


def test_silence_ends_a_connection_with_unacknowledged_data_after_the_user_timeout() -> None:
    async def story(world: World, near: Host, far: Host) -> float:
        client, _, _ = await connect(near, far)
        await world.power_off("far")
        began = world.now()
        client.transport.write(b"anybody there?")
        error = await client.lost
        assert isinstance(error, TimeoutError)
        return (world.now() - began) / SECOND

    assert 900 <= play("sim", story) <= 960


def test_data_written_into_a_partition_arrives_in_order_when_it_heals() -> None:
    async def story(world: World, near: Host, far: Host) -> bytes:
        client, server, _ = await connect(near, far)
        with world.paths.partitioned("near", "far"):
            for number in range(20):
                client.transport.write(b"%d," % number)
                await asyncio.sleep(1)
            assert not server.received
        await until(lambda: server.received.endswith(b"19,"))
        client.transport.close()
        await server.lost
        return bytes(server.received)

    async def patient(world: World, near: Host, far: Host) -> bytes:
        return await story(world, near, far)

    assert play("sim", patient) == b"".join(b"%d," % number for number in range(20))


def test_a_one_way_partition_lets_the_other_way_through() -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far)
        with world.paths.partitioned("near", "far", both_ways=False):
            client.transport.write(b"lost")
            server.transport.write(b"heard")
            await asyncio.sleep(5)
            assert (bytes(server.received), bytes(client.received)) == (b"", b"heard")
        await until(lambda: server.received == b"lost")
        client.transport.close()
        await server.lost

    play("sim", story)


def test_a_frozen_host_does_nothing_until_it_thaws_and_then_all_of_it() -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        ticks: list[int] = []

        async def tick() -> None:
            while True:
                ticks.append(world.now())
                await asyncio.sleep(1)

        client, server, _ = await connect(near, far)
        far.spawn(tick(), name="tick")
        await asyncio.sleep(2.5)
        await world.freeze("far")
        seen = len(ticks)
        client.transport.write(b"while frozen")
        await asyncio.sleep(60)
        assert len(ticks) == seen
        assert not server.received
        assert not client.lost.done()
        await world.thaw("far")
        await asyncio.sleep(0.001)
        assert server.received == b"while frozen"
        assert len(ticks) == seen + 1

    play("sim", story)


def test_loss_delays_streams_and_loses_datagrams() -> None:
    class Count(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.number = 0

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.number += 1

    async def story(world: World, near: Host, far: Host) -> tuple[int, int]:
        dropped: list[Any] = []
        world.observe(lambda event: dropped.append(event) if isinstance(event, DatagramDropped) else None)
        world.paths.set_link("near", "far", Link(loss=0.3))
        client, server, _ = await connect(near, far)
        loop = asyncio.get_running_loop()

        async def bind() -> Any:
            return await loop.create_datagram_endpoint(Count, local_addr=(FAR, 4000))

        async def send() -> Any:
            transport, _ = await loop.create_datagram_endpoint(Talk_, local_addr=(NEAR, 4000))
            for _ in range(1000):
                transport.sendto(b"x", (FAR, 4000))
            return transport

        class Talk_(asyncio.DatagramProtocol):
            pass

        receiver, counted = await far.run(bind())
        sender = await near.run(send())
        for number in range(50):
            client.transport.write(b"%d," % number)
        await asyncio.sleep(30)
        assert server.received == b"".join(b"%d," % number for number in range(50))
        client.transport.close()
        sender.close()
        receiver.close()
        await asyncio.sleep(1)
        return counted.number, len(dropped)

    arrived, dropped = play("sim", story)
    assert arrived + dropped == 1000
    assert 620 <= arrived <= 780


def test_a_clock_may_be_wrong_without_touching_lab_time() -> None:
    async def main(world: SimWorld) -> None:
        right = await host(world, "right", "10.0.0.1")
        wrong = await host(world, "wrong", "10.0.0.2")
        wrong.clock.skew_ns = 90 * SECOND
        await asyncio.sleep(5)
        assert wrong.clock.now_ns() - right.clock.now_ns() == 90 * SECOND
        assert right.clock.http_date() == "Mon, 05 Jan 2026 08:00:05 GMT"
        assert wrong.clock.http_date() == "Mon, 05 Jan 2026 08:01:35 GMT"

    sim_run(main)


def test_quiescence_is_a_deadlock_that_names_who_waits() -> None:
    async def main(world: SimWorld) -> None:
        server = await host(world, "server", "10.0.0.1")

        async def wait_for_godot() -> None:
            await asyncio.get_running_loop().create_future()

        await server.run(wait_for_godot(), name="the play")

    with pytest.raises(DeadlockError) as caught:
        sim_run(main)
    assert "server: the play" in str(caught.value)
    assert "wait_for_godot" in str(caught.value)


def test_callbacks_without_end_at_one_instant_are_a_livelock_that_names_them() -> None:
    async def main(world: SimWorld) -> None:
        def chase_own_tail() -> None:
            asyncio.get_running_loop().call_soon(chase_own_tail)

        chase_own_tail()
        await asyncio.sleep(1)

    with pytest.raises(LivelockError, match="chase_own_tail"):
        sim_run(main)


def test_a_dead_host_writes_nothing_more_whatever_its_clean_up_tries() -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far)

        async def last_words() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                server.transport.write(b"goodbye")
                with pytest.raises(ConnectionAbortedError):
                    await asyncio.open_connection(NEAR, 4000)

        far.spawn(last_words(), name="last words")
        await asyncio.sleep(1)
        await world.crash("far")
        assert isinstance(await client.lost, ConnectionResetError)
        assert client.received == b""

    play("sim", story)


def test_unread_data_turns_a_close_into_a_reset() -> None:
    async def story(world: World, near: Host, far: Host) -> BaseException | None:
        client, server, _ = await connect(near, far)
        server.transport.pause_reading()
        client.transport.write(b"never read")
        await asyncio.sleep(1)
        server.transport.close()
        return await client.lost

    assert isinstance(play("sim", story), ConnectionResetError)


def test_a_host_cannot_use_an_address_that_is_not_its_own() -> None:
    async def main(world: SimWorld) -> None:
        one = await host(world, "one", "10.0.0.1")
        await host(world, "two", "10.0.0.2")

        async def listen() -> None:
            await asyncio.get_running_loop().create_server(Talk, "10.0.0.2", 80)

        with pytest.raises(OSError, match=r"no address 10\.0\.0\.2"):
            await one.run(listen())
        with pytest.raises(ValueError, match=r"10\.0\.0\.1 of three already belongs to one"):
            world.add_host("three", [Interface(name="lan1", address="10.0.0.1", zone="inside")], idle)

    sim_run(main)


def test_every_connection_is_closed_on_the_books_at_the_end() -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        reported: list[Any] = []
        world.observe(lambda event: reported.append(event) if isinstance(event, ConnectionClosed) else None)
        for port in range(4000, 4010):
            client, server, listener = await connect(near, far, port=port)
            client.transport.close()
            await server.lost
            listener.close()
        await asyncio.sleep(1)
        assert world.sockets() == []
        assert len(reported) == 20

    play("sim", story)
