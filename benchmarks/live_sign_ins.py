"""Complete sign-ins per second in the live world: servers and clients in one process, on real sockets."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.people import crowd, own_network
from benchmarks.report import Figure, Scale, command
from edgesim.clients.jabber import Jabber
from edgesim.deployment import Deployment
from edgesim.journal import Journal
from edgesim.lab import RunningLab, on_loopback
from edgesim.world.live import LiveWorld
from edgesim.world.machine import stopwatch

USERS = {Scale.TINY: 2, Scale.NORMAL: 100, Scale.FULL: 500}
AT_ONCE = 10


def run(scale: Scale) -> list[Figure]:
    """Measure it. A sign-in is complete: discovery, edge configuration, files, phone, chat."""
    users = USERS[scale]
    with tempfile.TemporaryDirectory() as folder, own_network() as network:
        taken = _signing_in(on_loopback(crowd(users), network=network), Path(folder))
    how = f"{users} users, {AT_ONCE} at once, clients and servers in one process"
    return [Figure(what="live: sign-ins", value=users / taken, unit="/s", better="more", how=how)]


def _signing_in(deployment: Deployment, folder: Path) -> float:
    """Return the seconds that all sign-ins take. Raises `RuntimeError` if one fails."""
    world = LiveWorld(1)
    journal = Journal(world, spool=folder / "journal.jsonl")
    lab = RunningLab(world, deployment, journal=journal)
    clients = [Jabber(lab.node(f"pc-{number:04}"), user) for number, user in enumerate(deployment.users)]
    taken = 0.0

    async def sign_in(some: list[Jabber]) -> None:
        for client in some:
            outcome = await client.sign_in()
            if not (outcome.phone and outcome.chat):
                raise RuntimeError(f"the sign-in of {client.user.id} failed: {outcome}")

    async def story() -> None:
        nonlocal taken
        await lab.start()
        began = stopwatch()
        for task in [world.loop.create_task(sign_in(clients[first::AT_ONCE])) for first in range(AT_ONCE)]:
            await task
        taken = stopwatch() - began
        for client in clients:
            await client.close()
        journal.close()
        await lab.stop()

    world.run(story())
    return taken


if __name__ == "__main__":
    sys.exit(command({"live_sign_ins": run}))
