"""Prints the catalogue."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from edgesim.catalogue import Catalogue, Shown, Standing, UnknownRow, groups, row
from edgesim.cli import output
from edgesim.cli.problems import Problem
from edgesim.readiness.rules import RULES
from edgesim.scenario import Scenario

WIDTH = 120
"""Columns at which statements are wrapped, on any terminal."""


def is_row(name: str) -> bool:
    """Return whether a name has the form of a row or a group."""
    group = name.upper().partition("-")[0]
    return group in groups() and not name.islower()


def selected(scenarios: Sequence[Scenario], wanted: Sequence[str], *, shown: bool) -> list[Shown]:
    """Return the entries of the rows and groups named, or all of them. Raises `Problem`."""
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
        for entry in catalogue.entries
        if not (shown and entry.standing is Standing.EMPTY)
        if not names or entry.row.id in names or entry.row.group in names
    ]


def show(rows: Sequence[Shown]) -> None:
    """Print rows by section, and how many of them are shown."""
    section = ""
    width = min(output.width(), WIDTH)
    for entry in rows:
        if entry.row.section != section:
            section = entry.row.section
            output.say()
            output.say(section, bold=True)
        by = [*entry.scenarios, *entry.rules]
        colour = {Standing.SHOWN: "green", Standing.PARTLY: "yellow"}.get(entry.standing)
        head = f"  {entry.row.id:<8}{entry.row.kind.value}  "
        lines = textwrap.wrap(entry.row.statement, max(width - len(head), 30))
        output.say(head + lines[0], fg=colour)
        for text in lines[1:]:
            output.say(" " * len(head) + text, fg=colour)
        if entry.row.gates:
            since = "; ".join(f"{gate.product.value} {gate.since} ({gate.feature})" for gate in entry.row.gates)
            output.say(f"{'':{len(head)}}since {since}", dim=True)
        if by:
            word = "shown" if entry.standing is Standing.SHOWN else "partly shown"
            output.say(f"{'':{len(head)}}{word} by {', '.join(by)}", dim=True)
        if entry.standing is Standing.PARTLY:
            output.say(f"{'':{len(head)}}lacks {'; '.join(entry.lacks)}", dim=True)
    output.say()
    counts = {each: sum(1 for entry in rows if entry.standing is each) for each in Standing}
    output.say(f"{counts[Standing.SHOWN]} of {len(rows)} rows are shown, {counts[Standing.PARTLY]} partly", bold=True)
