"""Whenever and however a client ends, it leaves nothing behind; and one seed makes one run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from edgesim.clients.jabber import Jabber
from edgesim.deployment import load
from edgesim.dns import Failure
from edgesim.journal.codec import encode
from edgesim.lab import RunningLab
from edgesim.world.sim import SimWorld
from tests.clients.desk import INSIDE, OUTSIDE, Desk, play

SPAN = {OUTSIDE: 1.4, INSIDE: 0.04}
"""How long a sign-in takes."""
MOMENTS = 14


async def begin(desk: Desk, where: str, moment: int) -> tuple[Jabber, asyncio.Task[Any]]:
    """Begin a sign-in and wait until some moment of it."""
    client = desk.jabber(where=where)
    task = asyncio.ensure_future(client.sign_in())
    await asyncio.sleep(SPAN[where] * moment / MOMENTS)
    return client, task


@pytest.mark.parametrize("where", [OUTSIDE, INSIDE])
@pytest.mark.parametrize("ending", [Jabber.close, Jabber.sign_out])
def test_ended_at_any_moment(ending: Callable[[Jabber], Coroutine[Any, Any, None]], where: str) -> None:
    async def story(desk: Desk) -> None:
        for moment in range(MOMENTS + 1):
            client, task = await begin(desk, where, moment)
            under_way = not task.done()
            await ending(client)
            outcome = await task
            assert outcome.ok is not under_way
            assert not under_way or outcome.reason == "the client was closed"
            await asyncio.sleep(0.5)
            assert not desk.left(where), moment
            await asyncio.sleep(300)

    play(story)


@pytest.mark.parametrize("where", [OUTSIDE, INSIDE])
def test_cancelled_at_any_moment(where: str) -> None:
    async def story(desk: Desk) -> None:
        for moment in range(MOMENTS):
            client, task = await begin(desk, where, moment)
            if task.done():
                break
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await client.close()
            await asyncio.sleep(0.5)
            assert not desk.left(where), moment
            await asyncio.sleep(300)

    play(story)


@pytest.mark.parametrize("where", [OUTSIDE, INSIDE])
def test_its_machine_crashes_at_any_moment(where: str) -> None:
    async def story(desk: Desk) -> None:
        for moment in range(0, MOMENTS, 2):
            client, task = await begin(desk, where, moment)
            if task.done():
                break
            await desk.lab.crash(where)
            outcome = await task
            assert not outcome.ok and outcome.reason == "the client's own machine went down"
            if moment % 4:
                await client.close()  # while the machine is down
            await desk.lab.start_host(where)
            await client.close()
            await asyncio.sleep(300)
            assert not desk.left(where), moment
            assert (await client.sign_in()).ok
            await client.sign_out()
            await asyncio.sleep(300)

    play(story)


@pytest.mark.parametrize("lost", [("expe",), ("expc",), ("ucm-pub", "ucm-sub"), ("imp-pub",)])
@pytest.mark.parametrize("silently", [False, True])
def test_closed_when_the_other_side_is_gone(lost: tuple[str, ...], silently: bool) -> None:
    async def story(desk: Desk) -> None:
        client = desk.jabber()
        assert (await client.sign_in()).ok
        for name in lost:
            await (desk.lab.power_off(name) if silently else desk.lab.crash(name))
        await asyncio.sleep(200)
        began = desk.now
        await client.sign_out()
        assert desk.now - began < 60
        await asyncio.sleep(60)

    play(story)


def test_closed_while_the_name_server_is_silent() -> None:
    async def story(desk: Desk) -> None:
        desk.service("dns-outside").views.fail(Failure(rcode=None))
        client = desk.jabber()
        task = asyncio.ensure_future(client.sign_in())
        await asyncio.sleep(1)
        assert len([line for line in desk.left(OUTSIDE) if line.startswith("task")]) >= 3
        await client.close()
        assert (await task).reason == "the client was closed"
        assert not desk.left(OUTSIDE)

    play(story)


def test_closed_twice_unused_and_used_again() -> None:
    async def story(desk: Desk) -> None:
        client = desk.jabber()
        await client.close()
        await client.sign_out()
        assert (await client.sign_in()).ok
        await client.sign_out()
        await client.sign_out()
        await client.close()
        await client.close()
        assert (await client.sign_in()).ok

    play(story)


def test_one_sign_in_at_a_time() -> None:
    async def story(desk: Desk) -> None:
        client = desk.jabber()
        task = asyncio.ensure_future(client.sign_in())
        await asyncio.sleep(0.1)
        with pytest.raises(RuntimeError, match="signing in already"):
            await client.sign_in()
        assert (await task).ok

    play(story)


def journal_of(seed: int) -> list[bytes]:
    world = SimWorld(seed)
    lab = RunningLab(world, load("small"))

    async def story() -> None:
        await lab.start()
        alice, bob = (
            Jabber(lab.node(where), lab.deployment.user(user)) for where, user in ((OUTSIDE, "alice"), (INSIDE, "bob"))
        )
        await alice.sign_in()
        await bob.sign_in()
        await alice.add_contact("bob")
        await lab.restart("expc")
        await asyncio.sleep(600)
        await alice.say("bob", "still here")
        await asyncio.sleep(1)
        await alice.sign_out()
        await bob.sign_out()

    world.run(story())
    return [encode(entry) for entry in lab.journal]


def test_one_seed_one_journal() -> None:
    first, second = journal_of(7), journal_of(7)
    assert first == second and len(first) > 500
    assert journal_of(8) != first
