"""Generates code and documents from the kinds of entries: run ``python -m edgesim.journal.generate`` after a change.

It writes the names of `edgesim.journal.events`, the matchers, their names in `edgesim.scenario`, ``schema.json``, and
in a checkout the table of kinds in ``docs/journal.md``. A test compares.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

from edgesim.journal import events, schema
from edgesim.journal.events.base import KINDS, Event

HERE = Path(__file__).parent
EVENTS = HERE / "events" / "__init__.py"
MATCHERS = HERE / "matchers.py"
SCENARIO = HERE.parent / "scenario" / "__init__.py"
GUIDE = HERE.parents[1] / "docs" / "journal.md"
SELF = "python -m edgesim.journal.generate"
CONDITIONS = ("Matcher", "Test", "at_least", "containing", "matching", "one_of", "other_than")
"""Further names for scenarios, beside the matchers."""


def kinds() -> list[type[Event]]:
    """Return the classes of all kinds, whether or not `edgesim.journal.events` knows them yet, by their names."""
    for module in pkgutil.iter_modules(events.__path__):
        importlib.import_module(f"{events.__name__}.{module.name}")
    return sorted(KINDS.values(), key=lambda each: each.__name__)


def files() -> dict[Path, str]:
    """Return each file with what it should hold."""
    names = [each.__name__ for each in kinds()]
    made = {
        EVENTS: _events(kinds()),
        MATCHERS: _matchers(names),
        SCENARIO: _scenario(SCENARIO.read_text("utf-8"), sorted((*names, *CONDITIONS))),
        HERE / "schema.json": schema.text(),
    }
    return made | ({GUIDE: schema.with_table(GUIDE.read_text("utf-8"))} if GUIDE.exists() else {})


def _events(classes: list[type[Event]]) -> str:
    names = sorted([*(each.__name__ for each in classes), "KINDS", "Event", "Headers", "kind"], key=_order)
    homes: dict[str, list[str]] = {f"{events.__name__}.base": ["KINDS", "Event", "Headers", "kind"]}
    for each in classes:
        homes.setdefault(each.__module__, []).append(each.__name__)
    return "\n".join(
        [
            '"""The kinds of journal entries: one frozen class for each kind of thing that can happen in a lab.',
            "",
            "A class has a ``kind`` (its name in JSON, ``protocol.thing``) and a `Event.summary`, the one line that a",
            "ladder shows. Fields are JSON values: strings, integers, booleans, tuples of them. Scenarios match on",
            "these classes and fields.",
            "",
            f"Written by ``{SELF}``.",
            '"""',
            "",
            *(_import(home, homes[home]) for home in sorted(homes)),
            "",
            _all(names),
            "",
        ]
    )


def _matchers(names: list[str]) -> str:
    return "\n".join(
        [
            '"""Matchers: pure predicates over journal entries, one for each kind of entry.',
            "",
            '``Registered(device="CSFALICE", node=other_than("ucm-pub"))`` matches an entry of that kind whose named',
            "fields fit; what is not named fits anything. See `edgesim.journal.matching`.",
            "",
            f"Written by ``{SELF}``.",
            '"""',
            "",
            "from edgesim.journal import events",
            _import("edgesim.journal.matching", [*CONDITIONS, "matcher_of"]),
            "",
            _all(sorted((*names, *CONDITIONS), key=_order)),
            "",
            *(f"{name} = matcher_of(events.{name})" for name in names),
            "",
        ]
    )


def _scenario(text: str, names: list[str]) -> str:
    """Return the module of scenarios with these names in its import and in ``__all__``."""
    found = _import("edgesim.journal.matchers", names).replace("\n", "\n    ")
    text = re.sub(r"from edgesim\.journal\.matchers import \([^)]*\)", lambda _: found, text, count=1)
    listed = re.search(r"^__all__ = \[([^\]]*)\]", text, re.MULTILINE)
    own = set(re.findall(r'^    "(\w+)": "edgesim\.scenario', text, re.MULTILINE))
    if listed is None or not own:
        raise ValueError("edgesim/scenario/__init__.py lacks a list of names")
    return text[: listed.start()] + _all(sorted({*own, *names}, key=_order)) + text[listed.end() :]


def _import(home: str, names: list[str]) -> str:
    line = f"from {home} import {', '.join(sorted(names, key=_order))}"
    if len(line) <= 120:
        return line
    return "\n".join([f"from {home} import (", *(f"    {name}," for name in sorted(names, key=_order)), ")"])


def _all(names: list[str]) -> str:
    return "\n".join(["__all__ = [", *(f'    "{name}",' for name in names), "]"])


def _order(name: str) -> tuple[int, str]:
    """Constants, classes, functions, as ruff sorts them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def main() -> None:
    """Write what has changed."""
    for path, text in files().items():
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"made {path.name}")


if __name__ == "__main__":
    main()
