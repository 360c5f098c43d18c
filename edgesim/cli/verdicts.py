"""Prints verdicts: a line for each, the report of a failure, the JUnit file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from edgesim.cli import drawing, output
from edgesim.cli.courses import Courses
from edgesim.cli.problems import Problem
from edgesim.deployment import Deployment
from edgesim.journal import Entry, Event, Journal, Selection, junit
from edgesim.scenario import Outcome, Verdict

COLOURS = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.COULD_NOT_RUN: "red", Outcome.UNSUPPORTED: "yellow"}
BEFORE, AFTER = 20, 6
"""How many rows of the ladder the report of a failure shows."""
FORMS: dict[Outcome, junit.Outcome] = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "failed",
    Outcome.COULD_NOT_RUN: "error",
    Outcome.UNSUPPORTED: "unsupported",
}


def line(verdict: Verdict, *, seconds: float | None = None) -> None:
    """Print a verdict's line."""
    word = click.style(f"{verdict.outcome.word.upper():<8}", fg=COLOURS[verdict.outcome], bold=True)
    took = f" ({seconds:.2f} s)" if seconds is not None else ""
    mutation = f" with {verdict.mutation}" if verdict.mutation else ""
    reports = "".join(f"  {name}={value}" for name, value in verdict.reports.items())
    output.say(
        f"{word} {verdict.label}{mutation}, seed {verdict.seed}, {verdict.lab_seconds:.3f} s of lab time{took}, "
        f"{verdict.entries} entries{reports}"
    )


def json_line(verdict: Verdict, **more: str | int) -> None:
    """Print a verdict as a line of JSON."""
    values = verdict.as_json() | {name: value for name, value in more.items() if value}
    click.echo(json.dumps(values, ensure_ascii=False, separators=(",", ":")))


def failure(verdict: Verdict, journal: Journal | Sequence[Entry[Event]] | None, deployment: Deployment | None) -> None:
    """Print what was expected, what came instead, the ladder around it, and the command that replays it."""
    output.say()
    if verdict.expected:
        output.say(f"  {'expected':<9} {verdict.expected}", bold=True)
        for number, text in enumerate(verdict.instead):
            output.say(f"  {'instead' if not number else '':<9} {text}")
    else:
        for number, text in enumerate(verdict.reason.splitlines() or ["no reason was given"]):
            output.say(f"  {'because' if not number else '':<9} {text}")
    for number, text in enumerate(verdict.stages):
        output.say(f"  {'clients' if not number else '':<9} {text}")
    if journal is not None and len(journal) and verdict.outcome is Outcome.FAILED and verdict.ladder:
        output.say()
        around(verdict, journal, deployment)
    output.say()
    output.say(f"  {'replay':<9} {verdict.replay}")


def around(verdict: Verdict, journal: Journal | Sequence[Entry[Event]], deployment: Deployment | None) -> None:
    """Print the ladder around the place in the journal where a run failed."""
    place = min(max(verdict.around - (0 if verdict.expected.startswith("never") else 1), 0), len(journal) - 1)
    marked = journal[place].id
    select = Selection(around=marked, before=BEFORE, after=AFTER)
    shown = [entry for entry in journal if entry.id == marked or not drawing.is_shutdown(entry)]
    drawn = drawing.build(shown, deployment, select=select, marks=[marked])
    first, last = max(place - BEFORE, 0), min(place + AFTER, len(journal) - 1)
    output.say(f"  the ladder around it, entries {first} to {last} of {len(journal)}:", bold=True)
    drawing.show(drawn, indent="  ")


def write_junit(path: Path, verdicts: Iterable[Verdict]) -> None:
    """Write the JUnit file, grouped by the scenarios' folders. Times are those of this machine."""
    courses = Courses()
    records = [
        junit.Verdict(
            name=f"{each.label}[{each.world}-{each.seed}]",
            group=Path(each.file).parent.name or "scenarios",
            outcome=FORMS[each.outcome],
            seconds=each.seconds,
            message=(f"expected {each.expected}" if each.expected else each.reason.partition("\n")[0]),
            detail=each.reason,
            output=f"replay: {each.replay}" if each.outcome is not Outcome.PASSED else "",
            properties={
                name: str(value)
                for name, value in (
                    ("seed", each.seed),
                    ("world", each.world),
                    ("lab_seconds", f"{each.lab_seconds:.6f}"),
                    ("journal", each.journal),
                    ("course", each.course),
                    ("actors", each.actors),
                    ("courses", courses.add(each) or ""),
                    *each.reports.items(),
                )
                if value != ""
            },
        )
        for each in verdicts
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(junit.render(records), encoding="utf-8")
    except OSError as error:
        raise Problem(f"{path}: cannot be written: {error.strerror}") from None


def summary(verdicts: Sequence[Verdict], seconds: float) -> None:
    """Print the number of runs of each outcome."""
    counts = [(outcome, sum(each.outcome is outcome for each in verdicts)) for outcome in Outcome]
    parts = [click.style(f"{count} {outcome.word}", fg=COLOURS[outcome]) for outcome, count in counts if count]
    noun = "run" if len(verdicts) == 1 else "runs"
    output.say(f"{len(verdicts)} {noun} in {seconds:.1f} s: {', '.join(parts)}")
