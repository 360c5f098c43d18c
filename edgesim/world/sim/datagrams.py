"""UDP in the simulated network: sockets, and the delivery of datagrams between them."""

from __future__ import annotations

import asyncio
import errno
from contextvars import Context
from typing import Any, NamedTuple

from edgesim.world.api import Host, Incarnation
from edgesim.world.events import Address, DatagramDropped
from edgesim.world.faults import Flow
from edgesim.world.paths import FlowState, Passage
from edgesim.world.sim.routes import ANY, Routes
from edgesim.world.sim.sockets import FakeSocket

ON_ITS_WAY = Context()
"""A datagram in flight belongs to no host: it arrives even if its sender died meanwhile."""
FLOWS = 8192
"""How many flows firewalls remember, each once a direction, so that answers come back; the oldest goes first."""

Key = tuple[str, Address, Address]
"""A flow as its sender sees it: the host, its own address, and the one that it sends to."""


class Known(NamedTuple):
    """The path's verdict on a flow's datagrams, and the firewalls' state if there is any."""

    passage: Passage[Host]
    state: FlowState | None


class UdpTransport(asyncio.DatagramTransport):
    """One simulated UDP socket."""

    def __init__(
        self,
        network: Datagrams,
        life: Incarnation,
        context: Context,
        local: Address,
        remote: Address | None,
        protocol: Any,
    ) -> None:
        super().__init__()
        self.network = network
        self.life = life
        self.context = context
        self.local = local
        self.remote = remote
        self.protocol = protocol
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        match name:
            case "sockname":
                return self.local
            case "peername":
                return self.remote if self.remote is not None else default
            case "socket":
                return FakeSocket(self.local, self.remote)
            case _:
                return default

    def is_closing(self) -> bool:
        return self.closed

    def sendto(self, data: Any, addr: Any = None) -> None:
        if self.closed:
            return
        target = addr if addr is not None else self.remote
        if target is None:
            raise ValueError("no address to send to")
        if len(data) > self.network.routes.wires.datagram:
            self.protocol.error_received(OSError(errno.EMSGSIZE, "message too long"))
            return
        self.network.send(self, bytes(data), (str(target[0]), int(target[1])))

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.network.unbind(self)
            self.network.routes.loop.call_soon(self.protocol.connection_lost, None, context=self.context)

    def abort(self) -> None:
        self.close()

    def arrive(self, data: bytes, source: Address) -> None:
        """A datagram reached this socket."""
        if self.closed or (self.remote is not None and source != self.remote):
            return
        self.protocol.datagram_received(data, source)

    def unreachable(self) -> None:
        """Handle an ICMP error; only connected sockets get it."""
        if not self.closed and self.remote is not None:
            self.protocol.error_received(ConnectionRefusedError(errno.ECONNREFUSED, "connection refused"))


class Datagrams:
    """All UDP sockets of a simulated world, by host, address and port."""

    def __init__(self, routes: Routes) -> None:
        self.routes = routes
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
            address = self.routes.source(host, remote[0] if remote else "", wanted)
        else:
            address = ANY
        port = (local[1] if local else 0) or self.routes.ephemeral(host)
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
            local = (self.routes.source(host, remote[0], None), local[1])
        key = (host.name, local, remote)
        known = self._known(host, key)
        passage = known.passage
        reason, latency = self._check(host, passage, local, remote, data)
        if reason is not None or passage.host is None:
            self.routes.report(
                DatagramDropped, host, local=local, remote=remote, size=len(data), reason=reason or "unreachable"
            )
            if reason == "firewall" and passage.verdict == "reject":
                when = self.routes.loop.now_ns + 2 * latency
                self.routes.loop.at_ns(when, sender.unreachable, context=sender.context)
            return
        if known.state is not None:
            self._note(key, known, known.state)
        when = self.routes.loop.now_ns + latency
        if passage.host is not host:
            when += self.routes.chance.datagram(host.name, passage.host.name, latency)
            when = max(when, self._arrivals.pop(key, 0))  # within a flow, what was sent first arrives first
            self._arrivals[key] = when
            if len(self._arrivals) > FLOWS:
                del self._arrivals[next(iter(self._arrivals))]
        self.routes.loop.at_ns(when, self._arrives, sender, passage, remote, data, latency, context=ON_ITS_WAY)

    def _known(self, host: Host, key: Key) -> Known:
        """Return the path's verdict on a flow: from the firewalls' state, or checked again."""
        known, now = self._flows.get(key), self.routes.loop.now_ns
        if known is not None and known.state is not None and known.state.fresh(now):
            return known
        passage = self.routes.check(host, "udp", key[1], key[2])
        return Known(passage, None if passage.idle_ns is None else FlowState(passage.keeper, passage.idle_ns, now))

    def _note(self, key: Key, known: Known, state: FlowState) -> None:
        """A datagram passed the firewalls: they know the flow from now on, and what answers it."""
        state.passes(self.routes.loop.now_ns)
        if self._flows.get(key) is known:
            return
        self._remember(key, known)
        passage, (_, local, remote) = known.passage, key
        if passage.astray is None and passage.host is not None:  # else what comes back is not known for an answer
            back = Passage(verdict="accept", host=self.routes.hosts[key[0]], source=remote, target=local)
            self._remember((passage.host.name, passage.target, passage.source), Known(back, state))

    def _remember(self, key: Key, known: Known) -> None:
        self._flows.pop(key, None)
        self._flows[key] = known
        if len(self._flows) > FLOWS:
            del self._flows[next(iter(self._flows))]

    def _check(
        self, host: Host, passage: Passage[Host], local: Address, remote: Address, data: bytes
    ) -> tuple[str | None, int]:
        target = passage.host
        if target is None:
            latency = self.routes.wires.other_zone
            return ("unreachable" if passage.blocked is None else self._stopped(host, passage, local, remote)), latency
        latency = self.routes.path_latency(host, local[0], target, passage.target[0])
        flow = Flow(source=host.name, target=target.name, local=local, remote=remote, protocol="udp")
        extra = self.routes.faults.on_wire(flow, data) if len(self.routes.faults) else 0
        if extra is None:
            return "fault", 0
        if host is target:
            return None, latency + extra
        if self.routes.paths.cut(host.name, target.name):
            return "partition", 0
        if self.routes.lost(host.name, target.name, otherwise=self.routes.wires.loss):
            return "loss", 0
        if passage.blocked is not None:
            return self._stopped(host, passage, local, remote), latency
        return None, latency + extra

    def _stopped(self, host: Host, passage: Passage[Host], local: Address, remote: Address) -> str:
        """Report a blocked flow, once for each firewall that blocks it."""
        assert passage.blocked is not None
        key = ((host.name, local, remote), passage.blocked.firewall)
        if key not in self._blocked:
            self._blocked[key] = None
            if len(self._blocked) > FLOWS:
                del self._blocked[next(iter(self._blocked))]
            self.routes.blocked(host, "udp", remote, passage.blocked)
        return "firewall"

    def _arrives(
        self, sender: UdpTransport, passage: Passage[Host], dialled: Address, data: bytes, latency: int
    ) -> None:
        target, local, remote = passage.host, passage.source, passage.target
        assert target is not None
        if self.routes.admission.silenced(target.name, local[0], remote[1]):
            return
        receiver = self.sockets.get((target.name, *remote)) or self.sockets.get((target.name, ANY, remote[1]))
        if receiver is None or receiver.life.fenced:
            host = sender.life.host
            self.routes.report(DatagramDropped, host, local=local, remote=dialled, size=len(data), reason="no listener")
            if not target.state.dead:
                self.routes.loop.at_ns(self.routes.loop.now_ns + latency, sender.unreachable, context=sender.context)
            return
        if len(self.routes.faults):
            flow = Flow(source=sender.life.host.name, target=target.name, local=local, remote=remote, protocol="udp")
            data = self.routes.faults.on_receive(flow, data) or b""
            if not data:
                return
        self.routes.loop.call_soon(receiver.arrive, data, local, context=receiver.context)
