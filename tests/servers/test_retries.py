"""When Expressway-C tries its links again: after their time, or all of them at once when an administrator asks."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from edgesim.node import Node
from edgesim.servers.expressway_c.retries import Retries
from edgesim.world.sim import SimWorld
from tests.simrun import sim_run


def played(wake_after: float | None) -> tuple[dict[str, float], dict[str, float | None], int]:
    """Let two links wait 5 and 120 s; return when each goes on, what was due after 2 s, and how many were woken."""

    async def story(world: SimWorld) -> Any:
        loop = asyncio.get_running_loop()
        retries = Retries(cast(Node, SimpleNamespace(host=None)))
        began, resumed = loop.time(), {}

        async def link(name: str, seconds: float) -> None:
            await retries.wait(name, seconds)
            resumed[name] = round(loop.time() - began, 3)

        async with asyncio.TaskGroup() as links:
            links.create_task(link("tunnel", 5.0))
            links.create_task(link("zone", 120.0))
            await asyncio.sleep(2.0)
            due = {name: retries.due(name) for name in ("tunnel", "zone", "none")}
            woken = 0
            if wake_after is not None:
                await asyncio.sleep(wake_after - 2.0)
                woken = retries.now()
        return resumed, due, woken

    return cast(Any, sim_run(story))


def test_each_link_waits_its_own_time() -> None:
    resumed, due, _ = played(None)
    assert resumed == {"tunnel": 5.0, "zone": 120.0}
    assert due == {"tunnel": 3.0, "zone": 118.0, "none": None}


def test_all_links_that_wait_are_woken_at_once() -> None:
    resumed, _, woken = played(3.0)
    assert resumed == {"tunnel": 3.0, "zone": 3.0}
    assert woken == 2


def test_a_link_that_waits_no_more_is_not_counted() -> None:
    resumed, _, woken = played(60.0)
    assert resumed == {"tunnel": 5.0, "zone": 60.0}
    assert woken == 1
