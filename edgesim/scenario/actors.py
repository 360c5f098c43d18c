"""Actors that run side by side: the first failure ends the others, and none is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
PATIENCE = 30.0
"""Seconds of lab time that actors get to unwind once one of them failed."""


async def side_by_side(actors: Sequence[Coroutine[Any, Any, T]], delays: Sequence[float] = ()) -> list[T]:
    """Run coroutines as tasks, each after its delay in seconds where there are any, and return their results in order.

    The failure that came first in time is raised, once every other actor has been cancelled and has unwound; what else
    failed meanwhile is added to it as notes. A cancellation from outside ends all of them likewise.
    """
    loop = asyncio.get_running_loop()
    decided: asyncio.Future[None] = loop.create_future()
    ended: list[asyncio.Task[T]] = []

    def note(task: asyncio.Task[T]) -> None:
        ended.append(task)
        failed = task.cancelled() or task.exception() is not None
        if (failed or len(ended) == len(tasks)) and not decided.done():
            decided.set_result(None)

    tasks = [
        loop.create_task(_later(actor, delay), name=f"actor {_name(actor)}")
        for actor, delay in zip(actors, [*delays, *[0.0] * len(actors)], strict=False)
    ]
    for task in tasks:
        task.add_done_callback(note)
    try:
        if tasks:
            await decided
    except asyncio.CancelledError as error:
        await _unwind(tasks)
        _annotate(error, ended)
        raise
    failures = [task for task in ended if task.cancelled() or task.exception() is not None]
    if not failures:
        return [task.result() for task in tasks]
    first = failures[0]
    await _unwind(tasks)
    failure = asyncio.CancelledError() if first.cancelled() else first.exception()
    assert failure is not None
    _annotate(failure, [task for task in ended if task is not first])
    for task in tasks:
        if not task.done():
            failure.add_note(f"{task.get_name()} did not end within {PATIENCE:g} s of its cancellation")
    raise failure


async def _later(actor: Coroutine[Any, Any, T], delay: float) -> T:
    if delay:
        try:
            await asyncio.sleep(delay)
        except BaseException:
            actor.close()
            raise
    return await actor


async def _unwind(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel tasks in their order and wait until they are gone, or patience ends."""
    loop = asyncio.get_running_loop()
    left = [task for task in tasks if not task.done()]
    gone: asyncio.Future[None] = loop.create_future()

    def count(_: object) -> None:
        if not gone.done() and all(task.done() for task in left):
            gone.set_result(None)

    for task in left:
        task.add_done_callback(count)
        task.cancel()
    if left:
        try:
            async with asyncio.timeout(PATIENCE):
                await gone
        except TimeoutError:
            pass


def _annotate(error: BaseException, ended: Sequence[asyncio.Task[Any]]) -> None:
    for task in ended:
        other = None if task.cancelled() else task.exception()
        if other is not None:
            error.add_note(f"{task.get_name()} failed too: {type(other).__name__}: {other}")


def _name(actor: Coroutine[Any, Any, Any]) -> str:
    return getattr(actor, "__qualname__", "?")
