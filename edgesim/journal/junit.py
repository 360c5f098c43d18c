"""Verdicts as a JUnit file, in the form that CI servers read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Final, Literal

from edgesim.journal.visible import visible

Outcome = Literal["passed", "failed", "error", "unsupported"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one run of one scenario ended.

    ``seconds`` is what the run took. ``message`` is one line and ``detail`` the whole story of a verdict other than
    ``passed``; ``output`` is shown with any. ``properties`` are more facts, e.g. the seed and the line that replays it.
    """

    name: str
    group: str = ""
    outcome: Outcome = "passed"
    seconds: float = 0.0
    message: str = ""
    detail: str = ""
    output: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)


_ELEMENTS: Final = {"failed": "failure", "error": "error", "unsupported": "skipped"}


def render(verdicts: Iterable[Verdict], *, name: str = "edgesim") -> str:
    """Return the XML document, ended by a line feed. It holds no date and no machine's name."""
    records = list(verdicts)
    numbers = (
        f'tests="{len(records)}" failures="{_count(records, "failed")}" errors="{_count(records, "error")}" '
        f'skipped="{_count(records, "unsupported")}" time="{sum(record.seconds for record in records):.3f}"'
    )
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<testsuites name="{_text(name)}" {numbers}>']
    lines.append(f'  <testsuite name="{_text(name)}" {numbers}>')
    for record in records:
        where = f'classname="{_text(record.group or name)}" name="{_text(record.name)}"'
        head = f'    <testcase {where} time="{record.seconds:.3f}"'
        body = list(_body(record))
        if body:
            lines += [head + ">", *body, "    </testcase>"]
        else:
            lines.append(head + "/>")
    lines += ["  </testsuite>", "</testsuites>"]
    return "\n".join(lines) + "\n"


def _body(record: Verdict) -> Iterable[str]:
    if record.properties:
        yield "      <properties>"
        for key, value in record.properties.items():
            yield f'        <property name="{_text(key)}" value="{_text(value)}"/>'
        yield "      </properties>"
    if record.outcome != "passed":
        element = _ELEMENTS[record.outcome]
        yield f'      <{element} message="{_text(record.message)}">{_block(record.detail)}</{element}>'
    if record.output:
        yield f"      <system-out>{_block(record.output)}</system-out>"


def _count(records: list[Verdict], outcome: Outcome) -> int:
    return sum(record.outcome == outcome for record in records)


def _text(text: str) -> str:
    return escape(visible(text))


def _block(text: str) -> str:
    return escape("\n".join(visible(line) for line in text.split("\n")), quote=False)
