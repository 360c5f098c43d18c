"""Runs one story in one world: builds its lab, runs it, cleans up, and checks what it left behind.

It decides on no verdict: errors of the story are raised unchanged, and what it left behind is an attribute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from edgesim.control import Carrier, ControlError, Unhandled
from edgesim.deployment import Deployment
from edgesim.journal import Journal
from edgesim.scenario.building import LabInProcess, LabOfProcesses, load_products
from edgesim.scenario.course import Course
from edgesim.scenario.declare import CannotRun, Client, Outside
from edgesim.scenario.expect import ExpectationError, Expectations
from edgesim.scenario.forgotten import Forgotten
from edgesim.scenario.leaks import stop_and_look, unfinished
from edgesim.scenario.places import came_from, explain, waits_at
from edgesim.scenario.stage import Lab
from edgesim.world import World
from edgesim.world.faults import Fault
from edgesim.world.processes import ProcessWorld
from edgesim.world.watchdog import Stuck, Watchdog

T = TypeVar("T")
SETTLE = 10.0
"""Seconds of lab time that the servers get to bring their links up before the story begins."""
PATIENCE = 60.0
"""Seconds of the machine's time that one callback may keep all others waiting."""
BEAT = 1.0
"""Seconds between two heartbeats of a live world for the watchdog."""
UNWIND = 60.0
"""Seconds of lab time that a story gets to unwind after it was interrupted, and its clean-up to end."""


class DidNotStart(Exception):
    """The lab did not start, because of ``why``."""

    def __init__(self, why: Exception) -> None:
        super().__init__(f"the lab did not start: {explain(why)}")


class LimitReached(Exception):
    """The story took longer than it may."""


class Cancelled(Exception):
    """Something that the story waited for was cancelled, e.g. because the host that it ran on went down."""


class Play:
    """One story in one world.

    ``limit`` is its time limit in seconds of lab time; with None a simulated world detects that nothing is scheduled.
    ``patience`` is how many seconds of the machine's time it may block everything else. ``ended_at`` is when it
    ended, in seconds of lab time, and ``entries`` the number of entries then. ``course`` is the story's course, see
    `edgesim.scenario.course`.
    """

    def __init__(
        self,
        world: World,
        journal: Journal,
        *,
        limit: float | None = 600.0,
        without: Sequence[str] = (),
        faults: Sequence[Fault] = (),
        skews: Mapping[str, float] | None = None,
        keylog: str | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.world = world
        self.journal = journal
        self.patience = patience
        self.limit = limit
        self.without = tuple(without)
        self.faults = tuple(faults)
        self.skews = dict(skews or {})
        self.keylog = keylog
        self.stage: Lab | None = None
        self._lab: LabInProcess | None = None
        self.expectations = Expectations(journal, self._interrupt)
        self.ended_at = 0.0
        self.entries = 0
        self.course = ""
        self.left: list[str] = []
        self.unhandled: list[str] = []
        self._task: asyncio.Task[Any] | None = None
        self._expired = ""
        self._ended: asyncio.Future[None] | None = None
        self._beats = 0
        self._beating: asyncio.TimerHandle | None = None

    def prepare(self, deployment: Deployment) -> None:
        """Make ready what has to exist before the world runs: the code of products, or the processes of hosts.

        Raises `RuntimeError` if this process cannot fork.
        """
        if isinstance(self.world, ProcessWorld):
            self._lab = LabOfProcesses(self.world, deployment, self.journal, keylog=self.keylog)
        else:
            load_products(deployment)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine, such as `perform`, in the world, under a watchdog.

        Raises what the coroutine raises, and `LimitReached` if something other than the story never yields.
        """
        try:
            with Watchdog(self._sign_of_life, self.patience):
                return self.world.run(work)
        except Stuck as error:
            raise LimitReached(self._stuck(error)) from None

    def _sign_of_life(self) -> object:
        return self._beats, len(self.journal), 0 if self.world.kind == "live" else self.world.now()

    def _beat(self) -> None:
        """Give a sign of life in a world whose time goes by itself."""
        self._beats += 1
        self._beating = self.world.loop.call_later(BEAT, self._beat)

    def _stuck(self, error: BaseException) -> str:
        at = came_from(error)
        return f"no progress for {self.patience:g} s of the machine's time: {at} never yields"

    async def perform(
        self,
        deployment: Deployment,
        story: Callable[..., Awaitable[T]],
        *,
        users: Sequence[str] = (),
        seats: Mapping[str, Client] | None = None,
        written: Deployment | None = None,
    ) -> T:
        """Run ``story(lab, *clients)`` and return its result; `left` and `unhandled` then say what it left behind.

        ``written`` is the deployment before a mutation: readiness rules predict from it.

        Raises `DidNotStart`, `CannotRun`, `LimitReached`, `Cancelled`, `ExpectationError`, and what else the story
        raises.
        """
        lab = self._lab or LabInProcess(self.world, deployment, self.journal, keylog=self.keylog)
        try:
            await lab.start(without=self.without, settle=SETTLE)
        except Exception as error:
            raise DidNotStart(error) from error
        stage = self.stage = Lab(
            lab.carrier, self.world, deployment, self.expectations, written=written, take=lab.script
        )
        rules = [await stage.put(fault) for fault in self.faults]
        for host, seconds in self.skews.items():
            await stage.skew(host, seconds)
        try:
            actors = self._actors(stage, users, seats or {})
            with Forgotten() as forgotten:
                result = await self._run_story(stage, story, actors)
        except Exception:
            await self._aftermath(lab.carrier, stage, rules)
            raise
        self.left += forgotten.lines
        self.left += await unfinished(lab.carrier, self.world.kind)
        await self._aftermath(lab.carrier, stage, rules)
        return result

    def _actors(self, stage: Lab, users: Sequence[str], seats: Mapping[str, Client]) -> list[Any]:
        try:
            return [stage.seated(user, seats.get(user, Outside)) for user in users]
        except LookupError as error:
            raise CannotRun(str(error)) from error

    # ---- the story

    async def _run_story(self, stage: Lab, story: Callable[..., Awaitable[T]], actors: Sequence[Any]) -> T:
        loop = asyncio.get_running_loop()
        ended = self._ended = loop.create_future()
        task = loop.create_task(_awaited(story(stage, *actors)), name="the story")
        self._task = task
        task.add_done_callback(lambda _: self._give_up())
        timers = [] if self.limit is None else [loop.call_later(self.limit, self._expire)]
        course = Course()
        ends = self.journal.listen(course)
        if self.world.kind == "live":
            self._beat()
        try:
            await ended
        except asyncio.CancelledError:  # the world ends
            task.cancel()
            raise
        finally:
            for timer in timers:
                timer.cancel()
            self.expectations.close()
            ends()
            self.course = str(course)
            self.ended_at = stage.now
            self.entries = len(self.journal)
        violation = self.expectations.violation
        failure = None if not task.done() or task.cancelled() else task.exception()
        if isinstance(failure, Stuck):
            raise LimitReached(self._stuck(failure))
        if violation is not None and violation is not failure:
            raise violation from failure
        if self._expired:
            if not task.done():
                self._expired += f"\nit did not end within {UNWIND:g} s of its cancellation"
            raise LimitReached(self._expired) from failure
        if task.cancelled():
            raise Cancelled("what the story waited for was cancelled, e.g. because the host that it ran on went down")
        if failure is not None:
            raise failure
        unused = stage.never_entered()
        if unused:
            raise ExpectationError("every fault and partition to be in force", unused, len(self.journal))
        unread = stage.unread()
        if unread:
            raise ExpectationError("every message to a scripted host to be read", unread, len(self.journal))
        return task.result()

    def _interrupt(self) -> None:
        """End the story at once: something came that never must."""
        self._stop_story()

    def _stop_story(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            self._task.get_loop().call_later(UNWIND, self._give_up)

    def _give_up(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def _expire(self) -> None:
        assert self._task is not None
        lines = (
            f"no end after {self.limit:g} s of lab time; the story waits at {waits_at(self._task)}",
            self.world.stuck(),
        )
        self._expired = "\n".join(filter(None, lines))
        self._stop_story()

    # ---- afterwards

    async def _aftermath(self, carrier: Carrier, stage: Lab, rules: Sequence[int]) -> None:
        """Clean up, stop every host gracefully, and collect what is left in `left`. Raises nothing."""
        for rule in rules:
            await stage.lift(rule)
        try:
            async with asyncio.timeout(UNWIND):
                self.left += [f"the clean-up failed: {text}" for text in await stage.clean_up()]
        except TimeoutError:
            self.left.append(f"the clean-up did not end within {UNWIND:g} s of lab time")
        try:
            self.left += await stop_and_look(carrier, self.world.kind)
            self.unhandled = list((await carrier.ask(Unhandled())).lines)
        except ControlError as error:
            self.left.append(f"the lab could not be stopped and looked at: {error}")
        if self._beating is not None:
            self._beating.cancel()
        self.journal.close()


async def _awaited(work: Awaitable[T]) -> T:
    return await work
