"""A journal's entries in a file of JSON lines, found again by an index in memory.

The index has four numbers for each entry; nothing else of an entry stays in memory once it is encoded. A spool returns
what its file holds, so secrets are masked unless the spool was made with ``secrets=True``.

A bounded file has parts. The last has the spool's own name; when it is full it becomes ``name-N`` and the next begins.
The oldest parts are removed, with their index. Positions of entries continue across parts and never change.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from os import fspath
from os import path as paths
from typing import Final, overload

from edgesim.journal.bounds import EVERYTHING, Bounds
from edgesim.journal.codec import Header, JournalFormatError, encode
from edgesim.journal.entry import Entry
from edgesim.journal.events import Event
from edgesim.journal.line_file import LineFile
from edgesim.journal.masking import Aliases
from edgesim.journal.reading import Reader, StrPath, part_path, parts_beside, read
from edgesim.journal.segment import Segment
from edgesim.world import files
from edgesim.world.background import Background, Job
from edgesim.world.machine import stopwatch

__all__ = ["BUFFER_OCTETS", "Reader", "Spool", "StrPath", "Window", "read", "write"]

BUFFER_OCTETS: Final = 256 * 1024
TRIES: Final = 1000
"""While the file cannot be written, the number of lost entries after which a flush is tried."""
PATIENCE: Final = 10.0
"""Seconds that the system gets to take what waits when a spool is closed."""
SLOW: Final = "entries came faster than the system wrote them"
STEP: Final = 64 * 1024
"""While the background writes, the number of octets after which its progress is checked."""
_BLOCK = 256


class Spool(Sequence[Entry[Event]]):
    """A growing file of entries. ``append`` writes through a buffer; reading sees what is still in it too.

    What cannot be written waits in memory, up to a bound; ``problem`` says why. What does not fit into the bound is
    not kept: ``missing`` counts it. With a ``writer``, files are written, renamed and removed in the background, in
    the same order. Raises `OSError` where the file cannot be made.
    """

    def __init__(
        self,
        path: StrPath,
        header: Header,
        *,
        buffer: int = BUFFER_OCTETS,
        bounds: Bounds = EVERYTHING,
        writer: Background | None = None,
    ) -> None:
        self.path = fspath(path)
        self.header = header
        self.bounds = bounds
        self.missing = 0
        self._missing_since_ns = 0
        self._missing_why = ""
        self._aliases = Aliases(bounds.aliases)
        self._names: dict[str, int] = {}
        self._buffered = min(buffer, bounds.held)
        self._writer = writer
        self._undropped: str | None = None
        self._removal: Job[str | None] | None = None
        self._closed = False
        self._room = 0
        self._segments: list[Segment] = []
        self._sealed: deque[Segment] = deque()
        """Parts that have ended and are not all written, or do not have their last name yet."""
        file = LineFile(self.path, writer=writer)
        file.open()
        if not bounds.is_kept_whole:
            self._remove_leftovers()
        self._last = self._begin(file)

    @property
    def problem(self) -> str | None:
        """Why the file cannot be written now."""
        return self._obstacle or self._undropped

    @property
    def _obstacle(self) -> str | None:
        for each in self._sealed:
            if each.file.problem is not None:
                return each.file.problem
        return self._last.file.problem

    @property
    def is_written(self) -> bool:
        """Whether every entry is on disk, so that nothing waits."""
        return not self._sealed and not self._last.file.waiting

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
        if part is not None and len(self._last) and self._last.file.size + size > part:
            self._turn()
        elif self._obstacle is None and self._last.file.waiting + size > self._buffered:
            self._write()
        # While lines are missing, none is kept until everything pending is written, so that there is only one gap.
        if self.missing or not self._may_wait(size):
            if not self.missing:
                self._missing_since_ns, self._missing_why = at_ns, self.problem or SLOW
            self.missing += 1
            if self.missing % TRIES == 0 or self._obstacle is None:
                self._write()
            return False
        self._room = self._free()
        return True

    def _may_wait(self, size: int) -> bool:
        """Return whether a line of that many octets may wait in memory; the first one always may."""
        waiting = self._waiting
        return not waiting or waiting + size <= self.bounds.held

    @property
    def _waiting(self) -> int:
        return self._last.file.waiting + sum(each.file.waiting for each in self._sealed)

    def _free(self) -> int:
        """Return how many octets may come before there is anything to do; none while the file cannot be written."""
        file, part = self._last.file, self.bounds.part
        if self._obstacle is not None:
            return 0
        room = self._buffered - file.waiting
        if room <= 0 and self._writer is not None:  # it is at work: there is no need to check at every entry
            room = min(STEP, self.bounds.held - self._waiting)
        return room if part is None else min(room, part - file.size)

    def flush(self, now_ns: int | None = None) -> None:
        """Write what is buffered. ``now_ns`` lets what is too old by then go."""
        self._write()
        if now_ns is not None and self.bounds.age_ns is not None and not self._closed:
            self._age(now_ns)

    def taken_missing(self) -> tuple[int, int, str]:
        """Return how many entries were not kept, since when, and why; they are no longer counted."""
        found, self.missing = self.missing, 0
        return found, self._missing_since_ns, self._missing_why

    def close(self, patience: float = PATIENCE) -> None:
        """Write what is buffered and close the file. Reading opens it again.

        What the system has not accepted after ``patience`` seconds is missing from the file.
        """
        if self._closed:
            return
        until = stopwatch() + patience
        while not self._write():
            file = self._sealed[0].file if self._sealed else self._last.file
            if self._obstacle is not None or not file.wait(until - stopwatch()):
                break
        while self._removal is not None and self._removal.wait(until - stopwatch()):
            self._drop()
            self._drop_for_size()
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
        """Write everything, part after part, and remove parts beyond the bounds; return whether nothing is pending."""
        if self._closed:
            return False
        while self._sealed:
            if not self._sealed[0].file.flush():
                return False
            self._sealed.popleft()
        written = self._last.file.flush()
        self._drop_for_size()
        return written

    def _turn(self) -> None:
        """Begin the next part. The file of that name is made once the present part has gone to its own."""
        self._last.file.seal(part_path(self.path, self._last.number))
        self._sealed.append(self._last)
        self._last = self._begin(LineFile(self.path, writer=self._writer))
        self._write()

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
        if len(self._last) and self._last.at[0] <= now_ns - part:
            self._turn()
        while len(self._segments) > 1 and self._segments[0].at[-1] < now_ns - age:
            if not self._drop():
                return

    def _drop(self) -> bool:
        """Remove the oldest part; return whether that worked, and is done."""
        oldest = self._segments[0]
        if self._sealed and self._sealed[0] is oldest:
            return False
        if self._writer is None:
            self._undropped = _removed(oldest.file.path)
        else:
            job = self._removal = self._removal or self._writer.do(partial(_removed, oldest.file.path))
            if job is None or not job.done:
                return False
            self._undropped, self._removal = job.result, None
        if self._undropped is not None:
            return False
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
        if not self.is_written and self._obstacle is None:
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


def _removed(path: str) -> str | None:
    """Remove a file; return why that failed, if it did."""
    try:
        files.remove(path)
    except OSError as error:
        return f"{error.strerror or error} ({path})"
    return None


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


def write(path: StrPath, header: Header, entries: Iterable[Entry[Event]]) -> None:
    """Write entries to a new file. Raises `OSError` if some cannot be written."""
    spool = Spool(path, header)
    try:
        for entry in entries:
            spool.append(entry)
    finally:
        spool.close()
    if spool.problem or spool.missing:
        raise OSError(spool.problem)
