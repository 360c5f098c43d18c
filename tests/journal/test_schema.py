"""The documented schema is the real one: shipped file, guide and every line that is written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from edgesim import scenario
from edgesim.journal import events, generate, schema
from edgesim.journal.codec import encode
from edgesim.journal.masking import Aliases
from tests.each import holds_for_each
from tests.journal import sample
from tests.journal.kinds import entry_of, event_of

GUIDE = Path(__file__).parents[2] / "docs" / "journal.md"
REDO = "run: python -m edgesim.journal.generate"
TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "number": (int, float),
    "null": type(None),
    "array": list,
    "object": dict,
}


def check(value: Any, rule: dict[str, Any], root: dict[str, Any]) -> list[str]:
    """Return what is wrong, by the part of JSON Schema that the journal's uses."""
    if "$ref" in rule:
        return check(value, root["$defs"][rule["$ref"].removeprefix("#/$defs/")], root)
    wrong: list[str] = []
    kind = rule.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (kind == "integer" and isinstance(value, bool))):
        return [f"{value!r} is no {kind}"]
    if "const" in rule and value != rule["const"]:
        wrong.append(f"{value!r} is not {rule['const']!r}")
    if "enum" in rule and value not in rule["enum"]:
        wrong.append(f"{value!r} is none of {rule['enum']}")
    if "pattern" in rule and not re.search(rule["pattern"], value):
        wrong.append(f"{value!r} does not match {rule['pattern']}")
    if "minimum" in rule and value < rule["minimum"]:
        wrong.append(f"{value!r} is below {rule['minimum']}")
    for several, allowed in (("oneOf", (1,)), ("anyOf", range(1, 99))):
        if several in rule:
            results = [check(value, one, root) for one in rule[several]]
            if sum(not result for result in results) not in allowed:
                wrong.append(f"{several}: {min(results, key=len)}")
    if isinstance(value, dict):
        wrong += [f"{name} is missing" for name in rule.get("required", ()) if name not in value]
        properties = rule.get("properties", {})
        if rule.get("additionalProperties") is False:
            wrong += [f"{name} is not documented" for name in value if name not in properties]
        for name, inner in properties.items():
            if name in value:
                wrong += [f"{name}: {text}" for text in check(value[name], inner, root)]
    if isinstance(value, list):
        if "prefixItems" in rule:
            wrong += [
                text
                for item, inner in zip(value, rule["prefixItems"], strict=False)
                for text in check(item, inner, root)
            ]
        if "items" in rule:
            wrong += [text for item in value for text in check(item, rule["items"], root)]
        if not rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", len(value)):
            wrong.append(f"{len(value)} items")
    return wrong


ROOT = json.loads(schema.shipped())


def test_what_follows_from_the_kinds_is_current() -> None:
    for path, text in generate.files().items():
        assert path.read_text("utf-8") == text, f"{path.name} is out of date; {REDO}"


def test_every_kind_has_its_matcher_for_scenarios() -> None:
    guide = GUIDE.read_text("utf-8")

    def has_a_matcher(name: str) -> None:
        made = getattr(scenario, name)(node="expe")
        assert (made.event, str(made)) == (getattr(events, name), f"{name}(node='expe')")
        assert f"`{getattr(events, name).kind}`" in guide, "not in the guide"

    holds_for_each(has_a_matcher, [(cls.__name__,) for cls in events.KINDS.values()])


def test_a_line_of_every_kind_follows_the_schema() -> None:
    def follows(kind: str) -> None:
        entry = entry_of(event_of(kind, lambda: "x"), payload=b"secret", keys=("user:a", "cookie:b"), secrets=((0, 6),))
        line = json.loads(encode(entry, aliases=Aliases()))
        assert check(line, ROOT, ROOT) == []
        line["event"]["more"] = 1
        assert check(line, ROOT, ROOT) != []

    holds_for_each(follows, ((kind,) for kind in sorted(events.KINDS)))


def test_the_lines_of_a_sign_in_follow_the_schema() -> None:
    assert check(json.loads(sample.HEADER.encode()), ROOT, ROOT) == []
    for entry in sample.sign_in():
        assert check(json.loads(encode(entry)), ROOT, ROOT) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("node", 1), ("direction", "up"), ("kind", "no.such"), ("sequence", 0), ("secrets", [["a", 1]]), ("extra", 1)],
)
def test_the_schema_refuses_what_is_wrong(field: str, value: Any) -> None:
    line = json.loads(encode(sample.sign_in()[0]))
    line[field] = value
    assert check(line, ROOT, ROOT) != []


def test_every_field_of_a_line_is_in_the_guide() -> None:
    text = GUIDE.read_text("utf-8")
    for part in ("header", "entry"):
        for field in ROOT["$defs"][part]["properties"]:
            assert f"`{field}`" in text
