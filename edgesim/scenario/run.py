"""Runs one scenario once and returns its verdict, whatever happens."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from edgesim.control import Unsupported
from edgesim.deployment import Deployment
from edgesim.journal import Entry, Event, Journal, events
from edgesim.journal.masking import present
from edgesim.scenario.building import free_network, on_loopback
from edgesim.scenario.declare import CannotRun, Scenario
from edgesim.scenario.expect import ExpectationError
from edgesim.scenario.mutations import Mutation
from edgesim.scenario.places import came_from, explain, place, relative, source
from edgesim.scenario.play import PATIENCE, Cancelled, DidNotStart, LimitReached, Play
from edgesim.scenario.verdict import Outcome, Verdict
from edgesim.scenario.vocabulary import UnknownName, Vocabulary
from edgesim.world import UnsupportedError, World
from edgesim.world.machine import stopwatch
from edgesim.world.sim import DeadlockError, LivelockError, SimWorld

MISTAKES = (
    TypeError,
    AttributeError,
    NameError,
    LookupError,
    ValueError,
    ArithmeticError,
    ImportError,
    NotImplementedError,
    RecursionError,
)
"""What Python raises for mistakes in code: the scenario needs a fix, which no message of the lab explains."""
STAGES = 5
"""How many failed stages of clients a verdict names: the last ones."""


@dataclass(slots=True, kw_only=True)
class Options:
    """How to run. ``live`` uses real sockets, and with ``processes`` a process for each host; ``journal`` is a file for
    the entries; ``keylog`` one for TLS secrets.

    ``releases`` are pairs of product and release, as of `Deployment.at_releases`. ``watch`` is called with every entry
    as it is written. ``patience`` is how many seconds of the machine's time one callback may keep all others waiting.
    ``network`` are the first two octets of a live lab's loopback addresses, such as ``127.7``; by
    default a free pair.
    """

    seed: int = 1
    live: bool = False
    processes: bool = False
    network: str = ""
    journal: Path | None = None
    secrets: bool = False
    keylog: str | None = None
    mutation: Mutation | None = None
    releases: tuple[tuple[str, str], ...] = ()
    watch: Callable[[Entry[Event]], None] | None = None
    patience: float = PATIENCE


@dataclass(slots=True, kw_only=True)
class Run:
    """A finished run: its verdict and its journal, which is still readable."""

    verdict: Verdict
    journal: Journal


def run(scenario: Scenario, options: Options) -> Run:
    """Run a scenario once and return its verdict. Errors of the scenario are in the verdict."""
    began = stopwatch()
    world, journal = _begun(options)
    if options.watch is not None:
        journal.listen(options.watch)
    mutation = options.mutation
    play = Play(
        world,
        journal,
        limit=scenario.limit,
        without=scenario.without + (mutation.without() if mutation else ()),
        faults=mutation.faults() if mutation else (),
        skews=mutation.skews() if mutation else {},
        keylog=options.keylog,
        patience=options.patience,
    )
    with contextlib.ExitStack() as held:
        ending = _ending(scenario, options, play, held)
    journal.flush()
    verdict = _verdict(scenario, options, play, ending)
    return Run(verdict=replace(verdict, seconds=stopwatch() - began), journal=journal)


def _begun(options: Options) -> tuple[World, Journal]:
    """Return a world of the wanted kind, and its journal."""
    if options.processes:
        from edgesim.journal.joined import JoinedJournal
        from edgesim.world.processes import ProcessWorld

        of_processes = ProcessWorld(options.seed)
        return of_processes, JoinedJournal(of_processes, of_processes, spool=options.journal, secrets=options.secrets)
    if options.live:
        from edgesim.world.live import LiveWorld

        world: World = LiveWorld(options.seed)
    else:
        world = SimWorld(options.seed)
    return world, Journal(world, spool=options.journal, secrets=options.secrets)


@dataclass(slots=True)
class _Ending:
    """How a run came out."""

    outcome: Outcome
    reason: str = ""
    failure: ExpectationError | None = None
    where: str = ""
    mistake: bool = False


def _ending(scenario: Scenario, options: Options, play: Play, held: contextlib.ExitStack) -> _Ending:
    missing = scenario.needs | (options.mutation.needs if options.mutation else frozenset())
    missing -= play.world.capabilities
    if play.world.kind not in scenario.worlds or missing:
        why = ", ".join(sorted(item.value for item in missing)) or f"it is not meant for the {play.world.kind} world"
        play.world.loop.close()
        return _Ending(Outcome.UNSUPPORTED, f"unsupported: {why}")
    try:
        network = ""
        if options.live:
            network = options.network or held.enter_context(free_network(scenario.load()))
        written = _deployment(scenario, options, network, mutated=False)
        deployment = _deployment(scenario, options, network) if options.mutation else written
    except UnsupportedError as error:
        play.world.loop.close()
        return _Ending(Outcome.UNSUPPORTED, f"unsupported: {error}")
    except Exception as error:
        play.world.loop.close()
        return _Ending(Outcome.COULD_NOT_RUN, str(error))
    try:
        names = Vocabulary(written)
        names.made(*scenario.without)
        for mutation in (options.mutation,) if options.mutation else scenario.mutations:
            names.mutation(mutation)
    except UnknownName as error:
        play.world.loop.close()
        return _Ending(Outcome.COULD_NOT_RUN, str(error))
    ending = _played(scenario, play, deployment, written)
    if options.mutation is not None and ending.outcome in (Outcome.PASSED, Outcome.FAILED):
        idle = _faults_that_never_fired(options.mutation, play.journal)
        if idle:
            return _Ending(Outcome.COULD_NOT_RUN, f"the mutation did nothing: {', '.join(idle)} never fired")
    left = play.left + (play.unhandled if scenario.strict else [])
    if left and ending.outcome is Outcome.PASSED:
        return _Ending(Outcome.FAILED, "\n".join(["the scenario left something behind:", *left]))
    unseen = [
        rule
        for rule in scenario.breaks
        if (play.stage is None or rule not in play.stage.symptoms) and _predicts(rule, written)
    ]
    if ending.outcome is Outcome.PASSED and unseen:
        what = f"the scenario breaks {', '.join(unseen)} and never awaits it: lab.symptom"
        return _Ending(Outcome.COULD_NOT_RUN, what)
    if ending.outcome is Outcome.PASSED and not play.expectations.asserted:
        return _Ending(Outcome.COULD_NOT_RUN, "the scenario asserts nothing: expect, never, none, check or receive")
    if ending.outcome is Outcome.FAILED and play.unhandled:
        ending.reason = "\n".join([ending.reason, *play.unhandled])
    return ending


def _predicts(rule: str, deployment: Deployment) -> bool:
    """Return whether a readiness rule predicts anything for a deployment; advice, for one, does not."""
    from edgesim.readiness import check
    from edgesim.readiness.rules import rule as named

    return any(each.finding.prediction for each in check(deployment, [named(rule)]).reported)


def _played(scenario: Scenario, play: Play, deployment: Deployment, written: Deployment) -> _Ending:
    home = scenario.path
    try:
        play.prepare(deployment)
    except Exception as error:
        play.world.loop.close()
        if isinstance(error, UnsupportedError):
            return _Ending(Outcome.UNSUPPORTED, str(error))
        return _Ending(Outcome.COULD_NOT_RUN, str(DidNotStart(error)))
    try:
        play.run(play.perform(deployment, scenario.play, users=scenario.users, seats=scenario.clients, written=written))
    except ExpectationError as error:
        text = "\n".join([str(error), *getattr(error, "__notes__", ())])
        return _Ending(Outcome.FAILED, text, error, place(error.where) or came_from(error, home))
    except DidNotStart as error:
        return _Ending(Outcome.COULD_NOT_RUN, str(error))
    except (CannotRun, UnknownName) as error:
        return _Ending(Outcome.COULD_NOT_RUN, str(error), where=came_from(error, home))
    except (UnsupportedError, Unsupported) as error:
        return _Ending(Outcome.UNSUPPORTED, str(error), where=came_from(error, home))
    except (LimitReached, Cancelled, DeadlockError, LivelockError) as error:
        return _Ending(Outcome.FAILED, str(error))
    except Exception as error:
        text = "\n".join([explain(error, home), *source(error, home)])
        return _Ending(Outcome.FAILED, text, where=came_from(error, home), mistake=isinstance(error, MISTAKES))
    return _Ending(Outcome.PASSED)


def _faults_that_never_fired(mutation: Mutation, journal: Journal) -> list[str]:
    fired = {entry.event.fault for entry in journal.select(kind=events.FaultFired.kind)}  # type: ignore[attr-defined]  # of that kind
    return [fault.name for fault in mutation.faults() if fault.name not in fired]


def _failed_stages(play: Play) -> tuple[str, ...]:
    """Return the failures that clients reported during the story, a line each."""
    lines = []
    for entry in play.journal.select(kind=events.ClientState.kind):
        event = present(entry).event
        ended = play.ended_at and entry.at > play.ended_at
        if isinstance(event, events.ClientState) and event.outcome == "failed" and not ended:
            lines.append(f"{entry.at:.3f} s  {event.user}, {event.summary()}")
    return tuple(lines[-STAGES:])


def _deployment(scenario: Scenario, options: Options, network: str, *, mutated: bool = True) -> Deployment:
    deployment = scenario.load()
    changes = dict(scenario.changes)
    if options.mutation is not None and mutated:
        changes.update(options.mutation.changes())
    if changes:
        deployment = deployment.changed(changes)
    releases = dict(options.releases or scenario.releases)
    if releases:
        deployment = deployment.at_releases(releases)
    return on_loopback(deployment, network=network) if network else deployment


def _verdict(scenario: Scenario, options: Options, play: Play, ending: _Ending) -> Verdict:
    stage, failure = play.stage, ending.failure
    replay = ["edgesim", "run", f"{relative(scenario.path)}::{scenario.name}", f"--seed={options.seed}"]
    releases = options.releases or scenario.releases
    replay += [f"--release={product}={release}" for product, release in releases]
    return Verdict(
        scenario=scenario.name,
        file=str(scenario.path),
        title=scenario.title,
        world=play.world.kind,
        seed=options.seed,
        outcome=ending.outcome,
        reason=ending.reason,
        expected=failure.expected if failure else "",
        instead=tuple(failure.instead) if failure else (),
        around=failure.around if failure else play.entries or len(play.journal),
        where=ending.where,
        ladder=not ending.mistake,
        stages=_failed_stages(play) if ending.outcome is Outcome.FAILED else (),
        steps=tuple(stage.steps) if stage else (),
        reports=dict(stage.reports) if stage else {},
        entries=len(play.journal),
        course=play.course,
        actors=stage.actors if stage else 0,
        lab_seconds=play.ended_at or play.world.now() / 1e9,
        journal=str(options.journal or ""),
        mutation=options.mutation.name if options.mutation else "",
        releases=dict(releases),
        replay=shlex.join(
            replay + (["--live"] if options.live else []) + (["--processes"] if options.processes else [])
        ),
    )
