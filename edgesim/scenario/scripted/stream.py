"""Octets by hand, on connections of TCP and TLS."""

from __future__ import annotations

import asyncio

from edgesim.journal import events
from edgesim.node import Node
from edgesim.scenario.expect import Expectations
from edgesim.scenario.scripted.inbox import Inbox, shown


class ScriptedStream(asyncio.Protocol):
    """A TCP or TLS connection of a scripted host, as octets."""

    def __init__(self, node: Node, owner: str, expectations: Expectations) -> None:
        self._node = node
        self.inbox: Inbox[bytes] = Inbox(owner, expectations, shown)
        self._wire: asyncio.Transport | None = None
        self.peer: tuple[str, int] = ("", 0)
        self.ended = False
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._wire = transport  # type: ignore[assignment]  # uvloop's transports do not derive from asyncio's
        self.peer = (transport.get_extra_info("peername") or ("", 0))[:2]

    def data_received(self, data: bytes) -> None:
        """Keep what arrived."""
        self._node.journal.received(events.Note(text=f"{len(data)} octets"), peer=self.peer, payload=data)
        self.inbox.put(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember that nothing more comes."""
        self.ended = True
        self.inbox.news = f"the connection with {self.peer[0]}:{self.peer[1]} ended"

    def send(self, data: bytes) -> None:
        """Send octets. Raises `ConnectionError` if the connection is gone."""
        if self._wire is None or self.ended:
            raise ConnectionError(f"the connection with {self.peer[0]}:{self.peer[1]} is gone")
        self._node.host.context().run(self._wire.write, data)

    async def receive(self, until: bytes = b"", *, within: float = 10.0) -> bytes:
        """Return what comes next: one piece, or everything up to and including ``until``."""
        data, self._rest = self._rest, b""
        while not data or until not in data:
            data += await self.inbox.next(f"octets{f' up to {until!r}' if until else ''}", lambda _: True, within)
        if until:
            end = data.index(until) + len(until)
            data, self._rest = data[:end], data[end:]
        return data

    def unread(self) -> list[str]:
        """Return a line for unread octets."""
        rest = [f"{self.inbox.owner} got octets that were not read: {shown(self._rest)}"] if self._rest else []
        return rest + self.inbox.unread()

    async def close(self) -> None:
        """Close the connection."""
        if self._wire is not None and not self.ended:
            self._node.host.context().run(self._wire.close)


class ScriptedListener:
    """A TCP or TLS port of a scripted host, whose connections are octets."""

    def __init__(self, node: Node, owner: str, expectations: Expectations) -> None:
        self._node = node
        self._expectations = expectations
        self.inbox: Inbox[ScriptedStream] = Inbox(
            owner, expectations, lambda item: f"a connection from {item.peer[0]}:{item.peer[1]}"
        )
        self.streams: list[ScriptedStream] = []
        self.server: asyncio.AbstractServer | None = None

    def protocol(self) -> ScriptedStream:
        """Return the protocol of one more connection."""
        listener = self

        class Accepted(ScriptedStream):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                listener.streams.append(self)
                listener.inbox.put(self)

        return Accepted(self._node, self.inbox.owner, self._expectations)

    async def accept(self, *, within: float = 10.0) -> ScriptedStream:
        """Return the next connection."""
        return await self.inbox.next("a connection", lambda _: True, within)

    def unread(self) -> list[str]:
        """Return a line for each connection or message that was not taken."""
        return [*self.inbox.unread(), *(line for stream in self.streams for line in stream.unread())]

    async def close(self) -> None:
        """Close the port and its connections."""
        if self.server is not None:
            self.server.close()
        for stream in self.streams:
            await stream.close()
