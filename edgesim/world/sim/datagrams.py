"""UDP in the simulated network: sockets, and what happens to a datagram between two of them."""

from __future__ import annotations

import errno
from contextvars import Context
from typing import TYPE_CHECKING, Any, NamedTuple

from edgesim.world.api import Host
from edgesim.world.events import Address, DatagramDropped
from edgesim.world.faults import Flow
from edgesim.world.paths import FlowState, Passage
from edgesim.world.sim.udp import UdpTransport

if TYPE_CHECKING:
    from edgesim.world.sim.fabric import Fabric

ANY = "0.0.0.0"
ON_ITS_WAY = Context()
"""A datagram in flight belongs to no host: it arrives even if its sender died meanwhile."""
FLOWS = 8192
"""How many flows firewalls remember, each once a direction, so that answers come back; the oldest goes first."""

Key = tuple[str, Address, Address]
"""A flow as its sender sees it: the host, its own address, and the one that it sends to."""


class Known(NamedTuple):
    """What the way makes of a flow's datagrams, and the firewalls' state, where there are any."""

    passage: Passage
    state: FlowState | None


class Datagrams:
    """All UDP sockets of a simulated world, by host, address and port."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.sockets: dict[tuple[str, str, int], UdpTransport] = {}
        self._flows: dict[Key, Known] = {}
        self._arrivals: dict[Key, int] = {}
        self._blocked: dict[tuple[Key, str], None] = {}

    def bind(self, host: Host, local: Address | None, remote: Address | None, protocol: Any) -> UdpTransport:
        """Open a UDP socket. Raises `OSError`."""
        if host.life.fenced:
            raise ConnectionAbortedError(f"{host.name} is down")
        wanted = local[0] if local else None
        if remote is not None or wanted not in (None, ANY):
            address = self.fabric.source(host, remote[0] if remote else "", wanted)
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
        local = (sender.local[0], sender.local[1])
        if local[0] == ANY:
            local = (self.fabric.source(host, remote[0], None), local[1])
        key = (host.name, local, remote)
        known = self._known(host, key)
        passage = known.passage
        reason, latency = self._judge(host, passage, local, remote, data)
        if reason is not None or passage.host is None:
            self.fabric.tell(
                DatagramDropped, host, local=local, remote=remote, size=len(data), reason=reason or "unreachable"
            )
            if reason == "firewall" and passage.verdict == "reject":
                when = self.fabric.loop.now_ns + 2 * latency
                self.fabric.loop.at_ns(when, sender.unreachable, context=sender.context)
            return
        if known.state is not None:
            self._note(key, known, known.state)
        when = self.fabric.loop.now_ns + latency
        if passage.host is not host:
            when += self.fabric.chance.datagram(host.name, passage.host.name, latency)
            when = max(when, self._arrivals.pop(key, 0))  # within a flow, what was sent first arrives first
            self._arrivals[key] = when
            if len(self._arrivals) > FLOWS:
                del self._arrivals[next(iter(self._arrivals))]
        self.fabric.loop.at_ns(when, self._arrives, sender, passage, remote, data, latency, context=ON_ITS_WAY)

    def _known(self, host: Host, key: Key) -> Known:
        """Return what the way makes of a flow: as firewalls remember it, else judged anew."""
        known, now = self._flows.get(key), self.fabric.loop.now_ns
        if known is not None and known.state is not None and known.state.fresh(now):
            return known
        passage = self.fabric.judge(host, "udp", key[1], key[2])
        return Known(passage, None if passage.idle_ns is None else FlowState(passage, now))

    def _note(self, key: Key, known: Known, state: FlowState) -> None:
        """A datagram passed the firewalls: they know the flow from now on, and what answers it."""
        state.passes(self.fabric.loop.now_ns)
        if self._flows.get(key) is known:
            return
        self._remember(key, known)
        passage, (_, local, remote) = known.passage, key
        if passage.astray is None and passage.host is not None:  # else what comes back is not known for an answer
            back = Passage(verdict="accept", host=self.fabric.hosts[key[0]], source=remote, target=local)
            self._remember((passage.host.name, passage.target, passage.source), Known(back, state))

    def _remember(self, key: Key, known: Known) -> None:
        self._flows.pop(key, None)
        self._flows[key] = known
        if len(self._flows) > FLOWS:
            del self._flows[next(iter(self._flows))]

    def _judge(
        self, host: Host, passage: Passage, local: Address, remote: Address, data: bytes
    ) -> tuple[str | None, int]:
        target = passage.host
        if target is None:
            latency = self.fabric.wires.other_zone
            return ("unreachable" if passage.blocked is None else self._stopped(host, passage, local, remote)), latency
        latency = self.fabric.path_latency(host, local[0], target, passage.target[0])
        flow = Flow(source=host.name, target=target.name, local=local, remote=remote, protocol="udp")
        extra = self.fabric.faults.on_wire(flow, data) if len(self.fabric.faults) else 0
        if extra is None:
            return "fault", 0
        if host is target:
            return None, latency + extra
        if self.fabric.paths.cut(host.name, target.name):
            return "partition", 0
        if self.fabric.lost(host.name, target.name, otherwise=self.fabric.wires.loss):
            return "loss", 0
        if passage.blocked is not None:
            return self._stopped(host, passage, local, remote), latency
        return None, latency + extra

    def _stopped(self, host: Host, passage: Passage, local: Address, remote: Address) -> str:
        """Tell of a blocked flow, once for each firewall that blocks it."""
        assert passage.blocked is not None
        key = ((host.name, local, remote), passage.blocked.firewall)
        if key not in self._blocked:
            self._blocked[key] = None
            if len(self._blocked) > FLOWS:
                del self._blocked[next(iter(self._blocked))]
            self.fabric.blocked(host, "udp", remote, passage.blocked)
        return "firewall"

    def _arrives(self, sender: UdpTransport, passage: Passage, dialled: Address, data: bytes, latency: int) -> None:
        target, local, remote = passage.host, passage.source, passage.target
        assert target is not None
        if self.fabric.admission.silenced(target.name, local[0], remote[1]):
            return
        receiver = self.sockets.get((target.name, *remote)) or self.sockets.get((target.name, ANY, remote[1]))
        if receiver is None or receiver.life.fenced:
            host = sender.life.host
            self.fabric.tell(DatagramDropped, host, local=local, remote=dialled, size=len(data), reason="no listener")
            if not target.state.dead:
                self.fabric.loop.at_ns(self.fabric.loop.now_ns + latency, sender.unreachable, context=sender.context)
            return
        if len(self.fabric.faults):
            flow = Flow(source=sender.life.host.name, target=target.name, local=local, remote=remote, protocol="udp")
            data = self.fabric.faults.on_receive(flow, data) or b""
            if not data:
                return
        self.fabric.loop.call_soon(receiver.arrive, data, local, context=receiver.context)
