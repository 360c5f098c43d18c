"""Reading the documents of the repository: links, anchors, code blocks, tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")])

_FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of code and its language."""

    language: str
    text: str


def blocks(text: str, language: str | None = None) -> list[Block]:
    """Return the code blocks of a document, in order."""
    found = [Block(*match.groups()) for match in _FENCE.finditer(text)]
    return [block for block in found if language is None or block.language == language]


def commands(text: str) -> list[str]:
    """Return what stands behind the prompts of console blocks, without comments."""
    lines = [line for block in blocks(text, "console") for line in block.text.splitlines()]
    return [line[2:].split("  #")[0].strip() for line in lines if line.startswith("$ ")]


def links(text: str) -> list[str]:
    """Return the targets of all links and pictures outside code."""
    return _LINK.findall(_INLINE_CODE.sub("", _FENCE.sub("", text)))


def anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings, as forges make them."""
    headings = _HEADING.findall(_FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def tables(text: str) -> list[list[list[str]]]:
    """Return the tables of a document: rows of cells, headings first, the rule left out."""
    found: list[list[list[str]]] = []
    inside = False
    for line in _FENCE.sub("", text).splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        if not inside:
            found.append([])
        inside = True
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
        if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            found[-1].append(cells)
    return found


def table(text: str, first_heading: str) -> list[list[str]]:
    """Return the rows, without headings, of the table whose first column has this heading."""
    (found,) = [rows for rows in tables(text) if rows[0][0] == first_heading]
    return found[1:]
