"""Fault rules: what they select, how often they act, and that every firing is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.world import SECOND, Host, World
from edgesim.world.events import FaultFired
from edgesim.world.faults import (
    BlackHole,
    Delay,
    DropMessage,
    FlipByte,
    RefuseConnection,
    ResetConnection,
    Rewrite,
    Selector,
)
from tests.world.connections import connect, layered, until
from tests.world.worlds import FAR, both, play


def fired(world: World) -> list[FaultFired]:
    reported: list[FaultFired] = []
    world.observe(lambda event: reported.append(event) if isinstance(event, FaultFired) else None)
    return reported


@both
@layered
def test_a_rewrite_changes_what_the_receiver_decodes_below_and_above_tls(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> list[FaultFired]:
        reported = fired(world)
        client, server, _ = await connect(near, far, secure)
        rule = Rewrite(name="wrong word", where=Selector(target="far", port=4000), find=b"yes", replace=b"no")
        with world.faults.during(rule):
            client.transport.write(b"yes")
            await until(lambda: server.received)
            server.transport.write(b"yes")
            await until(lambda: client.received)
        client.transport.write(b"yes")
        await until(lambda: server.received == b"noyes")
        assert client.received == b"yes"
        client.transport.close()
        await server.lost
        return reported

    reported = play(kind, story)
    assert [(event.fault, event.kind, event.host) for event in reported] == [("wrong word", "Rewrite", "near")]


@both
@layered
def test_a_flipped_octet_is_the_only_one_that_differs(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> bytes:
        client, server, _ = await connect(near, far, secure)
        world.faults.add(FlipByte(where=Selector(target="far"), offset=2, times=1))
        client.transport.write(b"abcd")
        await until(lambda: len(server.received) == 4)
        client.transport.close()
        await server.lost
        return bytes(server.received)

    assert play(kind, story) == bytes([97, 98, 99 ^ 0xFF, 100])


@both
@layered
def test_a_budget_is_used_up_and_then_the_rule_is_gone(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> tuple[bytes, int]:
        client, server, _ = await connect(near, far, secure)
        world.faults.add(DropMessage(where=Selector(target="far", contains=b"."), times=2))
        for number in range(5):
            client.transport.write(b"%d." % number)
            await asyncio.sleep(0.05)
        client.transport.close()
        await server.lost
        return bytes(server.received), len(world.faults)

    assert play(kind, story) == (b"2.3.4.", 0)


@both
def test_refused_connections_and_a_rule_that_ends_by_itself(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        await connect(near, far)
        until_ns = world.now() + SECOND // 2

        async def dial() -> Any:
            return await asyncio.open_connection(FAR, 4000)

        world.faults.add(RefuseConnection(where=Selector(target="far", port=4000), until_ns=until_ns))
        with pytest.raises(ConnectionRefusedError):
            await near.run(dial())
        await asyncio.sleep(0.6)
        _, writer = await near.run(dial())
        writer.close()

    play(kind, story)


@both
def test_a_black_hole_answers_nothing(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        await connect(near, far)

        async def dial() -> None:
            async with asyncio.timeout(0.3):
                await asyncio.open_connection(FAR, 4000)

        with world.faults.during(BlackHole(where=Selector(port=4000))), pytest.raises(TimeoutError):
            await near.run(dial())

    play(kind, story)


@both
@layered
def test_a_reset_ends_the_connection_when_its_octets_come(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> bytes:
        client, server, _ = await connect(near, far, secure)
        world.faults.add(ResetConnection(where=Selector(target="far", contains=b"REGISTER")))
        client.transport.write(b"OPTIONS ")
        await until(lambda: server.received)
        client.transport.write(b"REGISTER ")
        await asyncio.wait_for(client.lost, 10)
        return bytes(server.received)

    assert play(kind, story) == b"OPTIONS "


def test_a_delay_keeps_the_order() -> None:
    async def story(world: World, near: Host, far: Host) -> tuple[bytes, int]:
        client, server, _ = await connect(near, far)
        world.faults.add(Delay(where=Selector(contains=b"slow"), seconds=5))
        began = world.now()
        client.transport.write(b"slow,")
        client.transport.write(b"fast")
        await until(lambda: len(server.received) == 9)
        client.transport.close()
        await server.lost
        return bytes(server.received), (world.now() - began) // SECOND

    assert play("sim", story) == (b"slow,fast", 5)


def test_a_probability_acts_on_its_share_and_the_same_ones_for_one_seed() -> None:
    async def story(world: World, near: Host, far: Host) -> bytes:
        client, server, _ = await connect(near, far)
        world.faults.add(DropMessage(where=Selector(target="far"), probability=0.25))
        for number in range(400):
            client.transport.write(bytes([number % 256]))
            await asyncio.sleep(0.001)
        client.transport.close()
        await server.lost
        return bytes(server.received)

    first, again, other = (play("sim", story, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert 250 <= len(first) <= 350
