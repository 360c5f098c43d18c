"""UDP in the simulated network: sockets, and what happens to a datagram between two of them."""

from __future__ import annotations

import errno
from contextvars import Context
from typing import TYPE_CHECKING, Any

from edgesim.world.api import Host
from edgesim.world.events import Address, DatagramDropped
from edgesim.world.faults import Flow
from edgesim.world.sim.udp import UdpTransport

if TYPE_CHECKING:
    from edgesim.world.sim.fabric import Fabric

ANY = "0.0.0.0"
ON_ITS_WAY = Context()
"""A datagram in flight belongs to no host: it arrives even if its sender died meanwhile."""
FLOWS = 4096
"""How many flows a firewall remembers, so that answers come back; the oldest goes first."""


class Datagrams:
    """All UDP sockets of a simulated world, by host, address and port."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.sockets: dict[tuple[str, str, int], UdpTransport] = {}
        self._flows: dict[tuple[Address, Address], None] = {}

    def bind(self, host: Host, local: Address | None, remote: Address | None, protocol: Any) -> UdpTransport:
        """Open a UDP socket. Raises `OSError`."""
        if host.life.fenced:
            raise ConnectionAbortedError(f"{host.name} is down")
        wanted = local[0] if local else None
        if remote is not None or wanted not in (None, ANY):
            target = self.fabric.owner(host, remote[0]) if remote else None
            address = self.fabric.source(host, target, remote[0] if remote else "", wanted)
        else:
            address = ANY
        port = (local[1] if local else 0) or self.fabric.ephemeral(host)
        key = (host.name, address, port)
        if key in self.sockets:
            raise OSError(errno.EADDRINUSE, f"{host.name} has UDP {address}:{port} in use")
        transport = UdpTransport(self, host.life, host.context(), (address, port), remote, protocol)
        self.sockets[key] = transport
        return transport

    def unbind(self, transport: UdpTransport) -> None:
        """Close a UDP socket."""
        self.sockets.pop((transport.life.host.name, *transport.local), None)

    def send(self, sender: UdpTransport, data: bytes, remote: Address) -> None:
        """Send a datagram; it may never arrive."""
        host = sender.life.host
        target = self.fabric.owner(host, remote[0])
        local = (sender.local[0], sender.local[1])
        if local[0] == ANY:
            local = (self.fabric.source(host, target, remote[0], None), local[1])
        reason, latency = self._judge(host, target, local, remote, data)
        if reason is not None or target is None:
            self.fabric.tell(
                DatagramDropped, host, local=local, remote=remote, size=len(data), reason=reason or "unreachable"
            )
            return
        when = self.fabric.loop.now_ns + latency
        self.fabric.loop.at_ns(when, self._arrives, sender, target, local, remote, data, latency, context=ON_ITS_WAY)

    def _judge(
        self, host: Host, target: Host | None, local: Address, remote: Address, data: bytes
    ) -> tuple[str | None, int]:
        if target is None:
            return "unreachable", 0
        latency = self.fabric.path_latency(host, local[0], target, remote[0])
        flow = Flow(source=host.name, target=target.name, local=local, remote=remote, protocol="udp")
        extra = self.fabric.faults.on_wire(flow, data) if len(self.fabric.faults) else 0
        if extra is None:
            return "fault", 0
        if host is target:
            return None, latency + extra
        if self.fabric.paths.cut(host.name, target.name):
            return "partition", 0
        if self.fabric.lost(host.name, target.name):
            return "loss", 0
        if (remote, local) not in self._flows:
            zones = self.fabric.zone_of(host, local[0]), self.fabric.zone_of(target, remote[0])
            if self.fabric.paths.verdict(*zones, "udp", local, remote) != "accept":
                return "firewall", 0
            self._flows[(local, remote)] = None
            if len(self._flows) > FLOWS:
                del self._flows[next(iter(self._flows))]
        return None, latency + extra

    def _arrives(
        self, sender: UdpTransport, target: Host, local: Address, remote: Address, data: bytes, latency: int
    ) -> None:
        receiver = self.sockets.get((target.name, *remote)) or self.sockets.get((target.name, ANY, remote[1]))
        if receiver is None or receiver.life.fenced:
            host = sender.life.host
            self.fabric.tell(DatagramDropped, host, local=local, remote=remote, size=len(data), reason="no listener")
            if not target.state.dead:
                self.fabric.loop.at_ns(self.fabric.loop.now_ns + latency, sender.unreachable, context=sender.context)
            return
        if len(self.fabric.faults):
            flow = Flow(source=sender.life.host.name, target=target.name, local=local, remote=remote, protocol="udp")
            data = self.fabric.faults.on_receive(flow, data) or b""
            if not data:
                return
        self.fabric.loop.call_soon(receiver.arrive, data, local, context=receiver.context)
