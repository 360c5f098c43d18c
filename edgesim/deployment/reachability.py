"""Checks whether a flow would pass a deployment's firewalls, with the code that the worlds use."""

from __future__ import annotations

from functools import cached_property

from edgesim.deployment.hosts import HostSpec
from edgesim.deployment.inventory import Inventory
from edgesim.world.paths import Passage, Paths
from edgesim.world.topology import INTERNET, Network


class FlowChecker:
    """The ways between the hosts of a deployment. Nothing is opened and nothing remembered: each answer is fresh."""

    def __init__(self, inventory: Inventory, topology: Network) -> None:
        self._inventory = inventory
        self._topology = topology
        self._somewhere = inventory.defaults.network.first_ephemeral_port

    @cached_property
    def paths(self) -> Paths[HostSpec]:
        """The worlds' own code over the described hosts."""
        paths = Paths((INTERNET,), self._inventory.hosts_by_name)
        paths.install(self._topology)
        return paths

    def passage(
        self, protocol: str, source: str, target: str, port: int, *, source_port: int = 0, local: str = ""
    ) -> Passage[HostSpec]:
        """Return the verdict on a new flow from the host ``source`` to an address and port.

        The verdict is ``accept``, ``drop`` or ``reject``; `Passage.source` is what the receiver sees. ``source_port``
        is by default an ephemeral one, ``local`` the source's address nearest to the target. Raises `LookupError` for
        an unknown host.
        """
        host = self._inventory.host(source)
        interface = self.paths.interface(host, target)
        if local:
            interface = next(each for each in host.interfaces if each.address == local)
        return self.paths.check(
            protocol,
            (interface.address, source_port or self._somewhere),
            (target, port),
            host=host,
            zone=interface.zone,
        )

    def to_zone(self, core: str, target: str) -> Passage[HostSpec]:
        """Return the verdict on an Expressway-C's connection for the traversal zone. It is opened from C's SIP ports,
        which rules may name. Raises `LookupError` for an unknown host.
        """
        port, source_port = self._inventory.traversal_zone.port, self._inventory.defaults.ports.sip_source_first
        return self.passage("tcp", core, target, port, source_port=source_port)

    def from_outside(self, protocol: str, target: str, port: int, *, address: str = "192.0.2.1") -> Passage[HostSpec]:
        """Return the verdict on a new flow from an unknown address on the internet."""
        return self.paths.check(protocol, (address, self._somewhere), (target, port), host=None, zone=INTERNET)
