"""Joins the entries of several processes into one journal, in the order in which they happened.

Sans-IO. Each *stream* supplies entries and watermarks: "no more entries before t". Entries up to the lowest watermark
of all running streams are final, and released: by time, then node, then sequence. A stream that is frozen, ended or
silent delays no other host; late entries are released at once, out of order.
"""

from __future__ import annotations

import heapq
from typing import Final

from edgesim.journal.entry import Entry
from edgesim.journal.events import Event

PATIENCE_NS: Final = 250_000_000
"""How long entries wait for a stream that says nothing: longer than a process that is busy with a handshake takes to
answer, and shorter than what people notice."""
MOST_HELD: Final = 20_000
"""Entries held at a time; beyond that the oldest are released regardless of watermarks."""

Item = tuple[int, str, int, int, str, Entry[Event]]


class Joining:
    """Entries of several streams in one order. Times are lab time in nanoseconds."""

    def __init__(self, *, patience_ns: int = PATIENCE_NS, most_held: int = MOST_HELD) -> None:
        self.late = 0
        """How many entries came when later ones had been released already."""
        self._patience_ns = patience_ns
        self._most = most_held
        self._held: list[Item] = []
        self._watermarks: dict[str, int] = {}
        self._arrivals = 0
        self._released_ns = 0

    def __len__(self) -> int:
        return len(self._held)

    @property
    def oldest_ns(self) -> int | None:
        """The time of the oldest entry that is held, None where none is."""
        return self._held[0][0] if self._held else None

    def runs(self, stream: str) -> None:
        """Wait for a stream from now on."""
        self._watermarks.setdefault(stream, 0)

    def rests(self, stream: str) -> None:
        """Wait for a stream no longer; what it gave is released in its order."""
        self._watermarks.pop(stream, None)

    def watermark(self, stream: str, at_ns: int) -> None:
        """Nothing before ``at_ns`` comes from a stream any more. One that goes back says nothing."""
        if stream in self._watermarks:
            self._watermarks[stream] = max(self._watermarks[stream], at_ns)

    def add(self, stream: str, entry: Entry[Event]) -> None:
        """Take an entry of a stream."""
        self._arrivals += 1
        if entry.at_ns < self._released_ns:
            self.late += 1
        heapq.heappush(self._held, (entry.at_ns, entry.node, entry.sequence, self._arrivals, stream, entry))

    def release(self, now_ns: int) -> list[tuple[str, Entry[Event]]]:
        """Return the entries whose turn it is, each with its stream. ``now_ns`` is the present time."""
        low = min(self._watermarks.values(), default=now_ns)
        low = max(low, now_ns - self._patience_ns)
        found: list[tuple[str, Entry[Event]]] = []
        held = self._held
        while held and (held[0][0] < low or not self._watermarks or len(held) > self._most):
            at_ns, _, _, _, stream, entry = heapq.heappop(held)
            self._released_ns = max(self._released_ns, at_ns)
            found.append((stream, entry))
        return found
