"""The page of every named default: ``python -m edgesim.deployment.grounds_table > docs/defaults.md``."""

from __future__ import annotations

import inspect
import typing
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel

from edgesim.deployment.defaults import Defaults, Grounds, grounds
from edgesim.deployment.defaults.known import Tag

MEANING: dict[str, str] = {
    "doc": "stated by a public document, or by an RFC",
    "trace": "seen literally in a public capture or log",
    "impl": "read from public client code, or from an implementation that the reason names",
    "one-source": "a single unverified observation",
    "inferred": "derived from other facts",
    "recalled": "general knowledge, no source found",
    "proposed": "chosen for this testbed; no claim about the product",
}
"""The meaning of each tag, strongest first."""

HEAD = """\
<!-- Made by `python -m edgesim.deployment.grounds_table > docs/defaults.md`. Do not edit by hand. -->

# Every named default, and how well it is known

Each constant that the lab's behaviour rests on has a name, a value, a reason and a tag. A deployment file overrides any
of them below `defaults:`, for example `defaults: {sip: {challenge: 401}}`. A number such as S-03 marks a question that
no public document answers: a capture of the real thing would settle it, and change one line here.
What is *planned* belongs to a subject that is not built yet: nothing reads it, and a deployment that changes it is
refused. See [wire facts](wire-facts.md) for how the tags are used.
"""


def page() -> str:
    """Return the page as Markdown, ended by a line feed."""
    rows = list(grounds())
    return "\n".join([HEAD, *_tags(rows), *_groups(rows)]) + "\n"


def _tags(rows: Sequence[Grounds]) -> Iterable[str]:
    counts = Counter(row.tag for row in rows)
    yield from ("| tag | meaning | defaults |", "|---|---|--:|")
    for tag in typing.get_args(Tag):
        yield f"| `{tag}` | {MEANING[tag]} | {counts[tag]} |"
    yield f"| | **all** | **{len(rows)}** |"


def _groups(rows: Sequence[Grounds]) -> Iterable[str]:
    for group, field in Defaults.model_fields.items():
        yield from ("", f"## `{group}`", "")
        yield from (_flat(inspect.getdoc(type(field.default)) or ""), "")
        yield from ("| default | value | tag | why | source |", "|---|---|---|---|---|")
        for row in rows:
            if row.path.split(".")[0] == group:
                yield f"| `{row.path}` | {_value(row.value)} | `{row.tag}` | {_why(row)} | {_source(row)} |"


def _why(row: Grounds) -> str:
    if row.fixed:
        return f"*no setting:* {_flat(row.why)}"
    return f"*planned, {row.planned}:* {_flat(row.why)}" if row.planned else _flat(row.why)


def _source(row: Grounds) -> str:
    if row.gap:
        return f"open question {row.gap}" + (f"; {_flat(row.source)}" if row.source else "")
    return _flat(row.source or "")


def _value(value: Any) -> str:
    if isinstance(value, tuple) and value and isinstance(value[0], (BaseModel, tuple)):
        return "<br>".join(_value(each) for each in value)
    if isinstance(value, BaseModel):
        return _code(", ".join(f"{name}={_plain(part)}" for name, part in value))
    return _code(_plain(value))


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_plain(each) for each in value)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return str(value) if value != "" else "(empty)"


def _code(text: str) -> str:
    return f"`{_flat(text)}`"


def _flat(text: str) -> str:
    """Return text that stays in one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    print(page(), end="")
