"""Unhandled errors are counted, the last few are kept, and whoever wants to hears of each."""

from __future__ import annotations

import asyncio
from typing import Any

from edgesim.journal import Journal, watch_world
from edgesim.world import Interface, World
from edgesim.world.live import LiveWorld
from edgesim.world.sim import SimWorld
from edgesim.world.unhandled import KEPT, LONGEST, UnhandledError, UnhandledErrors
from tests.simrun import bench, idle
from tests.world.worlds import NEAR, both


@both
def test_errors_of_callbacks_and_tasks_are_kept_with_their_place(kind: str) -> None:
    world: Any = bench(SimWorld(1) if kind == "sim" else LiveWorld(1))
    heard: list[UnhandledError] = []
    world.unhandled.listen(heard.append)

    async def fails() -> None:
        raise LookupError("in a task")

    async def main() -> None:
        near = world.add_host("near", [Interface(name="lan1", address=NEAR, zone="inside")], idle)
        await world.start("near")
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        near.spawn(fails(), name="a task")
        await asyncio.sleep(0.01)
        assert len(world.errors()) == 2

    world.run(main())
    zero, lookup = heard
    assert isinstance(zero.exception, ZeroDivisionError) and "in <lambda> (test_unhandled.py:" in str(zero)
    assert isinstance(lookup.exception, LookupError) and "LookupError: in a task" in str(lookup)
    assert world.unhandled.count == 2


def test_a_live_lab_writes_them_into_its_journal_under_the_host_whose_code_failed() -> None:
    world: World = bench(LiveWorld(1))
    journal = Journal(world)
    watch_world(journal)

    async def main() -> None:
        near = world.add_host("near", [Interface(name="lan1", address=NEAR, zone="inside")], idle)
        await world.start("near")
        asyncio.get_running_loop().call_soon(lambda: 1 / 0, context=near.context())
        await asyncio.sleep(0.01)

    world.run(main())
    (entry,) = journal.select(kind="error")
    assert entry.node in ("near", "lab")
    assert entry.event.as_json()["error"] == "ZeroDivisionError: division by zero"


def test_they_are_bounded_in_number_and_length() -> None:
    errors = UnhandledErrors(lambda: 0)
    for number in range(10 * KEPT):
        errors.add({"message": f"{number} " + "x" * 10 * LONGEST, "exception": ValueError("y" * 10 * LONGEST)})
    assert errors.count == len(errors) == 10 * KEPT
    kept = list(errors)
    assert len(kept) == KEPT and kept[-1].message.startswith(f"{10 * KEPT - 1} ")
    assert all(len(str(each)) <= LONGEST for each in kept)
