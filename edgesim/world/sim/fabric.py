"""The simulated network: who listens where, what a path does to traffic, and every connection there is."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import Any

from edgesim.world.admission import Admission
from edgesim.world.api import SECOND, Host, Incarnation, Interface
from edgesim.world.entropy import Entropy
from edgesim.world.events import (
    Address,
    ConnectionFailed,
    ConnectionOpened,
    FaultFired,
    FirewallBlocked,
    WorldEvent,
)
from edgesim.world.faults import Fault, FaultTable, Flow
from edgesim.world.firewall import End
from edgesim.world.netstat import SocketRow
from edgesim.world.paths import Blocked, FlowState, Passage, Paths
from edgesim.world.sim.chance import Chance
from edgesim.world.sim.datagrams import Datagrams
from edgesim.world.sim.loop import SimLoop
from edgesim.world.sim.sockets import FakeSocket
from edgesim.world.sim.tcp import TcpTransport
from edgesim.world.tls.events import tls_event
from edgesim.world.tls.layer import TlsLayer
from edgesim.world.wires import Wires

ANY = "0.0.0.0"
LOOPBACK = "127.0.0.1"
ZONES = ("internet", "dmz", "inside")
"""From the outermost to the innermost: until a network is installed, connections are opened outward or within one."""


class Listener:
    """A listening TCP port of a host; asyncio's server object."""

    def __init__(
        self, fabric: Fabric, life: Incarnation, addresses: Sequence[Address], accept: Callable[[], Any]
    ) -> None:
        self.fabric = fabric
        self.life = life
        self.addresses = list(addresses)
        self.accept = accept
        self.open = True

    @property
    def sockets(self) -> tuple[FakeSocket, ...]:
        return tuple(FakeSocket(address) for address in self.addresses) if self.open else ()

    def get_loop(self) -> SimLoop:
        return self.fabric.loop

    def is_serving(self) -> bool:
        return self.open

    async def start_serving(self) -> None:
        """Do nothing: a simulated listener serves from the start."""

    async def serve_forever(self) -> None:
        await self.fabric.loop.create_future()

    def close(self) -> None:
        if self.open:
            self.open = False
            for address in self.addresses:
                self.fabric.listeners.pop((self.life.host.name, *address), None)

    def close_clients(self) -> None:
        for transport in self.fabric.transports_of(self.life):
            if transport.local in self.addresses:
                transport.close()

    def abort_clients(self) -> None:
        for transport in self.fabric.transports_of(self.life):
            if transport.local in self.addresses:
                transport.abort()

    async def wait_closed(self) -> None:
        """Return at once: connections of a closed listener live on by themselves."""

    async def __aenter__(self) -> Listener:
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.close()


class Fabric:
    """All sockets of a simulated world and the paths between its hosts."""

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
        self.listeners: dict[tuple[str, str, int], Listener] = {}
        self.datagrams = Datagrams(self)
        self.transports: dict[int, TcpTransport] = {}
        self.paths = Paths(ZONES, hosts)
        self.faults = FaultTable(entropy("faults"), lambda: loop.now_ns, self._fault_fired)
        self.chance = Chance(entropy)
        self.wires: Wires
        self._latencies: dict[tuple[str, str, str, str], int] = {}
        self._observer = observer
        self._connections = 0
        self._ports: dict[str, int] = {}

    def lay(self, wires: Wires) -> None:
        """Go by these wires from now on. Without any, nothing can be sent."""
        self.wires = wires
        self.chance.lay(wires)
        self.loop.ticks = self.chance if wires.tick else None
        self.loop.turns = self.chance if wires.shuffled else None
        self._latencies.clear()

    def tell(self, event: type[WorldEvent], host: Host | None, /, **fields: Any) -> None:
        """Tell the observers of something at ``host``."""
        self._observer(event(at_ns=self.loop.now_ns, host=host.name if host else "?", **fields))

    # ---- addresses and ports

    def owner(self, host: Host, address: str) -> Host | None:
        """Return the host that ``address`` means to ``host``."""
        return host if address == LOOPBACK else self.paths.owner(host, address)

    def source(self, host: Host, remote: str, local: str | None) -> str:
        """Return the source address by which ``host`` reaches ``remote``."""
        if local and local != ANY:
            if not _has(host, local):
                raise OSError(errno.EADDRNOTAVAIL, f"{host.name} has no address {local}")
            return local
        if remote == LOOPBACK or _has(host, remote):
            return remote
        return self.paths.interface(host, remote).address

    def judge(self, host: Host, protocol: str, local: Address, remote: Address) -> Passage:
        """Judge a new flow. What stays within a host meets nobody."""
        if remote[0] == LOOPBACK or _has(host, remote[0]):
            return Passage(verdict="accept", host=host, source=local, target=remote)
        zone = self.paths.zone_of(host, local[0])
        return self.paths.judge(protocol, local, remote, host=host, zone=zone)

    def blocked(self, host: Host, protocol: str, remote: Address, where: Blocked) -> None:
        """Tell that a firewall ended a flow of ``host``."""
        self.tell(
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

    # ---- TCP

    def listen(self, host: Host, addresses: Sequence[str], port: int, accept: Callable[[], Any]) -> Listener:
        """Open a listening port. Raises `OSError` (EADDRINUSE, EADDRNOTAVAIL)."""
        life = host.life
        if life.fenced:
            raise ConnectionAbortedError(f"{host.name} is down")
        port = port or self.ephemeral(host)
        places: list[Address] = []
        for address in addresses:
            if address != ANY and not _has(host, address):
                raise OSError(errno.EADDRNOTAVAIL, f"{host.name} has no address {address}")
            if (host.name, address, port) in self.listeners or (host.name, ANY, port) in self.listeners:
                raise OSError(errno.EADDRINUSE, f"{host.name} listens on {address}:{port} already")
            places.append((address, port))
        listener = Listener(self, life, places, accept)
        for place in places:
            self.listeners[(host.name, *place)] = listener
        return listener

    def _listener(self, host: Host, address: str, port: int) -> Listener | None:
        return self.listeners.get((host.name, address, port)) or self.listeners.get((host.name, ANY, port))

    async def connect(self, host: Host, local: tuple[str | None, int] | None, remote: Address) -> TcpTransport:
        """Open a TCP connection from ``host``; the caller starts the transport with its protocol."""
        life = host.life
        if life.fenced:
            raise ConnectionAbortedError(f"{host.name} is down")
        source = self.source(host, remote[0], local[0] if local else None)
        port = (local[1] if local else 0) or self.ephemeral(host)
        here: Address = (source, port)
        if local and local[1] and any(t.local == here and t.remote == remote for t in self.transports.values()):
            raise OSError(errno.EADDRINUSE, f"{here} to {remote} is in use")
        told: Blocked | None = None
        jitter = self.chance.connection(host.name, remote)
        for wait in self.wires.syn_waits:
            passage = self.judge(host, "tcp", here, remote)
            verdict, latency, stopped = self._judge_syn(host, passage, here, remote)
            if stopped is not None and stopped != told:
                told = stopped
                self.blocked(host, "tcp", remote, stopped)
            target = passage.host
            span = 0 if target is host else self.wires.longest_delay(latency)
            if verdict == "accept" and target is not None:
                await self._sleep(latency + _drawn(jitter, span))
                verdict = self._syn_arrives(target, passage, host)
            if verdict == "refuse":
                await self._sleep(latency + _drawn(jitter, span))
                self._failed(host, here, remote, "refused")
                raise ConnectionRefusedError(errno.ECONNREFUSED, f"connection to {remote[0]}:{remote[1]} refused")
            if verdict == "reject":
                await self._sleep(latency)
                self._failed(host, here, remote, "unreachable")
                raise OSError(errno.EHOSTUNREACH, f"no route to {remote[0]}")
            if verdict == "accept" and target is not None:
                return await self._established(host, life, passage, here, remote, latency, jitter)
            await self._sleep(wait)
        self._failed(host, here, remote, "timed out")
        raise TimeoutError(errno.ETIMEDOUT, f"connection to {remote[0]}:{remote[1]} timed out")

    def _judge_syn(
        self, host: Host, passage: Passage, local: Address, remote: Address
    ) -> tuple[str, int, Blocked | None]:
        """Return what becomes of a SYN, the latency, and which firewall (or which confusion of addresses) ended it."""
        target = passage.host
        flow = Flow(
            source=host.name, target=target.name if target else None, local=local, remote=remote, protocol="tcp"
        )
        fault = self.faults.on_connect(flow)
        if fault == "refuse":
            return "refuse", self.wires.other_zone, None
        if fault == "drop":
            return "drop", 0, None
        if target is None:
            verdict = "drop" if passage.blocked is None else passage.verdict
            return verdict, self.wires.other_zone, passage.blocked
        latency = self.path_latency(host, local[0], target, passage.target[0])
        if self.paths.cut(host.name, target.name) or self.paths.cut(target.name, host.name):
            return "drop", latency, None
        if self.lost(host.name, target.name):
            return "drop", latency, None
        if self.admission.silenced(host.name, remote[0], local[1]):
            return "drop", latency, None  # the SYN arrives; its answer does not
        if passage.astray is not None and passage.blocked is None:
            return "drop", latency, passage.astray  # the SYN arrives; its answer goes elsewhere
        return passage.verdict, latency, passage.blocked

    def _syn_arrives(self, target: Host, passage: Passage, caller: Host) -> str:
        if target.state.dead:
            return "drop"
        (_, port), source, doors = passage.target, passage.source, self.admission
        if doors.silenced(target.name, source[0], port):
            doors.judge(target.name, port, source, caller=caller.name)  # so that it is counted
            return "drop"
        listener = self._listener(target, *passage.target)
        if listener is None or listener.life.fenced:
            return "refuse"
        if target is caller:
            return "accept"
        if not doors.within_rate(target.name, port, source, caller=caller.name):
            return "drop"
        refusal = doors.judge(target.name, port, source, caller=caller.name)
        return "accept" if refusal is None else "refuse"

    async def _established(
        self,
        host: Host,
        life: Incarnation,
        passage: Passage,
        local: Address,
        remote: Address,
        latency: int,
        jitter: Entropy | None,
    ) -> TcpTransport:
        target = passage.host
        assert target is not None
        listener = self._listener(target, *passage.target)
        assert listener is not None
        self._connections += 1
        name = f"tcp-{self._connections}"
        near = TcpTransport(self, life, host.context(), local, remote, name, latency)
        far = TcpTransport(self, listener.life, target.context(), passage.target, passage.source, name, latency)
        near.peer, far.peer = far, near
        span = 0 if target is host else self.wires.longest_delay(latency)
        if jitter is not None and span:
            near.jitter = far.jitter = jitter.random
            near.span = far.span = span
        if target is not host:
            port, source = passage.target[1], passage.source
            far.visit = self.admission.enter(target.name, port, source, caller=host.name, end=far.abort)
        if passage.idle_ns is not None:
            near.state = far.state = FlowState(passage, self.loop.now_ns)
        self.transports[id(near)] = near
        self.transports[id(far)] = far
        self.loop.call_soon(self._accept, listener, far, context=far.context)
        try:
            await self._sleep(latency + _drawn(jitter, span))
        except BaseException:
            near.abort()
            raise
        self.tell(ConnectionOpened, host, connection=name, local=local, remote=remote)
        if near.closed:
            raise ConnectionResetError(errno.ECONNRESET, "connection reset by peer")
        return near

    def _accept(self, listener: Listener, far: TcpTransport) -> None:
        if not far.closed:
            far.start(listener.accept())

    def _failed(self, host: Host, local: Address, remote: Address, reason: str) -> None:
        self.tell(ConnectionFailed, host, local=local, remote=remote, reason=reason)

    async def _sleep(self, ns: int) -> None:
        waiter = self.loop.create_future()
        timer = self.loop.at_ns(self.loop.now_ns + ns, _wake, waiter)
        try:
            await waiter
        finally:
            timer.cancel()

    def segment_delay(self, sender: TcpTransport, data: bytes) -> int | None:
        """Return the extra delay of a segment in nanoseconds, or None where the path is cut."""
        source, target = sender.life.host, sender.peer.life.host
        if source is not target:
            if self.paths.cut(source.name, target.name):
                return None
            if sender.state is not None and not sender.state.passes(self.loop.now_ns):
                self._forgotten(sender, sender.state)
                return None
            if sender.peer.life.fenced and not self.answers(sender):
                return None
            if self.admission.silenced(target.name, sender.peer.remote[0], sender.peer.local[1]):
                return None
        extra = 0
        if self.paths.lossy and self.lost(source.name, target.name):
            extra += self.wires.rto
        if len(self.faults) and data:
            extra += self.faults.on_wire(self._flow(sender, outgoing=True), data) or 0
        return extra

    def _forgotten(self, sender: TcpTransport, state: FlowState) -> None:
        """Tell, once for each connection, that a firewall has no state left for it."""
        if not state.told:
            state.told = True
            host, zone = sender.life.host, self.paths.zone_of(sender.life.host, sender.local[0])
            end = End(address=sender.local[0], port=sender.local[1], zone=zone, host=host.name)
            rule = f"no state: idle for more than {state.idle_ns / SECOND:g} s"
            where = Blocked(firewall=state.keeper, rule=rule, verdict="drop", source=end)
            self.blocked(host, "tcp", sender.remote, where)

    def answers(self, sender: TcpTransport) -> bool:
        """Say whether the machine of a dead peer runs again (or still): then its kernel sends a reset."""
        if sender.peer.life.host.state.dead:
            return False
        self.loop.at_ns(self.loop.now_ns + 2 * sender.latency, sender.got_reset, context=sender.context)
        return True

    def lost(self, source: str, target: str, *, otherwise: float = 0.0) -> bool:
        """Say whether a packet gets lost: by the loss of the link, or ``otherwise`` where it has none of its own."""
        link = self.paths.link(source, target)
        return self.chance.lost(source, target, otherwise if link is None else link.loss)

    def _flow(self, transport: TcpTransport, *, outgoing: bool) -> Flow:
        cached = transport._flow_out if outgoing else transport._flow_in
        if cached is None:
            mine, other = transport.life.host.name, transport.peer.life.host.name
            source, target = (mine, other) if outgoing else (other, mine)
            local, remote = (transport.local, transport.remote) if outgoing else (transport.remote, transport.local)
            cached = Flow(source=source, target=target, local=local, remote=remote, protocol="tcp")
            if outgoing:
                transport._flow_out = cached
            else:
                transport._flow_in = cached
        return cached

    def tap(self, receiver: TcpTransport, data: bytes) -> bytes | None:
        """Return what the application shall see of received data; None resets the connection."""
        if not len(self.faults):
            return data
        return self.faults.on_receive(self._flow(receiver, outgoing=False), data)

    def tap_tls(self, tls: TlsLayer, data: bytes) -> bytes | None:
        """The same for what TLS decrypted."""
        wire = tls.wire
        if not len(self.faults) or not isinstance(wire, TcpTransport):
            return data
        tapped = self.tap(wire, data)
        if tapped is None:
            wire.fail(ConnectionResetError(errno.ECONNRESET, "connection reset by a fault"))
            return b""
        return tapped

    def tls_ended(self, tls: TlsLayer, error: BaseException | None) -> None:
        """A TLS handshake ended on one side."""
        wire = tls.wire
        if isinstance(wire, TcpTransport):
            host = wire.life.host.name
            self._observer(tls_event(tls, error, self.loop.now_ns, host, wire.name, wire.local, wire.remote))

    def transports_of(self, life: Incarnation) -> list[TcpTransport]:
        """Return the connections of one incarnation."""
        return [transport for transport in self.transports.values() if transport.life is life]

    def forget(self, transport: TcpTransport) -> None:
        """Take an ended connection off the books."""
        self.transports.pop(id(transport), None)
        if transport.visit is not None:
            self.admission.leave(transport.visit)

    # ---- hosts that end

    def close_host(self, life: Incarnation, *, resets: bool) -> None:
        """Take everything of an incarnation off the network: with resets to its peers, or in silence."""
        for listener in [item for item in self.listeners.values() if item.life is life]:
            listener.close()
        for socket in [item for item in self.datagrams.sockets.values() if item.life is life]:
            socket.closed = True
            self.datagrams.unbind(socket)
        for transport in self.transports_of(life):
            if resets:
                transport._reset_peer()
            transport.vanish()
            if not resets:
                transport.peer.path_lost()

    def _fault_fired(self, fault: Fault, flow: Flow, detail: str) -> None:
        host = self.hosts.get(flow.source or "")
        self.tell(
            FaultFired,
            host,
            fault=fault.name,
            kind=type(fault).__name__,
            local=flow.local,
            remote=flow.remote,
            detail=detail,
        )

    # ---- views

    def sockets(self, host: str | None = None) -> list[SocketRow]:
        """Return the sockets of one host or all, as ``netstat`` would."""
        rows = []
        for (name, address, port), _ in self.listeners.items():
            rows.append(SocketRow(host=name, protocol="tcp", local=(address, port), remote=None, state="LISTEN"))
        for (name, address, port), socket in self.datagrams.sockets.items():
            rows.append(SocketRow(host=name, protocol="udp", local=(address, port), remote=socket.remote, state=""))
        for transport in self.transports.values():
            rows.append(
                SocketRow(
                    host=transport.life.host.name,
                    protocol="tcp",
                    local=transport.local,
                    remote=transport.remote,
                    state="CLOSING" if transport.closing else "ESTABLISHED",
                    send_queue=transport.backlog_size,
                    receive_queue=sum(map(len, transport.inbox)),
                )
            )
        return [row for row in rows if host is None or row.host == host]

    def interfaces(self) -> list[tuple[Host, Interface]]:
        """Return every interface with its host."""
        return [(host, interface) for host in self.hosts.values() for interface in host.interfaces]


def _has(host: Host, address: str) -> bool:
    return address == LOOPBACK or any(interface.address == address for interface in host.interfaces)


def _zone(host: Host, address: str) -> str:
    """Return the zone of one of a host's addresses, by the name that the host gives it."""
    for interface in host.interfaces:
        if interface.address == address:
            return interface.zone
    return host.interfaces[0].zone if host.interfaces else ""


def _drawn(jitter: Entropy | None, span: int) -> int:
    """Return how much longer than its latency a packet takes."""
    return 0 if jitter is None or not span else int(jitter.random() * span)


def _wake(waiter: Any) -> None:
    if not waiter.done():
        waiter.set_result(None)
