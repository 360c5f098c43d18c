"""The state file of a running lab, for other commands: the address of its control server, its token, its files.

Only its owner can read it. It is removed when the lab ends.
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
"""The file that a running lab keeps locked."""
LOCK_RETRY = 0.01
"""Seconds after which a lab tries again to lock it: another command may hold the lock for an instant."""
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
    """Remove the file if it exists."""
    with contextlib.suppress(FileNotFoundError):
        (directory / FILE).unlink()


def read(directory: Path) -> Running | None:
    """Return the file's content, or None if there is no file, or one of another version."""
    try:
        values: dict[str, Any] = json.loads((directory / FILE).read_text(encoding="utf-8"))
        return Running(**{field.name: values[field.name] for field in fields(Running)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_running(directory: Path, running: Running) -> bool:
    """Return whether the lab of a state directory still runs.

    It holds a lock on a file there while it runs, so another process that has got its old process number is not
    mistaken for it. On systems without such locks (Windows), it is assumed to run.
    """
    if fcntl is None:
        return True
    try:
        return _is_held(directory)
    except OSError:  # the lock cannot be queried: use the process number
        try:
            os.kill(running.process, 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True
        return True


class LockHeld(Exception):
    """Another lab holds the lock of a state directory."""


@contextlib.contextmanager
def wait_for_lock(directory: Path, name: str, seconds: float) -> Iterator[None]:
    """Wait for the lock of a file in a state directory, and hold it. Raises `LockHeld` on timeout, and `OSError`."""
    until = machine.stopwatch() + seconds
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(hold_lock(directory, name))
                break
            except LockHeld:
                if machine.stopwatch() > until:
                    raise
                machine.pause(LOCK_RETRY)
        yield


@contextlib.contextmanager
def hold_lock(directory: Path, name: str = LOCK) -> Iterator[None]:
    """Hold the lock of a state directory. Raises `LockHeld` if another lab holds it, and `OSError`."""
    path = str(directory / name)
    descriptor = files.open_private(path)
    try:
        while not _locks(descriptor, exclusive=True):
            if not _locks(descriptor, exclusive=False):
                raise LockHeld(path)
            _unlock(descriptor)  # another command that queries the lock releases it in an instant
            machine.pause(LOCK_RETRY)
        yield
    finally:
        os.close(descriptor)


def _is_held(directory: Path) -> bool:
    """Return whether a lab holds the lock, by trying a shared lock. Raises `OSError`."""
    descriptor = files.open_private(str(directory / LOCK))
    try:
        return not _locks(descriptor, exclusive=False)
    finally:
        os.close(descriptor)


def _locks(descriptor: int, *, exclusive: bool) -> bool:
    """Lock a file if no other lock forbids it; return whether it is locked now. Raises `OSError`."""
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


def running_lab(directory: Path) -> Running:
    """Return the lab that runs. Raises `Problem` if none does."""
    running = read(directory)
    if running is None:
        raise Problem(f"no lab runs (no state file in {directory})", ADVICE)
    if not is_running(directory, running):
        raise Problem(f"no lab runs: the last one, process {running.process}, has ended", ADVICE)
    return running
