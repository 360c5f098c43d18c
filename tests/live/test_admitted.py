"""How many connections a live lab admits on real sockets, by the defaults of its doors."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from collections.abc import Iterator

import pytest

from edgesim.deployment import Deployment, builtin
from edgesim.lab import RunningLab
from edgesim.world.live import LiveWorld
from edgesim.world.processes.alone import AloneWorld
from tests.live.lab import own_network

XMPP = 5222


@contextlib.contextmanager
def descriptors(number: int) -> Iterator[None]:
    """Let this process have so many descriptors."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def stay(deployment: Deployment, count: int, *, rate: float | None = None, alone: bool = False) -> int:
    """Return how many of so many connections of a stranger to Expressway-E are still there after a while.

    With ``rate``, E lets in one connection at once and so many a second. ``alone``: no other host runs in this process.
    """
    world = AloneWorld(1, time.time_ns()) if alone else LiveWorld(1)
    lab = RunningLab(world, deployment)
    address = deployment.host("expe").address
    network = ".".join(address.split(".")[:2])

    async def main() -> int:
        if alone:
            await lab.start_host("expe")
        else:
            await lab.start(settle=0)
        if rate is not None:
            world.admission.throttle("expe", (XMPP,), per_second=rate, burst=1)
        sources = [(f"{network}.200.{1 + number % 3}", 0) for number in range(count)]
        made = await asyncio.gather(*(asyncio.open_connection(address, XMPP, local_addr=each) for each in sources))
        await asyncio.sleep(0.5)
        there = sum(not reader.at_eof() and reader.exception() is None for reader, _ in made)
        for _, writer in made:
            writer.transport.abort()
        await lab.stop()
        return there

    return world.run(main())


@pytest.mark.parametrize(
    ("changes", "admitted"),
    [
        ({}, 60),  # 1000 less 64 and 7 servers of 16, by 3: 274
        ({"defaults.doors.descriptors_base": 760}, 42),
        ({"defaults.doors.descriptors_per_server": 116}, 41),
        ({"defaults.doors.descriptors_per_connection": 20}, 41),
    ],
)
def test_descriptors_bound_connections(changes: dict[str, int], admitted: int) -> None:
    with own_network(builtin("small").changed(changes)) as deployment, descriptors(1000):
        assert stay(deployment, 60) == admitted


def test_a_process_with_one_host_needs_descriptors_for_one() -> None:
    changes = {"defaults.doors.descriptors_per_server": 792}
    with own_network(builtin("small").changed(changes)) as deployment, descriptors(1000):
        assert stay(deployment, 60, alone=True) == 48  # 1000 less 64 and 792, by 3


@pytest.mark.parametrize("waiting", [0, 2, 5])
def test_so_many_connections_wait_for_a_rate(waiting: int) -> None:
    with own_network(builtin("small").changed({"defaults.doors.waiting": waiting})) as deployment:
        assert stay(deployment, 10, rate=0.1) == 1 + waiting
