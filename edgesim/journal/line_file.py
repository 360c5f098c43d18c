"""A growing file of whole lines. What cannot be written waits in memory, and nothing is raised."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import BinaryIO, Final

from edgesim.world import files
from edgesim.world.background import Background, Job

WRITE: Final = 256 * 1024
"""Octets that are written at once."""
LATE: Final = 2.0
"""Seconds after which a system that has not taken what it was given counts as one that does not answer."""


@dataclass(frozen=True, slots=True)
class _Done:
    """The result of writing: the number of complete lines, their octets, the file's present name, and the error."""

    lines: int
    octets: int
    path: str
    problem: str | None


class LineFile:
    """A file that ends with a whole line at any time, as far as its system allows.

    A write that fails or is incomplete is undone to the last whole line, and repeated by the next `flush` that
    succeeds. ``problem`` says why the last one failed, or is None. ``written`` are the octets in the file, ``size``
    includes those that wait. With a ``writer``, writing happens in the background, one job at a time, and `flush`
    records what was done since its last call.
    """

    def __init__(self, path: str, *, writer: Background | None = None) -> None:
        self.path = path
        self.written = 0
        self._writer = writer
        self._target: str | None = None
        self._job: Job[_Done] | None = None
        self._problem: str | None = None
        self._waiting: deque[bytes] = deque()
        self._octets = 0
        self._file: BinaryIO | None = None
        self._readable: BinaryIO | None = None
        """A separate descriptor to read from while the background writes, independent of the file's name."""
        self._closed = False

    @property
    def size(self) -> int:
        """Octets of the file once everything is written."""
        return self.written + self._octets

    @property
    def waiting(self) -> int:
        """Octets that are not written yet, or not known to be."""
        return self._octets

    @property
    def problem(self) -> str | None:
        """Why pending lines are not written."""
        if self._job is not None and not self._job.done and (self._closed or self._job.age > LATE):
            return f"the system does not answer ({self.path})"
        return self._problem

    @property
    def _is_due(self) -> bool:
        return bool(self._waiting) or (self._target is not None and self.path != self._target)

    def open(self) -> None:
        """Make the file, or empty it. Raises `OSError`."""
        self._file = open(files.open_private(self.path), "w+b", buffering=0)  # noqa: SIM115 - closed by `release`
        if self._writer is not None:
            self._readable = open(self.path, "rb", buffering=0)  # noqa: SIM115 - closed by `release`

    def add(self, line: bytes) -> None:
        """Let a line wait to be written."""
        self._waiting.append(line)
        self._octets += len(line)

    def seal(self, path: str) -> None:
        """End the file: once everything is written, `flush` gives it its final name."""
        self._target = path

    def flush(self) -> bool:
        """Write what waits, or have it written; return whether nothing is left to do."""
        if self._closed:
            return not self._waiting
        if self._job is not None:
            if not self._job.done:
                return False
            self._note(self._job.result)
            self._job = None
            if self._problem is not None:
                return False
        if self._is_due:
            work = partial(self._work, tuple(self._waiting), self._target)
            if self._writer is None:
                self._note(work())
                return self._problem is None
            self._job = self._writer.do(work)
            return False
        return True

    def wait(self, seconds: float) -> bool:
        """Wait at most ``seconds`` for the current write; return whether it is done."""
        return self._job is None or self._job.wait(seconds)

    def _note(self, done: _Done) -> None:
        for _ in range(done.lines):
            self._waiting.popleft()
        self.written += done.octets
        self._octets -= done.octets
        self.path = done.path
        self._problem = done.problem

    # ---- in the background, where there is one

    def _work(self, lines: Sequence[bytes], target: str | None) -> _Done:
        """Write lines, as many as go, and take the last name. Only `_note` changes what others look at."""
        path, place, count = self.path, self.written, 0
        try:
            if self._file is None:
                self.open()
            while count < len(lines):
                batch = _batch(lines, count)
                whole, octets, error = self._write(batch, place)
                count, place = count + whole, place + octets
                if error is not None:
                    raise error
            if target is not None and path != target:
                files.rename(path, target)
                path = target
        except OSError as error:
            return _Done(count, place - self.written, path, f"{error.strerror or error} ({path})")
        return _Done(count, place - self.written, path, None)

    def _write(self, lines: list[bytes], place: int) -> tuple[int, int, OSError | None]:
        """Write lines at a place; return how many went whole, their octets, and what kept the others."""
        assert self._file is not None
        data = memoryview(b"".join(lines))
        done, failed = 0, None
        try:
            self._file.seek(place)
            while done < len(data):
                count = self._file.write(data[done:])
                if not count:
                    raise OSError("the system took nothing of it")
                done += count
        except OSError as error:
            failed = error
        whole = octets = 0
        for line in lines:
            if octets + len(line) > done:
                break
            whole += 1
            octets += len(line)
        if octets < done:
            # Where even this fails, the next write begins at the same place and overwrites what is there.
            try:
                self._file.truncate(place + octets)
            except OSError as error:
                failed = error
        return whole, octets, failed

    # ---- reading, and the end

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
        file = self._readable or self._file
        if file is None:
            with open(self.path, "rb") as again:
                again.seek(start)
                return again.read(end - start)
        file.seek(start)
        found = file.read(end - start)
        while len(found) < end - start and (more := file.read(end - start - len(found))):
            found += more
        return found

    def release(self) -> None:
        """Close the file without writing more; reading opens it again."""
        self._closed = True
        if self._file is not None and (self._job is None or self._job.done):
            self._file.close()
            self._file = None
        if self._readable is not None:
            self._readable.close()
            self._readable = None


def _batch(lines: Sequence[bytes], start: int) -> list[bytes]:
    """Return lines from one on, about `WRITE` octets of them."""
    size = count = 0
    for line in islice(lines, start, None):
        size += len(line)
        count += 1
        if size >= WRITE:
            break
    return list(islice(lines, start, start + count))
