"""The lab of a story, all of it in the story's process or each host in its own: the one place that builds labs here."""

from __future__ import annotations

from collections.abc import Sequence

from edgesim.control import InProcess
from edgesim.control.distributed import Distributed
from edgesim.control.host_process import Plan
from edgesim.deployment import Deployment
from edgesim.journal import Journal
from edgesim.lab import Certificates, RunningLab, free_network, minted, on_loopback, products
from edgesim.scenario.expect import Expectations
from edgesim.scenario.scripted import ScriptedHost
from edgesim.world import World
from edgesim.world.processes import ProcessWorld

__all__ = ["LabInProcess", "LabOfProcesses", "free_network", "load_products", "on_loopback"]


def load_products(deployment: Deployment) -> None:
    """Import what a deployment's hosts run, for `LabInProcess`: before the world runs, see `products.load`."""
    products.load(spec.kind for spec in deployment.host_specs())


class LabInProcess:
    """A lab whose hosts all run here; `carrier` takes commands to it."""

    carrier: InProcess

    def __init__(
        self,
        world: World,
        deployment: Deployment,
        journal: Journal,
        *,
        keylog: str | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        self._lab = RunningLab(world, deployment, journal=journal, keylog=keylog, certificates=certificates)
        self.carrier = InProcess(self._lab)

    async def start(self, *, without: Sequence[str], settle: float) -> None:
        """Start every host but those in ``without``, and wait for links for ``settle`` seconds at most."""
        await self._lab.start(without=without, settle=settle)

    async def script(self, name: str, expectations: Expectations) -> ScriptedHost:
        """Take the place of a host. Raises `LookupError`."""
        return await ScriptedHost.take(self._lab, self.carrier, name, expectations)


class LabOfProcesses(LabInProcess):
    """A lab with a process for each host, except the hosts that the story scripts.

    Construct it before the world runs: processes are forked from this one.
    """

    def __init__(
        self, world: ProcessWorld, deployment: Deployment, journal: Journal, *, keylog: str | None = None
    ) -> None:
        certificates = minted(world, deployment)
        super().__init__(world, deployment, journal, keylog=keylog, certificates=certificates)
        self.carrier = Distributed(self._lab, world)
        Plan(deployment=deployment, certificates=certificates, keylog=keylog, bounds=journal.bounds).prepare(world)
