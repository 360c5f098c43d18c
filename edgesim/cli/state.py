"""What a running lab leaves for other commands: where its control server listens, its token, its files.

The file is readable by its owner alone and goes when the lab ends.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any

from edgesim.cli.problems import Problem
from edgesim.world import files, machine

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

FILE = "running.json"
LOCK = "lab.lock"
"""The file whose lock a running lab holds."""
BETWEEN = 0.01
"""Seconds after which a lab tries again to lock it where another command only looks."""
ADVICE = "Start one with `edgesim up`, or name its state directory with --dir."


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A running lab. ``resolver`` is the outside name server, ``inside_resolver`` the inside one, ``address:port``."""

    process: int
    deployment: str
    domain: str
    control: str
    token: str
    ca_file: str
    resolver: str
    inside_resolver: str
    journal: str


def write(directory: Path, running: Running) -> Path:
    """Write the file; return its path."""
    path = directory / FILE
    files.replace(str(path), json.dumps(asdict(running), indent=2).encode() + b"\n")
    return path


def remove(directory: Path) -> None:
    """Remove the file, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        (directory / FILE).unlink()


def read(directory: Path) -> Running | None:
    """Return what the file says, or None where there is none, or one of another version."""
    try:
        values: dict[str, Any] = json.loads((directory / FILE).read_text(encoding="utf-8"))
        return Running(**{field.name: values[field.name] for field in fields(Running)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def lives(directory: Path, running: Running) -> bool:
    """Return whether the lab of a state directory still runs.

    It holds a lock on a file there for as long as it lives, so that a process which happens to have its old number is
    not taken for it. Where there are no such locks (Windows), it is taken to run.
    """
    if fcntl is None:
        return True
    try:
        return _is_held(directory)
    except OSError:  # the lock cannot be asked: go by the process
        try:
            os.kill(running.process, 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True
        return True


class Claimed(Exception):
    """Another lab holds the lock of a state directory."""


@contextlib.contextmanager
def waited_for(directory: Path, name: str, seconds: float) -> Iterator[None]:
    """Hold the lock of a file of a state directory, once others let go of it. Raises `Claimed` after so many seconds,
    and `OSError`.
    """
    until = machine.stopwatch() + seconds
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(claimed(directory, name))
                break
            except Claimed:
                if machine.stopwatch() > until:
                    raise
                machine.pause(BETWEEN)
        yield


@contextlib.contextmanager
def claimed(directory: Path, name: str = LOCK) -> Iterator[None]:
    """Hold the lock of a state directory. Raises `Claimed` where another lab does, and `OSError`."""
    path = str(directory / name)
    descriptor = files.open_private(path)
    try:
        while not _locks(descriptor, exclusive=True):
            if not _locks(descriptor, exclusive=False):
                raise Claimed(path)
            _unlock(descriptor)  # another command only looks, and is gone in a moment
            machine.pause(BETWEEN)
        yield
    finally:
        os.close(descriptor)


def _is_held(directory: Path) -> bool:
    """Return whether a lab holds the lock: by a lock that those who look share. Raises `OSError`."""
    descriptor = files.open_private(str(directory / LOCK))
    try:
        return not _locks(descriptor, exclusive=False)
    finally:
        os.close(descriptor)


def _locks(descriptor: int, *, exclusive: bool) -> bool:
    """Lock a file if no other lock forbids it, and say whether. Raises `OSError`."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def found(directory: Path) -> Running:
    """Return the lab that runs. Raises `Problem` where none does."""
    running = read(directory)
    if running is None:
        raise Problem(f"no lab runs (nothing says so in {directory})", ADVICE)
    if not lives(directory, running):
        raise Problem(f"no lab runs: the last one, process {running.process}, has ended", ADVICE)
    return running
