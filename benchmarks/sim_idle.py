"""How fast lab time passes for registered clients that do nothing but stay registered.

Each client is outside, registered through the edge and signed in to chat. What goes on: a REGISTER through E and C to
Unified CM every 115 s, a STUN keep-alive to E and a blank on the XMPP stream every 30 s, the keep-alives of zones,
tunnels and XCP links. Every message is decrypted, parsed and journalled; the journal spools to disk.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from benchmarks.people import crowd
from benchmarks.report import Figure, Scale, command, processor
from edgesim.clients.jabber import Jabber
from edgesim.journal import Journal, events
from edgesim.lab import RunningLab
from edgesim.world.machine import stopwatch
from edgesim.world.sim import SimWorld

CLIENTS = {Scale.TINY: 3, Scale.NORMAL: 1000, Scale.FULL: 1000}
WINDOW = {Scale.TINY: 130.0, Scale.NORMAL: 575.0, Scale.FULL: 8 * 3600.0}
"""Seconds of lab time; 575 are five rounds of refreshes, so that a short window does not flatter."""


def run(scale: Scale) -> list[Figure]:
    """Measure it."""
    clients, window = CLIENTS[scale], WINDOW[scale]
    with tempfile.TemporaryDirectory() as folder:
        taken, used, refreshes, keepalives = idling(clients, window, Path(folder) / "journal.jsonl")
    ratio = window / taken
    how = (
        f"{clients} clients, {window:g} s in {taken:.1f} s ({used:.1f} of processor), {refreshes} refreshes, "
        f"{keepalives} STUN requests"
    )
    figures = [
        Figure(what="sim: idle clients, lab to wall time", value=ratio, unit="x", aim=100, better="more", how=how)
    ]
    if scale is not Scale.FULL:
        whole = 8 * 3600 / ratio
        figures.append(
            Figure(what="sim: 8 hours of them", value=whole, unit="s", aim=288, how="extrapolated from the same window")
        )
    return figures


def idling(clients: int, window: float, path: Path) -> tuple[float, float, int, int]:
    """Return the seconds that ``window`` takes, of wall and processor, and the refreshes and keep-alives in it."""
    world = SimWorld(1)
    deployment = crowd(clients)
    journal = Journal(world, spool=path)
    lab = RunningLab(world, deployment, journal=journal)
    jabbers = [Jabber(lab.node(f"pc-{number:04}"), user) for number, user in enumerate(deployment.users)]
    taken = used = 0.0
    start = 0

    async def story() -> None:
        nonlocal taken, used, start
        await lab.start()
        for jabber in jabbers:
            outcome = await jabber.sign_in()
            if not outcome.phone:
                raise RuntimeError(f"the sign-in of {jabber.user.id} failed: {outcome}")
        start = len(journal)
        began, used = stopwatch(), processor()
        await asyncio.sleep(window)
        taken, used = stopwatch() - began, processor() - used
        if not all(jabber.phone is not None and jabber.phone.registered for jabber in jabbers):
            raise RuntimeError("a client lost its registration")
        journal.close()

    world.run(story())
    refreshes = len(journal.select(kind=events.Registered.kind, start=start))
    keepalives = len(journal.select(kind=events.SipKeepalive.kind, node="expe", start=start))
    return taken, used, refreshes, keepalives


if __name__ == "__main__":
    sys.exit(command({"sim_idle": run}))
