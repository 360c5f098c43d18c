"""Layers between real sockets and the protocols of the lab: admission, taps, and a record of the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edgesim.world.api import Incarnation
from edgesim.world.buffered import fill
from edgesim.world.live.resets import reset
from edgesim.world.tls.layer import TlsLayer

if TYPE_CHECKING:
    from edgesim.world.live.network import LiveNetwork


class Door(asyncio.Protocol):
    """The first protocol of a real connection: it makes the serving protocol only once the host admits the connection.

    A host with a limited rate of connections would drop the SYN of those above it, and the client would repeat it. Here
    the kernel has accepted the connection already, so it waits for as long as that would have taken.
    """

    __slots__ = ("_early", "_life", "_make", "_network", "_retry", "_transport", "_tries")

    def __init__(self, network: LiveNetwork, life: Incarnation, make: Callable[[], Any]) -> None:
        self._network = network
        self._life = life
        self._make = make
        self._transport: Any = None
        self._early: list[bytes] = []
        self._retry: asyncio.TimerHandle | None = None
        self._tries = 0

    def connection_made(self, transport: Any) -> None:
        admitted, visit = self._network.admit(self._life, transport)
        if not admitted:
            reset(transport)
            return
        if visit is not None:
            self._network.visits[id(transport)] = visit
        self._transport = transport
        self._knock()

    def _knock(self) -> None:
        """Come in if the rate allows, or else try again when a client would."""
        network, transport, self._retry = self._network, self._transport, None
        retries = network.syn_waits[:-1]  # after the last attempt the client gives up
        if network.within_rate(self._life, transport):
            self._come_in()
        elif self._tries == len(retries) or not network.hold(self._life, transport):
            reset(transport)
        else:
            transport.pause_reading()
            self._retry = network.loop.call_later(retries[self._tries], self._knock)
            self._tries += 1

    def _come_in(self) -> None:
        transport, inner = self._transport, self._make()
        self._network.let_in(transport)
        transport.set_protocol(inner)
        inner.connection_made(transport)
        if self._tries:
            for data in self._early:
                inner.data_received(data)
            transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._early.append(data)
            self._transport.pause_reading()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._retry is not None:
            self._retry.cancel()
        if self._transport is not None:
            self._network.gave_up(self._transport)


class TlsWatch:
    """Keeps a TLS connection on the books from its first octet."""

    __slots__ = ("_life", "_network")

    def __init__(self, network: LiveNetwork, life: Incarnation) -> None:
        self._network = network
        self._life = life

    def made(self, tls: TlsLayer, wire: Any) -> None:
        tls.connection = self._network.watch(self._life, wire)

    def lost(self, tls: TlsLayer, exc: BaseException | None) -> None:
        if tls.wire is not None:
            self._network.closed(self._life, tls.wire, exc)


class PlainWire(asyncio.Protocol):
    """The layer below a protocol without TLS; when the protocol starts TLS, the TLS layer replaces this one."""

    def __init__(self, network: LiveNetwork, life: Incarnation, inner: Any) -> None:
        self.network = network
        self.life = life
        self.inner = inner
        self.transport: Any = None
        self._buffered = isinstance(inner, asyncio.BufferedProtocol)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.network.watch(self.life, transport)
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self.network.has_faults:
            tapped = self.network.tap(self.transport, data)
            if not tapped:
                return
            data = tapped
        if self._buffered:
            fill(self.inner, data)
        else:
            self.inner.data_received(data)

    def eof_received(self) -> Any:
        return self.inner.eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.network.closed(self.life, self.transport, exc)
        self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()


class DatagramGate(asyncio.DatagramProtocol):
    """The layer below a datagram protocol: drops what the firewalls block, taps the rest."""

    def __init__(self, network: LiveNetwork, life: Incarnation, inner: Any) -> None:
        self.network = network
        self.life = life
        self.inner = inner
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.inner.connection_made(self.network.outlet(transport))

    def datagram_received(self, data: bytes, addr: Any) -> None:
        tapped = self.network.datagram(self.life, self.transport, data, addr)
        if tapped:
            self.inner.datagram_received(tapped, addr)

    def error_received(self, exc: Exception) -> None:
        self.inner.error_received(exc)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.network.unbound(self.life, self.transport)
        self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()
