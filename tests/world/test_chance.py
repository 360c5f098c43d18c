"""What a seed decides about a simulated network, and what no seed changes: the order within a connection and a host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from edgesim.world import SECOND, Entropy, Host, Wires
from edgesim.world.sim import SimWorld
from edgesim.world.sim.chance import Chance
from tests.simrun import calm, host, sim_run

MILLISECOND = 1_000_000
A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"
JITTERY = calm(same_zone=10 * MILLISECOND, jitter=1.0)


def drawn(seed: int = 1, **wires: Any) -> Chance:
    chance = Chance(lambda name: Entropy(seed, name))
    chance.lay(calm(**wires))
    return chance


# ---- streams


def test_the_latency_of_two_hosts_is_drawn_once_around_the_nominal_one_and_only_for_them() -> None:
    chance = drawn(spread=0.25)
    first = chance.latency("a", "b", 20 * MILLISECOND)
    assert 15 * MILLISECOND <= first <= 25 * MILLISECOND
    other = drawn(spread=0.25)
    assert other.latency("a", "c", 20 * MILLISECOND) != first, "another pair"
    assert other.latency("b", "a", 20 * MILLISECOND) == first, "the same back, and after another draw"
    assert drawn(2, spread=0.25).latency("a", "b", 20 * MILLISECOND) != first, "another seed"
    assert drawn().latency("a", "b", 20 * MILLISECOND) == 20 * MILLISECOND, "without spread"


def test_a_draw_in_one_place_shifts_no_other() -> None:
    def numbers(*before: Callable[[Chance], object]) -> list[object]:
        chance = drawn(spread=0.25, jitter=0.5, tick=MILLISECOND)
        for draw in before:
            draw(chance)
        stream = chance.connection("a", (B, 80))
        assert stream is not None
        return [
            stream.random(),
            chance.datagram("a", "b", SECOND),
            chance.turn("a", 5, 1),
            chance.due("a", 5),
            [chance.lost("a", "b", 0.5) for _ in range(20)],
        ]

    others: list[Callable[[Chance], object]] = [
        lambda chance: chance.latency("a", "c", 1),
        lambda chance: chance.connection("a", (C, 80)),
        lambda chance: chance.connection("a", (B, 81)),
        lambda chance: chance.datagram("b", "a", SECOND),
        lambda chance: chance.turn("b", 5, 1),
        lambda chance: chance.due("c", 5),
        lambda chance: chance.lost("b", "a", 0.5),
    ]
    assert numbers(*others) == numbers()


# ---- packets


def arrivals(seed: int, wires: Wires = JITTERY, *, connections: int = 1, segments: int = 50) -> list[tuple[int, bytes]]:
    """Return what arrived over connections that write in turns: which connection, which octets, in order."""
    seen: list[tuple[int, bytes]] = []

    class Listens(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.number = -1

        def data_received(self, data: bytes) -> None:
            if self.number < 0:
                self.number = data[0]
                data = data[1:]
            if data:
                seen.append((self.number, data))

    async def main(world: SimWorld) -> None:
        near, far = await host(world, "near", A), await host(world, "far", B)

        async def listen() -> None:
            await asyncio.get_running_loop().create_server(Listens, B, 80)

        async def write() -> None:
            loop = asyncio.get_running_loop()
            lines = [(await loop.create_connection(asyncio.Protocol, B, 80))[0] for _ in range(connections)]
            for number, line in enumerate(lines):
                line.write(bytes([number]))
            await asyncio.sleep(1)
            for segment in range(segments):
                for line in lines:
                    line.write(bytes([segment]))
            await asyncio.sleep(1)

        await far.run(listen())
        await near.run(write())

    sim_run(main, seed=seed, wires=wires)
    return seen


def test_segments_of_a_connection_keep_their_order() -> None:
    for seed in range(20):
        assert b"".join(data for _, data in arrivals(seed)) == bytes(range(50))


def test_between_connections_the_order_varies_with_the_seed_and_not_between_two_runs_of_it() -> None:
    seen = {seed: [number for number, _ in arrivals(seed, connections=2, segments=5)] for seed in range(10)}
    assert len({tuple(order) for order in seen.values()}) >= 5
    assert [number for number, _ in arrivals(3, connections=2, segments=5)] == seen[3]
    steady = calm(same_zone=10 * MILLISECOND)
    assert len({tuple(arrivals(seed, steady, connections=2, segments=5)) for seed in range(5)}) == 1


def test_a_program_gets_to_a_packet_up_to_so_much_later_on_however_short_a_way() -> None:
    waking = calm(same_zone=0, wake=10 * MILLISECOND)
    delays = [drawn(wake=10 * MILLISECOND).datagram("a", "b", latency) for latency in (0, SECOND)]
    assert delays[0] == delays[1] and 0 < delays[0] <= 10 * MILLISECOND, "whatever the latency"
    seen = {seed: arrivals(seed, waking, connections=2, segments=5) for seed in range(10)}
    assert all(data == bytes(range(5)) for each in seen.values() for data in both(each)), "each in its order"
    assert len({tuple(number for number, _ in each) for each in seen.values()}) >= 5, "and between them not"


def both(seen: list[tuple[int, bytes]]) -> list[bytes]:
    """Return what came over each of two connections."""
    return [b"".join(data for number, data in seen if number == wanted) for wanted in (0, 1)]


def test_a_reset_does_not_overtake_what_was_sent_before_it() -> None:
    async def main(world: SimWorld) -> None:
        near, far = await host(world, "near", A), await host(world, "far", B)

        class LastWord(asyncio.Protocol):
            def connection_made(self, transport: Any) -> None:
                transport.write(b"farewell")
                transport.close()

        async def listen() -> None:
            await asyncio.get_running_loop().create_server(LastWord, B, 80)

        async def hear() -> bytes:
            reader, writer = await asyncio.open_connection(B, 80)
            writer.write(b"to a closed connection")
            return await reader.read(8)

        await far.run(listen())
        assert await near.run(hear()) == b"farewell"

    for seed in range(20):
        sim_run(main, seed=seed, wires=JITTERY)


def test_datagrams_of_a_flow_keep_their_order_and_too_large_ones_stay_at_home() -> None:
    seen: list[bytes] = []
    errors: list[int | None] = []

    class Receives(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            seen.append(data)

    class Sends(asyncio.DatagramProtocol):
        def error_received(self, exc: Exception) -> None:
            errors.append(getattr(exc, "errno", None))

    async def main(world: SimWorld) -> None:
        near, far = await host(world, "near", A), await host(world, "far", B)

        async def listen() -> None:
            await asyncio.get_running_loop().create_datagram_endpoint(Receives, local_addr=(B, 9))

        async def send() -> None:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Sends, remote_addr=(B, 9))
            for number in range(50):
                transport.sendto(bytes([number]))
            transport.sendto(bytes(65508))
            await asyncio.sleep(1)

        await far.run(listen())
        await near.run(send())

    sim_run(main, wires=JITTERY)
    assert seen == [bytes([number]) for number in range(50)]
    assert errors == [90], "EMSGSIZE"


def test_loss_of_the_wires_concerns_datagrams_between_hosts() -> None:
    seen: list[bytes] = []

    class Receives(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            seen.append(data)

    async def main(world: SimWorld) -> None:
        near, far = await host(world, "near", A), await host(world, "far", B)

        async def listen() -> None:
            await asyncio.get_running_loop().create_datagram_endpoint(Receives, local_addr=(B, 9))

        async def send() -> None:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=(B, 9)
            )
            for _ in range(1000):
                transport.sendto(b"x")
            await asyncio.sleep(1)

        await far.run(listen())
        await near.run(send())

    sim_run(main, wires=calm(loss=0.3))
    assert 600 < len(seen) < 800
    assert len(arrivals(1, calm(loss=0.9))) == 50, "TCP sends again"


# ---- hosts at one instant


def turns(seed: int, wires: Wires) -> list[str]:
    """Return in which order three hosts come that each have three things to do at one instant."""
    seen: list[str] = []

    async def main(world: SimWorld) -> None:
        hosts: list[Host] = [await host(world, name, f"10.0.0.{place}") for place, name in enumerate("abc", 1)]

        async def schedule(name: str) -> None:
            for number in range(3):
                asyncio.get_running_loop().call_at(5, seen.append, f"{name}{number}")

        for each in hosts:
            await each.run(schedule(each.name))
        await asyncio.sleep(10)

    sim_run(main, seed=seed, wires=wires)
    return seen


def test_which_host_comes_first_at_an_instant_is_drawn_and_each_keeps_its_own_order() -> None:
    orders = {seed: turns(seed, calm(shuffled=True)) for seed in range(30)}
    for order in orders.values():
        for name in "abc":
            assert [each for each in order if each[0] == name] == [f"{name}{number}" for number in range(3)]
    assert len({tuple(order) for order in orders.values()}) == 6, "every order of three hosts"
    assert turns(4, calm(shuffled=True)) == orders[4]
    assert {tuple(turns(seed, calm())) for seed in range(5)} == {("a0", "a1", "a2", "b0", "b1", "b2", "c0", "c1", "c2")}


@pytest.mark.parametrize("seed", range(3))
def test_timers_fire_at_their_hosts_ticks_in_the_order_in_which_they_are_due(seed: int) -> None:
    fired: list[tuple[str, int, float]] = []

    async def main(world: SimWorld) -> None:
        hosts = [await host(world, "a", A), await host(world, "b", B)]

        async def schedule(name: str) -> None:
            loop = asyncio.get_running_loop()
            for due in (1.0009, 1.0001, 1.00015, 2.5):
                loop.call_at(due, lambda due=due: fired.append((name, world.now(), due)))

        for each in hosts:
            await each.run(schedule(each.name))
        await asyncio.sleep(3)
        assert world.now() == 3 * SECOND, "what belongs to no host has no ticks"

    sim_run(main, seed=seed, wires=calm(tick=MILLISECOND))
    phases = {name: {now % MILLISECOND for each, now, _ in fired if each == name} for name in "ab"}
    assert len(phases["a"]) == len(phases["b"]) == 1 and phases["a"] != phases["b"]
    for name in "ab":
        mine = [(now, due) for each, now, due in fired if each == name]
        assert [due for _, due in mine] == sorted(due for _, due in mine)
        assert all(0 <= now - round(due * SECOND) < MILLISECOND for now, due in mine)
