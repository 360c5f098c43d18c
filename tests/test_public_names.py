"""The public names are frozen: what people write scenarios and tests with does not change by accident.

``public_names.json`` lists them. A change on purpose is made there too, by ``python -m tests.test_public_names``, and
told in CHANGELOG.md.
"""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from tests.each import holds_for_each

FILE = Path(__file__).with_name("public_names.json")
MODULES = (
    "catalogue",
    "clients.jabber",
    "control",
    "deployment",
    "dns",
    "http",
    "journal",
    "lab",
    "pki",
    "scenario",
    "sip",
    "world",
)
CLASSES = (
    "scenario.Lab",
    "scenario.Scenario",
    "scenario.ScriptedHost",
    "scenario.Verdict",
    "journal.Entry",
    "journal.Journal",
    "scenario.JabberUser",
    "scenario.PhoneUser",
    "scenario.RoomUser",
)
"""Those whose attributes scenarios use."""


def module(name: str) -> Any:
    return importlib.import_module(f"edgesim.{name}")


def found() -> dict[str, list[str]]:
    """Return the names there are, by module and by class."""
    names = {name: sorted(module(name).__all__) for name in MODULES}
    for path in CLASSES:
        room, _, name = path.rpartition(".")
        bases = [base for base in getattr(module(room), name).__mro__ if base.__module__.startswith("edgesim.")]
        names[path] = sorted({each for base in bases for each in vars(base) if not each.startswith("_")})
    return names


def test_public_names_are_those_that_were_promised() -> None:
    def check(name: str) -> None:
        promised = json.loads(FILE.read_text(encoding="utf-8"))
        there = found()
        new, gone = set(there[name]) - set(promised[name]), set(promised[name]) - set(there[name])
        assert not new, f"new in {name}: promise them with python -m tests.test_public_names"
        assert not gone, f"gone from {name}, which people use"

    holds_for_each(check, ((name,) for name in [*MODULES, *CLASSES]))


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    room = module(name)
    for each in room.__all__:
        value = getattr(room, each)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), f"edgesim.{name}.{each} has no docstring"
    assert len(set(room.__all__)) == len(room.__all__)


def test_names_imported_on_demand_are_all_that_are_listed() -> None:
    scenario = module("scenario")
    assert all(getattr(scenario, name) is not None for name in scenario.__all__)
    assert set(scenario.__all__) <= set(dir(scenario))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = scenario.nothing


if __name__ == "__main__":
    FILE.write_text(json.dumps(found(), indent=1) + "\n", encoding="utf-8")
