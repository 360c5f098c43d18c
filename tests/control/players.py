"""Labs for the tests of commands: a simulated one in process, and a live one over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from edgesim.control import Carrier, ControlServer, HttpCarrier, InProcess
from edgesim.deployment import builtin
from edgesim.lab import RunningLab
from edgesim.world.live import LiveWorld
from edgesim.world.sim import SimWorld
from tests.live.lab import own_network

Story = Callable[[Carrier, RunningLab], Awaitable[None]]


def in_process(story: Story) -> None:
    world = SimWorld(1)
    lab = RunningLab(world, builtin("small"))

    async def main() -> None:
        await lab.start()
        await story(InProcess(lab), lab)
        await lab.stop()

    world.run(main())


def over_http(story: Story) -> None:
    with own_network(builtin("small")) as deployment:
        world = LiveWorld(1)
        lab = RunningLab(world, deployment)

        async def main() -> None:
            await lab.start()
            server = ControlServer(world, InProcess(lab), "the-token")
            await server.start()
            await story(HttpCarrier(server.url, "the-token"), lab)
            await server.close()
            await lab.stop()

        world.run(main())
