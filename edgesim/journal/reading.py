"""Reading a journal's file, in all its parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from os import PathLike, fspath, path
from typing import BinaryIO

from edgesim.journal.codec import Header, JournalFormatError, decode
from edgesim.journal.entry import Entry
from edgesim.journal.events import Event

StrPath = str | PathLike[str]
_NUMBERED = re.compile(r"-[1-9][0-9]{0,17}\Z")


def part_path(whole: str, number: int) -> str:
    """Return where the part ``number`` of a journal is once the next has begun: ``journal-3.jsonl``."""
    stem, suffix = path.splitext(whole)
    return f"{stem}-{number}{suffix}"


class Reader:
    """Reads a journal file: iterate over it once for its entries.

    The earlier parts of a file that was written in parts are read first, where they lie beside it; ``dropped`` is then
    how many entries came before the first that is still there. A last line that was cut short (a process died while
    writing) ends the reading; ``problem`` then says so, and is None for a whole file. Raises `JournalFormatError` for
    any other line that is not an entry, `OSError` for no file.
    """

    def __init__(self, path: StrPath) -> None:
        self.path = fspath(path)
        self.problem: str | None = None
        with open(self.path, "rb") as file:
            self.header = Header.decode(file.readline())
        self.dropped = self.header.first

    def __iter__(self) -> Iterator[Entry[Event]]:
        with ExitStack() as stack:
            parts = self._parts(stack)
            for count, (name, file) in enumerate(parts, 1):
                for number, line in enumerate(file, 2):
                    if not line.endswith(b"\n"):
                        self.problem = f"{name}: line {number} is cut short after {len(line)} octets; read up to there"
                        if count == len(parts):
                            return
                        break
                    try:
                        yield decode(line, number)
                    except JournalFormatError as error:
                        if name == self.path:
                            raise
                        raise JournalFormatError(error.line, f"{error.reason} (in {name})") from None

    def _parts(self, stack: ExitStack) -> list[tuple[str, BinaryIO]]:
        """Open the file and the parts before it, oldest first, each read past its header.

        Opened from the newest to the oldest, none is missed where the next part begins meanwhile.
        """
        file: BinaryIO = stack.enter_context(open(self.path, "rb"))  # noqa: SIM115 - by the stack
        header = Header.decode(file.readline())
        found: list[tuple[str, BinaryIO]] = [(self.path, file)]
        while header.part > 1 and not _NUMBERED.search(path.splitext(self.path)[0]):
            earlier = part_path(self.path, header.part - 1)
            try:
                file = stack.enter_context(open(earlier, "rb"))  # noqa: SIM115 - by the stack
                before = Header.decode(file.readline())
            except (OSError, JournalFormatError):
                break
            if (before.part, before.seed, before.epoch_ns) != (header.part - 1, header.seed, header.epoch_ns):
                break
            header = before
            found.append((earlier, file))
        self.dropped = header.first
        return found[::-1]


def read(path: StrPath) -> list[Entry[Event]]:
    """Return the entries of a whole file. Raises `JournalFormatError`, also where its last line is cut short."""
    reader = Reader(path)
    entries = list(reader)
    if reader.problem:
        raise JournalFormatError(len(entries) + 2, "the last line is cut short; `Reader` reads what precedes it")
    return entries


def parts_beside(whole: str, names: Iterable[str]) -> list[str]:
    """Return those of ``names``, files in the folder of a journal, that are earlier parts of it by their name."""
    stem, suffix = path.splitext(path.basename(whole))
    pattern = re.compile(rf"{re.escape(stem)}-[1-9][0-9]{{0,17}}{re.escape(suffix)}\Z")
    return [name for name in names if pattern.match(name)]
