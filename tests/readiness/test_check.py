"""The check as a whole: sound deployments are clean, every rule is tripped by a test, and it is quick."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter

import pytest

import tests.readiness
from edgesim.catalogue import row
from edgesim.deployment import load, load_text, names
from edgesim.readiness import check
from edgesim.readiness.rules import RULES
from tests.each import holds_for_each
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


def test_every_rule_is_tripped_alone_by_a_case() -> None:
    tripped = {case.rule for case in ALL_CASES if isinstance(case, Case)}
    untripped = [each.name for each in RULES if each.name not in tripped]
    assert not untripped, ", ".join(untripped)


def test_a_rule_has_a_unique_name_a_requirement_and_rows_of_the_catalogue() -> None:
    def is_whole(name: str, requires: str, rows: tuple[str, ...]) -> None:
        assert requires and rows
        for each in rows:
            assert row(each)

    holds_for_each(is_whole, [(each.name, each.requires, each.rows) for each in RULES])
    twice = [name for name, count in Counter(each.name for each in RULES).items() if count > 1]
    assert not twice, ", ".join(twice)


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
