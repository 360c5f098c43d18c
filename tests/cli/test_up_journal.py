"""The journal of ``edgesim up``: where it cannot be written for a while, and how much of it there is."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgesim.deployment import builtin
from edgesim.journal.reading import Reader
from tests.cli.command import process
from tests.cli.test_up import Up, finish, lines, start
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
    assert time.monotonic() - began < 2
    assert up.process.returncode == 0
    said = errors.splitlines()
    assert len(said) == 2 and "the lab goes on" in said[0] and "is written again" in said[1]
    reader = Reader(path)
    assert [entry.order for entry in reader][: len(orders)] == orders
    assert (reader.problem, reader.header.part) == (None, 1)


def test_it_ends_while_its_journal_cannot_be_written(up: Up) -> None:
    path = Path(up.lab["journal"])
    resource.prlimit(up.process.pid, resource.RLIMIT_FSIZE, (LIMIT, NEVER))
    assert "cannot be written" in until(up, 1)
    began = time.monotonic()
    _, errors = finish(up.process)
    assert time.monotonic() - began < 2
    assert up.process.returncode == 0 and "cannot be written" in errors
    assert path.read_bytes().endswith(b"}\n")
