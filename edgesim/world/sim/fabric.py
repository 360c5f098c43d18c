"""The simulated network: who listens where, what a path does to traffic, and every connection there is."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import Any

from edgesim.world.admission import Admission
from edgesim.world.api import SECOND, Host, Incarnation
from edgesim.world.entropy import Entropy
from edgesim.world.events import (
    Address,
    ConnectionFailed,
    ConnectionOpened,
    WorldEvent,
)
from edgesim.world.faults import Flow
from edgesim.world.firewall import End
from edgesim.world.netstat import SocketRow
from edgesim.world.paths import Blocked, FlowState, Passage
from edgesim.world.sim.datagrams import Datagrams, UdpTransport
from edgesim.world.sim.loop import SimLoop
from edgesim.world.sim.routes import ANY, Routes, has_address
from edgesim.world.sim.sockets import FakeSocket
from edgesim.world.sim.tcp import Stage, TcpTransport
from edgesim.world.tls.events import tls_event
from edgesim.world.tls.layer import TlsLayer


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
        """Return at once: connections outlive their listener."""

    async def __aenter__(self) -> Listener:
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.close()


class Fabric(Routes):
    """All sockets of a simulated world and the paths between its hosts."""

    def __init__(
        self,
        loop: SimLoop,
        entropy: Callable[[str], Entropy],
        hosts: dict[str, Host],
        observer: Callable[[WorldEvent], None],
        admission: Admission,
    ) -> None:
        super().__init__(loop, entropy, hosts, observer, admission)
        self.listeners: dict[tuple[str, str, int], Listener] = {}
        self.transports: dict[int, TcpTransport] = {}
        self.datagrams = Datagrams(self)
        self._connections = 0

    # ---- connections

    def listen(self, host: Host, addresses: Sequence[str], port: int, accept: Callable[[], Any]) -> Listener:
        """Open a listening port. Raises `OSError` (EADDRINUSE, EADDRNOTAVAIL)."""
        life = host.life
        if life.fenced:
            raise ConnectionAbortedError(f"{host.name} is down")
        port = port or self.ephemeral(host)
        places: list[Address] = []
        for address in addresses:
            if address != ANY and not has_address(host, address):
                raise OSError(errno.EADDRNOTAVAIL, f"{host.name} has no address {address}")
            if (host.name, address, port) in self.listeners or (host.name, ANY, port) in self.listeners:
                raise OSError(errno.EADDRINUSE, f"{host.name} already listens on {address}:{port}")
            places.append((address, port))
        listener = Listener(self, life, places, accept)
        for place in places:
            self.listeners[(host.name, *place)] = listener
        return listener

    def bind(self, host: Host, local: Address | None, remote: Address | None, protocol: Any) -> UdpTransport:
        """Open a UDP socket. Raises `OSError`."""
        return self.datagrams.bind(host, local, remote, protocol)

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
        reported: Blocked | None = None
        jitter = self.chance.connection(host.name, remote)
        for wait in self.wires.syn_waits:
            passage = self.check(host, "tcp", here, remote)
            verdict, latency, stopped = self._check_syn(host, passage, here, remote)
            if stopped is not None and stopped != reported:
                reported = stopped
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

    def _check_syn(
        self, host: Host, passage: Passage[Host], local: Address, remote: Address
    ) -> tuple[str, int, Blocked | None]:
        """Return the verdict on a SYN, the latency, and the firewall (or address conflict) that ended it."""
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

    def _syn_arrives(self, target: Host, passage: Passage[Host], caller: Host) -> str:
        if target.state.dead:
            return "drop"
        (_, port), source, doors = passage.target, passage.source, self.admission
        if doors.silenced(target.name, source[0], port):
            doors.check(target.name, port, source, caller=caller.name)  # so that it is counted
            return "drop"
        listener = self._listener(target, *passage.target)
        if listener is None or listener.life.fenced:
            return "refuse"
        if target is caller:
            return "accept"
        if not doors.within_rate(target.name, port, source, caller=caller.name):
            return "drop"
        refusal = doors.check(target.name, port, source, caller=caller.name)
        return "accept" if refusal is None else "refuse"

    async def _established(
        self,
        host: Host,
        life: Incarnation,
        passage: Passage[Host],
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
            near.state = far.state = FlowState(passage.keeper, passage.idle_ns, self.loop.now_ns)
        self.transports[id(near)] = near
        self.transports[id(far)] = far
        self.loop.call_soon(self._accept, listener, far, context=far.context)
        try:
            await self._sleep(latency + _drawn(jitter, span))
        except BaseException:
            near.abort()
            raise
        self.report(ConnectionOpened, host, connection=name, local=local, remote=remote)
        if near.stage is Stage.CLOSED:
            raise ConnectionResetError(errno.ECONNRESET, "connection reset by peer")
        return near

    def _accept(self, listener: Listener, far: TcpTransport) -> None:
        if far.stage is not Stage.CLOSED:
            far.start(listener.accept())

    def _failed(self, host: Host, local: Address, remote: Address, reason: str) -> None:
        self.report(ConnectionFailed, host, local=local, remote=remote, reason=reason)

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
        """Report, once for each connection, that a firewall has no state left for it."""
        if not state.reported:
            state.reported = True
            host, zone = sender.life.host, self.paths.zone_of(sender.life.host, sender.local[0])
            end = End(address=sender.local[0], port=sender.local[1], zone=zone, host=host.name)
            rule = f"no state: idle for more than {state.idle_ns / SECOND:g} s"
            where = Blocked(firewall=state.keeper, rule=rule, verdict="drop", source=end)
            self.blocked(host, "tcp", sender.remote, where)

    def answers(self, sender: TcpTransport) -> bool:
        """Return whether the machine of an ended peer runs again (or still): then its kernel sends a reset."""
        if sender.peer.life.host.state.dead:
            return False
        self.loop.at_ns(self.loop.now_ns + 2 * sender.latency, sender.got_reset, context=sender.context)
        return True

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

    def drop(self, wire: Any, why: BaseException | None) -> None:
        """End the connection below a TLS layer at once, for this reason."""
        if isinstance(wire, TcpTransport):
            wire.fail(why)
        else:
            wire.abort()

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
        """Close all sockets of an incarnation: with resets to its peers, or silently."""
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
                    state="CLOSING" if transport.is_closing() else "ESTABLISHED",
                    send_queue=transport.backlog_size,
                    receive_queue=sum(map(len, transport.inbox)),
                )
            )
        return [row for row in rows if host is None or row.host == host]


def _drawn(jitter: Entropy | None, span: int) -> int:
    """Return how much longer than its latency a packet takes."""
    return 0 if jitter is None or not span else int(jitter.random() * span)


def _wake(waiter: Any) -> None:
    if not waiter.done():
        waiter.set_result(None)
