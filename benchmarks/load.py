"""A load generator: many clients that register over TLS, as a process of its own that shares no code path with servers.

It reads commands as lines of JSON from standard input and answers each with one line: ``sign_up`` fetches the edge
configuration for every client, connects and registers it; ``refresh`` sends REGISTERs for some seconds, each client its
next as soon as it has the answer to its last; ``quit`` ends. REGISTERs are written as octets that were built before.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import uvloop

from benchmarks.golden import GoldenCopy, GoldenCopyError
from edgesim.clients.common.register import Dialogue, register
from edgesim.clients.jabber.registration import JabberRegistrant
from edgesim.edge.descriptor import control_url
from edgesim.http import basic_authorization
from edgesim.sip import parse_message
from edgesim.sip.message import Response
from edgesim.world.entropy import Entropy
from edgesim.world.machine import stopwatch

DATE = "Mon, 05 Jan 2026 08:00:00 GMT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The edge: the addresses of E outside and inside and of C, the names that go with them, the CA file."""

    edge: str
    fqdn: str
    inner: str
    core: str
    domain: str
    node: str
    route: str
    ca_file: str
    https: int = 8443
    sip: int = 5061


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """Who registers, and from which address."""

    user: str
    password: str
    number: str
    device: str
    contact: str
    address: str


class LoadError(Exception):
    """A client got another answer than the benchmark needs."""


@dataclass(slots=True)
class Client(asyncio.Protocol):
    """One client: its connection, its dialogue, the REGISTERs that it will send."""

    who: Subscriber
    target: Target
    entropy: Entropy
    instance: str
    ready: list[bytes] = field(default_factory=list)
    refreshed: int = 0
    slowest: float = 0.0
    deadline: float = 0.0
    values: dict[str, str] = field(default_factory=dict)
    _dialogue: Dialogue | None = None
    _wire: asyncio.Transport | None = None
    _buffer: bytes = b""
    _waiter: asyncio.Future[bytes] | None = None
    _golden: GoldenCopy | None = None
    _sent_at: float = 0.0
    _running: bool = False

    # ---- asyncio's side

    def connection_made(self, transport: Any) -> None:
        self._wire = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(LoadError(f"{self.who.user}: connection lost {exc or ''}"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            start = self._buffer.find(b"\r\nContent-Length: ", 0, end) + 18
            whole = end + 4 + int(self._buffer[start : self._buffer.find(b"\r\n", start)])
            if len(self._buffer) < whole:
                return
            message, self._buffer = self._buffer[:whole], self._buffer[whole:]
            if not message.startswith(b"SIP/2.0 1"):
                self._got(message)

    def _got(self, message: bytes) -> None:
        if not self._running:
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(message)
            return
        assert self._golden is not None and self._waiter is not None
        try:
            self._golden.compare(message)
        except GoldenCopyError as error:
            self._fail(error)
            return
        now = stopwatch()
        self.refreshed += 1
        self.slowest = max(self.slowest, now - self._sent_at)
        if now < self.deadline and self.ready:
            self._next(now)
        elif not self._waiter.done():
            self._running = False
            self._waiter.set_result(message)

    def _next(self, now: float) -> None:
        assert self._wire is not None
        self._sent_at = now
        self._wire.write(self.ready.pop())

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    # ---- what it does

    async def sign_up(self, tls: ssl.SSLContext) -> None:
        """Prove the password to C, connect and register. Raises `LoadError`."""
        await self._edge_configuration(tls)
        loop = asyncio.get_running_loop()
        target = self.target
        await loop.create_connection(
            lambda: self,
            target.edge,
            target.sip,
            ssl=tls,
            server_hostname=target.fqdn,
            local_addr=(self.who.address, 0),
        )
        assert self._wire is not None
        address, port = self._wire.get_extra_info("sockname")[:2]
        self._dialogue = Dialogue.new(
            self.entropy, user=self.who.user, password=self.who.password, instance=self.instance, address=address
        )
        self._dialogue.alarm = "25 initialized"
        answer = await self._exchange(self._build())
        if not self._dialogue.challenged(answer):
            raise LoadError(f"{self.who.user}: {answer.status} {answer.reason} where a challenge was due")
        answer = await self._exchange(self._build())
        if answer.status != 200:
            raise LoadError(f"{self.who.user}: {answer.status} {answer.reason} to REGISTER")
        self._dialogue.alarm = None
        self.values = {
            **{name: getattr(self.who, name) for name in ("user", "number", "device", "contact")},
            "node": target.node,
            "c": target.core,
            "e": target.inner,
            "client": address,
            "port": str(port),
            "instance": self.instance,
            "call_id": self._dialogue.call_id,
            "tag": self._dialogue.tag,
            **self._own(self._build()),
        }
        self._golden = GoldenCopy("registered_at_client.sip", self.values)

    def _own(self, message: bytes) -> dict[str, str]:
        """Return what is this client's own in a REGISTER and must arrive as it was sent."""
        request = parse_message(message)
        return {
            "supported": request.get("Supported") or "",
            "agent": request.get("User-Agent") or "",
            "length": str(len(request.body)),
            "body": request.body.decode("ascii"),
        }

    async def _edge_configuration(self, tls: ssl.SSLContext) -> None:
        target = self.target
        reader, writer = await asyncio.open_connection(
            target.edge, target.https, ssl=tls, server_hostname=target.fqdn, local_addr=(self.who.address, 0)
        )
        url = control_url("get_edge_config?service_name=_cisco-uds", domain=target.domain, edge=target.fqdn)
        path = "/" + url.split("/", 3)[3]
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {target.fqdn}:8443\r\n"
            f"Authorization: {basic_authorization(self.who.user, self.who.password)}\r\n\r\n".encode()
        )
        status = await reader.readline()
        writer.close()
        if b" 200 " not in status:
            raise LoadError(f"{self.who.user}: {status!r} to get_edge_config")

    async def _exchange(self, message: bytes) -> Response:
        assert self._wire is not None
        self._waiter = asyncio.get_running_loop().create_future()
        self._wire.write(message)
        answer = parse_message(await self._waiter)
        assert isinstance(answer, Response)
        return answer

    def _build(self) -> bytes:
        assert self._wire is not None and self._dialogue is not None
        who, target = self.who, self.target
        registrant = JabberRegistrant(
            node=target.node,
            number=who.number,
            contact_user=who.contact,
            device=who.device,
            model=503,
            instance=self.instance,
            agent="Cisco-CSF",
            load="Jabber_for_Windows-14.1.0",
            mra=True,
            reg_id="1",  # as in the golden copies
        )
        request = register(
            registrant,
            self._dialogue,
            local=self._wire.get_extra_info("sockname")[:2],
            transport="tls",
            date=DATE,
            expires=3600,
            routes=(target.route,),
        )
        return bytes(request)

    def prepare(self, number: int) -> None:
        """Build the next ``number`` refreshes."""
        self.ready = [self._build() for _ in range(number)]
        self.ready.reverse()

    async def refresh(self, deadline: float) -> None:
        """Send refreshes until the deadline. Raises `LoadError` and `GoldenCopyError`."""
        self._waiter = asyncio.get_running_loop().create_future()
        self.deadline, self.refreshed, self.slowest, self._running = deadline, 0, 0.0, True
        self._next(stopwatch())
        await self._waiter
        if not self.ready:
            raise LoadError("the prepared REGISTERs did not last")

    def close(self) -> None:
        """Close the connection."""
        if self._wire is not None:
            self._waiter = None
            self._wire.close()


class Generator:
    """All clients, and the commands."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.tls = ssl.create_default_context(cafile=target.ca_file)
        self.clients: list[Client] = []

    async def sign_up(self, subscribers: list[dict[str, str]]) -> list[dict[str, str]]:
        """Register more clients; return the values by which golden copies know each."""
        fresh = []
        for fields in subscribers:
            who = Subscriber(**fields)
            instance = f"{len(self.clients) + 1:012x}"
            client = Client(who, self.target, Entropy(1, who.user), instance)
            self.clients.append(client)
            await client.sign_up(self.tls)
            fresh.append(client.values)
        return fresh

    async def refresh(self, clients: int, seconds: float, prepared: int) -> dict[str, float]:
        """Refresh by the first ``clients`` at once for some seconds; return the number, the time, the slowest."""
        busy = self.clients[:clients]
        for client in busy:
            client.prepare(prepared)
        began = stopwatch()
        for each in [asyncio.ensure_future(client.refresh(began + seconds)) for client in busy]:
            await each
        taken = stopwatch() - began
        refreshed = sum(client.refreshed for client in busy)
        return {"refreshed": refreshed, "seconds": taken, "slowest": max(client.slowest for client in busy)}

    def close(self) -> None:
        """Close every connection."""
        for client in self.clients:
            client.close()


async def serve() -> None:
    """Obey the commands on standard input."""
    loop = asyncio.get_running_loop()
    generator: Generator | None = None
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        answer: Any
        try:
            if command["do"] == "target":
                generator = Generator(Target(**command["target"]))
                answer = True
            elif generator is None or command["do"] == "quit":
                break
            else:
                work: Callable[..., Any] = getattr(generator, command.pop("do"))
                answer = await work(**command)
        except (LoadError, GoldenCopyError, OSError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps({"answer": answer}), flush=True)
    if generator is not None:
        generator.close()


def as_json(target: Target) -> dict[str, Any]:
    """Return a target as a command carries it."""
    return asdict(target)


if __name__ == "__main__":
    uvloop.run(serve())
