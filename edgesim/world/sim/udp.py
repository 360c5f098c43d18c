"""Simulated UDP: datagrams that may be lost, delayed, or answered by an ICMP error."""

from __future__ import annotations

import asyncio
import errno
from contextvars import Context
from typing import TYPE_CHECKING, Any

from edgesim.world.api import Incarnation
from edgesim.world.events import Address
from edgesim.world.sim.sockets import FakeSocket

if TYPE_CHECKING:
    from edgesim.world.sim.datagrams import Datagrams


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
        if len(data) > self.network.fabric.wires.datagram:
            self.protocol.error_received(OSError(errno.EMSGSIZE, "message too long"))
            return
        self.network.send(self, bytes(data), (str(target[0]), int(target[1])))

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.network.unbind(self)
            self.network.fabric.loop.call_soon(self.protocol.connection_lost, None, context=self.context)

    def abort(self) -> None:
        self.close()

    def arrive(self, data: bytes, source: Address) -> None:
        """A datagram reached this socket."""
        if self.closed or (self.remote is not None and source != self.remote):
            return
        self.protocol.datagram_received(data, source)

    def unreachable(self) -> None:
        """An ICMP error came back; only connected sockets hear of it."""
        if not self.closed and self.remote is not None:
            self.protocol.error_received(ConnectionRefusedError(errno.ECONNREFUSED, "connection refused"))
