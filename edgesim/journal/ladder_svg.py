"""The ladder as a picture: one self-contained SVG, readable on light and on dark ground, payloads on hovering.

It fetches nothing: no fonts, no scripts, no links. Every text passes `visible` and is escaped as XML.
"""

from __future__ import annotations

from html import escape
from typing import Final

from rich.cells import cell_len

from edgesim.journal.ladder import Ladder
from edgesim.journal.rows import Row, Shape, seconds
from edgesim.journal.visible import fit, visible, wrap

CELL: Final = 6.7
"""Width of one character of the labels, in pixels: 11 px monospace."""
ROW: Final = 30
STEP: Final = 40
TITLE_CHARACTERS: Final = 4_000
"""A hover text ends after so many characters of payload, with the payload's size and digest."""
LABEL_CELLS: Final = 150

_COLOURS: Final = {
    "DNS": ("#8a5a00", "#e3b341"),
    "HTTP": ("#116329", "#56d364"),
    "SIP": ("#0550ae", "#79c0ff"),
    "XMPP": ("#8250df", "#d2a8ff"),
    "SSH": ("#1b7c83", "#39c5cf"),
    "XCP": ("#1b7c83", "#39c5cf"),
    "lost": ("#cf222e", "#ff7b72"),
    "link": ("#6e7781", "#8b949e"),
    "note": ("#424a53", "#b1bac4"),
}
"""Light and dark colour of a protocol or of a kind of row."""


def render(ladder: Ladder, *, title_characters: int = TITLE_CHARACTERS) -> str:
    """Return the SVG document, ended by a line feed."""
    return _Picture(ladder, title_characters).draw()


def _style() -> str:
    light = "".join(f"--{name.lower()}:{pair[0]};" for name, pair in _COLOURS.items())
    dark = "".join(f"--{name.lower()}:{pair[1]};" for name, pair in _COLOURS.items())
    colours = "".join(
        f".{name.lower()}{{stroke:var(--{name.lower()});fill:var(--{name.lower()})}}"
        f".{name.lower()}-tag{{fill:var(--{name.lower()});font-weight:700}}"
        for name in _COLOURS
    )
    return (
        f"svg{{--ground:#ffffff;--ink:#1f2328;--faint:#656d76;--rule:#d0d7de;--box:#f6f8fa;--mark:#fff8c5;{light}}}"
        "@media(prefers-color-scheme:dark){"
        f"svg{{--ground:#0d1117;--ink:#e6edf3;--faint:#8d96a0;--rule:#30363d;--box:#161b22;--mark:#3b2e00;{dark}}}}}"
        "text{font:11px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:var(--ink);"
        "stroke:none;white-space:pre}"
        ".ground{fill:var(--ground)}.life{stroke:var(--rule)}.box{fill:var(--box);stroke:var(--rule)}"
        ".band{fill:var(--box)}.mark{fill:var(--mark)}.name{font-weight:600;font-size:12px}"
        ".title{font-weight:600;font-size:15px}.role,.time{fill:var(--faint)}.time,.role{font-size:10px}"
        ".label{paint-order:stroke;stroke:var(--ground);stroke-width:4px;stroke-linejoin:round}"
        ".marked .label{stroke:var(--mark)}"
        ".shaft{fill:none;stroke-width:1.4}.dashed{stroke-dasharray:5 3}.double{stroke-width:3.4}"
        ".inner{stroke:var(--ground);stroke-width:1.2}.marked .inner{stroke:var(--mark)}"
        ".row:hover .label{text-decoration:underline}" + colours
    )


class _Picture:
    """One rendering: measures first, draws then."""

    def __init__(self, ladder: Ladder, title_characters: int) -> None:
        self.ladder = ladder
        self.title_characters = title_characters
        self.parts: list[str] = []
        self.place = {column.name: place for place, column in enumerate(ladder.columns)}
        last = max((row.at_ns for row in ladder.rows), default=0)
        self.left = 28 + cell_len(seconds(last)) * 6.1
        self.names = [fit(visible(column.name), 24) for column in ladder.columns]
        self.roles = [wrap(visible(column.role), 20, 2) if column.role else [] for column in ladder.columns]
        self.boxes = [
            max(cell_len(name) * 7.4, *(cell_len(line) * 6.1 for line in [*role, ""]), 60) + 16
            for name, role in zip(self.names, self.roles, strict=True)
        ]
        self.centres = self._centres()
        self.end = (self.centres[-1] + self.boxes[-1] / 2 if self.centres else 400) + 16
        self.labels = [fit(row.text, LABEL_CELLS) for row in ladder.rows]
        self.width = max([self.end, *(self._label_end(row, label) + 12 for row, label in self._labelled())])
        self.head = 36 if any(self.roles) else 24
        if any(len(role) > 1 for role in self.roles):
            self.head = 48

    def _labelled(self) -> list[tuple[Row, str]]:
        return list(zip(self.ladder.rows, self.labels, strict=True))

    def _centres(self) -> list[float]:
        """Put neighbours as far apart as their boxes need, and farther where many labels run between them."""
        centres: list[float] = []
        for place, box in enumerate(self.boxes):
            if not centres:
                centres.append(self.left + box / 2)
                continue
            gap = max((self.boxes[place - 1] + box) / 2 + 14, 130)
            centres.append(centres[-1] + gap)
        return centres

    def _span(self, row: Row) -> tuple[float, float]:
        names = (row.source, *row.others) if row.target is None else (row.source, row.target)
        places = [self.centres[self.place[name]] for name in names]
        return min(places), max(places)

    def _label_start(self, row: Row, label: str) -> float:
        """Return where a label begins: at its arrow's left end, or farther left where it would widen the picture."""
        if row.shape is Shape.STEP:
            return self.left
        low, high = self._span(row)
        width = self._cells(row, label) * CELL
        if row.target is None:
            left = low - 12 - width
            return left if high + 12 + width > self.end and left > self.left else high + 12
        return max(min(low + 9, self.end - width - 6), self.left - 6)

    def _cells(self, row: Row, label: str) -> int:
        return cell_len(row.tag) + 1 + cell_len(label)

    def _label_end(self, row: Row, label: str) -> float:
        return self._label_start(row, label) + self._cells(row, label) * CELL

    def draw(self) -> str:
        top = 16.0
        if self.ladder.title:
            self.text(16, 26, "title", fit(visible(self.ladder.title), 120))
            top = 46.0
        body: list[str] = []
        self.parts, head = body, self.parts
        y = top + self.head + 26
        for row, label in self._labelled():
            if row.shape is Shape.STEP:
                self.step(row, label, y + 4)
                y += STEP
            else:
                self.row(row, label, y)
                y += ROW
        bottom = y - 6
        self.parts = head
        for centre in self.centres:
            self.add(f'<path class="life" d="M{centre:.1f} {top + self.head:.1f}V{bottom:.1f}"/>')
        self.boxes_at(top)
        self.parts += body
        self.boxes_at(bottom)
        height = bottom + self.head + 16
        if self.ladder.hidden:
            self.text(16, height + 4, "role", f"{self.ladder.hidden} entries are not shown")
            height += 16
        size = f"{self.width:.0f} {height:.0f}"
        title = escape(visible(self.ladder.title) or "Ladder of a journal")
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" width="{self.width:.0f}" '
            f'height="{height:.0f}" role="img" aria-label="{title}">\n<style>{_style()}</style>\n'
            f'<rect class="ground" width="{self.width:.0f}" height="{height:.0f}"/>\n'
            + "\n".join(self.parts)
            + "\n</svg>\n"
        )

    def boxes_at(self, y: float) -> None:
        for column, (centre, box) in enumerate(zip(self.centres, self.boxes, strict=True)):
            left = centre - box / 2
            self.add(f'<rect class="box" x="{left:.1f}" y="{y:.1f}" width="{box:.1f}" height="{self.head}" rx="5"/>')
            self.text(centre, y + 16, "name", self.names[column], middle=True)
            for number, line in enumerate(self.roles[column]):
                self.text(centre, y + 29 + 12 * number, "role", line, middle=True)

    def step(self, row: Row, label: str, y: float) -> None:
        width = self.width - 16
        self.add('<g class="row">' + self.hover(row))
        self.add(f'<rect class="band" x="8" y="{y - 18:.1f}" width="{width:.1f}" height="26" rx="4"/>')
        self.time(row, y)
        self.text(self.left, y, "name", label)
        self.add("</g>")

    def row(self, row: Row, label: str, y: float) -> None:
        marked = self.ladder.is_marked(row)
        self.add(f'<g class="row{" marked" if marked else ""}">' + self.hover(row))
        if marked:
            width = self.width - 16
            self.add(f'<rect class="mark" x="8" y="{y - 18:.1f}" width="{width:.1f}" height="{ROW - 4}" rx="4"/>')
        self.time(row, y)
        colour = self.colour(row)
        low, high = self._span(row)
        start = self._label_start(row, label)
        if row.target is None:
            for name in (row.source, *row.others):
                self.add(f'<circle class="{colour}" cx="{self.centres[self.place[name]]:.1f}" cy="{y - 4:.1f}" r="4"/>')
            self.label(row, label, start, y, colour)
        else:
            self.label(row, label, start, y - 4, colour)
            self.arrow(row, low, high, y + 3, colour)
        self.add("</g>")

    def label(self, row: Row, label: str, x: float, y: float, colour: str) -> None:
        self.add(
            f'<text class="label" x="{x:.1f}" y="{y:.1f}"><tspan class="{colour}-tag">{escape(row.tag)}</tspan> '
            f"{escape(label)}</text>"
        )

    def arrow(self, row: Row, low: float, high: float, y: float, colour: str) -> None:
        rightward = self.place[row.source] < self.place[row.target or row.source]
        if row.shape is Shape.LOST:
            middle = (low + high) / 2
            start, end = (low, middle) if rightward else (middle, high)
            self.add(f'<path class="shaft {colour}" d="M{start:.1f} {y:.1f}H{end:.1f}"/>')
            cross = f"M{middle - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"
            self.add(f'<path class="shaft {colour}" stroke-width="2" d="{cross}"/>')
            return
        path = f"M{low:.1f} {y:.1f}H{high:.1f}"
        if row.shape is Shape.LINK:
            self.add(f'<path class="shaft double {colour}" d="{path}"/><path class="shaft inner" d="{path}"/>')
        else:
            dashed = " dashed" if row.shape is Shape.RESPONSE else ""
            self.add(f'<path class="shaft{dashed} {colour}" d="{path}"/>')
        if rightward or row.shape is Shape.EXCHANGE:
            self.add(f'<path class="{colour}" d="M{high:.1f} {y:.1f}l-8 -4v8z"/>')
        if not rightward or row.shape is Shape.EXCHANGE:
            self.add(f'<path class="{colour}" d="M{low:.1f} {y:.1f}l8 -4v8z"/>')

    def colour(self, row: Row) -> str:
        if row.shape is Shape.LOST or row.tag in ("BAD", "FAULT"):
            return "lost"
        if row.tag in _COLOURS:
            return row.tag.lower()
        return "note" if row.target is None else "link"

    def hover(self, row: Row) -> str:
        return f"<title>{escape(chr(10).join(self.ladder.detail(row, self.title_characters)))}</title>"

    def time(self, row: Row, y: float) -> None:
        where = f'x="{self.left - 14:.1f}" y="{y:.1f}" text-anchor="end"'
        self.add(f'<text class="time" {where}>{seconds(row.at_ns)}</text>')

    def text(self, x: float, y: float, style: str, text: str, *, middle: bool = False) -> None:
        anchor = ' text-anchor="middle"' if middle else ""
        self.add(f'<text class="{style}" x="{x:.1f}" y="{y:.1f}"{anchor}>{escape(text)}</text>')

    def add(self, part: str) -> None:
        self.parts.append(part)
