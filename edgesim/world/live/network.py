"""The live network: source addresses, the firewalls' verdicts on connections, and the list of sockets."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from edgesim.world.admission import Admission, Block, Rates, Visit
from edgesim.world.api import Host, Incarnation
from edgesim.world.entropy import Entropy
from edgesim.world.events import (
    Address,
    ConnectionClosed,
    ConnectionFailed,
    ConnectionOpened,
    DatagramDropped,
    FaultFired,
    FirewallBlocked,
    WorldEvent,
)
from edgesim.world.faults import Fault, FaultTable, Flow
from edgesim.world.live.busy import who_listens
from edgesim.world.live.resets import reset
from edgesim.world.netstat import SocketRow
from edgesim.world.paths import Blocked, FlowState, Paths
from edgesim.world.tls.events import tls_event
from edgesim.world.tls.layer import TlsLayer
from edgesim.world.wires import SECOND, Wires

FLOWS = 4096
"""UDP flows that are remembered: blocked ones, so that each is reported once, others, so that answers come back. The
oldest goes first."""


REPORTED_AT_ONCE = 50
REPORTED_A_SECOND = 1
"""Strangers' connections to a port that firewalls stop and that are reported one by one; others are counted."""


class AddressInUseError(OSError):
    """A port of the lab is taken; the text says by what and what to do."""


class LiveNetwork:
    """All sockets of a live world."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        zones: tuple[str, ...],
        entropy: Callable[[str], Entropy],
        hosts: dict[str, Host],
        by_address: dict[str, Host],
        now: Callable[[], int],
        observer: Callable[[WorldEvent], None],
        admission: Admission,
    ) -> None:
        self.loop = loop
        self.admission = admission
        self.hosts = hosts
        self.by_address = by_address
        self.now = now
        self.paths = Paths(zones, hosts)
        self.faults = FaultTable(entropy("faults"), now, self._fault_fired)
        self._observer = observer
        admission.on_block = self._cut
        self._reported: dict[tuple[Address, Address], None] = {}
        self._flows: dict[tuple[Address, Address], FlowState] = {}
        self._names: dict[int, str] = {}
        self._count = 0
        self.syn_waits: tuple[float, ...]
        """Seconds to wait after each attempt to connect that gets no answer."""
        self._transports: dict[int, tuple[Incarnation, Any]] = {}
        self.visits: dict[int, Visit] = {}
        """The admission records of accepted connections, by their transports' identity."""
        self._tellings: dict[Address, Rates] = {}
        """The rate at which each port reports strangers one by one."""
        self._held: dict[int, tuple[Incarnation, Any]] = {}
        """Connections that wait for the rate of their ports."""
        self._servers: dict[int, tuple[Incarnation, Any]] = {}
        self._datagrams: dict[int, tuple[Incarnation, Any]] = {}

    def lay(self, wires: Wires) -> None:
        """Wait on attempts to connect as these wires say."""
        self.syn_waits = tuple(wait / SECOND for wait in wires.syn_waits)

    @property
    def has_faults(self) -> bool:
        """Whether any rule is in force."""
        return len(self.faults) > 0

    def _report(self, event: type[WorldEvent], host: Host | str, /, **fields: Any) -> None:
        name = host if isinstance(host, str) else host.name
        self._observer(event(at_ns=self.now(), host=name, **fields))

    # ---- addresses and rules

    def zone_of(self, address: str) -> str:
        """Return an address's zone; one that is not of the lab counts as outermost."""
        host = self.by_address.get(address)
        return self.paths.zone_of(host, address) if host is not None else self.paths.root

    def source(self, life: Incarnation, local: tuple[Any, int] | None, remote: Address | None) -> Address:
        """Return the local address that a socket of this host binds to."""
        if local and local[0] and local[0] != "0.0.0.0":
            return str(local[0]), local[1]
        host = life.host
        address = self.paths.interface(host, remote[0]).address if remote else host.interfaces[0].address
        return address, local[1] if local else 0

    def check(self, local: Address, remote: Address, protocol: str) -> tuple[str, Blocked | None]:
        """Check a new flow: ``accept``, ``drop`` or ``reject``, and the firewall that decided."""
        one, other = self.by_address.get(local[0]), self.by_address.get(remote[0])
        if one is not None and one is other:
            return "accept", None
        if one and other and (self.paths.cut(one.name, other.name) or self.paths.cut(other.name, one.name)):
            return "drop", None
        passage = self.paths.check(protocol, local, remote, host=one, zone=self.zone_of(local[0]))
        return passage.verdict, passage.blocked

    def _blocked(self, local: Address, remote: Address, protocol: str, where: Blocked) -> None:
        host = self.by_address.get(local[0])
        self._report(
            FirewallBlocked,
            host if host is not None else f"{local[0]}:{local[1]}",
            firewall=where.firewall,
            rule=where.rule,
            verdict=where.verdict,
            protocol=protocol,
            zone=where.source.zone,
            source=local,
            remote=remote,
        )

    def _flow(self, source: Address, target: Address, protocol: str) -> Flow:
        one, other = self.by_address.get(source[0]), self.by_address.get(target[0])
        return Flow(
            source=one.name if one else None,
            target=other.name if other else None,
            local=source,
            remote=target,
            protocol=protocol,
        )

    async def before_connect(self, life: Incarnation, local: tuple[str | None, int] | None, remote: Address) -> Address:
        """Return the source address, after what rules and faults have to say about the attempt."""
        if life.fenced:
            raise ConnectionAbortedError(f"{life.host.name} is down")
        source = self.source(life, local, remote)
        fault = self.faults.on_connect(self._flow(source, remote, "tcp")) if self.has_faults else None
        verdict, where = (fault, None) if fault is not None else self.check(source, remote, "tcp")
        if where is not None:
            self._blocked(source, remote, "tcp", where)
        if verdict == "refuse":
            self._failed(life, source, remote, "refused")
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"connection to {remote[0]}:{remote[1]} refused")
        if verdict == "reject":
            self._failed(life, source, remote, "unreachable")
            raise OSError(errno.EHOSTUNREACH, f"no route to {remote[0]}")
        if verdict == "drop" or self.admission.blocked(life.host.name, remote[0], source[1]):
            await asyncio.sleep(sum(self.syn_waits))
            self._failed(life, source, remote, "timed out")
            raise TimeoutError(errno.ETIMEDOUT, f"connection to {remote[0]}:{remote[1]} timed out")
        return source

    def _cut(self, block: Block) -> None:
        """Reset the connections that a host itself opened to an address that it blocks."""
        for life, transport in tuple(self._transports.values()):
            if life.host.name != block.host or id(transport) in self.visits:
                continue
            peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
            if peer is not None and peer[0] == block.address and block.holds(local[1]):
                reset(transport)

    def _failed(self, life: Incarnation, local: Address, remote: Address, reason: str) -> None:
        self._report(ConnectionFailed, life.host, local=local, remote=remote, reason=reason)

    def failed(self, life: Incarnation, local: Address, remote: Address, error: OSError) -> None:
        """An attempt to connect failed in the kernel."""
        if isinstance(error, ssl.SSLError):
            return
        reason = "refused" if isinstance(error, ConnectionRefusedError) else "unreachable"
        self._failed(life, local, remote, "timed out" if isinstance(error, TimeoutError) else reason)

    def admit(self, life: Incarnation, transport: Any) -> tuple[bool, Visit | None]:
        """Return whether an incoming connection may come in: by the lab's firewalls and by the host's doors."""
        peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if peer is None or life.fenced:
            return False, None
        source, name, port = peer[:2], life.host.name, local[1]
        caller = self.caller(source)
        verdict, where = self.check(source, local[:2], "tcp")
        if where is not None:
            self._stopped(name, source, local[:2], caller, where)
        if verdict != "accept":
            return False, None
        if caller == name:
            return True, None
        if self.admission.check(name, port, source, caller=caller) is not None:
            return False, None
        end = partial(reset, transport)
        return True, self.admission.enter(name, port, source, caller=caller, end=end)

    def _stopped(self, host: str, source: Address, local: Address, caller: str | None, where: Blocked) -> None:
        """Report a connection that a firewall would have blocked; those of strangers at a limited rate, the rest
        counted.
        """
        telling = self._tellings.setdefault(
            local, Rates(REPORTED_A_SECOND, REPORTED_AT_ONCE, each_address=False, most=1)
        )
        if caller is not None or telling.take(source[0], self.now()):
            self._blocked(source, local, "tcp", where)
        else:
            self.admission.turned_away(host, local[1], source)

    def caller(self, source: Address) -> str | None:
        """Return the name of the lab host that an address belongs to, None for a stranger's."""
        host = self.by_address.get(source[0])
        return host.name if host is not None else None

    def within_rate(self, life: Incarnation, transport: Any) -> bool:
        """Return whether an incoming connection is within the rate that its port takes."""
        peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if peer is None or local is None:
            return False
        return self.admission.within_rate(life.host.name, local[1], peer[:2], caller=self.caller(peer[:2]))

    def hold(self, life: Incarnation, transport: Any) -> bool:
        """Let a connection wait for the rate; return False where it may not."""
        there = id(transport) in self._held
        if life.fenced or not (there or len(self._held) < self.admission.limits.waiting):
            return False
        self._held[id(transport)] = (life, transport)
        return True

    def let_in(self, transport: Any) -> None:
        """A connection waits no longer."""
        self._held.pop(id(transport), None)

    def gave_up(self, transport: Any) -> None:
        """A connection ended before it came in."""
        self._held.pop(id(transport), None)
        visit = self.visits.pop(id(transport), None)
        if visit is not None:
            self.admission.leave(visit)

    # ---- what there is

    def connection_name(self, transport: Any) -> str:
        """Return the name of a connection within this run."""
        return self._names.get(id(transport), "tcp")

    def watch(self, life: Incarnation, transport: Any) -> str:
        """Put a connection on the books, unless it is there already; return its name."""
        if id(transport) not in self._names:
            self._count += 1
            self._names[id(transport)] = f"tcp-{self._count}"
            self._transports[id(transport)] = (life, transport)
        return self._names[id(transport)]

    def opened(self, life: Incarnation, transport: Any) -> None:
        """A connection that this host dialled is up."""
        local, remote = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        if remote is not None:
            name = self.connection_name(transport)
            self._report(ConnectionOpened, life.host, connection=name, local=local[:2], remote=remote[:2])

    def watches(self, transport: Any) -> bool:
        """Return whether a connection is on the books: its end has not been reported."""
        return id(transport) in self._transports

    def closed(self, life: Incarnation, transport: Any, exc: BaseException | None) -> None:
        """A connection ended."""
        self._transports.pop(id(transport), None)
        visit = self.visits.pop(id(transport), None)
        if visit is not None:
            self.admission.leave(visit)
        name = self._names.pop(id(transport), "tcp")
        local = transport.get_extra_info("sockname") or ("?", 0)
        remote = transport.get_extra_info("peername") or ("?", 0)
        how = "closed" if exc is None else "timed out" if isinstance(exc, TimeoutError) else "reset"
        self._report(ConnectionClosed, life.host, connection=name, local=local[:2], remote=remote[:2], how=how)

    def listening(self, life: Incarnation, server: Any) -> None:
        """A host listens."""
        self._servers[id(server)] = (life, server)

    def bound(self, life: Incarnation, transport: Any) -> None:
        """A host has a UDP socket."""
        self._datagrams[id(transport)] = (life, transport)

    def unbound(self, life: Incarnation, transport: Any) -> None:
        """A UDP socket is closed."""
        self._datagrams.pop(id(transport), None)

    def outlet(self, transport: Any) -> Any:
        """Return the transport by which a host sends datagrams."""
        return transport

    def datagram(self, life: Incarnation, transport: Any, data: bytes, addr: Any) -> bytes | None:
        """Return what the host shall see of a datagram, or None."""
        local = transport.get_extra_info("sockname")[:2]
        source = (addr[0], addr[1])
        if self.admission.blocked(life.host.name, source[0], local[1]):
            return None
        if not self._remembered(source, local):
            dropped = self._checked(transport, source, local, data, addr)
            if dropped:
                return None
        return self.faults.on_receive(self._flow(source, local, "udp"), data) if self.has_faults else data

    def _remembered(self, source: Address, local: Address) -> bool:
        """Return whether a datagram belongs to a flow that firewalls let through before, or answers one."""
        now = self.now()
        states = (self._flows.get((source, local)), self._flows.get((local, source)))
        return any(state is not None and state.passes(now) for state in states)

    def _checked(self, transport: Any, source: Address, local: Address, data: bytes, addr: Any) -> bool:
        """Check the first datagram of a flow; say whether it is dropped."""
        # Nothing shows what a socket of the lab sends, so its first datagram to a stranger made no state; an answer
        # from there counts as one only where the socket is connected to that very address.
        answers = transport.get_extra_info("peername") == addr and self.check(local, source, "udp")[0] == "accept"
        verdict, where = ("accept", None) if answers else self.check(source, local, "udp")
        if verdict != "accept":
            if where is not None and (source, local) not in self._reported:
                self._reported[source, local] = None
                if len(self._reported) > FLOWS:
                    del self._reported[next(iter(self._reported))]
                self._blocked(source, local, "udp", where)
            sender = self.by_address.get(source[0])
            name = sender.name if sender else f"{source[0]}:{source[1]}"
            self._report(DatagramDropped, name, local=source, remote=local, size=len(data), reason="firewall")
            return True
        if not answers:
            self._remember(source, local)
        return False

    def _remember(self, source: Address, local: Address) -> None:
        host = self.by_address.get(source[0])
        passage = self.paths.check("udp", source, local, host=host, zone=self.zone_of(source[0]))
        if passage.idle_ns is not None:
            self._flows[source, local] = FlowState(passage.keeper, passage.idle_ns, self.now())
            if len(self._flows) > FLOWS:
                del self._flows[next(iter(self._flows))]

    def tap(self, transport: Any, data: bytes) -> bytes | None:
        """Return what the application shall see of received data; nothing where a fault took it or reset it."""
        peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        tapped = self.faults.on_receive(self._flow(peer[:2], local[:2], "tcp"), data)
        if tapped is None:
            reset(transport)
        return tapped

    def tap_tls(self, tls: TlsLayer, data: bytes) -> bytes | None:
        """The same for what TLS decrypted."""
        if not self.has_faults or tls.wire is None:
            return data
        return self.tap(tls.wire, data) or b""

    def tls_ended(self, tls: TlsLayer, error: BaseException | None) -> None:
        """A TLS handshake ended on one side."""
        wire = tls.wire
        if wire is None or wire.get_extra_info("peername") is None:
            return
        local, remote = wire.get_extra_info("sockname")[:2], wire.get_extra_info("peername")[:2]
        host = self.by_address.get(local[0])
        if host is not None:
            name = tls.connection or self.connection_name(wire)
            self._observer(tls_event(tls, error, self.now(), host.name, name, local, remote))

    def close_host(self, life: Incarnation) -> None:
        """Close everything of an incarnation; peers see resets."""
        for key, (owner, server) in list(self._servers.items()):
            if owner is life:
                server.close()
                del self._servers[key]
        for owner, transport in list(self._datagrams.values()):
            if owner is life:
                transport.abort()
        for owner, transport in [*self._transports.values(), *self._held.values()]:
            if owner is life and not transport.is_closing():
                reset(transport)

    def sockets(self, host: str | None = None) -> list[SocketRow]:
        """Return the sockets of one host or all, as ``netstat`` would."""
        rows = []
        for life, server in self._servers.values():
            for sock in server.sockets:
                local = sock.getsockname()[:2]
                rows.append(SocketRow(host=life.host.name, protocol="tcp", local=local, remote=None, state="LISTEN"))
        for life, transport in self._datagrams.values():
            local = transport.get_extra_info("sockname")[:2]
            rows.append(SocketRow(host=life.host.name, protocol="udp", local=local, remote=None, state=""))
        for life, transport in self._transports.values():
            local, remote = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
            if local and remote:
                rows.append(
                    SocketRow(
                        host=life.host.name,
                        protocol="tcp",
                        local=local[:2],
                        remote=remote[:2],
                        state="CLOSING" if transport.is_closing() else "ESTABLISHED",
                        send_queue=transport.get_write_buffer_size(),
                    )
                )
        return [row for row in rows if host is None or row.host == host]

    def explain_listen(self, error: OSError, host: Any, port: Any, *, udp: bool = False) -> OSError:
        """Return an error that says which address and port could not be had, why, and what to do."""
        where = f"{host if isinstance(host, str) else ', '.join(host)}:{port}/{'udp' if udp else 'tcp'}"
        if error.errno is None and udp:  # uvloop keeps the reason to itself
            error = _why_not(str(host), int(port)) or error
        if error.errno == errno.EADDRINUSE:
            holder = who_listens(host if isinstance(host, str) else host[0], int(port), udp=udp)
            by = f" by {holder}" if holder else ""
            text = f"{where} is taken{by}: stop that program, or give the host another address"
            return AddressInUseError(errno.EADDRINUSE, text)
        if error.errno == errno.EADDRNOTAVAIL:
            text = (
                f"{where}: this machine has no such address. Linux has all of 127.0.0.0/8; on macOS add it first, "
                f"for example: sudo ifconfig lo0 alias {host if isinstance(host, str) else host[0]}"
            )
            return OSError(errno.EADDRNOTAVAIL, text)
        if error.errno in (errno.EACCES, errno.EPERM):
            return PermissionError(
                error.errno, f"{where}: ports below 1024 need the right to bind them (see `edgesim up --help`)"
            )
        return error

    def _fault_fired(self, fault: Fault, flow: Flow, detail: str) -> None:
        self._report(
            FaultFired,
            flow.source or f"{flow.local[0]}:{flow.local[1]}",
            fault=fault.name,
            kind=type(fault).__name__,
            local=flow.local,
            remote=flow.remote,
            detail=detail,
        )


def _why_not(address: str, port: int) -> OSError | None:
    """Return the system's own error for a UDP port that cannot be bound."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, port))
        except OSError as error:
            return error
    return None
