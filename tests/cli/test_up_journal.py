"""The journal of ``edgesim up``: where it cannot be written for a while, and how much of it there is."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgesim.cli.installation import authorities_for
from edgesim.cli.live_lab import LiveLab
from edgesim.cli.problems import file_problem
from edgesim.deployment import builtin
from edgesim.journal import Journal, events
from edgesim.journal.reading import Reader
from tests.cli.command import process
from tests.cli.running import AT_ONCE, Up, finish, lines, start
from tests.live.lab import own_network

TRIES = 20
"""How often `status` is asked for something that takes the lab a second."""
LIMIT = 20_000
"""Octets of a file that the process may write; the start of a lab has more entries."""
NEVER = resource.RLIM_INFINITY


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    with own_network(builtin("small")) as claimed:
        network = ".".join(claimed.host("expe").address.split(".")[:2])
        running = start(tmp_path, network, "--json", "--journal-size", "8", "--journal-days", "1")
        try:
            yield Up(running, json.loads(lines(running, "}")), tmp_path, network)
        finally:
            finish(running)


def until(up: Up, code: int) -> str:
    """Ask for the status until its exit code is ``code``; return what it says."""
    for _ in range(TRIES):
        done = process("status", "--dir", str(up.directory), cwd=up.directory)
        if done.returncode == code:
            return done.stdout
    raise AssertionError(done.stdout + done.stderr)


def test_a_journal_that_cannot_be_written_stops_nothing_and_is_said_once(up: Up) -> None:
    path = Path(up.lab["journal"])
    resource.prlimit(up.process.pid, resource.RLIMIT_FSIZE, (LIMIT, NEVER))
    where = ("--dir", str(up.directory))
    for _ in range(2):
        assert (
            process(
                "sign-in", "alice@example.com", "--password-stdin", *where, cwd=up.directory, stdin="alice-secret\n"
            )
        ).returncode == 0
    assert f"the journal cannot be written: File too large ({path})" in until(up, 1)
    assert path.read_bytes().endswith(b"}\n")
    shown = process("control", "journal", "-n", "10000", "--json", *where, cwd=up.directory).stdout.splitlines()
    orders = [json.loads(line)["order"] for line in shown]
    assert orders == list(range(len(orders))) and len(orders) > 300, "what waits can be seen"
    resource.prlimit(up.process.pid, resource.RLIMIT_FSIZE, (NEVER, NEVER))
    assert "cannot be written" not in until(up, 0)
    began = time.monotonic()
    _, errors = finish(up.process)
    assert time.monotonic() - began < AT_ONCE
    assert up.process.returncode == 0
    said = errors.splitlines()
    assert len(said) == 2 and "the lab continues" in said[0] and "is written again" in said[1]
    reader = Reader(path)
    assert [entry.order for entry in reader][: len(orders)] == orders
    assert (reader.problem, reader.header.part) == (None, 1)


def test_it_ends_while_its_journal_cannot_be_written(up: Up) -> None:
    path = Path(up.lab["journal"])
    resource.prlimit(up.process.pid, resource.RLIMIT_FSIZE, (LIMIT, NEVER))
    assert "cannot be written" in until(up, 1)
    began = time.monotonic()
    _, errors = finish(up.process)
    assert time.monotonic() - began < AT_ONCE
    assert up.process.returncode == 0 and "cannot be written" in errors
    assert path.read_bytes().endswith(b"}\n")


@contextlib.contextmanager
def journal(directory: Path, changes: dict[str, float]) -> Iterator[Journal]:
    """Yield the journal of a lab that `edgesim up` would start, which nothing else writes to."""
    deployment = builtin("small").changed(changes)
    _, lab, _ = LiveLab(deployment, directory, seed=1, keylog=None)._built(authorities_for(deployment, directory))
    try:
        yield lab.journal
    finally:
        lab.journal.close()
        lab.world.run(asyncio.sleep(0))


def written(journal: Journal, count: int) -> None:
    """Write so many entries of some 1,200 octets."""
    for _ in range(count):
        journal.record("expe", events.Note(text="x" * 1_000))
    journal.flush()


@pytest.mark.parametrize("mebibytes", [1, 2])
def test_so_much_of_a_journal_is_kept(mebibytes: int, tmp_path: Path) -> None:
    with journal(tmp_path, {"defaults.journal.mebibytes": mebibytes}) as kept:
        written(kept, 3_000)
    octets = sum(file.stat().st_size for file in tmp_path.glob("journal*"))
    assert 0.85 * mebibytes < octets / 1_048_576 <= mebibytes


@pytest.mark.parametrize(("days", "left"), [(1.0, 1_000), (1 / 86_400, 0)])
def test_entries_are_kept_for_so_long(days: float, left: int, tmp_path: Path) -> None:
    with journal(tmp_path, {"defaults.journal.days": days}) as kept:
        written(kept, 1_000)
        for _ in range(6):
            time.sleep(0.25)  # a second and an eighth of it are long over in the end
            kept.flush()
        assert len(kept) - kept.first == left


HANGS = """
import sys
from pathlib import Path
from edgesim.journal.line_file import LineFile
from edgesim.cli import main

sign, opened = Path(sys.argv.pop(1)), LineFile.open

class Hanging:
    def __init__(self, file):
        self.file = file
    def __getattr__(self, name):
        return getattr(self.file, name)
    def write(self, data):
        while sign.exists():
            sign.with_suffix(".pipe").read_bytes()
        return self.file.write(data)

def open_here(file):
    opened(file)
    file._file = Hanging(file._file)

LineFile.open = open_here
main()
"""
"""``edgesim`` whose journal is on a disk that hangs while a file is there: writes wait in the kernel, for a pipe."""


def test_a_disk_that_hangs_stops_neither_the_lab_nor_its_end(tmp_path: Path) -> None:
    sign, where = tmp_path / "hangs", ("--dir", str(tmp_path))
    os.mkfifo(sign.with_suffix(".pipe"))
    with own_network(builtin("small")) as claimed:
        network = ".".join(claimed.host("expe").address.split(".")[:2])
        running = start(tmp_path, network, "--json", program=("-c", HANGS, str(sign)))
        try:
            up = Up(running, json.loads(lines(running, "}")), tmp_path, network)
            until(up, 0)
            sign.touch()
            sign_in = ("sign-in", "alice@example.com", "--password-stdin", *where)
            done = process(*sign_in, cwd=tmp_path, stdin="alice-secret\n")  # a lab at rest may write nothing for long
            assert done.returncode == 0, done.stdout
            assert "the journal cannot be written: the system does not answer" in until(up, 1)
            done = process(*sign_in, cwd=tmp_path, stdin="alice-secret\n")
            assert done.returncode == 0, done.stdout
            began = time.monotonic()
            _, errors = finish(running)
            assert time.monotonic() - began < AT_ONCE
            assert running.returncode == 0
            assert "the system does not answer" in errors
        finally:
            sign.unlink(missing_ok=True)
            finish(running)


def test_a_start_that_cannot_write_its_files_says_which_and_what_to_do(tmp_path: Path) -> None:
    with own_network(builtin("small")) as claimed:
        network = ".".join(claimed.host("expe").address.split(".")[:2])
        first = start(tmp_path, network, "--json")
        lines(first, "}")
        finish(first)
        second = start(
            tmp_path, network, "--json", before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500, NEVER))
        )
        try:
            _, errors = second.communicate(timeout=60)
        finally:
            second.kill()
    assert second.returncode == 2
    assert f"error: {tmp_path / 'ca.pem'}: File too large\n  Name a directory" in errors
    assert "Traceback" not in errors
    assert not list(tmp_path.glob(".*")), "and no half file is left"


def test_what_to_do_about_a_full_disk() -> None:
    told = file_problem(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/there/running.json"), Path("/there"))
    assert (told.message, told.advice[:10]) == ("/there/running.json: No space left on device", "Free some ")
