"""How long ``edgesim up`` takes until its lab is ready, and how long the imports before it."""

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
from edgesim.deployment import builtin
from edgesim.lab import RunningLab, on_loopback
from edgesim.world.live import LiveWorld
from edgesim.world.machine import stopwatch

ROUNDS = {Scale.TINY: 1, Scale.NORMAL: 7, Scale.FULL: 25}
LAB = (
    "edgesim.lab, edgesim.world.live, edgesim.servers.name_server, edgesim.servers.expressway_e, "
    "edgesim.servers.expressway_c, edgesim.servers.unified_cm, edgesim.servers.im_presence"
)
"""What a live lab needs."""


def run(scale: Scale) -> list[Figure]:
    """Measure it."""
    rounds = ROUNDS[scale]
    with own_network() as network:
        _ready(network)  # what is loaded lazily is loaded now
        ready = _median([_ready(network) for _ in range(rounds)])
        with tempfile.TemporaryDirectory() as folder:
            first = _up(network, Path(folder))
            later = _median([_up(network, Path(folder)) for _ in range(rounds)])
    nothing = _median([_imports("sys") for _ in range(rounds)])
    cli = _median([_imports("edgesim.cli.group") for _ in range(rounds)]) - nothing
    lab = _median([_imports(LAB) for _ in range(rounds)]) - nothing
    many = f"median of {rounds}"
    return [
        Figure(what="live: lab ready, after imports", value=1000 * ready, unit="ms", aim=1000, how=f"{many}; links up"),
        Figure(what="edgesim up, from the shell to ready", value=1000 * later, unit="ms", aim=2000, how=many),
        Figure(what="the same, first of an installation", value=1000 * first, unit="ms", how="makes the private roots"),
        Figure(what="imports of the command line", value=1000 * cli, unit="ms", how=f"{many}; edgesim.cli.group"),
        Figure(what="imports of a live lab", value=1000 * lab, unit="ms", how=f"{many}; every server"),
    ]


def _median(values: list[float]) -> float:
    return statistics.median(values)


def _ready(network: str) -> float:
    """Return the seconds from nothing to a lab whose links stand. Raises `RuntimeError` if they do not."""
    began = stopwatch()
    taken = 0.0
    world = LiveWorld(1)
    lab = RunningLab(world, on_loopback(builtin("small"), network=network))

    async def story() -> None:
        nonlocal taken
        await lab.start()
        taken = stopwatch() - began
        if not await lab.settle(0.1):
            raise RuntimeError("the links do not stand")
        await lab.stop()

    world.run(story())
    return taken


def _up(network: str, folder: Path) -> float:
    """Return the seconds until ``edgesim up`` says that it is ready. Raises `RuntimeError` if it does not."""
    began = stopwatch()
    arguments = [sys.executable, "-m", "edgesim", "up", "--json", "--network", network, "--dir", str(folder)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        taken = stopwatch() - began
        process.send_signal(signal.SIGINT)
    if not line or not isinstance(json.loads(line), dict):
        raise RuntimeError(f"edgesim up did not become ready: {line!r}")
    return taken


def _imports(modules: str) -> float:
    """Return the seconds that a fresh Python takes to start and import."""
    began = stopwatch()
    subprocess.run([sys.executable, "-c", f"import {modules}"], check=True)
    return stopwatch() - began


if __name__ == "__main__":
    sys.exit(command({"start_up": run}))
