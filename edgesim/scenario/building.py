"""A lab in the process of its story: the one place of this room that builds labs."""

from __future__ import annotations

from collections.abc import Sequence

from edgesim.control import InProcess
from edgesim.deployment import Deployment
from edgesim.journal import Journal
from edgesim.lab import RunningLab, free_network, on_loopback
from edgesim.scenario.expect import Expectations
from edgesim.scenario.scripted import ScriptedHost
from edgesim.world import World

__all__ = ["LabInProcess", "free_network", "on_loopback"]


class LabInProcess:
    """A lab whose hosts all run here; `carrier` takes commands to it."""

    def __init__(self, world: World, deployment: Deployment, journal: Journal, *, keylog: str | None = None) -> None:
        self._lab = RunningLab(world, deployment, journal=journal, keylog=keylog)
        self.carrier = InProcess(self._lab)

    async def start(self, *, without: Sequence[str], settle: float) -> None:
        """Start every host but those in ``without``, and wait for links for ``settle`` seconds at most."""
        await self._lab.start(without=without, settle=settle)

    async def script(self, name: str, expectations: Expectations) -> ScriptedHost:
        """Take the place of a host. Raises `LookupError`."""
        return await ScriptedHost.take(self._lab, self.carrier, name, expectations)
