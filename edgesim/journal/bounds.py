"""The bounds of a journal: octets on disk and in memory, entries per second, names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The bounds of one journal. Sizes are octets, times nanoseconds of lab time.

    ``octets`` and ``age_ns`` bound what is kept on disk, None keeps everything. A file is kept in `parts` parts, of
    which the oldest goes first. A payload longer than ``whole`` is recorded by its first ``beginning`` octets, its
    length and its digest. ``held`` is what waits in memory while the file cannot be written; what comes on top of it is
    missing from the file, and counted. ``strangers`` is how many addresses of strangers become names of nodes, and
    ``stranger_entries`` how many entries about strangers a second has. ``aliases`` is how many values have an alias
    that a file remembers.
    """

    octets: int | None = None
    age_ns: int | None = None
    parts: int = 8
    whole: int = 64 * 1024
    beginning: int = 4 * 1024
    held: int = 8 * 1024 * 1024
    strangers: int = 1000
    stranger_entries: int = 50
    aliases: int = 20_000

    @property
    def part(self) -> int | None:
        """Octets after which the next part begins."""
        return None if self.octets is None else self.octets // self.parts

    @property
    def part_ns(self) -> int | None:
        """Nanoseconds after which the next part begins."""
        return None if self.age_ns is None else self.age_ns // self.parts

    @property
    def is_kept_whole(self) -> bool:
        """Whether nothing of the file ever goes."""
        return self.octets is None and self.age_ns is None

    def recorded(self, size: int) -> int:
        """Return how many octets of a payload of ``size`` octets are recorded."""
        return size if size <= self.whole else self.beginning


EVERYTHING: Final = Bounds()
"""Keeps every entry: for runs that end."""
