"""Runs the selected scenarios: one run with its story, or many with a line each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from edgesim.cli import determinism, drawing, output, places, verdicts
from edgesim.cli.courses import Courses
from edgesim.cli.narrative import Story
from edgesim.cli.problems import Problem
from edgesim.cli.progress import Progress
from edgesim.cli.selection import chosen
from edgesim.deployment import Deployment, DeploymentError
from edgesim.journal import Entry, Event, Journal
from edgesim.journal.reading import Reader
from edgesim.scenario import Outcome, Scenario, Verdict
from edgesim.scenario.discover import file_names
from edgesim.scenario.run import Options, Run
from edgesim.scenario.run import run as run_once
from edgesim.scenario.sweep import sweep
from edgesim.scenario.verdict import exit_code
from edgesim.world import files
from edgesim.world.machine import stopwatch

LINES = 50
"""With more runs than this, only those that did not pass get a line."""
PRINTED_FAILURES = 3
"""How many failures of a sweep are printed in full."""


@dataclass(slots=True, kw_only=True)
class Settings:
    """The options of ``edgesim run``."""

    live: bool = False
    processes: bool = False
    network: str = ""
    jobs: int = 1
    junit: Path | None = None
    journal: Path | None = None
    keylog: Path | None = None
    ladder: str | None = None
    startup: bool = False
    as_json: bool = False
    check_determinism: bool = False


class Runner:
    """Runs scenarios under seeds, prints, and returns the exit code."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._scenarios: list[Scenario] = []
        self._seeds = range(1, 2)
        self._shard = (1, 1)
        self._pairs: list[tuple[Scenario, int]] = []
        self._names: dict[str, str] = {}
        self._verdicts: list[Verdict] = []
        self._different = 0

    def choose(
        self,
        wanted: Sequence[str],
        seeds: range,
        shard: tuple[int, int] | None,
        releases: Sequence[dict[str, str]] = ({},),
    ) -> None:
        """Select the scenarios, each at each combination of ``releases``, and of their runs those of ``shard``.

        Raises `Problem`.
        """
        self._scenarios = [each.at(some) if some else each for each in chosen(wanted, own=True) for some in releases]
        self._names = file_names(self._scenarios)
        self._seeds, self._shard = seeds, shard or (1, 1)
        index, count = self._shard
        self._pairs = [(scenario, seed) for scenario in self._scenarios for seed in seeds][index - 1 :: count]
        if not self._pairs:
            raise Problem(f"shard {index}/{count} is empty: there are too few runs to divide into {count} parts")
        settings = self.settings
        if settings.ladder == "text" and len(self._pairs) > 1:
            raise Problem(
                f"--ladder text is for one run, but {len(self._pairs)} are selected",
                "Choose one scenario and one seed, or --ladder svg or mermaid: a file for each.",
            )
        for path in (settings.journal, settings.junit):
            _writable(path)
        _writable(settings.keylog, private=True)

    def run(self) -> int:
        """Run everything; return the exit code."""
        began = stopwatch()
        try:
            if len(self._pairs) == 1:
                self._run_one(*self._pairs[0])
            else:
                self._run_many(began)
        finally:
            if self.settings.junit is not None:
                verdicts.write_junit(self.settings.junit, self._verdicts)
        return exit_code(self._verdicts) or (1 if self._different else 0)

    def _file(self, scenario: Scenario) -> str:
        """Return the part of a file's name that stands for the scenario."""
        return "-".join([self._names[scenario.id], *(release for _, release in scenario.releases)])

    # ---- one run

    def _run_one(self, scenario: Scenario, seed: int) -> None:
        settings = self.settings
        deployment = _deployment(scenario)
        if not settings.as_json:
            world = "live world, real sockets" if settings.live else "simulated world"
            world += ", a process for each host" if settings.processes else ""
            output.say(f"{scenario.name}: {scenario.title}", bold=True)
            output.say(f"{world}, deployment {scenario.deployment}, seed {seed}")
            output.say()
        path = settings.journal or _default_path(f"{self._file(scenario)}-{'live' if settings.live else 'seed'}-{seed}")
        began = stopwatch()
        done = self._play(scenario, seed, path, story=not settings.as_json)
        seconds = stopwatch() - began
        self._verdicts.append(done.verdict)
        picture = self._picture(scenario, done, deployment, path)
        same, difference = self._compare(scenario, seed, path)
        if settings.as_json:
            verdicts.json_line(done.verdict, ladder=picture, deterministic=same)
            return
        output.say()
        verdicts.line(done.verdict, seconds=seconds)
        if done.verdict.outcome is not Outcome.PASSED:
            verdicts.failure(done.verdict, done.journal, deployment)
        for line in difference:
            output.say(f"  {line}")
        if picture:
            output.say(f"  {'ladder':<9} {picture}")
        if path is not None and done.verdict.entries:
            output.say(f"  {'journal':<9} {path}    (edgesim journal {path})")
        if done.verdict.outcome is Outcome.PASSED:
            output.say(f"  {'replay':<9} {done.verdict.replay}")

    def _play(self, scenario: Scenario, seed: int, path: Path | None, *, story: bool = False) -> Run:
        settings = self.settings
        watch = Story() if story else None
        options = Options(
            seed=seed,
            live=settings.live,
            processes=settings.processes,
            network=settings.network,
            journal=path,
            keylog=_text(settings.keylog),
            watch=watch,
        )
        try:
            done = run_once(scenario, options)
        except OSError as error:
            raise Problem(f"{error.filename or path}: {error.strerror or error}") from None
        if watch is not None:
            watch.finish()
        return done

    def _picture(self, scenario: Scenario, done: Run, deployment: Deployment | None, path: Path | None) -> str:
        form = self.settings.ladder
        if form is None or not len(done.journal):
            return ""
        entries = drawing.story(done.journal, deployment)
        before = 0 if self.settings.startup else drawing.beginning(entries, deployment)
        drawn = drawing.build(entries, deployment, title=scenario.title, startup=before)
        if form == "text":
            if not self.settings.as_json:
                output.say()
                drawing.show(drawn)
            return ""
        return str(drawing.save(drawn, form, path or Path(f"{scenario.name}.jsonl")))

    # ---- twice

    def _compare(self, scenario: Scenario, seed: int, path: Path | None) -> tuple[str, list[str]]:
        """Run again in another process and compare, if asked to; return ``yes``, ``no`` or None, and lines to print."""
        if not self.settings.check_determinism:
            return "", []
        with tempfile.TemporaryDirectory(prefix="edgesim-") as folder:
            first = path
            if first is None:
                first = Path(folder) / "first.jsonl"
                self._play(scenario, seed, first)
            second = Path(folder) / "second.jsonl"
            determinism.again(f"{scenario.path}::{scenario.name}", seed, second)
            difference = determinism.compare(first, second)
            size = first.stat().st_size
        if difference is None:
            text = f"a second process with another hash seed wrote the same {size} octets"
            return "yes", [f"{'the same':<9} {text}"]
        self._different += 1
        head = click.style("NOT DETERMINISTIC", fg="red", bold=True)
        return "no", [f"{head}: two runs of {scenario.name}, seed {seed}, differ", *difference.lines()]

    # ---- many runs

    def _run_many(self, began: float) -> None:
        settings = self.settings
        total = len(self._pairs)
        brief = total > LINES
        progress = Progress(total, shown=not settings.as_json)
        failed: list[tuple[Verdict, Journal | None]] = []
        courses = Courses()
        try:
            for verdict, journal in self._results():
                self._verdicts.append(verdict)
                count = courses.add(verdict)
                bad = verdict.outcome in (Outcome.FAILED, Outcome.COULD_NOT_RUN)
                if bad:
                    failed.append((verdict, journal))
                if settings.as_json:
                    verdicts.json_line(verdict, courses=count)
                elif bad or not brief:
                    progress.clear()
                    verdicts.line(verdict)
                progress.step(failed=bad)
        except KeyboardInterrupt:
            progress.clear()
            click.echo(f"interrupted after {len(self._verdicts)} of {total} runs", err=True)
            if not settings.as_json:
                self._listed(failed)
                verdicts.summary(self._verdicts, stopwatch() - began)
            raise
        progress.clear()
        if settings.as_json:
            return
        for verdict, journal in failed[:PRINTED_FAILURES]:
            output.say()
            verdicts.line(verdict)
            self._print_failure(verdict, journal)
        if len(failed) > PRINTED_FAILURES:
            output.say()
            output.say(f"and {len(failed) - PRINTED_FAILURES} more:")
            self._listed(failed[PRINTED_FAILURES:])
        output.say()
        verdicts.summary(self._verdicts, stopwatch() - began)
        courses.show()

    def _listed(self, failed: Sequence[tuple[Verdict, Journal | None]]) -> None:
        for verdict, _ in failed:
            output.say(f"  {verdict.replay}")

    def _results(self) -> Iterator[tuple[Verdict, Journal | None]]:
        settings = self.settings
        if not (settings.check_determinism or settings.ladder):
            options = Options(
                live=settings.live,
                processes=settings.processes,
                network=settings.network,
                journal=settings.journal,
                keylog=_text(settings.keylog),
            )
            if settings.live and options.journal is None and _default_path("") is not None:
                options.journal = places.RUNS / "live.jsonl"
            for verdict in sweep(self._scenarios, self._seeds, options, settings.jobs, shard=self._shard):
                yield verdict, None
            return
        for scenario, seed in self._pairs:
            path = _default_path(f"{self._file(scenario)}-seed-{seed}")
            if settings.journal is not None:
                stem, suffix = settings.journal.stem, settings.journal.suffix
                path = settings.journal.with_name(f"{stem}-{self._file(scenario)}-{seed}{suffix}")
            done = self._play(scenario, seed, path)
            verdict = done.verdict
            deployment = _deployment(scenario)
            picture = self._picture(scenario, done, deployment, path) if settings.ladder != "text" else ""
            same, lines = self._compare(scenario, seed, path)
            if same == "no" and verdict.outcome is Outcome.PASSED:
                verdict = replace(verdict, outcome=Outcome.FAILED, reason="\n".join(lines))
            if picture:
                verdict = replace(verdict, reports={**verdict.reports, "ladder": picture})
            yield verdict, done.journal

    def _print_failure(self, verdict: Verdict, journal: Journal | None) -> None:
        """Print a failure in full; a run without a journal is repeated, with the same result."""
        scenario = next(
            each
            for each in self._scenarios
            if (str(each.path), each.name, dict(each.releases)) == (verdict.file, verdict.scenario, verdict.releases)
        )
        path = Path(verdict.journal) if verdict.journal else None
        entries: Sequence[Entry[Event]] | Journal | None = journal
        if entries is None and path is not None:
            entries = list(Reader(path))
        elif entries is None and verdict.outcome is Outcome.FAILED and not self.settings.live:
            path = _default_path(f"{self._file(scenario)}-seed-{verdict.seed}")
            done = self._play(scenario, verdict.seed, path)
            verdict, entries = done.verdict, done.journal
        verdicts.failure(verdict, entries, _deployment(scenario))
        if path is not None:
            output.say(f"  {'journal':<9} {path}")


def _writable(path: Path | None, *, private: bool = False) -> None:
    """Make the folder of a file and the file itself; a ``private`` one only its owner can read. Raises `Problem`."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if private:
            files.keep_private(str(path))
        else:
            path.open("ab").close()
    except OSError as error:
        raise Problem(f"{error.filename or path}: {error.strerror or error}") from None


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _default_path(name: str) -> Path | None:
    """Return the default path of a run's journal, or None if this directory cannot be written."""
    try:
        places.RUNS.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return places.RUNS / f"{name}.jsonl"


def _deployment(scenario: Scenario) -> Deployment | None:
    """Return the deployment, for names and roles, or None if it is not valid, which the verdict reports."""
    try:
        return scenario.load()
    except DeploymentError:
        return None
