"""Running one scenario once: build its lab in a world, play it, clean up, look for leaks, judge."""

from __future__ import annotations

import asyncio
import shlex
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgesim import lab as labs
from edgesim.deployment import Deployment, load
from edgesim.journal import Journal
from edgesim.scenario.declare import Outside, Scenario
from edgesim.scenario.expect import ExpectationError, Expectations
from edgesim.scenario.leaks import leaks
from edgesim.scenario.mutations import Mutation
from edgesim.scenario.stage import CannotRun, Lab
from edgesim.scenario.verdict import Outcome, Verdict
from edgesim.world import UnsupportedError, World
from edgesim.world.live import LiveWorld
from edgesim.world.sim import DeadlockError, LivelockError, SimWorld

SETTLE = 10.0
"""Seconds of lab time that the servers get to bring their links up before the story begins."""


@dataclass(slots=True, kw_only=True)
class Options:
    """How to run. ``live`` uses real sockets; ``journal`` is a file for the entries; ``keylog`` one for TLS secrets."""

    seed: int = 1
    live: bool = False
    journal: Path | None = None
    secrets: bool = False
    keylog: str | None = None
    mutation: Mutation | None = None


@dataclass(slots=True, kw_only=True)
class Run:
    """A finished run: its verdict and its journal, which is still readable."""

    verdict: Verdict
    journal: Journal


def run(scenario: Scenario, options: Options) -> Run:
    """Run a scenario once and judge it. Whatever the scenario does wrong ends up in the verdict."""
    world: World = LiveWorld(options.seed) if options.live else SimWorld(options.seed)
    journal = Journal(world, spool=options.journal, secrets=options.secrets)
    judge = _Judge(scenario, options, world, journal)
    missing = scenario.needs | (options.mutation.needs if options.mutation else frozenset())
    missing -= world.capabilities
    if world.kind not in scenario.worlds or missing:
        why = ", ".join(sorted(item.value for item in missing)) or f"it is not meant for the {world.kind} world"
        return Run(verdict=judge.verdict(Outcome.UNSUPPORTED, f"unsupported: {why}"), journal=journal)
    try:
        deployment = _deployment(scenario, options, world)
    except Exception as error:
        return Run(verdict=judge.verdict(Outcome.COULD_NOT_RUN, str(error)), journal=journal)
    try:
        verdict = world.run(judge.play(deployment))  # type: ignore[attr-defined]  # both worlds have it
    except (DeadlockError, LivelockError) as error:
        verdict = judge.verdict(Outcome.FAILED, str(error))
    finally:
        journal.flush()
    return Run(verdict=verdict, journal=journal)


def _deployment(scenario: Scenario, options: Options, world: World) -> Deployment:
    deployment = load(scenario.deployment)
    changes = dict(scenario.changes)
    if options.mutation is not None:
        changes.update(options.mutation.changes())
    if changes:
        deployment = deployment.changed(changes)
    return labs.on_loopback(deployment) if world.kind == "live" else deployment


class _Judge:
    """Plays a scenario inside its world and puts the verdict together."""

    def __init__(self, scenario: Scenario, options: Options, world: World, journal: Journal) -> None:
        self.scenario = scenario
        self.options = options
        self.world = world
        self.journal = journal
        self.stage: Lab | None = None
        self._task: asyncio.Task[None] | None = None

    async def play(self, deployment: Deployment) -> Verdict:
        """Build the lab, play the story, clean up, and judge."""
        scenario, options = self.scenario, self.options
        lab = labs.Lab(self.world, deployment, journal=self.journal, keylog=options.keylog)
        without = scenario.without + (options.mutation.without() if options.mutation else ())
        try:
            await lab.start(without=without, settle=SETTLE)
        except Exception as error:
            return self.verdict(Outcome.COULD_NOT_RUN, f"the lab did not start: {_explain(error)}")
        expectations = Expectations(self.journal, self._interrupt)
        stage = self.stage = Lab(lab, expectations)
        for fault in options.mutation.faults() if options.mutation else ():
            self.world.faults.add(fault)
        outcome, reason, failure = await self._story(stage, expectations)
        self.world.faults.clear() if options.mutation else None
        outcome, reason = await self._aftermath(lab, stage, outcome, reason)
        if outcome is Outcome.PASSED and not expectations.asserted:
            outcome, reason = Outcome.COULD_NOT_RUN, "the scenario asserts nothing: expect, never, none or check"
        return self.verdict(outcome, reason, failure)

    async def _story(self, stage: Lab, expectations: Expectations) -> tuple[Outcome, str, ExpectationError | None]:
        scenario = self.scenario
        try:
            actors = [stage.client(user, scenario.clients.get(user, Outside)) for user in scenario.users]
        except (CannotRun, LookupError) as error:
            return Outcome.COULD_NOT_RUN, str(error), None
        self._task = asyncio.get_running_loop().create_task(
            _awaited(scenario.play(stage, *actors)), name=f"scenario {scenario.name}"
        )
        try:
            async with asyncio.timeout(scenario.limit):
                await self._task
        except ExpectationError as error:
            return Outcome.FAILED, str(error), error
        except asyncio.CancelledError:
            if expectations.violation is None:
                raise
            return Outcome.FAILED, str(expectations.violation), expectations.violation
        except TimeoutError as error:
            text = str(error) or f"no end after {scenario.limit:g} s of lab time"
            return Outcome.FAILED, text, None
        except UnsupportedError as error:
            return Outcome.UNSUPPORTED, str(error), None
        except CannotRun as error:
            return Outcome.COULD_NOT_RUN, str(error), None
        except Exception as error:
            return Outcome.FAILED, _explain(error), None
        finally:
            expectations.close()
        if expectations.violation is not None:
            return Outcome.FAILED, str(expectations.violation), expectations.violation
        return Outcome.PASSED, "", None

    async def _aftermath(self, lab: labs.Lab, stage: Lab, outcome: Outcome, reason: str) -> tuple[Outcome, str]:
        """Clean up and look for leaks; a fault of the clean-up counts only if nothing worse happened."""
        try:
            await stage.clean_up()
            await lab.stop()
        except Exception as error:
            if outcome is Outcome.PASSED:
                return Outcome.FAILED, f"the clean-up failed: {_explain(error)}"
            return outcome, reason
        await asyncio.sleep(1.0 if self.world.kind == "sim" else 0.2)  # what is on its way arrives
        left = leaks(lab)
        unhandled = [_unhandled(context) for context in self.world.unhandled] if self.scenario.strict else []  # type: ignore[attr-defined]  # both worlds have it
        if outcome is Outcome.PASSED and (left or unhandled):
            return Outcome.FAILED, "\n".join(["the scenario left something behind:", *left, *unhandled])
        return outcome, reason

    def _interrupt(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()

    def verdict(self, outcome: Outcome, reason: str, failure: ExpectationError | None = None) -> Verdict:
        """Put a verdict together."""
        options, stage = self.options, self.stage
        replay = ["edgesim", "run", str(_relative(self.scenario.path)) + f"::{self.scenario.name}"]
        replay += [f"--seed={options.seed}"] + (["--live"] if options.live else [])
        return Verdict(
            scenario=self.scenario.name,
            title=self.scenario.title,
            world=self.world.kind,
            seed=options.seed,
            outcome=outcome,
            reason=reason,
            expected=failure.expected if failure else "",
            instead=tuple(failure.instead) if failure else (),
            around=failure.around if failure else len(self.journal),
            steps=tuple(stage.steps) if stage else (),
            reports=dict(stage.reports) if stage else {},
            entries=len(self.journal),
            lab_seconds=self.world.now() / 1e9,
            journal=str(options.journal or ""),
            mutation=options.mutation.name if options.mutation else "",
            replay=shlex.join(replay),
        )


async def _awaited(work: Any) -> None:
    await work


def _relative(path: Path) -> Path:
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


def _explain(error: BaseException) -> str:
    """Return what an error says, and where it came from: the innermost line of the scenario or of edgesim."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({_relative(Path(frames[-1].filename))}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _unhandled(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return f"an error that nobody handled: {context.get('message')}{f': {_explain(error)}' if error else ''}"
