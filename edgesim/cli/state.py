"""What a running lab leaves for other commands: where its control server listens, its token, its files.

The file is readable by its owner alone and goes when the lab ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from edgesim.cli.problems import Problem

FILE = "running.json"
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
    draft = directory / f".{FILE}.{os.getpid()}"
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(running), file, indent=2)
        file.write("\n")
    os.replace(draft, path)
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


def lives(running: Running) -> bool:
    """Say whether the process of a lab still runs; where asking would end it (Windows), it is taken to."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(running.process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def found(directory: Path) -> Running:
    """Return the lab that runs. Raises `Problem` where none does."""
    running = read(directory)
    if running is None:
        raise Problem(f"no lab runs (nothing says so in {directory})", ADVICE)
    if not lives(running):
        raise Problem(f"no lab runs: the last one, process {running.process}, has ended", ADVICE)
    return running
