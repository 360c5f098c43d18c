"""What the fixture ``lab`` gives: a simulated lab for one test."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from edgesim.deployment import load
from edgesim.deployment.network import Pin
from edgesim.journal import Journal
from edgesim.scenario.declare import with_pins
from edgesim.scenario.expect import ExpectationError
from edgesim.scenario.play import Play
from edgesim.scenario.report import around
from edgesim.scenario.stage import Lab
from edgesim.world.sim import SimWorld

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the marker ``edgesim`` may say; see `edgesim.scenario.scenario` for the meaning."""

    deployment: str = "small"
    changes: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1
    without: Sequence[str] = ()
    limit: float | None = 600.0
    pins: Sequence[Pin] = ()


class TestLab:
    """A lab that does not run yet: `run` builds it in a simulated world and runs a function in it.

    Each `run` builds a fresh one from the same seed. ``journal`` is the last run's, still readable afterwards, and
    ``left`` what the runs left behind.
    """

    __test__ = False  # not a test class, whatever pytest thinks of the name

    def __init__(self, name: str, wanted: Wanted) -> None:
        self.name = name
        self.wanted = wanted
        self.journal: Journal | None = None
        self.left: list[str] = []
        self._failed_at: int | None = None

    def run(self, story: Callable[[Lab], Awaitable[T]]) -> T:
        """Build the lab, await ``story(lab)`` in it, take it down, and return the story's result.

        Raises what the story raises, and `edgesim.scenario.play.DidNotStart`.
        """
        wanted = self.wanted
        self._failed_at = None
        deployment = load(wanted.deployment)
        changes = with_pins(wanted.changes, wanted.pins)
        if changes:
            deployment = deployment.changed(changes)
        world = SimWorld(wanted.seed)
        self.journal = Journal(world)
        play = Play(world, self.journal, limit=wanted.limit, without=wanted.without)
        try:
            result: T = world.run(play.perform(deployment, story))
        except ExpectationError as error:
            self._failed_at = error.around if error.expected.startswith("never") else error.around - 1
            raise
        except Exception:
            self._failed_at = (play.entries or len(self.journal)) - 1
            raise
        self.left += [*play.left, *play.unhandled]
        return result

    def explain(self, width: int = 120) -> str:
        """Return the ladder around a failure, and the seed; nothing where no run failed."""
        if self.journal is None or self._failed_at is None:
            return ""
        lines = around(self.journal, self._failed_at, width=width)
        return "\n".join(
            [*lines[1:], "", f"seed {self.wanted.seed}: pytest --edgesim-seed={self.wanted.seed} {self.name}"]
        )
