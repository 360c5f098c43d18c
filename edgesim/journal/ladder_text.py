"""The ladder in a terminal: columns where they fit, a list where they do not.

`lines` gives styled pieces, `render` plain text, `rich_text` the same in colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from rich.cells import cell_len

from edgesim.journal.ladder import Ladder
from edgesim.journal.rows import Row, Shape, seconds
from edgesim.journal.visible import ascii_only, fit, visible, wrap

if TYPE_CHECKING:
    from rich.text import Text

Piece = tuple[str, str]
"""Text and the name of its style: a tag such as ``SIP``, or ``time``, ``name``, ``role``, ``line``, ``lost`` ..."""

Layout = Literal["auto", "wide", "narrow"]

LABEL_CELLS: Final = 36
"""With less room than this for labels, a ladder is drawn as a list."""
NAME_CELLS: Final = 9
"""Where columns are tight, a longer name takes two lines."""
REPEAT_ROWS: Final = 60
"""The number of rows after which the hosts' names are repeated."""


@dataclass(frozen=True, slots=True)
class Pen:
    """The characters to draw with."""

    life: str
    left: str
    right: str
    note: str
    lost: str
    tee_right: str
    tee_left: str
    rule: str
    mark: str
    ellipsis: str
    arrow: str
    shafts: dict[Shape, tuple[str, str]]
    """For each shape the shaft, and the shaft where it crosses another host's line."""


UNICODE: Final = Pen(
    life="│",
    left="◄",
    right="►",
    note="●",
    lost="✗",
    tee_right="├",
    tee_left="┤",
    rule="─",
    mark="»",
    ellipsis="…",
    arrow="→",
    shafts={
        Shape.REQUEST: ("─", "┼"),
        Shape.EXCHANGE: ("─", "┼"),
        Shape.RESPONSE: ("╌", "┼"),
        Shape.LINK: ("═", "╪"),
        Shape.LOST: ("─", "┼"),
    },
)
ASCII: Final = Pen(
    life="|",
    left="<",
    right=">",
    note="o",
    lost="x",
    tee_right="+",
    tee_left="+",
    rule="-",
    mark=">",
    ellipsis="...",
    arrow="->",
    shafts={
        Shape.REQUEST: ("-", "-"),
        Shape.EXCHANGE: ("-", "-"),
        Shape.RESPONSE: (".", "."),
        Shape.LINK: ("=", "="),
        Shape.LOST: ("-", "-"),
    },
)

STYLES: Final = {
    "time": "dim",
    "name": "bold",
    "role": "dim",
    "life": "dim",
    "step": "bold",
    "mark": "bold red",
    "lost": "bold red",
    "detail": "dim",
    "label": "",
    "DNS": "yellow",
    "TCP": "bright_black",
    "TLS": "bright_black",
    "UDP": "bright_black",
    "HTTP": "green",
    "SIP": "cyan",
    "XMPP": "magenta",
    "SSH": "blue",
    "XCP": "blue",
    "BAD": "bold red",
    "FAULT": "bold red",
    "HOST": "bold",
    "APP": "bold",
}


def render(
    ladder: Ladder, width: int, *, layout: Layout = "auto", ascii: bool = False, details: bool = False, wraps: int = 2
) -> str:
    """Return the ladder as plain text, no line wider than ``width`` terminal cells (at least 40), ended by a line feed.

    ``details`` adds the masked payload below each row, whatever its width; ``wraps`` is the most lines of a label.
    """
    drawn = lines(ladder, width, layout=layout, ascii=ascii, details=details, wraps=wraps)
    return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in drawn)


def rich_text(
    ladder: Ladder, width: int, *, layout: Layout = "auto", ascii: bool = False, details: bool = False, wraps: int = 2
) -> Text:
    """Return the same as a `rich.text.Text` with colours; print it without soft wrapping."""
    from rich.text import Text

    text = Text(no_wrap=True, end="")
    for line in lines(ladder, width, layout=layout, ascii=ascii, details=details, wraps=wraps):
        for piece, style in line:
            text.append(piece, STYLES.get(style, ""))
        text.append("\n")
    return text


def lines(
    ladder: Ladder, width: int, *, layout: Layout = "auto", ascii: bool = False, details: bool = False, wraps: int = 2
) -> Iterator[list[Piece]]:
    """Yield the ladder line by line as styled pieces."""
    pen = ASCII if ascii else UNICODE
    drawing = _Drawing(ladder, max(width, 40), pen, details, max(wraps, 1))
    wide = layout == "wide" or (layout == "auto" and drawing.fits)
    for line in drawing.wide() if wide else drawing.narrow():
        yield [(ascii_only(text), style) for text, style in line] if ascii else line


class _Drawing:
    """One rendering: measures first, draws then."""

    def __init__(self, ladder: Ladder, width: int, pen: Pen, details: bool, wraps: int) -> None:
        self.ladder = ladder
        self.width = width
        self.pen = pen
        self.details = details
        self.wraps = wraps
        last = max((row.at_ns for row in ladder.rows), default=0)
        self.time_cells = max(len(seconds(last)), 8)
        self.tag_cells = max((cell_len(row.tag) for row in ladder.rows), default=4)
        self.names = [self.shown(visible(column.name)) for column in ladder.columns]
        self.roles = [self.shown(visible(column.role)) for column in ladder.columns]
        self.cells = self._columns(14, 12)
        self.roles_below = self.label_cells >= LABEL_CELLS + 8
        if not self.roles_below:
            self.cells = self._columns(NAME_CELLS, 0)
        self.fits = bool(self.names) and self.label_cells >= LABEL_CELLS
        if self.names and self.roles_below:
            spare = (self.label_cells - 64) // len(self.names)
            self.cells = [cells + min(max(spare, 0), 8) for cells in self.cells]
        self.place = {column.name: place for place, column in enumerate(ladder.columns)}
        self.centres: list[int] = []
        start = 0
        for cells in self.cells:
            self.centres.append(start + cells // 2)
            start += cells

    def shown(self, text: str) -> str:
        return ascii_only(text) if self.pen is ASCII else text

    def _columns(self, name_cells: int, word_cells: int) -> list[int]:
        cells = []
        for name, role in zip(self.names, self.roles, strict=True):
            word = max((cell_len(word) for word in role.split()), default=0)
            size = max(map(cell_len, wrap(name, name_cells, 2)))
            cells.append(max(size, min(word, word_cells), 4) + 2)
        return cells

    @property
    def label_cells(self) -> int:
        return self.width - (self.time_cells + 3) - sum(self.cells) - (self.tag_cells + 3)

    # ---- wide

    def wide(self) -> Iterator[list[Piece]]:
        yield from self.title()
        if not self.roles_below:
            yield from self.legend()
        yield from self.header(roles=self.roles_below)
        since = 0
        for row in self.ladder.rows:
            if since >= REPEAT_ROWS:
                yield [(" " * (self.time_cells + 3), "life"), *self.lifelines()]
                yield from self.header(roles=False)
                since = 0
            since += 1
            if row.shape is Shape.STEP:
                yield from self.step(row)
            else:
                yield from self.wide_row(row)
        yield from self.footer()

    def header(self, *, roles: bool) -> Iterator[list[Piece]]:
        indent = " " * (self.time_cells + 3)
        name_lines = [
            wrap(name, cells - 1, 2, self.pen.ellipsis) for name, cells in zip(self.names, self.cells, strict=True)
        ]
        # Names are at the top of the lifelines, so a name of a single line is on the lower of two.
        most = max(map(len, name_lines), default=0)
        name_lines = [[""] * (most - len(block)) + block for block in name_lines]
        role_lines = [
            wrap(role, cells - 1, 3, self.pen.ellipsis) if role and roles else []
            for role, cells in zip(self.roles, self.cells, strict=True)
        ]
        heading = "s".rjust(self.time_cells)
        for blocks, style in ((name_lines, "name"), (role_lines, "role")):
            for number in range(max(map(len, blocks), default=0)):
                texts = [
                    self.centred(block[number] if number < len(block) else "", cells)
                    for block, cells in zip(blocks, self.cells, strict=True)
                ]
                first = style == "name" and number == most - 1
                yield [(f" {heading}  " if first else indent, "time"), ("".join(texts), style)]
        if any(role_lines) or not roles:
            yield [(indent, "time"), *self.lifelines()]

    def centred(self, text: str, cells: int) -> str:
        before = max(cells // 2 - cell_len(text) // 2, 0)
        return " " * before + text + " " * max(cells - before - cell_len(text), 0)

    def lifelines(self) -> list[Piece]:
        cells = [" "] * sum(self.cells)
        for centre in self.centres:
            cells[centre] = self.pen.life
        return [("".join(cells), "life")]

    def step(self, row: Row) -> Iterator[list[Piece]]:
        time = seconds(row.at_ns).rjust(self.time_cells)
        text = fit(self.shown(row.text), self.width - self.time_cells - 9, self.pen.ellipsis)
        rule = self.pen.rule
        rest = self.width - self.time_cells - 7 - cell_len(text)
        yield [(self.marker(row), "mark"), (f"{time}  ", "time"), (f"{rule * 2} {text} {rule * max(rest, 0)}", "step")]

    def wide_row(self, row: Row) -> Iterator[list[Piece]]:
        time = seconds(row.at_ns).rjust(self.time_cells)
        labels = wrap(self.shown(row.text), max(self.label_cells, 8), self.wraps, self.pen.ellipsis)
        style = "lost" if row.shape is Shape.LOST else row.tag
        tag = row.tag + " " * (self.tag_cells - cell_len(row.tag))
        label = "lost" if row.shape is Shape.LOST else "label"
        yield [
            (self.marker(row), "mark"),
            (f"{time}  ", "time"),
            *self.arrow(row),
            (f" {tag}  ", style),
            (labels[0], label),
        ]
        blank = " " * (self.time_cells + 3)
        for more in labels[1:]:
            yield [(blank, "time"), *self.lifelines(), (" " * (self.tag_cells + 3), "label"), (more, label)]
        for line in self.detail(row):
            yield [(blank, "time"), *self.lifelines(), ("   ", "label"), (line, "detail")]

    def arrow(self, row: Row) -> list[Piece]:
        cells = [" "] * sum(self.cells)
        for centre in self.centres:
            cells[centre] = self.pen.life
        source = self.centres[self.place[row.source]]
        style = "lost" if row.shape is Shape.LOST else row.tag
        if row.target is None:
            cells[source] = self.pen.note
            low, high = source, source
            for name in row.others:
                place = self.centres[self.place[name]]
                cells[place] = self.pen.note
                low, high = min(low, place), max(high, place)
        else:
            target = self.centres[self.place[row.target]]
            low, high = min(source, target), max(source, target)
            shaft, crossing = self.pen.shafts[row.shape]
            for place in range(low + 1, high):
                cells[place] = crossing if cells[place] == self.pen.life else shaft
            rightward = source < target
            cells[source] = self.pen.tee_right if rightward else self.pen.tee_left
            head = self.pen.right if rightward else self.pen.left
            near = target - 1 if rightward else target + 1
            if row.shape is Shape.LOST:
                # The arrow ends in the middle; beyond it the lifelines continue.
                middle = (source + target) // 2
                cells[middle] = self.pen.lost
                low, high = (low, middle) if rightward else (middle, high)
                for place in range(min(middle, target) + 1, max(middle, target)):
                    if place != middle:
                        cells[place] = self.pen.life if place in self.centres else " "
            else:
                cells[near] = head
            if row.shape is Shape.EXCHANGE:
                cells[source + 1 if rightward else source - 1] = self.pen.left if rightward else self.pen.right
        text = "".join(cells)
        return [(text[:low], "life"), (text[low : high + 1], style), (text[high + 1 :], "life")]

    # ---- narrow

    def narrow(self) -> Iterator[list[Piece]]:
        yield from self.title()
        yield from self.legend()
        limit = max((self.width - self.time_cells - self.tag_cells - 8) // 2, 16)
        ways = [self.way(row) for row in self.ladder.rows]
        way_cells = min(max(map(cell_len, ways), default=0), limit)
        label_cells = self.width - self.time_cells - way_cells - self.tag_cells - 7
        stacked = label_cells < 28
        for row, way in zip(self.ladder.rows, ways, strict=True):
            if row.shape is Shape.STEP:
                yield from self.step(row)
                continue
            time = seconds(row.at_ns).rjust(self.time_cells)
            style = "lost" if row.shape is Shape.LOST else row.tag
            label = "lost" if row.shape is Shape.LOST else "label"
            start: list[Piece] = [(self.marker(row), "mark"), (f"{time}  ", "time")]
            tag = row.tag + " " * (self.tag_cells - cell_len(row.tag))
            if stacked:
                indent = self.time_cells + 3
                yield [*start, (fit(way, self.width - indent, self.pen.ellipsis), "name")]
                texts = wrap(
                    self.shown(row.text), self.width - indent - self.tag_cells - 2, self.wraps, self.pen.ellipsis
                )
                yield [(" " * indent, "time"), (f"{tag}  ", style), (texts[0], label)]
            else:
                indent = self.time_cells + 3 + way_cells + 2
                shown = fit(way, way_cells, self.pen.ellipsis)
                texts = wrap(self.shown(row.text), label_cells, self.wraps, self.pen.ellipsis)
                pad = " " * (way_cells - cell_len(shown))
                yield [*start, (f"{shown}{pad}  ", "name"), (f"{tag}  ", style), (texts[0], label)]
            for text in texts[1:]:
                yield [(" " * (indent + self.tag_cells + 2), "time"), (text, label)]
            for line in self.detail(row):
                yield [(" " * (self.time_cells + 5), "time"), (line, "detail")]
        yield from self.footer()

    def way(self, row: Row) -> str:
        if row.shape is Shape.STEP:
            return ""
        source = self.names[self.place[row.source]]
        if row.target is None:
            return ", ".join([source, *(self.names[self.place[name]] for name in row.others)])
        arrow = self.pen.arrow
        if row.shape is Shape.EXCHANGE:
            arrow = "<->" if self.pen is ASCII else "↔"
        elif row.shape is Shape.LOST:
            arrow = f"-{self.pen.lost}"
        return f"{source} {arrow} {self.names[self.place[row.target]]}"

    # ---- both

    def legend(self) -> Iterator[list[Piece]]:
        if any(self.roles):
            size = min(max(map(cell_len, self.names)), self.width // 2)
            for name, role in zip(self.names, self.roles, strict=True):
                if role:
                    name = fit(name, size, self.pen.ellipsis)
                    pad = " " * (size - cell_len(name))
                    role = fit(role, self.width - size - 3, self.pen.ellipsis)
                    yield [(f" {name}{pad}", "name"), (f"  {role}", "role")]
            yield []

    def title(self) -> Iterator[list[Piece]]:
        if self.ladder.title:
            yield [(fit(self.shown(visible(self.ladder.title)), self.width, self.pen.ellipsis), "name")]
            yield []

    def footer(self) -> Iterator[list[Piece]]:
        if self.ladder.hidden:
            yield [(f" {' ' * self.time_cells}  {self.ladder.hidden} entries are not shown", "role")]

    def marker(self, row: Row) -> str:
        return self.pen.mark if self.ladder.is_marked(row) else " "

    def detail(self, row: Row) -> Iterator[str]:
        if self.details:
            for line in self.ladder.detail(row):
                yield self.shown(line)
