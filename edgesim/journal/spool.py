"""A journal's entries in a file of JSON lines, found again by an index in memory.

The index holds four numbers an entry; nothing else of an entry stays in memory once it is encoded. What a spool gives
back is what its file holds, so secrets are masked in it unless the spool was made with ``secrets=True``.

Where it is bounded the file has parts. The last has the spool's own name; when it is full it becomes ``name-N`` and the
next begins. The oldest parts go, with their index. Positions of entries go on over all parts and never change.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from os import fspath
from os import path as paths
from typing import Final, overload

from edgesim.journal.bounds import EVERYTHING, Bounds
from edgesim.journal.codec import Header, JournalFormatError, encode
from edgesim.journal.entry import Entry
from edgesim.journal.events import Event
from edgesim.journal.line_file import LineFile
from edgesim.journal.masking import Aliases
from edgesim.journal.reading import Path, Reader, part_path, parts_beside, read
from edgesim.journal.segment import Segment
from edgesim.world import files

__all__ = ["BUFFER_OCTETS", "Path", "Reader", "Spool", "Window", "read", "write"]

BUFFER_OCTETS: Final = 256 * 1024
TRIES: Final = 1000
"""While the file cannot be written, a flush is tried after so many entries that were not kept."""
_BLOCK = 256


class Spool(Sequence[Entry[Event]]):
    """A growing file of entries. ``append`` writes through a buffer; reading sees what is still in it too.

    What cannot be written waits in memory, up to a bound; ``problem`` says why. What does not fit into the bound is
    not kept: ``missing`` counts it. Raises `OSError` where the file cannot be made.
    """

    def __init__(self, path: Path, header: Header, *, buffer: int = BUFFER_OCTETS, bounds: Bounds = EVERYTHING) -> None:
        self.path = fspath(path)
        self.header = header
        self.bounds = bounds
        self.missing = 0
        self._missing_since_ns = 0
        self._missing_why = ""
        self._aliases = Aliases(bounds.aliases)
        self._names: dict[str, int] = {}
        self._buffered = min(buffer, bounds.held)
        self._trouble: str | None = None
        self._undropped: str | None = None
        self._is_stuck = False
        self._closed = False
        self._room = 0
        self._segments: list[Segment] = []
        file = LineFile(self.path, held=bounds.held)
        file.open()
        if not bounds.is_kept_whole:
            self._remove_leftovers()
        self._last = self._begin(file)

    @property
    def problem(self) -> str | None:
        """Why the file cannot be written at present, in words."""
        return self._trouble or self._last.file.problem or self._undropped

    @property
    def _is_blocked(self) -> bool:
        return self._trouble is not None or self._last.file.problem is not None

    @property
    def first(self) -> int:
        """Position of the first entry that is still there."""
        return self._segments[0].first

    def append(self, entry: Entry[Event]) -> bool:
        """Add an entry; return whether it was kept."""
        line = encode(entry, secrets=self.header.secrets, aliases=self._aliases)
        size = len(line)
        if size > self._room and not self._make_room(size, entry.at_ns):
            return False
        self._room -= size
        names = self._names
        kind, node = entry.event.kind, entry.node
        if kind not in names:
            names[kind] = len(names)
        if node not in names:
            names[node] = len(names)
        self._last.append(line, entry.at_ns, names[kind], names[node])
        return True

    def _make_room(self, size: int, at_ns: int) -> bool:
        """Write, or begin the next part, so that there is room for a line; where there is none, count it as missing.

        Everything that may have to be done at an entry is done here; `append` asks once the room that was left is full.
        """
        if self._closed:
            raise ValueError(f"the spool {self.path} is closed")
        part = self.bounds.part
        if part is not None and len(self._last) and self._last.file.size + size > part and not self._trouble:
            self._turn()
        elif not self._is_blocked and self._last.file.waiting + size > self._buffered:
            self._write()
        # While lines are missing none is kept until all that waits is written: so they are missing in one place.
        if self.missing or not self._last.file.has_room(size):
            if not self.missing:
                self._missing_since_ns, self._missing_why = at_ns, self.problem or ""
            self.missing += 1
            if self.missing % TRIES == 0:
                self._write()
            return False
        self._room = self._free()
        return True

    def _free(self) -> int:
        """Return how many octets may come before there is anything to do; none while the file cannot be written."""
        file, part = self._last.file, self.bounds.part
        if self._is_blocked:
            return 0
        room = self._buffered - file.waiting
        return room if part is None else min(room, part - file.size)

    def flush(self, now_ns: int | None = None) -> None:
        """Write what is buffered. ``now_ns`` lets what is too old by then go."""
        self._write()
        if self._undropped:
            self._drop_for_size()
        if now_ns is not None and self.bounds.age_ns is not None and not self._closed:
            self._age(now_ns)

    def taken_missing(self) -> tuple[int, int, str]:
        """Return how many entries were not kept, since when, and why; they are no longer counted."""
        found, self.missing = self.missing, 0
        return found, self._missing_since_ns, self._missing_why

    def close(self) -> None:
        """Write what is buffered and let go of the file. Reading opens it again."""
        if not self._closed:
            self._write()
            self._closed = True
            self._room = 0
            for segment in self._segments:
                segment.file.release()

    # ---- parts

    def _begin(self, file: LineFile) -> Segment:
        number = self._segments[-1].number + 1 if self._segments else 1
        first = len(self) if self._segments else 0
        header = self.header if self.bounds.is_kept_whole else replace(self.header, part=number, first=first)
        segment = Segment(file, number, first, header.encode())
        self._segments.append(segment)
        return segment

    def _write(self) -> bool:
        """Write everything, and begin the next part where one is due; return whether nothing waits."""
        if self._closed:
            return False
        if self._trouble is None:
            return self._last.file.flush()
        return self._turn()

    def _turn(self) -> bool:
        """Begin the next part; return whether that worked. Where it did not, the present one waits in memory."""
        file, path = self._last.file, part_path(self.path, self._last.number)
        if not self._is_stuck and not file.flush():
            self._trouble = file.problem
            return False
        try:
            self._is_stuck = True  # a part that keeps its name must not grow on
            if file.path != path:
                file.rename(path)
            self._is_stuck = False
        except OSError as error:
            self._trouble = f"{error.strerror or error} ({self.path})"
            return False
        if not file.flush():
            self._trouble = file.problem
            return False
        self._trouble = None
        file = LineFile(self.path, held=self.bounds.held)
        self._last = self._begin(file)
        self._drop_for_size()
        return file.flush()

    def _drop_for_size(self) -> None:
        octets, part = self.bounds.octets, self.bounds.part
        if octets is not None and part is not None:
            while len(self._segments) > 1 and sum(each.file.size for each in self._segments[:-1]) > octets - part:
                if not self._drop():
                    return

    def _age(self, now_ns: int) -> None:
        """Let parts go of which every entry is too old, and begin the next one where the present one is old enough."""
        age, part = self.bounds.age_ns, self.bounds.part_ns
        assert age is not None and part is not None
        if len(self._last) and self._last.at[0] <= now_ns - part and not self._trouble:
            self._turn()
        while len(self._segments) > 1 and self._segments[0].at[-1] < now_ns - age:
            if not self._drop():
                return

    def _drop(self) -> bool:
        """Remove the oldest part; return whether that worked."""
        oldest = self._segments[0]
        try:
            files.remove(oldest.file.path)
        except OSError as error:
            self._undropped = f"{error.strerror or error} ({oldest.file.path})"
            return False
        self._undropped = None
        oldest.file.release()
        del self._segments[0]
        return True

    def _remove_leftovers(self) -> None:
        """Remove the parts that an earlier journal of this name left."""
        folder = paths.dirname(self.path) or "."
        for name in parts_beside(self.path, files.names_in(folder)):
            path = paths.join(folder, name)
            with suppress(OSError, JournalFormatError):
                if not paths.islink(path) and Reader(path).header.part:
                    files.remove(path)

    # ---- reading

    def __len__(self) -> int:
        return self._segments[-1].end

    @overload
    def __getitem__(self, index: int) -> Entry[Event]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry[Event]]: ...
    def __getitem__(self, index: int | slice) -> Entry[Event] | Sequence[Entry[Event]]:
        places = range(len(self))[index]
        if isinstance(places, range):
            if self.first:
                places = self._kept(places)
            return Window(self, places)
        if places < self.first:
            raise IndexError(f"entry {places} is no longer kept; the first is {self.first}")
        return self._read([places])[0]

    def _kept(self, places: range) -> range:
        """Return those of ``places`` that are still there."""
        first = self.first
        if places.step > 0:
            gone = max(0, -((places.start - first) // places.step))
            return places[gone:]
        return places[: len([None for place in places if place >= first])]

    def __iter__(self) -> Iterator[Entry[Event]]:
        return iter(Window(self, range(self.first, len(self))))

    def select(self, *, kind: str | None = None, node: str | None = None, start: int = 0) -> Sequence[Entry[Event]]:
        """Return the entries of a kind, of a node, or both, from position ``start`` on, reading only those."""
        start = max(start, self.first)
        if kind is None and node is None:
            return Window(self, range(start, len(self)))
        wanted_kind = None if kind is None else self._names.get(kind, -1)
        wanted_node = None if node is None else self._names.get(node, -1)
        places: list[int] = []
        for segment in self._segments:
            if segment.end > start:
                places += segment.places(wanted_kind, wanted_node, start)
        return Window(self, places)

    def since(self, at_ns: int) -> int:
        """Return the position of the first entry at or after a lab time, among those that are still there."""
        for segment in self._segments:
            if len(segment) and segment.at[-1] >= at_ns:
                return segment.since(at_ns)
        return len(self)

    def _read(self, places: Sequence[int]) -> list[Entry[Event]]:
        """Read entries at ascending places, neighbours in one go; those that went meanwhile are left out."""
        if self._last.file.waiting and not self._is_blocked:
            self._write()
        entries: list[Entry[Event]] = []
        done = 0
        while done < len(places):
            if places[done] < self.first:
                done += 1
                continue
            segment = self._segments[bisect_right(self._segments, places[done], key=_first) - 1]
            first = last = places[done]
            while done < len(places) and places[done] == last < segment.end:
                last += 1
                done += 1
            entries += segment.read(first, last)
        return entries


def _first(segment: Segment) -> int:
    return segment.first


class Window(Sequence[Entry[Event]]):
    """Some places of a spool, read when they are looked at."""

    def __init__(self, spool: Spool, places: Sequence[int]) -> None:
        self._spool = spool
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Entry[Event]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry[Event]]: ...
    def __getitem__(self, index: int | slice) -> Entry[Event] | Sequence[Entry[Event]]:
        if isinstance(index, slice):
            return Window(self._spool, self._places[index])
        return self._spool[self._places[index]]

    def __iter__(self) -> Iterator[Entry[Event]]:
        places = self._places
        ascending = not isinstance(places, range) or places.step > 0
        for block in range(0, len(places), _BLOCK):
            some = places[block : block + _BLOCK]
            yield from self._spool._read(some) if ascending else (self._spool[place] for place in some)


def write(path: Path, header: Header, entries: Iterable[Entry[Event]]) -> None:
    """Write entries to a file of their own. Raises `OSError` where they do not all get there."""
    spool = Spool(path, header)
    try:
        for entry in entries:
            spool.append(entry)
    finally:
        spool.close()
    if spool.problem or spool.missing:
        raise OSError(spool.problem)
