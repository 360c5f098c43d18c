"""A lab of processes, as `edgesim up --processes` runs it: started, asked, ended, and looked at from outside."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from edgesim.control import Command, Hosts, HttpCarrier, Links, Status
from edgesim.deployment import builtin
from edgesim.journal import Entry, Event
from edgesim.journal.reading import Reader
from tests.cli.running import finish, lines, start
from tests.live.lab import own_network

R = TypeVar("R")
PATIENCE = 30.0


class Lab:
    """A running lab, and its state directory."""

    def __init__(self, running: subprocess.Popen[str], told: dict[str, Any], directory: Path, network: str) -> None:
        self.running = running
        self.told = told
        self.directory = directory
        self.network = network
        control = told["control"]
        self._carrier = HttpCarrier(control["url"], control["token"])
        self.ended = ("", "")

    @property
    def pid(self) -> int:
        return self.running.pid

    def ask(self, command: Command[R]) -> R:
        return asyncio.run(self._carrier.ask(command))

    def process(self, host: str) -> int:
        """Return the number of a host's process."""
        (found,) = [each.process for each in self.ask(Hosts()).hosts if each.name == host]
        assert found is not None
        return found

    def state(self, host: str) -> str:
        return next(each.state for each in self.ask(Hosts()).hosts if each.name == host)

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, f"{what}: {self.ask(Status()).problems}"
            time.sleep(0.1)

    def links_stand(self) -> bool:
        links = self.ask(Links()).links
        return bool(links) and all(each.stands for each in links)

    def entries(self) -> list[Entry[Event]]:
        """Return what is in the journal's file."""
        return list(Reader(self.directory / "journal.jsonl"))

    def end(self, number: int = signal.SIGINT) -> float:
        """End the lab by a signal; return the seconds that took."""
        began = time.monotonic()
        self.ended = finish(self.running, number)
        return time.monotonic() - began


@contextmanager
def lab(directory: Path, *more: str, deployment: str = "small") -> Iterator[Lab]:
    """Run a lab of processes, on addresses of its own, for the length of a ``with`` block."""
    with own_network(builtin(deployment)) as claimed:
        network = ".".join(claimed.host("expe").address.split(".")[:2])
        running = start(directory, network, deployment, "--processes", "--json", *more)
        try:
            yield Lab(running, json.loads(lines(running, "}")), directory, network)
        finally:
            finish(running)


def family(pid: int) -> list[int]:
    """Return a process's descendants: its fork server, and the hosts' processes."""
    told = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    children: dict[int, list[int]] = {}
    for line in told.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found, waiting = [], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def alive(pids: list[int]) -> list[int]:
    """Return those that are still there, and not only waited for."""
    found = []
    for pid in pids:
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if status.rpartition(")")[2].split()[0] != "Z":
            found.append(pid)
    return found


def gone(pids: list[int], within: float = 5.0) -> bool:
    """Return whether all of these processes end soon."""
    deadline = time.monotonic() + within
    while alive(pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def stopped(pid: int) -> bool:
    """Return whether a process is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
