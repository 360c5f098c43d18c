"""The ladder as a Mermaid ``sequenceDiagram``, for documents and code-hosting sites that draw it.

Mermaid ends a statement at a semicolon or a line's end and reads markup in labels. So letters, digits and some harmless
marks are written as they are, and every other character as ``#<code point>;``.
"""

from __future__ import annotations

import re
from typing import Final

from edgesim.journal.ladder import Column, Ladder
from edgesim.journal.rows import Row, Shape, seconds
from edgesim.journal.visible import fit, visible

LABEL_CELLS: Final = 120

_ARROWS: Final = {
    Shape.REQUEST: "->>",
    Shape.EXCHANGE: "->>",
    Shape.RESPONSE: "-->>",
    Shape.LINK: "-)",
    Shape.LOST: "-x",
}
# Keywords that Mermaid's own preparation looks for inside labels, before it reads any statement.
_KEYWORD: Final = re.compile(r"style|classDef|accTitle|accDescr|wrap|\bend\b|\bas\b", re.IGNORECASE)
_HARMLESS: Final = frozenset(" ._/(),?-:=@+×→")


def render(ladder: Ladder, *, times: bool = True) -> str:
    """Return the diagram's source, ended by a line feed. ``times`` puts lab time in seconds before labels."""
    names = {column.name: f"p{number}" for number, column in enumerate(ladder.columns, 1)}
    lines = ["sequenceDiagram"]
    if ladder.title:
        lines.append(f"    title {escape(fit(visible(ladder.title), LABEL_CELLS))}")
    lines += [f"    participant {names[column.name]} as {_heading(column)}" for column in ladder.columns]
    every = (
        f"{names[ladder.columns[0].name]},{names[ladder.columns[-1].name]}"
        if len(names) > 1
        else "".join(names.values())
    )
    for row in ladder.rows:
        if row.shape is Shape.STEP:
            if every:
                lines.append(f"    Note over {every}: {_label(row, times, tag=False)}")
        elif row.target is None:
            over = [name for name in names if name in (row.source, *row.others)]
            lines += [f"    Note over {names[name]}: {_label(row, times)}" for name in over]
        else:
            lines.append(f"    {names[row.source]}{_ARROWS[row.shape]}{names[row.target]}: {_label(row, times)}")
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return ``text`` escaped so that Mermaid draws it literally."""
    text = _KEYWORD.sub(lambda found: "\0" + found[0], text)
    parts: list[str] = []
    code = False
    for character in text:
        if character == "\0":
            code = True
            continue
        if code or not ((character.isascii() and character.isalnum()) or character in _HARMLESS):
            parts.append(f"#{ord(character)};")
            code = False
        else:
            parts.append(character)
    return re.sub("--+", lambda dashes: "#45;" * len(dashes[0]), "".join(parts))


def _heading(column: Column) -> str:
    name = escape(visible(column.name))
    return f"{name}<br/>{escape(visible(column.role))}" if column.role else name


def _label(row: Row, times: bool, *, tag: bool = True) -> str:
    time = f"{seconds(row.at_ns)} " if times else ""
    return time + escape(fit(f"{row.tag} {row.text}" if tag else row.text, LABEL_CELLS))
