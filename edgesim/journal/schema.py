"""The JSON Schema of journal lines, made from the classes of `edgesim.journal.events`.

`edgesim.journal.generate` writes it to ``schema.json`` beside this file, and the table of kinds to ``docs/journal.md``.
"""

from __future__ import annotations

import json
import types
from dataclasses import MISSING, fields
from importlib import resources
from typing import Any, Union, get_args, get_origin, get_type_hints

from edgesim.journal.codec import VERSION
from edgesim.journal.events import KINDS, Event
from edgesim.journal.keys import KEY_KINDS

KEYS_BEGIN = "<!-- keys: written by python -m edgesim.journal.generate -->"
KEYS_END = "<!-- end of keys -->"
BEGIN = "<!-- kinds: written by python -m edgesim.journal.generate -->"
END = "<!-- end of kinds -->"
KEY_PATTERN = f"^({'|'.join(KEY_KINDS)}):"
_PRIMITIVES: dict[Any, str] = {str: "string", int: "integer", bool: "boolean", float: "number", type(None): "null"}


def build() -> dict[str, Any]:
    """Return the schema (JSON Schema, draft 2020-12) of a line: the header or an entry."""
    kinds = {name: KINDS[name] for name in sorted(KINDS)}
    integer = {"type": "integer", "minimum": 0}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A line of an edgesim journal, version {VERSION}",
        "oneOf": [
            {"$ref": "#/$defs/header"},
            {"$ref": "#/$defs/entry"},
        ],
        "$defs": {
            "header": {
                "type": "object",
                "description": "The first line",
                "required": ["edgesim", "version", "world", "seed", "epoch_ns", "secrets"],
                "additionalProperties": False,
                "properties": {
                    "edgesim": {"const": "journal"},
                    "version": {"const": VERSION},
                    "world": {"type": "string"},
                    "seed": {"type": "integer"},
                    "epoch_ns": {"type": "integer"},
                    "secrets": {"enum": ["masked", "shown"]},
                    "part": {"type": "integer", "minimum": 1},
                    "first": integer,
                },
            },
            "entry": {
                "type": "object",
                "required": [
                    "order",
                    "node",
                    "incarnation",
                    "sequence",
                    "at_ns",
                    "host_ns",
                    "direction",
                    "kind",
                    "event",
                ],
                "additionalProperties": False,
                "properties": {
                    "order": integer,
                    "node": {"type": "string"},
                    "incarnation": integer,
                    "sequence": {"type": "integer", "minimum": 1},
                    "at_ns": integer,
                    "host_ns": {"type": "integer"},
                    "direction": {"enum": ["in", "out", "-"]},
                    "peer": {"type": "string"},
                    "kind": {"enum": list(kinds)},
                    "event": {"type": "object"},
                    "keys": {"type": "array", "items": {"type": "string", "pattern": KEY_PATTERN}},
                    "payload": {"type": "string"},
                    "payload_base64": {"type": "string", "contentEncoding": "base64"},
                    "payload_octets": integer,
                    "payload_sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                    "secrets": {"type": "array", "items": {"type": "array", "prefixItems": [integer, integer]}},
                },
                "oneOf": [
                    {"properties": {"kind": {"const": name}, "event": {"$ref": f"#/$defs/{name}"}}} for name in kinds
                ],
            },
            **{name: _of_class(cls) for name, cls in kinds.items()},
        },
    }


def table() -> str:
    """Return the kinds, their fields and meanings as a Markdown table."""
    rows = ["| kind | class and matcher | meaning | fields of `event` |", "|---|---|---|---|"]
    for name in sorted(KINDS):
        hints = get_type_hints(KINDS[name])
        shown = ", ".join(f"`{f.name}` {_words(hints[f.name])}" for f in fields(KINDS[name]))
        rows.append(f"| `{name}` | `{KINDS[name].__name__}` | {_meaning(KINDS[name])} | {shown} |")
    return "\n".join(rows)


def _of_class(cls: type[Event]) -> dict[str, Any]:
    hints = get_type_hints(cls)
    required = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    return {
        "type": "object",
        "description": _meaning(cls),
        "required": required,
        "additionalProperties": False,
        "properties": {f.name: _of_type(hints[f.name]) for f in fields(cls)},
    }


def _meaning(cls: type[Event]) -> str:
    return " ".join((cls.__doc__ or "").split("\n\n")[0].split()).replace("``", "`")


def _of_type(hint: Any) -> dict[str, Any]:
    if hint in _PRIMITIVES:
        return {"type": _PRIMITIVES[hint]}
    arguments = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return {"anyOf": [_of_type(argument) for argument in arguments]}
    if get_origin(hint) is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return {"type": "array", "items": _of_type(arguments[0])}
        items = [_of_type(argument) for argument in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    raise TypeError(f"no JSON Schema for {hint!r}: entries hold strings, numbers, booleans, None and tuples of them")


def _words(hint: Any) -> str:
    schema = _of_type(hint)
    return _of_schema(schema)


def _of_schema(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_of_schema(one) for one in schema["anyOf"])
    if "prefixItems" in schema:
        return "[" + ", ".join(_of_schema(one) for one in schema["prefixItems"]) + "]"
    if "items" in schema:
        return f"list of {_of_schema(schema['items'])}"
    return str(schema["type"])


def text() -> str:
    """Return ``schema.json`` as it should be."""
    return json.dumps(build(), indent=2, ensure_ascii=False) + "\n"


def shipped() -> str:
    """Return ``schema.json`` as it is."""
    return resources.files("edgesim.journal").joinpath("schema.json").read_text("utf-8")


def key_table() -> str:
    """Return the kinds of correlation keys as a Markdown table."""
    lines = ["| key | value | leads to | in a masked file |", "|---|---|---|---|"]
    for kind in KEY_KINDS.values():
        leads = ", ".join(f"`{name}`" for name in kind.leads_to)
        lines.append(f"| `{kind.name}` | {kind.what} | {leads} | {'an alias' if kind.secret else 'as it is'} |")
    return "\n".join(lines)


def with_table(document: str) -> str:
    """Return the documentation with its tables of kinds as they should be. Raises `ValueError` if it lacks a place."""
    for begin, end, text in ((KEYS_BEGIN, KEYS_END, key_table()), (BEGIN, END, table())):
        start, stop = document.index(begin), document.index(end)
        document = f"{document[:start]}{begin}\n\n{text}\n\n{document[stop:]}"
    return document
