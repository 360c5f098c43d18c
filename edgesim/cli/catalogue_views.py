"""The catalogue in print."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from edgesim.catalogue import Catalogue, Shown, UnknownRow, groups, row
from edgesim.cli import output
from edgesim.cli.problems import Problem
from edgesim.readiness.rules import RULES
from edgesim.scenario import Scenario

WIDTH = 120
"""Statements are wrapped here even where there is more room: they are prose."""


def selected(scenarios: Sequence[Scenario], wanted: Sequence[str], *, shown: bool) -> list[Shown]:
    """Return the entries wanted, by row or group; all where nothing is named. Raises `Problem`."""
    try:
        catalogue = Catalogue.collect(scenarios, RULES)
    except UnknownRow as error:
        raise Problem(str(error)) from None
    for name in wanted:
        if name.upper() not in groups():
            try:
                row(name.upper())
            except UnknownRow as error:
                raise Problem(str(error)) from None
    names = {name.upper() for name in wanted}
    return [
        entry
        for entry in (catalogue.shown if shown else catalogue.entries)
        if not names or entry.row.id in names or entry.row.group in names
    ]


def show(rows: Sequence[Shown]) -> None:
    """Print rows by section, and how many of them something shows."""
    section = ""
    width = min(output.width(), WIDTH)
    for entry in rows:
        if entry.row.section != section:
            section = entry.row.section
            output.say()
            output.say(section, bold=True)
        by = [*entry.scenarios, *entry.rules]
        head = f"  {entry.row.id:<8}{entry.row.kind.value}  "
        lines = textwrap.wrap(entry.row.statement, max(width - len(head), 30))
        output.say(head + lines[0], fg="green" if by else None)
        for text in lines[1:]:
            output.say(" " * len(head) + text, fg="green" if by else None)
        if entry.row.gates:
            since = "; ".join(f"{gate.product.value} {gate.since} ({gate.feature})" for gate in entry.row.gates)
            output.say(f"{'':{len(head)}}since {since}", dim=True)
        if by:
            output.say(f"{'':{len(head)}}shown by {', '.join(by)}", dim=True)
    output.say()
    done = sum(1 for entry in rows if entry.scenarios or entry.rules)
    output.say(f"{done} of {len(rows)} rows are shown by a scenario or a rule", bold=True)
