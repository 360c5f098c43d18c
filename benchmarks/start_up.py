"""How long it takes until a live lab is ready, and how long the imports before it."""

from __future__ import annotations

import statistics
import subprocess
import sys

from benchmarks.people import own_network
from benchmarks.report import Figure, Scale, command
from edgesim.deployment import builtin
from edgesim.lab import Lab
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
    _ready()  # what is loaded lazily is loaded now
    ready = statistics.median(_ready() for _ in range(rounds))
    nothing = statistics.median(_imports("sys") for _ in range(rounds))
    cli = statistics.median(_imports("edgesim.cli.group") for _ in range(rounds)) - nothing
    lab = statistics.median(_imports(LAB) for _ in range(rounds)) - nothing
    how = f"median of {rounds}; deployment, certificates, servers, links up; after imports"
    return [
        Figure(what="live: lab ready", value=1000 * ready, unit="ms", aim=1000, how=how),
        Figure(what="start-up: imports of the command line", value=1000 * cli, unit="ms", how="edgesim.cli.group"),
        Figure(what="start-up: imports of a lab", value=1000 * lab, unit="ms", how="every server, the live world"),
    ]


def _ready() -> float:
    """Return the seconds from nothing to a lab whose links stand. Raises `RuntimeError` if they do not."""
    began = stopwatch()
    taken = 0.0
    with own_network(builtin("small")) as deployment:
        world = LiveWorld(1)
        lab = Lab(world, deployment)

        async def story() -> None:
            nonlocal taken
            await lab.start()
            taken = stopwatch() - began
            if not await lab.settle(0):
                raise RuntimeError("the links do not stand")
            await lab.stop()

        world.run(story())
    return taken


def _imports(modules: str) -> float:
    """Return the seconds that a fresh Python takes to start and import."""
    began = stopwatch()
    subprocess.run([sys.executable, "-c", f"import {modules}"], check=True)
    return stopwatch() - began


if __name__ == "__main__":
    sys.exit(command({"start_up": run}))
