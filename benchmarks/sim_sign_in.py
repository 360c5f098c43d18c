"""The first sign-in in the simulated world: from nothing to phone and chat, and signed out again.

The story is that of ``scenarios/sign_in/first_sign_in.py`` without its expectations: read the deployment, build the
lab, mint its certificates, start every server, bring the links up, sign alice in from the internet, sign her out, stop.
"""

from __future__ import annotations

import gc
import itertools
import statistics
import sys

from benchmarks.report import Figure, Scale, command, processor
from edgesim.clients.jabber import Jabber
from edgesim.deployment import builtin
from edgesim.lab import RunningLab
from edgesim.world.machine import stopwatch
from edgesim.world.sim import SimWorld

ROUNDS = {Scale.TINY: 1, Scale.NORMAL: 15, Scale.FULL: 100}
STAGES = ("deployment read", "lab built", "servers and links up", "signed in", "signed out, stopped")


def run(scale: Scale) -> list[Figure]:
    """Measure it; the first round of a process, which also loads the servers' code, is told apart."""
    first = _once(1)
    used = processor()
    rounds = [_once(seed) for seed in range(2, 2 + ROUNDS[scale])]
    used = (processor() - used) / len(rounds)
    whole = [sum(stages) for stages in rounds]
    how = f"median of {len(rounds)}; {1000 * used:.0f} ms of processor; " + ", ".join(
        f"{name} {1000 * statistics.median(column):.0f}"
        for name, column in zip(STAGES, zip(*rounds, strict=True), strict=True)
    )
    return [
        Figure(
            what="sim: first sign-in, with the lab", value=1000 * statistics.median(whole), unit="ms", aim=150, how=how
        ),
        Figure(
            what="sim: the same, first of a process", value=1000 * sum(first), unit="ms", how="with servers' imports"
        ),
    ]


def _once(seed: int) -> list[float]:
    """Return the seconds of each stage. Raises `RuntimeError` if the sign-in fails."""
    gc.collect()
    marks = [stopwatch()]
    deployment = builtin("small")
    marks.append(stopwatch())
    world = SimWorld(seed)
    lab = RunningLab(world, deployment)
    marks.append(stopwatch())

    async def story() -> None:
        await lab.start()
        marks.append(stopwatch())
        alice = Jabber(lab.node("jabber-1"), deployment.user("alice"))
        outcome = await alice.sign_in()
        if not (outcome.phone and outcome.chat):
            raise RuntimeError(f"the sign-in failed: {outcome}")
        marks.append(stopwatch())
        await alice.sign_out()
        await lab.stop()

    world.run(story())
    marks.append(stopwatch())
    return [after - before for before, after in itertools.pairwise(marks)]


if __name__ == "__main__":
    sys.exit(command({"sim_sign_in": run}))
