"""Many runs: scenarios under seeds, one after the other or in processes; and each scenario under its mutations."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

from edgesim.scenario.declare import Scenario
from edgesim.scenario.discover import file_names, scenarios_in
from edgesim.scenario.mutations import Mutation
from edgesim.scenario.run import Options, run
from edgesim.scenario.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Job:
    """One run: a scenario by file and name, as it crosses the border between processes, and how to run it."""

    path: str
    name: str
    options: Options


def sweep(
    scenarios: Iterable[Scenario],
    seeds: Sequence[int],
    options: Options | None = None,
    jobs: int = 1,
    *,
    shard: tuple[int, int] = (1, 1),
) -> Iterator[Verdict]:
    """Run every scenario under every seed and yield the verdicts in that order, as soon as it allows.

    With ``jobs`` above 1 that many processes share the work; if one dies, its run gets the verdict "could not run", and
    the others continue. (Processes are spawned: a script that sweeps keeps its own work under ``__name__ ==
    "__main__"``.) ``shard`` ``(i, n)`` takes every n-th run, from the i-th (from 1). A journal file of ``options`` gets
    the scenario and the seed into its name where there is more than one run. Raises `ValueError` for an impossible
    shard, and for a listener in ``options`` with more than one process.
    """
    given = options or Options()
    index, count = shard
    if not 1 <= index <= count:
        raise ValueError(f"shard {index} of {count}: the first number runs from 1 to the second")
    if jobs > 1 and given.watch is not None:
        raise ValueError("a listener cannot cross into another process")
    listed = list(scenarios)
    names = file_names(listed)
    pairs = [(scenario, seed) for scenario in listed for seed in seeds]
    several = len(pairs) > 1
    chosen = pairs[index - 1 :: count]
    work = [
        (
            scenario,
            replace(
                given,
                seed=seed,
                journal=_journal(given, scenario, names, seed, several),
                releases=_releases(given, scenario),
            ),
        )
        for scenario, seed in chosen
    ]
    if jobs <= 1 or len(work) <= 1:
        return (run(scenario, each).verdict for scenario, each in work)
    return _parallel(work, jobs)


def _releases(options: Options, scenario: Scenario) -> tuple[tuple[str, str], ...]:
    return options.releases or scenario.releases


def _journal(options: Options, scenario: Scenario, names: Mapping[str, str], seed: int, several: bool) -> Path | None:
    file = options.journal
    if file is None or not several:
        return file
    releases = "".join(f"-{release}" for _, release in scenario.releases)
    return file.with_name(f"{file.stem}-{names[scenario.id]}{releases}-{seed}{file.suffix}")


def _end_silently() -> None:
    """Make Ctrl-C, which reaches every process of a terminal, end this one silently: the parent reports it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class _Lane:
    """One process at a time: when it dies, its job is known, and the next one gets another process."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, job: Job) -> Future[Verdict]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1, mp_context=multiprocessing.get_context("spawn"), initializer=_end_silently
            )
        return self._pool.submit(work, job)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _parallel(work: Sequence[tuple[Scenario, Options]], jobs: int) -> Iterator[Verdict]:
    lanes = [_Lane() for _ in range(min(jobs, len(work)))]
    waiting = list(enumerate(work))[::-1]
    running: dict[Future[Verdict], tuple[int, _Lane]] = {}
    done: dict[int, Verdict] = {}
    turn = 0

    def start(lane: _Lane) -> None:
        if waiting:
            number, (scenario, options) = waiting.pop()
            running[lane.submit(Job(str(scenario.path), scenario.name, options))] = (number, lane)

    try:
        for lane in lanes:
            start(lane)
        while turn < len(work):
            while turn not in done:
                finished, _ = wait(list(running), return_when=FIRST_COMPLETED)
                for future in [each for each in running if each in finished]:
                    number, lane = running.pop(future)
                    done[number] = _collected(future, *work[number])
                    if isinstance(future.exception(), BrokenProcessPool):
                        lane.close()
                    start(lane)
            yield done.pop(turn)
            turn += 1
    finally:
        for lane in lanes:
            lane.close()


def _collected(future: Future[Verdict], scenario: Scenario, options: Options) -> Verdict:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, BrokenProcessPool):
        reason = "the process that ran it died"
    else:
        reason = f"it could not be run in another process: {type(error).__name__}: {error}"
    return Verdict(
        scenario=scenario.name,
        file=str(scenario.path),
        title=scenario.title,
        world="live" if options.live else "sim",
        seed=options.seed,
        outcome=Outcome.COULD_NOT_RUN,
        reason=reason,
        replay=f"edgesim run {scenario.path}::{scenario.name} --seed={options.seed}",
    )


def work(job: Job) -> Verdict:
    """Run a job; what a process of a sweep does. Raises `LookupError` where the file no longer declares it."""
    for scenario in scenarios_in(Path(job.path)):
        if scenario.name == job.name:
            return run(scenario, job.options).verdict
    raise LookupError(f"{job.path} declares no scenario {job.name}")


# ---- mutations


def verify(scenario: Scenario, seed: int = 1, *, live: bool = False) -> list[tuple[Mutation, Verdict]]:
    """Run a scenario under each of its mutations; every verdict should be ``failed``. `shortcomings` checks them."""
    return [
        (mutation, run(scenario, Options(seed=seed, live=live, mutation=mutation)).verdict)
        for mutation in scenario.mutations
    ]


def shortcomings(scenario: Scenario, results: Sequence[tuple[Mutation, Verdict]]) -> list[str]:
    """Return what is wrong with a scenario's mutations, one line each: none at all, or one that does not turn it red.

    A run that could not run shows nothing: only ``failed`` is red.
    """
    if not results:
        return [f"{scenario.name} names no mutation: nothing shows that it can fail"]
    lines = []
    for mutation, verdict in results:
        if verdict.outcome is Outcome.PASSED:
            lines.append(f"{scenario.name} stays green under {mutation.name}")
        elif verdict.outcome is not Outcome.FAILED:
            reason = verdict.reason.partition("\n")[0]
            lines.append(f"{scenario.name} says {verdict.outcome.word} under {mutation.name}: {reason}")
    return lines
