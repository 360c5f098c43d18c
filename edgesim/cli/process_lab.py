"""A lab of ``edgesim up --processes``: each host in a process of its own. A lab in one process needs none of this."""

from __future__ import annotations

from pathlib import Path

from edgesim.cli.problems import Problem
from edgesim.control import Carrier
from edgesim.control.distributed import Distributed
from edgesim.control.host_process import Plan
from edgesim.deployment import Deployment
from edgesim.journal import Bounds
from edgesim.journal.joined import JoinedJournal
from edgesim.lab import RunningLab, minted
from edgesim.pki import Authorities, Validity
from edgesim.world.background import Background
from edgesim.world.processes import ProcessWorld


def built(
    deployment: Deployment,
    authorities: Authorities,
    validity: Validity,
    *,
    seed: int | None,
    keylog: str | None,
    spool: Path,
    bounds: Bounds,
    writer: Background,
) -> tuple[ProcessWorld, RunningLab, Carrier]:
    """Build a world, the lab in it, and the carrier of its commands. Raises `Problem` and `OSError`."""
    world = ProcessWorld(seed)
    certificates = minted(world, deployment, authorities, validity)
    plan = Plan(deployment=deployment, certificates=certificates, keylog=keylog, bounds=bounds)
    try:
        plan.prepare(world)
    except RuntimeError as error:
        raise Problem(str(error)) from None
    try:
        journal = JoinedJournal(world, world, spool=spool, bounds=bounds, writer=writer)
    except OSError:
        world.abandon()
        raise
    lab = RunningLab(world, deployment, journal=journal, certificates=certificates, keylog=keylog)
    return world, lab, Distributed(lab, world)
