"""``edgesim up`` as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import environment

PATIENCE = 60.0
"""Seconds that a lab gets to come up on a busy machine."""


AT_ONCE = 9.0
"""Seconds in which a lab ends: two of its own, and more on a busy machine. One that waits for a disk takes over ten."""


@dataclass(slots=True)
class Up:
    """A running ``edgesim up``: its process, what it printed, and its state directory."""

    process: subprocess.Popen[str]
    lab: dict[str, Any]
    directory: Path
    network: str

    def address(self, host: str) -> str:
        """Return a host's first address."""
        (found,) = [each for each in self.lab["hosts"] if each["name"] == host]
        return str(found["addresses"][0]["address"])


def start(
    directory: Path,
    network: str,
    *more: str,
    program: tuple[str, ...] = ("-m", "edgesim"),
    before: Callable[[], None] | None = None,
) -> subprocess.Popen[str]:
    command = [sys.executable, *program, "up", "--dir", str(directory), "--network", network, *more]
    return subprocess.Popen(
        command,
        cwd=directory,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )


def lines(running: subprocess.Popen[str], until: str) -> str:
    """Read what a process prints, up to a line that holds ``until``."""
    assert running.stdout is not None
    watchdog = threading.Timer(PATIENCE, running.kill)
    watchdog.start()
    try:
        told = ""
        while until not in told:
            line = running.stdout.readline()
            if not line:
                pytest.fail(f"it ended: {running.communicate()[1]}")
            told += line
        return told
    finally:
        watchdog.cancel()


def finish(running: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[str, str]:
    """End a process by a signal; return what it still printed."""
    if running.poll() is None:
        running.send_signal(number)
    try:
        return running.communicate(timeout=60)
    finally:
        running.kill()
