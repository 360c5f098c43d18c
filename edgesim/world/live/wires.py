"""What stands between real sockets and the protocols of the lab: admission, taps, and a record of the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from edgesim.world.api import Incarnation

if TYPE_CHECKING:
    from edgesim.world.live.network import LiveNetwork


class PlainWire(asyncio.Protocol):
    """Stands below a protocol that speaks in the clear (or starts to encrypt later)."""

    def __init__(self, network: LiveNetwork, life: Incarnation, inner: Any, *, accepting: bool = False) -> None:
        self.network = network
        self.life = life
        self.inner = inner
        self.accepting = accepting
        self.encrypted = False
        self.admitted = False
        self.transport: Any = None
        self._buffered = isinstance(inner, asyncio.BufferedProtocol)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self.accepting and not self.network.admit(self.life, transport):
            return
        self.admitted = True
        self.network.watch(self.life, transport)
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self.admitted:
            return
        if not self.encrypted and self.network.has_faults:
            tapped = self.network.tap(self.transport, data)
            if not tapped:
                return
            data = tapped
        inner = self.inner
        if self.encrypted or self._buffered:
            view = memoryview(data)
            while view:
                buffer = inner.get_buffer(len(view))
                count = min(len(buffer), len(view))
                buffer[:count] = view[:count]
                inner.buffer_updated(count)
                view = view[count:]
        else:
            inner.data_received(data)

    def eof_received(self) -> Any:
        return self.inner.eof_received() if self.admitted else None

    def connection_lost(self, exc: BaseException | None) -> None:
        if self.admitted:
            self.network.closed(self.life, self.transport, exc)
            self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()


class DatagramGate(asyncio.DatagramProtocol):
    """Stands below a datagram protocol: drops what the zones' rules forbid, taps the rest."""

    def __init__(self, network: LiveNetwork, life: Incarnation, inner: Any) -> None:
        self.network = network
        self.life = life
        self.inner = inner
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.inner.connection_made(transport)

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
