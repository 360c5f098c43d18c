"""Sign-ins per second in the simulated world: many users of one lab, one after the other and all at once."""

from __future__ import annotations

import sys

from benchmarks.people import crowd
from benchmarks.report import Figure, Scale, command, processor
from edgesim.clients.jabber import Jabber
from edgesim.lab import RunningLab
from edgesim.world.machine import stopwatch
from edgesim.world.sim import SimWorld

USERS = {Scale.TINY: 3, Scale.NORMAL: 200, Scale.FULL: 1000}


def run(scale: Scale) -> list[Figure]:
    """Measure it. A sign-in is complete: discovery, edge configuration, files, phone, chat."""
    users = USERS[scale]
    figures = []
    for together in (False, True):
        taken, used = _signing_in(users, together)
        what = "together" if together else "one by one"
        rate, how = users / taken, f"{users} users of one lab; {1000 * used / users:.0f} ms of processor each"
        figures.append(Figure(what=f"sim: sign-ins, {what}", value=rate, unit="/s", aim=30, better="more", how=how))
    return figures


def _signing_in(users: int, together: bool) -> tuple[float, float]:
    """Return the seconds that all sign-ins take, of wall and of processor time. Raises `RuntimeError` if one fails."""
    world = SimWorld(1)
    deployment = crowd(users)
    lab = RunningLab(world, deployment)
    clients = [Jabber(lab.node(f"pc-{number:04}"), user) for number, user in enumerate(deployment.users)]
    taken = used = 0.0

    async def sign_in(client: Jabber) -> None:
        outcome = await client.sign_in()
        if not (outcome.phone and outcome.chat):
            raise RuntimeError(f"the sign-in of {client.user.id} failed: {outcome}")

    async def story() -> None:
        nonlocal taken, used
        await lab.start()
        began, used = stopwatch(), processor()
        if together:
            tasks = [client.node.host.spawn(sign_in(client), name="benchmark") for client in clients]
            for task in tasks:
                await task
        else:
            for client in clients:
                await sign_in(client)
        taken, used = stopwatch() - began, processor() - used
        for client in clients:
            await client.close()
        await lab.stop()

    world.run(story())
    return taken, used


if __name__ == "__main__":
    sys.exit(command({"sim_sign_ins": run}))
