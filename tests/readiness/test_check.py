"""The check as a whole: sound deployments are clean, every rule is tripped by a test, and it is quick."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import tests.readiness
from edgesim.catalogue import row
from edgesim.deployment import load, load_text, names
from edgesim.readiness import check
from edgesim.readiness.rules import RULES
from tests.readiness.cases import Case

ALL_CASES = [
    case
    for module in pkgutil.iter_modules(tests.readiness.__path__)
    if module.name.startswith("test_")
    and module.name not in ("test_check", "test_scenarios", "test_predictions", "test_changes")
    for case in importlib.import_module(f"tests.readiness.{module.name}").CASES
]


@pytest.mark.parametrize("name", names())
def test_a_built_in_deployment_is_clean(name: str) -> None:
    report = check(load(name))
    assert report.clean, report.as_json()
    assert report.checked == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_is_tripped_alone_by_a_case(rule: object) -> None:
    assert any(isinstance(case, Case) and case.rule == rule.name for case in ALL_CASES)  # type: ignore[attr-defined]  # a Rule


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_has_rows_of_the_catalogue_and_a_requirement(rule: object) -> None:
    assert rule.requires  # type: ignore[attr-defined]  # a Rule
    for name in rule.rows:  # type: ignore[attr-defined]  # a Rule
        assert row(name)
    assert len({each.name for each in RULES}) == len(RULES)


def test_a_finding_names_the_line_of_the_file() -> None:
    text = "\n".join(
        [
            "dns:",
            "  inside: {name: dns-inside, address: 10.0.40.53}",
            "  outside: {name: dns-outside, address: 203.0.113.53, zone: internet}",
            "  cisco_uds_outside: true",
            "expressway_e: [{name: expe, outer: 203.0.113.10, inner: 10.0.20.10}]",
            "expressway_c: [{name: expc, address: 10.0.30.10}]",
            "unified_cm: [{publisher: {name: ucm, address: 10.0.40.11}}]",
            "mra: {access: {user_credential: true}}",
        ]
    )
    (found,) = check(load_text(text, "lab.yaml")).reported
    assert (found.rule.name, found.line) == ("NET-14.cisco-uds-outside", 4)
