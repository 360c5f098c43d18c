"""The verdict of a run of a scenario."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Outcome(Enum):
    """How a run ended; the value is the exit code of a command that ran nothing else."""

    PASSED = 0
    FAILED = 1
    COULD_NOT_RUN = 2
    UNSUPPORTED = 3

    @property
    def word(self) -> str:
        """``passed``, ``failed``, ``could not run`` or ``unsupported``."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of one scenario under one seed, with what is needed to understand and repeat it.

    ``expected`` and ``instead`` are set when an expectation was not met, ``around`` is the position in the journal to
    look at, and ``where`` the line of the scenario; ``ladder`` is false where no message of the lab explains the
    failure. ``stages`` are the clients' own failed stages. ``lab_seconds`` is the lab time at the story's end,
    ``seconds`` what the run took on this machine, which differs from run to run. ``course`` is a digest of the story's
    course, see `edgesim.scenario.course`; ``actors`` is the number of clients that took part.
    """

    scenario: str
    file: str = ""
    title: str
    world: str
    seed: int
    outcome: Outcome
    reason: str = ""
    expected: str = ""
    instead: tuple[str, ...] = ()
    around: int = 0
    where: str = ""
    ladder: bool = True
    stages: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    reports: dict[str, Any] = field(default_factory=dict)
    entries: int = 0
    course: str = ""
    actors: int = 0
    lab_seconds: float = 0.0
    seconds: float = field(default=0.0, compare=False, repr=False)
    journal: str = ""
    mutation: str = ""
    releases: dict[str, str] = field(default_factory=dict)
    replay: str = ""

    @property
    def label(self) -> str:
        """The scenario's name, and the releases where others than the deployment's were asked for."""
        others = ", ".join(f"{product} {release}" for product, release in self.releases.items())
        return f"{self.scenario} [{others}]" if others else self.scenario

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as JSON values; keys without a value are left out."""
        values: dict[str, Any] = {
            "scenario": self.scenario,
            "title": self.title,
            "world": self.world,
            "seed": self.seed,
            "outcome": self.outcome.word,
            "reason": self.reason,
            "expected": self.expected,
            "instead": list(self.instead),
            "where": self.where,
            "stages": list(self.stages),
            "steps": list(self.steps),
            "reports": self.reports,
            "entries": self.entries,
            "course": self.course,
            "actors": self.actors,
            "lab_seconds": round(self.lab_seconds, 6),
            "journal": self.journal,
            "mutation": self.mutation,
            "releases": self.releases,
            "replay": self.replay,
        }
        return {key: value for key, value in values.items() if value not in ("", [], {})}


def exit_code(verdicts: list[Verdict]) -> int:
    """Return the exit code of a whole run: could not run (2), failed (1), unsupported (3) if all are, else 0."""
    outcomes = {verdict.outcome for verdict in verdicts}
    for outcome in (Outcome.COULD_NOT_RUN, Outcome.FAILED):
        if outcome in outcomes:
            return int(outcome.value)
    return int(Outcome.UNSUPPORTED.value) if outcomes == {Outcome.UNSUPPORTED} else 0
