"""Counts how many different courses the runs of a scenario took under several seeds.

A scenario in which clients act one after another is one chain of causes, and may have only one course: the count that
matters is that of the scenarios in which two or more clients take part.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgesim.cli import output
from edgesim.scenario import Verdict

FEWEST = 3
"""How many of the scenarios that vary least are named."""


class Courses:
    """Counts the runs of each scenario, and the different courses that they took."""

    def __init__(self) -> None:
        self._runs: dict[str, int] = {}
        self._courses: dict[str, set[str]] = {}
        self._actors: dict[str, int] = {}

    def add(self, verdict: Verdict) -> int:
        """Count a run; return how many different courses its scenario has taken so far."""
        found = self._courses.setdefault(verdict.label, set())
        if verdict.course:
            self._runs[verdict.label] = self._runs.get(verdict.label, 0) + 1
            self._actors[verdict.label] = max(self._actors.get(verdict.label, 0), verdict.actors)
            found.add(verdict.course)
        return len(found)

    def show(self) -> None:
        """Print the count of one scenario that ran more than once, or a summary of many."""
        rows = sorted((len(self._courses[name]), runs, name) for name, runs in self._runs.items() if runs > 1)
        if not rows:
            return
        what = "journals that differ in the sequence of (node, kind)"
        if len(rows) == 1:
            differ, runs, _ = rows[0]
            output.say(f"{what}: {differ} of {runs}")
            return
        text, together = _sum(rows), [row for row in rows if self._actors[row[2]] > 1]
        if together and len(together) < len(rows):
            text += f"; of two clients and more: {_sum(together)}"
        fewest = ", ".join(f"{name} {differ} of {runs}" for differ, runs, name in (together or rows)[:FEWEST])
        output.say(f"{what}: {text}; fewest: {fewest}")


def _sum(rows: Sequence[tuple[int, int, str]]) -> str:
    return f"{sum(row[0] for row in rows)} of {sum(row[1] for row in rows)}"
