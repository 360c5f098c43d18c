"""The lock of a state directory: a lab holds it, and whoever only looks blocks no other."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgesim.cli import state

RUNNING = state.Running(
    process=os.getpid(),
    deployment="small",
    domain="example.com",
    control="",
    token="",
    ca_file="",
    resolver="",
    inside_resolver="",
    journal="",
)
LOOK = """
import fcntl, sys
with open(sys.argv[1]) as file:
    fcntl.flock(file, fcntl.LOCK_SH)
    print("looks", flush=True)
    sys.stdin.read()
"""


@contextmanager
def somebody_who_looks(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock as those who look do, until its standard input ends."""
    (directory / state.LOCK).touch(mode=0o600)
    command = [sys.executable, "-c", LOOK, str(directory / state.LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "looks\n"
        yield other


def test_a_lab_lives_for_as_long_as_it_holds_the_lock(tmp_path: Path) -> None:
    with state.hold_lock(tmp_path):
        assert state.is_running(tmp_path, RUNNING)
        with pytest.raises(state.LockHeld), state.hold_lock(tmp_path):
            pass
    assert not state.is_running(tmp_path, RUNNING)


def test_two_who_look_take_each_other_for_no_lab(tmp_path: Path) -> None:
    with somebody_who_looks(tmp_path):
        assert not state.is_running(tmp_path, RUNNING)


def test_a_lab_that_starts_waits_for_who_only_looks(tmp_path: Path) -> None:
    with somebody_who_looks(tmp_path) as other:
        assert other.stdin is not None
        timer = threading.Timer(0.2, other.stdin.close)
        timer.start()
        began = time.monotonic()
        with state.hold_lock(tmp_path):
            assert time.monotonic() - began >= 0.15
            assert state.is_running(tmp_path, RUNNING)
        timer.join()


def test_looking_leaves_no_lock(tmp_path: Path) -> None:
    state.is_running(tmp_path, RUNNING)
    with (tmp_path / state.LOCK).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
