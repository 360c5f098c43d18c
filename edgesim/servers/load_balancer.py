"""A third-party load balancer in front of the Expressway-Es: forwards TCP connections without inspecting them.

A connection stays with one E. Affinity decides which E the next connection gets: the next in turn (``none``), or the
one that the client's address used before (``source address``). E sees the balancer's address instead of the client's.
MRA does not support load balancers ("MRA Deployment Guide X15.0, MRA Requirements and Prerequisites").
"""

from __future__ import annotations

import asyncio
from functools import partial

from edgesim.deployment import hosts
from edgesim.journal import events
from edgesim.node import Node

MOST_WAITING = 256 * 1024
"""How many octets may wait for an E to be reached; a client that sends more is closed."""
CLIENTS_KEPT = 100_000


class LoadBalancer:
    """Listens on the ports of an Expressway-E and forwards connections."""

    def __init__(self, node: Node) -> None:
        spec = node.spec.spec
        assert isinstance(spec, hosts.LoadBalancer)
        self.node = node
        self.affinity = spec.affinity
        self.targets = node.deployment.expressway_e
        self._turn = 0
        self._homes: dict[str, int] = {}
        self._servers: list[asyncio.AbstractServer] = []
        self._links: dict[_Incoming, None] = {}

    async def start(self) -> None:
        """Listen. Raises `OSError`."""
        ports, loop = self.node.defaults.ports, asyncio.get_running_loop()
        for port in (ports.edge_https, ports.edge_sip, ports.edge_xmpp):
            server = await loop.create_server(partial(_Incoming, self, port), self.node.spec.address, port)
            self._servers.append(server)

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        for server in self._servers:
            server.close()
        for link in list(self._links):
            link.end()

    def order(self, client: str) -> list[hosts.ExpresswayE]:
        """Return the Es to try for a client's next connection, best first."""
        first = self._homes.get(client) if self.affinity == "source address" else None
        if first is None:
            first, self._turn = self._turn, (self._turn + 1) % len(self.targets)
            self._homes[client] = first
            if len(self._homes) > CLIENTS_KEPT:
                del self._homes[next(iter(self._homes))]
        return [*self.targets[first:], *self.targets[:first]]

    def opened(self, link: _Incoming) -> None:
        """A client connected."""
        self._links[link] = None

    def closed(self, link: _Incoming) -> None:
        """A client disconnected."""
        self._links.pop(link, None)


class _Half(asyncio.Protocol):
    """One side of a forwarded connection: forwards what it receives to the other."""

    def __init__(self) -> None:
        self.wire: asyncio.Transport | None = None
        self.other: _Half | None = None
        self._waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = transport  # type: ignore[assignment]  # uvloop's transports do not derive from asyncio's

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.wire is not None:
            self.other.wire.write(data)
        else:
            self._waiting += data
            if len(self._waiting) > MOST_WAITING and self.wire is not None:
                self.wire.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.wire = None
        if self.other is not None and self.other.wire is not None:
            if exc is None:
                self.other.wire.close()
            else:
                self.other.wire.abort()

    def pause_writing(self) -> None:
        if self.other is not None and self.other.wire is not None:
            self.other.wire.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.wire is not None:
            self.other.wire.resume_reading()

    def join(self, other: _Half) -> None:
        """Start forwarding, first what waited."""
        self.other, other.other = other, self
        waiting, self._waiting = self._waiting, b""
        if waiting and other.wire is not None:
            other.wire.write(waiting)


class _Incoming(_Half):
    """The client's side."""

    def __init__(self, balancer: LoadBalancer, port: int) -> None:
        super().__init__()
        self._balancer = balancer
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._balancer.opened(self)
        self._balancer.node.host.spawn(self._connect(), name=f"forward port {self._port}")

    async def _connect(self) -> None:
        assert self.wire is not None
        peer, loop = self.wire.get_extra_info("peername"), asyncio.get_running_loop()
        for edge in self._balancer.order(str(peer[0])):
            try:
                _, outgoing = await loop.create_connection(_Half, edge.public_address, self._port)
            except OSError:
                continue
            if self.wire is None:  # the client did not wait
                if outgoing.wire is not None:
                    outgoing.wire.abort()
                return
            self._balancer.node.journal.emit(
                events.Note(text=f"port {self._port} goes to {edge.name}"), peer=(str(peer[0]), int(peer[1]))
            )
            self.join(outgoing)
            return
        if self.wire is not None:
            self.wire.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._balancer.closed(self)

    def end(self) -> None:
        """Close both sides."""
        if self.wire is not None:
            self.wire.close()
