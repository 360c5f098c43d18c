"""A lab with a process for each host: how long it takes to come up, what a process costs, how late an entry is."""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.people import own_network
from benchmarks.report import Figure, Scale, command
from edgesim.control import SignIn
from edgesim.control.distributed import Distributed
from edgesim.control.host_process import Plan
from edgesim.deployment import builtin
from edgesim.journal import Entry, Event
from edgesim.journal.joined import JoinedJournal
from edgesim.lab import RunningLab, minted, on_loopback
from edgesim.world.machine import stopwatch
from edgesim.world.processes import ProcessWorld

ROUNDS = {Scale.TINY: 1, Scale.NORMAL: 5, Scale.FULL: 15}


def run(scale: Scale) -> list[Figure]:
    """Measure it."""
    rounds = ROUNDS[scale]
    with own_network() as network, tempfile.TemporaryDirectory() as folder:
        _up(network, folder)  # makes the private roots
        one = [_up(network, folder) for _ in range(rounds)]
        many = [_up(network, folder, "--processes") for _ in range(rounds)]
    with own_network() as network:
        measured = _in_a_process_of_its_own(network)
    how = f"median of {rounds}"
    alone, apart = statistics.median(one), statistics.median(many)
    return [
        Figure(what="edgesim up cluster, ready", value=1000 * alone, unit="ms", how=f"{how}; one process"),
        Figure(what="the same with --processes", value=1000 * apart, unit="ms", how=f"{how}; 15 processes"),
        Figure(what="processes against one process", value=apart / alone, unit="times", aim=4, how="of the two above"),
        Figure(what="memory of a host's process", value=measured["mib"], unit="MiB", how="its own pages; the median"),
        Figure(what="delay of an entry", value=measured["delay_ms"], unit="ms", aim=20, how="median, during a sign-in"),
        Figure(what="the latest of them", value=measured["latest_ms"], unit="ms", how="processes share two cores"),
    ]


def _up(network: str, folder: str, *more: str) -> float:
    """Return the seconds that ``edgesim up cluster`` says it took. Raises `RuntimeError` if it does not come up."""
    arguments = [sys.executable, "-m", "edgesim", "up", "cluster", *more, "--json"]
    arguments += ["--network", network, "--dir", folder]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
    if not line:
        raise RuntimeError("edgesim up did not become ready")
    return float(json.loads(line)["ready_seconds"])


def _in_a_process_of_its_own(network: str) -> dict[str, float]:
    """Measure a lab from inside. Processes are forked from one that has a single thread: from none of a test run."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.processes", "--measure", network],
        stdout=subprocess.PIPE,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _measure(network: str) -> dict[str, float]:
    """Return how late entries of other processes are during a sign-in, and how much memory those have."""
    deployment = on_loopback(builtin("small"), network=network)
    world = ProcessWorld(1)
    certificates = minted(world, deployment)
    Plan(deployment=deployment, certificates=certificates).prepare(world)
    journal = JoinedJournal(world, world)
    lab = RunningLab(world, deployment, journal=journal, certificates=certificates)
    delays: list[float] = []
    memory: list[float] = []

    def hear(entry: Entry[Event]) -> None:
        delays.append((world.now() - entry.at_ns) / 1e6)

    async def story() -> None:
        await lab.start()
        journal.listen(hear)
        began = stopwatch()
        await Distributed(lab, world).ask(SignIn(host="jabber-1", user="alice", domain="example.com"))
        assert stopwatch() - began < 30
        memory.extend(_own_mib(world.process(name) or 0) for name in world.hosts)
        await lab.stop()

    world.run(story())
    return {
        "delay_ms": statistics.median(delays),
        "latest_ms": max(delays),
        "mib": statistics.median(memory),
    }


def _own_mib(pid: int) -> float:
    """Return how many MiB a process shares with no other; 0 where the system does not say."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return sum(float(line.split()[1]) for line in text.splitlines() if line.startswith("Private_")) / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(_measure(sys.argv[2])))
        sys.exit()
    sys.exit(command({"processes": run}))
