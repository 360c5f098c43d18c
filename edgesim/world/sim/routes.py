"""The part of the simulated network that UDP and TCP share: addresses, ports, paths, latencies, faults, reports."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from edgesim.world.admission import Admission
from edgesim.world.api import Host
from edgesim.world.entropy import Entropy
from edgesim.world.events import Address, FaultFired, FirewallBlocked, WorldEvent
from edgesim.world.faults import Fault, FaultTable, Flow
from edgesim.world.paths import Blocked, Passage, Paths
from edgesim.world.sim.chance import Chance
from edgesim.world.sim.loop import SimLoop
from edgesim.world.wires import Wires

ANY = "0.0.0.0"
LOOPBACK = "127.0.0.1"
ZONES = ("internet", "dmz", "inside")
"""From the outermost to the innermost: until a network is installed, connections are opened outward or within one."""


class Routes:
    """The paths between hosts, and everything that is drawn or decided for a packet on its way."""

    def __init__(
        self,
        loop: SimLoop,
        entropy: Callable[[str], Entropy],
        hosts: dict[str, Host],
        observer: Callable[[WorldEvent], None],
        admission: Admission,
    ) -> None:
        self.loop = loop
        self.admission = admission
        self.hosts = hosts
        self.paths = Paths(ZONES, hosts)
        self.faults = FaultTable(entropy("faults"), lambda: loop.now_ns, self._fault_fired)
        self.chance = Chance(entropy)
        self.wires: Wires
        self._latencies: dict[tuple[str, str, str, str], int] = {}
        self._observer = observer
        self._ports: dict[str, int] = {}

    def lay(self, wires: Wires) -> None:
        """Go by these wires from now on. Without any, nothing can be sent."""
        self.wires = wires
        self.chance.lay(wires)
        self.loop.ticks = self.chance if wires.tick else None
        self.loop.turns = self.chance if wires.shuffled else None
        self._latencies.clear()

    def report(self, event: type[WorldEvent], host: Host | None, /, **fields: Any) -> None:
        """Report something at ``host``."""
        self._observer(event(at_ns=self.loop.now_ns, host=host.name if host else "?", **fields))

    # ---- addresses and ports

    def owner(self, host: Host, address: str) -> Host | None:
        """Return the host that ``address`` means to ``host``."""
        return host if address == LOOPBACK else self.paths.owner(host, address)

    def source(self, host: Host, remote: str, local: str | None) -> str:
        """Return the source address by which ``host`` reaches ``remote``."""
        if local and local != ANY:
            if not has_address(host, local):
                raise OSError(errno.EADDRNOTAVAIL, f"{host.name} has no address {local}")
            return local
        if remote == LOOPBACK or has_address(host, remote):
            return remote
        return self.paths.interface(host, remote).address

    def check(self, host: Host, protocol: str, local: Address, remote: Address) -> Passage[Host]:
        """Check a new flow. What stays within a host meets no firewall."""
        if remote[0] == LOOPBACK or has_address(host, remote[0]):
            return Passage(verdict="accept", host=host, source=local, target=remote)
        zone = self.paths.zone_of(host, local[0])
        return self.paths.check(protocol, local, remote, host=host, zone=zone)

    def blocked(self, host: Host, protocol: str, remote: Address, where: Blocked) -> None:
        """Report that a firewall ended a flow of ``host``."""
        self.report(
            FirewallBlocked,
            host,
            firewall=where.firewall,
            rule=where.rule,
            verdict=where.verdict,
            protocol=protocol,
            zone=where.source.zone,
            source=(where.source.address, where.source.port),
            remote=remote,
        )

    def ephemeral(self, host: Host) -> int:
        """Return the next free ephemeral port of a host."""
        port = self._ports.get(host.name, self.wires.first_port)
        self._ports[host.name] = port + 1 if port < 65535 else self.wires.first_port
        return port

    def path_latency(self, source: Host, local: str, target: Host, remote: str) -> int:
        if source is target:
            return self.wires.loopback
        link = self.paths.link(source.name, target.name)
        if link is not None and link.latency_ns is not None:
            return link.latency_ns
        key = (source.name, local, target.name, remote)
        latency = self._latencies.get(key)
        if latency is None:
            nominal = self.wires.latency(_zone(source, local), _zone(target, remote))
            latency = self._latencies[key] = self.chance.latency(source.name, target.name, nominal)
        return latency

    def lost(self, source: str, target: str, *, otherwise: float = 0.0) -> bool:
        """Return whether a packet gets lost: by the loss of the link, or ``otherwise`` where it has none of its own."""
        link = self.paths.link(source, target)
        return self.chance.lost(source, target, otherwise if link is None else link.loss)

    def _fault_fired(self, fault: Fault, flow: Flow, detail: str) -> None:
        host = self.hosts.get(flow.source or "")
        self.report(
            FaultFired,
            host,
            fault=fault.name,
            kind=type(fault).__name__,
            local=flow.local,
            remote=flow.remote,
            detail=detail,
        )


def has_address(host: Host, address: str) -> bool:
    """Return whether an address is one of a host's own."""
    return address == LOOPBACK or any(interface.address == address for interface in host.interfaces)


def _zone(host: Host, address: str) -> str:
    """Return the zone of one of a host's addresses, by the name that the host gives it."""
    for interface in host.interfaces:
        if interface.address == address:
            return interface.zone
    return host.interfaces[0].zone if host.interfaces else ""
