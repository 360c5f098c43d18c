"""The matrix of ports and services: complete, as used by rules and scenarios, and as shown on the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgesim.deployment import load
from edgesim.deployment.flows import KINDS, kind
from edgesim.readiness.port_matrix import ROWS, Row, Scene, Service, row, works
from edgesim.readiness.port_page import page
from edgesim.readiness.rules import RULES
from edgesim.readiness.rules.ports import NAMES
from edgesim.scenario.discover import find
from tests.readiness.cases import Case

CASES: list[Case] = []
ROOT = Path(__file__).parents[2]


def test_every_documented_port_of_the_two_firewalls_has_a_row() -> None:
    documented = [each.name for each in KINDS if each.rows]
    assert [each.flow for each in ROWS] == [
        name for row_name in ("NET-16", "NET-15") for name in documented if kind(name).rows == (row_name,)
    ]


@pytest.mark.parametrize("each", ROWS, ids=lambda each: each.flow)
def test_a_row_stops_something_and_shows_it(each: Row) -> None:
    lab = load("small").changed({"mra.media_probe": {"to": "inside-1"}})
    scene = Scene.of(lab, each.wall)
    assert each.symptoms(scene)
    stopped = [works(scene, service) for service in Service if not each.cell(service).works]
    assert list(map(str, each.stopped(scene))) == list(map(str, stopped)) != []
    assert Service.DISCOVERY not in each.cells


@pytest.mark.parametrize("each", ROWS, ids=lambda each: each.flow)
def test_a_row_has_its_rule_and_a_scenario_that_breaks_it_alone(each: Row) -> None:
    name = NAMES[each.flow]
    assert name in {rule.name for rule in RULES}
    assert kind(each.flow).rows == (name.partition(".")[0],)
    assert any(scenario.breaks == (name,) for scenario in find([], home=ROOT / "scenarios"))


def test_an_unknown_row_is_no_row() -> None:
    with pytest.raises(LookupError):
        row("edge-gopher")


def test_the_page_is_what_the_tables_say() -> None:
    assert (ROOT / "docs" / "ports.md").read_text(encoding="utf-8") == page(), "run docs/generate.py"
