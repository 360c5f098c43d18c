"""Every scenario's deployment, checked: the rules that it says it breaks, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgesim.deployment import load
from edgesim.readiness import check
from edgesim.scenario.declare import Scenario
from edgesim.scenario.discover import find

SCENARIOS = find([], home=Path(__file__).parents[2] / "scenarios")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_the_check_reports_what_the_scenario_breaks(scenario: Scenario) -> None:
    deployment = load(scenario.deployment)
    if scenario.changes:
        deployment = deployment.changed(scenario.changes)
    report = check(deployment)
    assert set(report.rules) == set(scenario.breaks), report.as_json()
