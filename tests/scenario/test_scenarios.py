"""The scenarios that come with edgesim: each can fail, and each names rows that the catalogue has."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgesim.catalogue import rows
from edgesim.scenario import Scenario
from edgesim.scenario.discover import find
from edgesim.scenario.sweep import shortcomings, verify

SCENARIOS = find([], home=Path(__file__).parents[2] / "scenarios")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_every_mutation_turns_it_red(scenario: Scenario) -> None:
    assert shortcomings(scenario, verify(scenario)) == []


def test_names_are_unique_and_rows_are_known() -> None:
    names = [each.name for each in SCENARIOS]
    assert len(set(names)) == len(names) >= 14
    known = {row.id for row in rows()}
    assert [(each.name, row) for each in SCENARIOS for row in each.shows if row not in known] == []
    assert [each.name for each in SCENARIOS if each.title == each.name.replace("_", " ")] == [], (
        "stories have a docstring"
    )
