"""Scripted hosts: a scenario controls a host message by message.

``await lab.script("ucm-sub")`` takes a host's place: its product is stopped, or was never started; the name, the
addresses and the certificates stay. What it receives is journalled as on any host. It must be read in order: a message
other than the one that the script waits for fails the scenario at once; one that was not read fails it at the end.

A script runs in the story's own process: it alone in this package holds live connections.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from edgesim import lab as labs
from edgesim.control import Carrier, StopHost
from edgesim.http import Headers, HttpServer
from edgesim.http import Request as HttpRequest
from edgesim.http import Response as HttpResponse
from edgesim.journal import events
from edgesim.node import Node
from edgesim.pki import client_context, server_context
from edgesim.scenario.expect import ExpectationError, Expectations, caller
from edgesim.sip import Connection, Request, Response, SipEndpoint
from edgesim.sip.settings import limits_of, timers_of
from edgesim.world import Host, HostState, Service

A = TypeVar("A")
T = TypeVar("T")
Transport = Literal["tcp", "tls", "udp"]
HeaderList = Iterable[tuple[str, str]]
SHOWN = 300
"""How many octets of an unexpected message a failure shows."""


class _Nobody:
    """The service of a host that a script plays."""

    async def stop(self) -> None:
        """Nothing to stop: the script closes what it opened."""


async def _nobody(_: Host) -> Service:
    return _Nobody()


class Inbox(Generic[A]):
    """The messages that a script received, in order."""

    def __init__(self, owner: str, expectations: Expectations, words: Callable[[A], str]) -> None:
        self.owner = owner
        self._expectations = expectations
        self._words = words
        self._items: list[A] = []
        self._ignored: list[Callable[[A], bool]] = []
        self._arrival: asyncio.Future[None] | None = None
        self.news = ""

    def put(self, item: A) -> None:
        """Take what arrived."""
        if any(ignored(item) for ignored in self._ignored):
            return
        self._items.append(item)
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def ignore(self, unwanted: Callable[[A], bool]) -> None:
        """Pass over what fits ``unwanted`` from now on, and what came of it already."""
        self._ignored.append(unwanted)
        self._items = [item for item in self._items if not unwanted(item)]

    async def next(self, expected: str, fits: Callable[[A], bool], within: float) -> A:
        """Return the next arrival, which must fit. Raises `ExpectationError` if another comes, or none in time."""
        expectations = self._expectations
        expectations.asserted += 1
        where = caller()
        try:
            async with asyncio.timeout(within):
                while not self._items:
                    self._arrival = asyncio.get_running_loop().create_future()
                    await self._arrival
        except TimeoutError:
            pass
        around = len(expectations.journal)
        wanted = f"{self.owner} to receive {expected}"
        if not self._items:
            lines = ["nothing came", *([self.news] if self.news else [])]
            raise ExpectationError(f"{wanted} within {within:g} s", lines, around, where)
        item = self._items.pop(0)
        if not fits(item):
            raise ExpectationError(wanted, [f"this came: {self._words(item)}"], around, where)
        return item

    def unread(self) -> list[str]:
        """Return a line for each unread arrival."""
        return [f"{self.owner} got a message that was not read: {self._words(item)}" for item in self._items]


# ---- SIP


@dataclass(frozen=True, slots=True)
class SipArrival:
    """A SIP message that a script received, and the connection it came by."""

    message: Request | Response
    connection: Connection
    _host: Host = field(repr=False)

    def answer(
        self,
        status: int,
        reason: str | None = None,
        *,
        headers: HeaderList = (),
        body: bytes = b"",
        to_tag: str | None = "scripted",
    ) -> None:
        """Answer a request, by the connection it came by. Raises `TypeError` for a response."""
        if not isinstance(self.message, Request):
            raise TypeError(f"{self.message!r} is not a request")
        response = self.message.response(status, reason, to_tag=to_tag, headers=list(headers), body=body)
        self._host.context().run(self.connection.send_now, response)

    @property
    def status(self) -> int:
        """A response's status; 0 for a request."""
        return self.message.status if isinstance(self.message, Response) else 0


class ScriptedSip:
    """A SIP port, or a connection, of a scripted host. CRLF and STUN keep-alives are answered without being asked."""

    def __init__(self, node: Node, owner: str, expectations: Expectations) -> None:
        self._node = node
        self.inbox: Inbox[SipArrival] = Inbox(owner, expectations, lambda item: _shown(bytes(item.message)))
        self.endpoint = SipEndpoint(
            node.host,
            node.journal,
            limits=limits_of(node.defaults.sip),
            timers=timers_of(node.defaults.sip),
            on_request=self._got,
            on_response=self._got,
            on_lost=self._lost,
            stateful=False,
            name=f"script {owner}",
        )
        self.connection: Connection | None = None

    async def receive(
        self, what: str | int | None = None, *, within: float = 10.0, containing: bytes = b""
    ) -> SipArrival:
        """Return the next message: of a method, of a status, or any. Raises `ExpectationError` if another comes."""

        def fits(item: SipArrival) -> bool:
            message = item.message
            kind = message.method if isinstance(message, Request) else message.status
            return (what is None or kind == what) and containing in bytes(message)

        words = f"{'a message' if what is None else what}{f' containing {containing!r}' if containing else ''}"
        return await self.inbox.next(words, fits, within)

    def ignore(self, *methods: str) -> None:
        """Pass over requests of these methods, e.g. OPTIONS."""
        self.inbox.ignore(lambda item: isinstance(item.message, Request) and item.message.method in methods)

    def send(self, message: Request | Response | bytes, connection: Connection | None = None) -> None:
        """Send a message, or any octets, by a connection: the one that was opened, or the last that something came by.

        Raises `SipTransportError` where it is gone, `LookupError` where there never was one.
        """
        carrier = connection or self.connection
        if carrier is None:
            raise LookupError(f"{self.inbox.owner} has no connection yet")
        write = carrier.send_raw if isinstance(message, bytes) else carrier.send_now
        self._node.host.context().run(write, message)  # type: ignore[arg-type]  # each takes what it was chosen for

    def _got(self, message: Request | Response, connection: Connection) -> None:
        self.connection = connection
        self.inbox.put(SipArrival(message, connection, self._node.host))

    def _lost(self, connection: Connection, _: Exception | None) -> None:
        self.inbox.news = f"the connection with {connection.peer[0]}:{connection.peer[1]} ended"

    async def close(self) -> None:
        """Close everything."""
        await self._node.host.run(self.endpoint.close(), name="close SIP")


# ---- HTTP


@dataclass(frozen=True, slots=True)
class HttpArrival:
    """An HTTP request that a script received and has to answer."""

    request: HttpRequest
    _answer: asyncio.Future[HttpResponse] = field(repr=False)

    def answer(self, status: int, *, reason: str | None = None, headers: HeaderList = (), body: bytes = b"") -> None:
        """Answer it."""
        if not self._answer.done():
            self._answer.set_result(HttpResponse(status=status, reason=reason, headers=Headers(headers), body=body))


class ScriptedHttp:
    """An HTTP or HTTPS port of a scripted host."""

    def __init__(self, node: Node, owner: str, expectations: Expectations) -> None:
        self._node = node
        self.inbox: Inbox[HttpArrival] = Inbox(
            owner, expectations, lambda item: f"{item.request.method} {item.request.target}"
        )
        self.server = HttpServer(node.journal, self._handle, host=node.host)

    async def receive(self, method: str | None = None, target: str = "", *, within: float = 10.0) -> HttpArrival:
        """Return the next request, of a method and with ``target`` in its target. Raises `ExpectationError`."""

        def fits(item: HttpArrival) -> bool:
            return method in (None, item.request.method) and target in item.request.target

        return await self.inbox.next(f"{method or 'a request'}{f' for {target}' if target else ''}", fits, within)

    async def _handle(self, request: HttpRequest) -> HttpResponse:
        answer: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
        self.inbox.put(HttpArrival(request, answer))
        return await answer

    async def close(self) -> None:
        """Close everything."""
        await self._node.host.run(self.server.close(), name="close HTTP")


# ---- any octets


class ScriptedStream(asyncio.Protocol):
    """A TCP or TLS connection of a scripted host, as octets."""

    def __init__(self, node: Node, owner: str, expectations: Expectations) -> None:
        self._node = node
        self.inbox: Inbox[bytes] = Inbox(owner, expectations, _shown)
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
        rest = [f"{self.inbox.owner} got octets that were not read: {_shown(self._rest)}"] if self._rest else []
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


# ---- the host


class ScriptedHost:
    """A host that a scenario plays: `node` has its addresses, certificates and trust stores."""

    def __init__(self, node: Node, expectations: Expectations) -> None:
        self.node = node
        self._expectations = expectations
        self._parts: list[ScriptedSip | ScriptedHttp | ScriptedStream | ScriptedListener] = []

    @classmethod
    async def take(cls, lab: labs.RunningLab, carrier: Carrier, name: str, expectations: Expectations) -> ScriptedHost:
        """Take the place of a host: stop it, and start it in this process without a program.

        ``lab`` is this process's. A client machine that runs here is not restarted: no program runs on it.
        """
        node = lab.node(name)
        elsewhere = lab.world.process(name) is not None
        if node.spec.kind != "client" or node.host.state is not HostState.UP or elsewhere:
            if node.host.state is HostState.UP:
                await carrier.ask(StopHost(host=name))
            lab.world.run_here(name)
            node.host.factory = _nobody
            await lab.world.start(name)
        return cls(node, expectations)

    @property
    def name(self) -> str:
        """The host's name."""
        return self.node.name

    @property
    def address(self) -> str:
        """The host's main address."""
        return self.node.spec.address

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run any coroutine as this host, e.g. one that uses a library."""
        return await self.node.host.run(work, name="script")

    async def listen_sip(self, port: int = 5060, *, transport: Transport = "tcp", service: str = "") -> ScriptedSip:
        """Listen for SIP on every address; with TLS, show the certificate of ``service`` (the host's first one)."""
        line = self._sip(f"{transport} port {port}")

        async def listen() -> None:
            tls = self._server_context(service) if transport == "tls" else None
            for interface in self.node.host.interfaces:
                await line.endpoint.listen(interface.address, port, transport, ssl=tls)

        await self.run(listen())
        return line

    async def connect_sip(
        self, host: str, port: int = 5060, *, transport: Transport = "tcp", server_name: str | None = None
    ) -> ScriptedSip:
        """Open a SIP connection to a name or an address. Raises `OSError`."""
        line = self._sip(f"connection to {host}:{port}")
        tls = client_context(self.node.trusts["system"], keylog=self.node.keylog) if transport == "tls" else None
        name, sip = (server_name or host) if transport == "tls" else None, self.node.defaults.sip
        line.connection = await self.run(
            line.endpoint.connect(
                host,
                port,
                transport,
                ssl=tls,
                server_hostname=name,
                connect_timeout=sip.connect_timeout_s,
                handshake_timeout=sip.tls_handshake_timeout_s,
            )
        )
        return line

    def _sip(self, what: str) -> ScriptedSip:
        line = ScriptedSip(self.node, f"the scripted {self.name}, {what},", self._expectations)
        self._parts.append(line)
        return line

    async def listen_http(self, port: int, *, tls: bool = True, service: str = "") -> ScriptedHttp:
        """Listen for HTTPS (or plain HTTP) on every address."""

        async def listen() -> ScriptedHttp:
            part = ScriptedHttp(self.node, f"the scripted {self.name}, port {port},", self._expectations)
            for interface in self.node.host.interfaces:
                await part.server.listen(interface.address, port, self._server_context(service) if tls else None)
            return part

        part = await self.run(listen())
        self._parts.append(part)
        return part

    async def listen(self, port: int, *, tls: bool = False, service: str = "") -> ScriptedListener:
        """Listen for connections of any protocol on every address."""
        part = ScriptedListener(self.node, f"the scripted {self.name}, port {port},", self._expectations)

        async def listen() -> None:
            addresses = [interface.address for interface in self.node.host.interfaces]
            context = self._server_context(service) if tls else None
            part.server = await asyncio.get_running_loop().create_server(part.protocol, addresses, port, ssl=context)

        await self.run(listen())
        self._parts.append(part)
        return part

    async def connect(self, host: str, port: int, *, tls: bool = False) -> ScriptedStream:
        """Open a connection for octets of any protocol. Raises `OSError`."""
        part = ScriptedStream(self.node, f"the scripted {self.name}, connection to {host}:{port},", self._expectations)

        async def connect() -> None:
            context = client_context(self.node.trusts["system"], keylog=self.node.keylog) if tls else None
            await asyncio.get_running_loop().create_connection(lambda: part, host, port, ssl=context)

        await self.run(connect())
        self._parts.append(part)
        return part

    def unread(self) -> list[str]:
        """Return what was not read, one line each."""
        lines: list[str] = []
        for part in self._parts:
            lines += part.unread() if isinstance(part, ScriptedStream | ScriptedListener) else part.inbox.unread()
        return lines

    async def close(self) -> None:
        """Close every port and connection."""
        if self.node.host.state is not HostState.UP:
            return
        for part in self._parts:
            with contextlib.suppress(OSError):
                await part.close()

    def _server_context(self, service: str) -> Any:
        identities = self.node.identities
        if not identities or (service and service not in identities):
            known = ", ".join(identities) or "none"
            raise LookupError(f"{self.name} has no certificate {service!r}; there are {known}")
        identity = identities[service] if service else next(iter(identities.values()))
        return server_context(identity, keylog=self.node.keylog)


def _shown(data: bytes) -> str:
    text = data[:SHOWN].decode("utf-8", "backslashreplace").replace("\r\n", " | ")
    return text + (" ..." if len(data) > SHOWN else "")
