"""A stream has a rate: what comes faster is not lost, it is read later, and no other stream waits."""

from __future__ import annotations

import asyncio
import contextvars
from dataclasses import replace

from edgesim.world.pace import Pace, PaceLimits
from edgesim.world.sim import SimWorld
from tests.simrun import sim_run


class Wire(asyncio.Transport):
    """Counts how often it was told to stop and to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


LIMITS = PaceLimits(congested=1 << 18, message_time=30.0, unread_time=30.0)


def pace_of(limits: PaceLimits) -> tuple[Pace, Wire]:
    loop = asyncio.get_running_loop()
    pace = Pace(limits, loop, contextvars.copy_context(), go_on=lambda: None, end=lambda _: None)
    wire = Wire()
    pace.start(wire)
    return pace, wire


def test_a_burst_is_read_at_once_and_more_at_the_rate() -> None:
    async def story(_: SimWorld) -> None:
        pace, wire = pace_of(replace(LIMITS, rate=1_000, burst=5_000, each=100))
        pace.spend(4_000)
        pace.spend(0, 10)
        assert wire.reads and not pace.held
        pace.spend(2_000)
        assert pace.held and not wire.reads
        await asyncio.sleep(1.9)
        assert pace.held
        await asyncio.sleep(0.2)
        assert wire.reads and not pace.held
        await asyncio.sleep(100)
        pace.spend(5_000)
        assert not pace.held, "what was not used is saved, up to the burst"
        pace.spend(1)
        assert pace.held

    sim_run(story)


def test_who_has_waited_for_its_rate_goes_on_whatever_the_clock_rounds() -> None:
    async def story(_: SimWorld) -> None:
        loop = asyncio.get_running_loop()
        for octets in range(65_537, 65_737):
            taken: list[float] = []

            def go_on() -> None:
                taken.append(loop.time())  # noqa: B023 - called within this turn
                pace.spend(0)  # noqa: B023

            limits = replace(LIMITS, rate=65_536.0, burst=65_536)
            pace = Pace(limits, loop, contextvars.copy_context(), go_on=go_on, end=lambda _: None)
            pace.start(Wire())
            pace.spend(octets)
            await asyncio.sleep(1)
            assert len(taken) == 1 and not pace.held
            pace.stop()

    sim_run(story)


def test_without_a_rate_nothing_waits() -> None:
    async def story(_: SimWorld) -> None:
        pace, wire = pace_of(LIMITS)
        pace.spend(1 << 30, 1 << 20)
        assert wire.reads and not pace.held

    sim_run(story)


def test_a_stream_that_ends_while_it_waits_leaves_nothing_behind() -> None:
    async def story(_: SimWorld) -> None:
        pace, _ = pace_of(replace(LIMITS, rate=1, burst=1))
        pace.spend(1_000)
        pace.stop()
        assert not pace.held and pace._waits is None

    sim_run(story)
