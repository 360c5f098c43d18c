"""A journal's entries in a file of JSON lines, found again by an index in memory.

The index holds four numbers an entry (20 octets); nothing else of an entry stays in memory once it is encoded. What a
spool gives back is what its file holds, so secrets are masked in it unless the spool was made with ``secrets=True``.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike, fspath
from typing import BinaryIO, overload

from edgesim.journal.codec import Header, JournalFormatError, decode, encode
from edgesim.journal.entry import Entry
from edgesim.journal.events import Event
from edgesim.journal.masking import Aliases

Path = str | PathLike[str]
BUFFER_OCTETS = 256 * 1024
_BLOCK = 256


class Spool(Sequence[Entry[Event]]):
    """A growing file of entries. ``append`` writes through a buffer; reading sees what is still in it too.

    Raises `OSError` where the file cannot be made or written.
    """

    def __init__(self, path: Path, header: Header, *, buffer: int = BUFFER_OCTETS) -> None:
        self.path = fspath(path)
        self.header = header
        self._aliases = Aliases()
        self._names: dict[str, int] = {}
        self._at = array("q")
        self._offsets = array("Q")
        self._kinds = array("H")
        self._nodes = array("H")
        self._buffer: list[bytes] = [header.encode()]
        self._buffered = self._end = len(self._buffer[0])
        self._limit = buffer
        self._file: BinaryIO = open(self.path, "w+b", buffering=0)  # noqa: SIM115 - closed by `close`

    def append(self, entry: Entry[Event]) -> None:
        """Add an entry."""
        if self._file.closed:
            raise ValueError(f"the spool {self.path} is closed")
        line = encode(entry, secrets=self.header.secrets, aliases=self._aliases)
        self._offsets.append(self._end)
        self._at.append(entry.at_ns)
        self._kinds.append(self._number(entry.event.kind))
        self._nodes.append(self._number(entry.node))
        self._buffer.append(line)
        self._end += len(line)
        self._buffered += len(line)
        if self._buffered >= self._limit:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered."""
        if self._buffer:
            data = memoryview(b"".join(self._buffer))
            self._file.seek(0, 2)
            while data:
                data = data[self._file.write(data) :]
            self._buffer.clear()
            self._buffered = 0

    def close(self) -> None:
        """Write what is buffered and let go of the file. Reading opens it again."""
        if not self._file.closed:
            self.flush()
            self._file.close()

    def __len__(self) -> int:
        return len(self._offsets)

    @overload
    def __getitem__(self, index: int) -> Entry[Event]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry[Event]]: ...
    def __getitem__(self, index: int | slice) -> Entry[Event] | Sequence[Entry[Event]]:
        places = range(len(self))[index]
        return Window(self, places) if isinstance(places, range) else self._read([places])[0]

    def __iter__(self) -> Iterator[Entry[Event]]:
        return iter(Window(self, range(len(self))))

    def select(self, *, kind: str | None = None, node: str | None = None, start: int = 0) -> Sequence[Entry[Event]]:
        """Return the entries of a kind, of a node, or both, from position ``start`` on, reading only those."""
        places: Sequence[int] = range(start, len(self))
        for column, name in ((self._kinds, kind), (self._nodes, node)):
            if name is not None:
                number = self._names.get(name, -1)
                places = [place for place in places if column[place] == number]
        return Window(self, places)

    def since(self, at_ns: int) -> int:
        """Return the position of the first entry at or after a lab time."""
        return bisect_left(self._at, at_ns)

    def _number(self, name: str) -> int:
        return self._names.setdefault(name, len(self._names))

    def _read(self, places: Sequence[int]) -> list[Entry[Event]]:
        """Read entries at ascending places, neighbours in one go."""
        if self._buffer:
            self.flush()
        entries: list[Entry[Event]] = []
        done = 0
        while done < len(places):
            first = last = places[done]
            while done < len(places) and places[done] == last:
                last += 1
                done += 1
            end = self._offsets[last] if last < len(self) else self._end
            start = self._offsets[first]
            data = self._octets(start, end)
            entries += [decode(line, place + 2) for place, line in enumerate(data.splitlines(), first)]
        return entries

    def _octets(self, start: int, end: int) -> bytes:
        if self._file.closed:
            with open(self.path, "rb") as file:
                file.seek(start)
                return file.read(end - start)
        self._file.seek(start)
        return self._file.read(end - start)


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


class Reader:
    """Reads a journal file: iterate over it once for its entries.

    A last line that was cut short (a process died while writing) ends the reading; ``problem`` then says so, and is
    None for a whole file. Raises `JournalFormatError` for any other line that is not an entry, `OSError` for no file.
    """

    def __init__(self, path: Path) -> None:
        self.path = fspath(path)
        self.problem: str | None = None
        with open(self.path, "rb") as file:
            self.header = Header.decode(file.readline())

    def __iter__(self) -> Iterator[Entry[Event]]:
        with open(self.path, "rb") as file:
            for number, line in enumerate(file, 1):
                if number == 1:
                    continue
                if not line.endswith(b"\n"):
                    self.problem = f"{self.path}: line {number} is cut short after {len(line)} octets; read up to there"
                    return
                yield decode(line, number)


def read(path: Path) -> list[Entry[Event]]:
    """Return the entries of a whole file. Raises `JournalFormatError`, also where its last line is cut short."""
    reader = Reader(path)
    entries = list(reader)
    if reader.problem:
        raise JournalFormatError(len(entries) + 2, "the last line is cut short; `Reader` reads what precedes it")
    return entries


def write(path: Path, header: Header, entries: Iterable[Entry[Event]]) -> None:
    """Write entries to a file of their own."""
    spool = Spool(path, header)
    try:
        for entry in entries:
            spool.append(entry)
    finally:
        spool.close()
