"""Scenario files in pytest: one item a scenario."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from edgesim.scenario.declare import Scenario
from edgesim.scenario.discover import scenarios_in
from edgesim.scenario.report import failure
from edgesim.scenario.run import Options, Run, run
from edgesim.scenario.verdict import Outcome


class ScenarioFile(pytest.File):
    """A file that declares scenarios. ``seeds`` says under which of them, the first of which keeps the plain name."""

    def __init__(self, *, seeds: Callable[[pytest.Config], Sequence[int]], **others: Any) -> None:
        super().__init__(**others)
        self._seeds = seeds

    def collect(self) -> Iterator[ScenarioItem]:
        """Yield an item for each scenario and seed, in the order of the file."""
        first, *others = self._seeds(self.config)
        for scenario in scenarios_in(self.path):
            yield ScenarioItem.from_parent(self, name=scenario.name, scenario=scenario, seed=first)
            for seed in others:
                name = f"{scenario.name}[{seed}]"
                yield ScenarioItem.from_parent(self, name=name, scenario=scenario, seed=seed)


class ScenarioItem(pytest.Item):
    """One scenario in the simulated world.

    It runs in the item's setup: what goes wrong there is an error and not a failure in every report, which is what a
    scenario that could not run shall be. A failed scenario fails the call.
    """

    def __init__(self, *, scenario: Scenario, seed: int, **others: Any) -> None:
        super().__init__(**others)
        self.scenario = scenario
        self.seed = seed
        self.done: Run | None = None
        self.extra_keyword_matches.update(scenario.tags)  # no marks: those would have to be registered

    def setup(self) -> None:
        """Run the scenario."""
        seed = self.seed
        self.done = run(self.scenario, Options(seed=seed))
        verdict = self.done.verdict
        self.user_properties += [("seed", seed), ("replay", verdict.replay), *verdict.reports.items()]
        if verdict.outcome is Outcome.UNSUPPORTED:
            pytest.skip(verdict.reason)
        if verdict.outcome is Outcome.COULD_NOT_RUN:
            self._fail()

    def runtest(self) -> None:
        """Fail if the scenario did."""
        if self.done is not None and self.done.verdict.outcome is not Outcome.PASSED:
            self._fail()

    def _fail(self) -> None:
        assert self.done is not None
        width = max(self.config.get_terminal_writer().fullwidth, 100)
        pytest.fail(failure(self.done.verdict, self.done.journal, width=width), pytrace=False)

    def teardown(self) -> None:
        """Let the run go: a session may have thousands."""
        self.done = None

    def reportinfo(self) -> tuple[Any, int, str]:
        """Return the file, the line from 0, and the name."""
        return self.path, self.scenario.play.__code__.co_firstlineno - 1, self.name
