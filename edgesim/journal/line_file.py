"""A growing file of whole lines. What cannot be written waits in memory, up to a bound, and nothing is raised."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import BinaryIO, Final

from edgesim.world import files

WRITE: Final = 256 * 1024
"""Octets that are written at once."""


class LineFile:
    """A file that holds whole lines at any time that its system allows.

    A write that fails, or ends in the middle, is undone to the last whole line, and what it had to write is written by
    the next `flush` that succeeds. ``problem`` says why the last one failed; it is None while all is well. ``written``
    are the octets that stand in the file, ``size`` these with those that wait.
    """

    def __init__(self, path: str, *, held: int) -> None:
        self.path = path
        self.problem: str | None = None
        self.written = 0
        self._held = held
        self._waiting: deque[bytes] = deque()
        self._octets = 0
        self._file: BinaryIO | None = None
        self._closed = False

    @property
    def size(self) -> int:
        """Octets of the file once everything is written."""
        return self.written + self._octets

    @property
    def waiting(self) -> int:
        """Octets that are not written yet."""
        return self._octets

    def open(self) -> None:
        """Make the file, or empty it. Raises `OSError`."""
        self._file = open(files.open_private(self.path), "w+b", buffering=0)  # noqa: SIM115 - closed by `close`

    def has_room(self, octets: int) -> bool:
        """Say whether a line of that many octets may wait; the first one always may."""
        return not self._waiting or self._octets + octets <= self._held

    def add(self, line: bytes) -> None:
        """Let a line wait to be written."""
        self._waiting.append(line)
        self._octets += len(line)

    def flush(self) -> bool:
        """Write what waits; return whether nothing waits any more."""
        if self._closed:
            return not self._waiting
        try:
            if self._file is None:
                self.open()
            while self._waiting:
                self._write(self._batch())
        except OSError as error:
            self.problem = f"{error.strerror or error} ({self.path})"
            return False
        self.problem = None
        return True

    def _batch(self) -> list[bytes]:
        """Return the first lines that wait, about `WRITE` octets of them."""
        if self._octets <= WRITE:
            return list(self._waiting)
        size = count = 0
        for line in self._waiting:
            size += len(line)
            count += 1
            if size >= WRITE:
                break
        return list(islice(self._waiting, count))

    def _write(self, lines: list[bytes]) -> None:
        """Write lines behind those that stand there. Raises `OSError`, with as many of them written as went whole."""
        assert self._file is not None
        data = memoryview(b"".join(lines))
        done = 0
        try:
            self._file.seek(self.written)
            while done < len(data):
                count = self._file.write(data[done:])
                if not count:
                    raise OSError("the system took nothing of it")
                done += count
        finally:
            whole = 0
            for line in lines:
                if whole + len(line) > done:
                    break
                whole += len(line)
                self._waiting.popleft()
            self.written += whole
            self._octets -= whole
            if whole < done:
                # Where even this fails, the next write begins at the same place and covers what stands there.
                try:
                    self._file.truncate(self.written)
                except OSError as error:
                    self.problem = str(error)

    def read(self, start: int, end: int) -> bytes:
        """Return octets of the file, those included that are still to be written. Raises `OSError`."""
        data = b""
        if start < self.written:
            data = self._from_disk(start, min(end, self.written))
        if end > self.written:
            place, pieces = self.written, [data]
            for line in self._waiting:
                if place >= end:
                    break
                if place + len(line) > start:
                    pieces.append(line[max(start - place, 0) : end - place])
                place += len(line)
            data = b"".join(pieces)
        return data

    def _from_disk(self, start: int, end: int) -> bytes:
        if self._file is None:
            with open(self.path, "rb") as file:
                file.seek(start)
                return file.read(end - start)
        self._file.seek(start)
        found = self._file.read(end - start)
        while len(found) < end - start and (more := self._file.read(end - start - len(found))):
            found += more
        return found

    def rename(self, path: str) -> None:
        """Give the file another name; one that somebody removed only counts as having it. Raises `OSError`."""
        files.rename(self.path, path)
        self.path = path

    def close(self) -> None:
        """Write what waits, if it can be, and let go of the file."""
        self.flush()
        self.release()

    def release(self) -> None:
        """Let go of the file as it is: nothing more is written, and reading opens it again."""
        self._closed = True
        if self._file is not None:
            file, self._file = self._file, None
            file.close()
