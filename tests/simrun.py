"""Run a coroutine in a small simulated world: ``sim_run(main)`` where ``main(world)`` is asynchronous."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from edgesim.deployment import builtin
from edgesim.deployment.defaults import Defaults
from edgesim.journal import Journal, Recorder
from edgesim.lab import doors
from edgesim.world import Host, Interface, Wires
from edgesim.world.lifecycle import HostLifecycle
from edgesim.world.sim import SimWorld

T = TypeVar("T")
W = TypeVar("W", bound=HostLifecycle)


class Nothing:
    """A service that does nothing: for hosts that only serve as a place to run code in."""

    async def stop(self) -> None:
        """Nothing to stop."""


async def idle(_: Host) -> Nothing:
    """The factory of a host that does nothing by itself."""
    return Nothing()


@functools.cache
def _calm() -> Wires:
    lain = builtin("small").wires
    return replace(lain, latencies={}, spread=0.0, jitter=0.0, wake=0, tick=0, shuffled=False)


def calm(**changes: Any) -> Wires:
    """Return the shipped wires without what varies on them and without latencies that name zones."""
    return replace(_calm(), **changes)


def bench(world: W, wires: Wires | None = None) -> W:
    """Give a world that no lab is built in its wires, calm ones without others, and the shipped limits."""
    world.lay(wires or calm())
    world.admission.limits = doors.limits(Defaults())
    return world


def sim_run(
    main: Callable[[SimWorld], Awaitable[T]], *, seed: int = 1, wires: Wires | None = None, **options: Any
) -> T:
    """Run ``main(world)`` in a fresh simulated world and fail on unhandled errors."""
    world = bench(SimWorld(seed, **options), wires)

    async def wrapped() -> T:
        return await main(world)

    result = world.run(wrapped())
    assert not world.errors(), world.unhandled
    return result


async def host(world: SimWorld, name: str, address: str, zone: str = "inside", factory: Any = idle) -> Host:
    """Add and start a host with one interface."""
    made = world.add_host(name, [Interface(name="lan1", address=address, zone=zone)], factory)
    await world.start(name)
    return made


def recorder_of(world: SimWorld, made: Host) -> tuple[Journal, Recorder]:
    """Return a journal of the world and the host's recorder."""
    journal = Journal(world)
    return journal, journal.recorder(made)
