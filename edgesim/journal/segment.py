"""One part of a journal's file, with an index of its entries in memory: 22 octets an entry."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator

from edgesim.journal.codec import decode
from edgesim.journal.entry import Entry
from edgesim.journal.events import Event
from edgesim.journal.line_file import LineFile


class Segment:
    """The entries from position ``first`` on, as many as there are. ``number`` counts parts from 1."""

    def __init__(self, file: LineFile, number: int, first: int, header: bytes) -> None:
        self.file = file
        self.number = number
        self.first = first
        self.at = array("q")
        self.kinds = array("H")
        self.nodes = array("I")
        self._offsets = array("Q")
        self._lines = len(header)
        self._add = file.add
        file.add(header)

    def __len__(self) -> int:
        return len(self.at)

    @property
    def end(self) -> int:
        """Position behind the last entry."""
        return self.first + len(self.at)

    def append(self, line: bytes, at_ns: int, kind: int, node: int) -> None:
        """Add an entry by its line."""
        self._offsets.append(self._lines)
        self.at.append(at_ns)
        self.kinds.append(kind)
        self.nodes.append(node)
        self._lines += len(line)
        self._add(line)

    def read(self, first: int, last: int) -> list[Entry[Event]]:
        """Return the entries at positions ``first`` to ``last``, the latter excluded. Raises `OSError`."""
        one, other = first - self.first, last - self.first
        end = self._offsets[other] if other < len(self._offsets) else self._lines
        data = self.file.read(self._offsets[one], end)
        return [decode(line, place + 2) for place, line in enumerate(data.splitlines(), one)]

    def places(self, kind: int | None, node: int | None, start: int) -> Iterator[int]:
        """Yield the positions from ``start`` on of entries of a kind, of a node, or both, by their numbers."""
        low = max(start - self.first, 0)
        if kind is None and node is None:
            yield from range(self.first + low, self.end)
        elif kind is None or node is None:
            column, wanted = (self.kinds, kind) if node is None else (self.nodes, node)
            yield from [place for place, each in enumerate(column[low:], self.first + low) if each == wanted]
        else:
            pairs = enumerate(zip(self.kinds[low:], self.nodes[low:], strict=True), self.first + low)
            yield from [place for place, pair in pairs if pair == (kind, node)]

    def since(self, at_ns: int) -> int:
        """Return the position of the first entry at or after a lab time, or the end."""
        return self.first + bisect_left(self.at, at_ns)
