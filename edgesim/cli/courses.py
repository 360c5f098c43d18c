"""How many different courses the runs of a scenario took under several seeds."""

from __future__ import annotations

from edgesim.cli import output
from edgesim.scenario import Verdict

FEWEST = 3
"""Of many scenarios, how many of those that vary least are named."""


class Courses:
    """Counts, for each scenario, its runs and the courses that they took."""

    def __init__(self) -> None:
        self._runs: dict[str, int] = {}
        self._courses: dict[str, set[str]] = {}

    def add(self, verdict: Verdict) -> int:
        """Count a run; return how many different courses its scenario has taken so far."""
        found = self._courses.setdefault(verdict.label, set())
        if verdict.course:
            self._runs[verdict.label] = self._runs.get(verdict.label, 0) + 1
            found.add(verdict.course)
        return len(found)

    def told(self) -> None:
        """Print the count of a scenario that ran more than once, or how it stands with many."""
        rows = sorted((len(self._courses[name]), runs, name) for name, runs in self._runs.items() if runs > 1)
        if not rows:
            return
        what = "journals that differ in the sequence of (node, kind)"
        if len(rows) == 1:
            differ, runs, _ = rows[0]
            output.say(f"{what}: {differ} of {runs}")
            return
        differ, runs = sum(row[0] for row in rows), sum(row[1] for row in rows)
        fewest = ", ".join(f"{name} {differ} of {runs}" for differ, runs, name in rows[:FEWEST])
        output.say(f"{what}: {differ} of {runs}; fewest: {fewest}")
