"""Run a coroutine in a small simulated world: ``sim_run(main)`` where ``main(world)`` is asynchronous."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from edgesim.journal import Journal, Recorder
from edgesim.world import Host, Interface
from edgesim.world.sim import SimWorld

T = TypeVar("T")


class Nothing:
    """A service that does nothing: for hosts that only serve as a place to run code in."""

    async def stop(self) -> None:
        """Nothing to stop."""


async def idle(_: Host) -> Nothing:
    """The factory of a host that does nothing by itself."""
    return Nothing()


def sim_run(main: Callable[[SimWorld], Awaitable[T]], *, seed: int = 1, **options: Any) -> T:
    """Run ``main(world)`` in a fresh simulated world and fail on errors that nobody handled."""
    world = SimWorld(seed, **options)

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
