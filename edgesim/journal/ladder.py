"""The ladder: a model of messages between hosts over time, drawn by the text, SVG and Mermaid renderers.

A message is drawn from the entry of its receiver, so the ladder shows what arrived. `build` turns entries into
rows, folds what belongs together (`edgesim.journal.folding`), and puts hosts into columns by order of appearance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from edgesim.journal.entry import Entry
from edgesim.journal.events import Event
from edgesim.journal.folding import fold
from edgesim.journal.masking import present
from edgesim.journal.rows import Row, Shape, row_of, seconds
from edgesim.journal.selection import Selection
from edgesim.journal.visible import payload_lines, visible

__all__ = ["Column", "Ladder", "Row", "Shape", "build"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A host, or a stranger's address, with its role in words."""

    name: str
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Columns and rows. ``marks`` are ids of entries to point at; ``hidden`` counts entries that were not selected."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    title: str = ""
    hidden: int = 0
    marks: frozenset[str] = field(default_factory=frozenset)
    secrets: bool = False

    def place(self, name: str) -> int:
        """Return the position of a column."""
        return next(place for place, column in enumerate(self.columns) if column.name == name)

    def is_marked(self, row: Row) -> bool:
        """Return whether the row holds an entry to point at."""
        return bool(self.marks) and any(entry.id in self.marks for entry in row.entries)

    def detail(self, row: Row, limit: int | None = None) -> list[str]:
        """Return the lines behind a row: each entry's identity and payload, masked unless secrets were asked for."""
        lines: list[str] = []
        for entry in row.entries:
            peer = f" {_TO_OR_FROM[entry.direction]} {visible(entry.peer)}" if entry.peer is not None else ""
            lines.append(f"{visible(entry.id)} {seconds(entry.at_ns)} s {visible(entry.kind)}{peer}")
            lines += payload_lines(entry, secrets=self.secrets, limit=limit)
        return lines


_TO_OR_FROM: Final = {"in": "from", "out": "to", "-": "with"}


def build(
    entries: Iterable[Entry[Event]],
    *,
    select: Selection | None = None,
    roles: Mapping[str, str] | None = None,
    order: Sequence[str] = (),
    folding: bool = True,
    secrets: bool = False,
    title: str = "",
    marks: Iterable[str] = (),
    startup: int = 0,
) -> Ladder:
    """Return the ladder of entries.

    ``roles`` are shown below hosts' names; ``order`` puts hosts first that occur, the others follow as they appear.
    The first ``startup`` entries are one line that counts them.
    Raises `LookupError` as `Selection.apply` does.
    """
    everything = list(entries)
    before, everything = everything[:startup], everything[startup:]
    chosen = everything if select is None else select.apply(everything)
    rows = [row_of(present(entry, secrets=secrets)) for entry in chosen]
    if folding:
        rows = fold(rows)
    if before:
        hosts = len({entry.node for entry in before if entry.incarnation})
        text = f"start-up: {hosts} hosts, {len(before)} entries"
        rows.insert(0, Row(shape=Shape.STEP, source="", target=None, tag="STEP", label=text, entries=(before[0],)))
    seen: dict[str, None] = {}
    for row in rows:
        if row.shape is not Shape.STEP:
            for name in (row.source, *row.others):
                seen.setdefault(name)
            if row.target is not None:
                seen.setdefault(row.target)
    names = [name for name in order if name in seen]
    names += [name for name in seen if name not in names]
    roles = roles or {}
    return Ladder(
        columns=tuple(Column(name=name, role=roles.get(name, "")) for name in names),
        rows=tuple(rows),
        title=title,
        hidden=len(everything) - len(chosen),
        marks=frozenset(marks),
        secrets=secrets,
    )
