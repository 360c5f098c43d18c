"""The fixture ``lab``: a simulated lab for one test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from edgesim.deployment import load
from edgesim.deployment.plan.network import Pin
from edgesim.journal import Journal
from edgesim.scenario.declare import with_pins
from edgesim.scenario.expect import ExpectationError
from edgesim.scenario.play import Play
from edgesim.scenario.report import around
from edgesim.scenario.stage import Lab
from edgesim.world.sim import SimWorld

T = TypeVar("T")

OWN = Path(__file__).parents[1]
ASYNCIO = Path(asyncio.__file__).parent
"""Where the files of edgesim are, and those of asyncio."""


def leave_out_own_frames(error: BaseException, test: Path) -> None:
    """Take edgesim's frames, and those of asyncio that edgesim runs, out of an error's traceback and its causes'.

    An error that never came through the file ``test`` keeps its frames, as one that comes before the test's code does.
    """
    each: BaseException | None = error
    done: set[int] = set()
    while each is not None and id(each) not in done:
        done.add(id(each))
        kept = _foreign(each.__traceback__)
        if any(step.tb_frame.f_code.co_filename == str(test) for step in kept):
            each.__traceback__ = _linked(kept)
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def _foreign(step: TracebackType | None) -> list[TracebackType]:
    kept, own = [], False
    while step is not None:
        file = Path(step.tb_frame.f_code.co_filename)
        own = file.is_relative_to(OWN) or (own and file.is_relative_to(ASYNCIO))
        if not own:
            kept.append(step)
        step = step.tb_next
    return kept


def _linked(steps: Sequence[TracebackType]) -> TracebackType | None:
    first: TracebackType | None = None
    for step in reversed(steps):
        first = TracebackType(first, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return first


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The arguments of the marker ``edgesim``; see `edgesim.scenario.scenario` for their meaning."""

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

    __test__ = False  # not a test class, despite its name

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
