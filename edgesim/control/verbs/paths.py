"""Verbs on the ways between hosts."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.control.carrier import ControlError
from edgesim.control.command import Done, LabCommand, Site, verb
from edgesim.deployment import DeploymentError

__all__ = ["ClosePorts", "Heal", "Partition"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Between(LabCommand[Done]):
    one: str
    other: str
    both_ways: bool = True

    def _pair(self, site: Site) -> tuple[str, str]:
        if self.one == self.other:
            raise ControlError(f"{self.one} cannot be cut off from itself")
        return site.node(self.one).name, site.node(self.other).name


@verb("partition")
class Partition(_Between):
    """Block traffic from one host to another and, by default, back."""

    async def work(self, site: Site) -> Done:
        one, other = self._pair(site)
        site.lab.world.paths.partition(one, other, both_ways=self.both_ways)
        between = f"between {one} and {other}" if self.both_ways else f"from {one} to {other}"
        return Done(text=f"traffic {between} is blocked")


@verb("heal")
class Heal(_Between):
    """Undo one partition of the same hosts."""

    async def work(self, site: Site) -> Done:
        one, other = self._pair(site)
        paths = site.lab.world.paths
        paths.heal(one, other, both_ways=self.both_ways)
        cut = paths.cut(one, other) or paths.cut(other, one)
        still = "is still cut: it was cut more than once" if cut else "is open"
        return Done(text=f"the path between {one} and {other} {still}")


@verb("close-ports")
class ClosePorts(LabCommand[Done]):
    """Have a firewall close just these of its openings from now on, each as ``tcp 8443`` or ``udp 36002-59999``.

    As in a stateful firewall whose rules change: flows that are open stay open.
    """

    firewall: str
    ports: tuple[str, ...] = ()

    async def work(self, site: Site) -> Done:
        try:
            changed = site.lab.deployment.changed({f"network.firewalls.{self.firewall}.closed": list(self.ports)})
        except DeploymentError as error:
            raise ControlError(str(error)) from None
        site.lab.world.paths.install(changed.topology)
        return Done(text=f"firewall {self.firewall}: {', '.join(self.ports) or 'nothing'} closed")
