"""The catalogue as a page of Markdown; ``docs/generate.py`` writes it to ``docs/catalogue.md``."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from edgesim.catalogue.catalogue import Catalogue, Shown
from edgesim.catalogue.row import CHAPTER, Kind
from edgesim.catalogue.standing import Standing

HEAD = f"""\
<!-- Made by `python docs/generate.py`. Do not edit by hand. -->

# The catalogue of documented behaviours

What Cisco documents about Mobile and Remote Access in the {CHAPTER}: every requirement, behaviour and limitation,
in our own words, with the scenarios and rules that show it. A requirement counts as shown with a rule of the check and
a scenario of what then happens, a behaviour or limitation with a scenario; where a release gate is documented, with
scenarios on both of its sides. What a row lacks is in its line.
`edgesim catalogue` prints the same table, and `edgesim catalogue --json` gives it as data.
"""

_KINDS = {Kind.REQUIREMENT: "requirement", Kind.BEHAVIOUR: "behaviour", Kind.LIMITATION: "limitation"}


def page(catalogue: Catalogue) -> str:
    """Return the page, with a final line feed."""
    entries = catalogue.entries
    partly = len(catalogue.standing_at(Standing.PARTLY))
    shown = f"Shown so far: **{len(catalogue.shown)} of {len(entries)} rows**; {partly} more partly."
    lines = [HEAD, shown]
    for section, group in groupby(entries, key=lambda entry: entry.row.section):
        lines += ["", f"## {section}", "", "| id | kind | statement | since | shown by |", "|---|---|---|---|---|"]
        lines += [_line(entry) for entry in group]
    return "\n".join(lines) + "\n"


def _line(entry: Shown) -> str:
    row = entry.row
    since = "<br>".join(
        f"{gate}" if gate.feature in row.statement else f"{gate} ({gate.feature})" for gate in row.gates
    )
    by = _names((*entry.scenarios, *entry.rules))
    if entry.standing is Standing.PARTLY:
        by = f"**partly**, lacks {'; '.join(entry.lacks)}.<br>{by}"
    cells = (row.id, _KINDS[row.kind], row.statement, since, by)
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
