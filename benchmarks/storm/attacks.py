"""The attacks of a storm, as a process of its own: ``python -m benchmarks.storm.attacks TARGET``, TARGET in JSON.

Only loopback addresses are attacked, at the rates given, for the seconds given; then everything is closed, the counts
are printed as one line of JSON, and the process ends. Each connection of a stranger comes from another address. No
code is shared with what is attacked.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import itertools
import json
import random
import socket
import ssl
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

RATES: dict[str, float] = {
    "idle_tls": 10,
    "half_messages": 10,
    "pipelining": 10,
    "guessing": 10,
    "malformed": 20,
    "stranger_datagrams": 200,
    "stranger_connections": 20,
    "big_posts": 2,
    "zone_backlog": 20,
    "chat_flood": 20,
}
"""Attacks a second: connections, batches of 500 requests, guesses, messages."""
AT_ONCE = 200
"""Steps of one attack that may be under way; beyond, a step is left out."""
HELD = 150
"""Connections that one attack keeps open; the oldest is let go."""
BATCH = 500
NONCE_SERVES = 100
"""Requests with one nonce, after which the attacker begins anew; servers give out a new one after some more."""
PADDING = "p" * 28_000
BODY = "x" * 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is attacked, and the account of the attacker who has one."""

    network: str
    edge: str
    inside: str
    domain: str
    node: str
    route: str
    user: str
    password: str
    number: str
    device: str
    seconds: float
    scale: float = 1.0


@dataclass(slots=True)
class Storm:
    """All attacks on one target."""

    target: Target
    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    _held: dict[str, list[asyncio.StreamWriter]] = field(default_factory=dict)
    _draw: random.Random = field(default_factory=lambda: random.Random(7))
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _tls: ssl.SSLContext = field(default_factory=lambda: _anybody())

    async def run(self) -> None:
        """Run every attack at its rate, and let everything go in the end."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.target.seconds
        attacks = [
            self._at_rate("idle_tls", self.idle, until),
            self._at_rate("half_messages", self.half, until),
            self._at_rate("pipelining", self.pipelined(), until),
            self._at_rate("guessing", self.guess, until),
            self._at_rate("malformed", self.malformed, until),
            self._at_rate("stranger_datagrams", self.datagram, until),
            self._at_rate("stranger_connections", self.stranger, until),
            self._at_rate("big_posts", self.post, until),
            self._signed_in("zone_backlog", self.zone_backlog, until),
            self._signed_in("chat_flood", self.chat_flood, until),
        ]
        await asyncio.gather(*attacks)
        for writers in self._held.values():
            for writer in writers:
                _let_go(writer)
        await asyncio.sleep(0.5)

    # ---- rates, addresses, connections

    async def _at_rate(self, name: str, step: Callable[[], Awaitable[None]], until: float) -> None:
        loop = asyncio.get_running_loop()
        pause = 1 / (RATES[name] * self.target.scale)
        under_way: set[asyncio.Task[None]] = set()
        due = loop.time()
        while loop.time() < until:
            if len(under_way) < AT_ONCE:
                task = asyncio.ensure_future(self._step(name, step))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            due = max(due + pause, loop.time() - 1)
            await asyncio.sleep(max(0.0, due - loop.time()))
        for task in under_way:
            task.cancel()

    async def _step(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(10):
                await step()
            self.done[name] += 1
        except (OSError, EOFError, ssl.SSLError, TimeoutError, ValueError) as error:
            self.failed[f"{name}: {type(error).__name__}"] += 1

    async def _signed_in(self, name: str, attack: Callable[[float], Awaitable[None]], until: float) -> None:
        """Run an attack of a user with an account, again whenever it was thrown out."""
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            try:
                async with asyncio.timeout(max(0.1, until - loop.time())):
                    await attack(until)
            except (OSError, EOFError, ssl.SSLError, TimeoutError, ValueError) as error:
                self.failed[f"{name}: {type(error).__name__}"] += 1
                await asyncio.sleep(1)

    def _source(self) -> str:
        """Return an address that nobody else has, another for each call until all were used."""
        number = next(self._numbers)
        return f"{self.target.network}.{208 + number // 250 % 40}.{1 + number % 250}"

    async def _open(
        self, port: int, *, tls: bool = True, host: str = ""
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            host or self.target.edge,
            port,
            ssl=self._tls if tls else None,
            server_hostname="storm.invalid" if tls else None,
            local_addr=(self._source(), 0),
        )

    def _hold(self, name: str, writer: asyncio.StreamWriter) -> None:
        held = self._held.setdefault(name, [])
        held.append(writer)
        if len(held) > HELD:
            _let_go(held.pop(0))

    # ---- strangers

    async def idle(self) -> None:
        """Open TLS to a port and say nothing."""
        _, writer = await self._open(self._draw.choice((5061, 8443)))
        self._hold("idle_tls", writer)

    async def half(self) -> None:
        """Begin a message and do not end it."""
        port, tls, octets = self._draw.choice(
            (
                (8443, True, b"POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 2000000\r\n\r\nabc"),
                (8443, True, b"GET / HTTP/1.1\r\nHost: "),
                (5061, True, b"REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/TLS a;branch=z9hG4bK1\r\n"),
                (5222, False, b"<stream:stream to='example.com' xmlns='jabber:client'"),
                (5061, False, b"\x16\x03\x01\x02\x00\x01\x00"),
            )
        )
        _, writer = await self._open(port, tls=tls)
        writer.write(octets)
        self._hold("half_messages", writer)

    def pipelined(self) -> Callable[[], Awaitable[None]]:
        """Return an attack that sends requests on a few connections faster than they are answered."""
        target = base64.b64encode(self.target.domain.encode()).decode()
        batch = f"GET /{target}/nothing HTTP/1.1\r\nHost: e\r\n\r\n".encode() * BATCH
        writers: list[asyncio.StreamWriter] = []

        async def step() -> None:
            if len(writers) < 4:
                writers.append((await self._open(8443))[1])
                self._hold("pipelining", writers[-1])
            writer = self._draw.choice(writers)
            if writer.is_closing():
                writers.remove(writer)
                raise ConnectionResetError
            if writer.transport.get_write_buffer_size() < 1 << 20:
                writer.write(batch)

        return step

    async def guess(self) -> None:
        """Answer a challenge with a random digest."""
        reader, writer = await self._open(5061)
        try:
            request = self._register(None)
            writer.write(request)
            challenge = await _sip_message(reader)
            writer.write(self._register(challenge, response=f"{self._draw.getrandbits(128):032x}"))
            await _sip_message(reader)
        finally:
            _let_go(writer)

    async def malformed(self) -> None:
        """Send what is no message."""
        port, tls, octets = self._draw.choice(
            (
                (5061, True, b"REGISTER\x00\xff sip:\r\n\r\n"),
                (5061, True, self._draw.randbytes(500)),
                (8443, True, b"GET  /\x01 HTTP/9.9\r\n\r\n"),
                (8443, True, b"GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
                (5222, False, b"<!DOCTYPE x [<!ENTITY y 'z'>]><stream:stream>"),
                (2222, False, b"SSH-1.0-nothing\r\n" + self._draw.randbytes(100)),
            )
        )
        reader, writer = await self._open(port, tls=tls)
        try:
            writer.write(octets)
            await asyncio.wait_for(reader.read(1000), 2)
        finally:
            _let_go(writer)

    async def datagram(self) -> None:
        """Send a datagram from a new socket to a port that is not for strangers."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.bind((self._source(), 0))
            wire.sendto(self._options(f"{self._draw.getrandbits(40):x}"), (self.target.inside, 5060))

    async def stranger(self) -> None:
        """Connect to a port that is not for strangers."""
        host, port = self._draw.choice(
            ((self.target.inside, 5060), (self.target.inside, 8443), (self.target.edge, 7001))
        )
        _, writer = await self._open(port, tls=False, host=host)
        try:
            writer.write(b"OPTIONS sip:x SIP/2.0\r\n\r\n")
            await asyncio.sleep(0.2)
        finally:
            _let_go(writer)

    async def post(self) -> None:
        """Send two megabytes without credentials."""
        reader, writer = await self._open(8443)
        try:
            name = base64.b64encode(self.target.domain.encode()).decode()
            head = f"POST /{name}/get_edge_config HTTP/1.1\r\nHost: e\r\nContent-Length: 2000000\r\n\r\n"
            writer.write(head.encode() + bytes(2_000_000))
            await asyncio.wait_for(reader.read(1000), 5)
        finally:
            _let_go(writer)

    # ---- a user with an account

    async def zone_backlog(self, until: float) -> None:
        """Register, then send long requests through E to C faster than they are answered."""
        await self._edge_configuration()
        reader, writer = await self._open(5061)
        try:
            writer.write(self._register(None))
            challenge = await _sip_message(reader)
            count = 1
            writer.write(self._register(challenge, count=count))
            if not (await _final(reader)).startswith(b"SIP/2.0 200"):
                raise ValueError("not registered")
            drained = asyncio.ensure_future(_drain(reader))
            loop, burst = asyncio.get_running_loop(), 20
            try:
                while loop.time() < until and not drained.done() and count < NONCE_SERVES:
                    for _ in range(burst):  # a second's share at once, so that it is a backlog
                        count += 1
                        writer.write(self._long_options(challenge, count))
                        self.done["zone_backlog"] += 1
                    await writer.drain()
                    await asyncio.sleep(burst / (RATES["zone_backlog"] * self.target.scale))
            finally:
                drained.cancel()
        finally:
            _let_go(writer)

    async def chat_flood(self, until: float) -> None:
        """Send messages fast to a session that does not read."""
        _, deaf, address = await self._chat_session()
        reader, writer, _ = await self._chat_session()
        deaf.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport as well
        drained = asyncio.ensure_future(_drain(reader))
        loop = asyncio.get_running_loop()
        stanza = f"<message to='{address}' type='chat'><body>{BODY}</body></message>".encode()
        try:
            while loop.time() < until and not drained.done() and not writer.is_closing():
                writer.write(stanza)
                self.done["chat_flood"] += 1
                await writer.drain()
                await asyncio.sleep(1 / (RATES["chat_flood"] * self.target.scale))
        finally:
            drained.cancel()
            _let_go(writer)
            _let_go(deaf)

    async def _edge_configuration(self) -> None:
        reader, writer = await self._open(8443)
        try:
            target = self.target
            name = base64.b64encode(target.domain.encode()).decode()
            secret = base64.b64encode(f"{target.user}:{target.password}".encode()).decode()
            writer.write(
                f"GET /{name}/get_edge_config HTTP/1.1\r\nHost: e\r\nAuthorization: Basic {secret}\r\n\r\n".encode()
            )
            if b" 200 " not in await reader.readuntil(b"\r\n"):
                raise ValueError("no edge configuration")
        finally:
            _let_go(writer)

    async def _chat_session(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
        target = self.target
        header = (
            f"<?xml version='1.0'?><stream:stream to='{target.domain}' version='1.0' xmlns='jabber:client' "
            "xmlns:stream='http://etherx.jabber.org/streams'>"
        ).encode()
        secret = base64.b64encode(f"\0{target.user}\0{target.password}".encode()).decode()
        reader, writer = await self._open(5222, tls=False)
        writer.write(header + b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        await reader.readuntil(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        await writer.start_tls(self._tls, server_hostname="storm.invalid")
        writer.write(
            header + f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>".encode()
        )
        await reader.readuntil(b"<success")
        resource = f"storm{self._draw.getrandbits(32):x}"
        writer.write(
            header
            + b"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>"
            + resource.encode()
            + b"</resource></bind></iq><presence/>"
        )
        await reader.readuntil(b"<jid>")
        address = (await reader.readuntil(b"</jid>"))[: -len(b"</jid>")].decode()
        return reader, writer, address

    # ---- SIP

    def _head(self, method: str, branch: str, *more: str) -> str:
        target = self.target
        lines = [
            f"{method} sip:{target.node} SIP/2.0",
            f"Via: SIP/2.0/TLS 198.51.100.1:5061;branch=z9hG4bK{branch}",
            "Max-Forwards: 70",
            f"Route: {target.route}",
            f"From: <sip:{target.number}@{target.node}>;tag=storm",
            f"To: <sip:{target.number}@{target.node}>",
            f"Call-ID: storm-{self.target.seconds}-{method}-{id(self)}",
            *more,
        ]
        return "\r\n".join(lines) + "\r\n\r\n"

    def _register(self, challenge: dict[str, str] | None, *, count: int = 1, response: str | None = None) -> bytes:
        target = self.target
        number = next(self._numbers)
        more = [
            f"CSeq: {number} REGISTER",
            f"Contact: <sip:storm@198.51.100.1:5061;transport=tls>;"
            f'+sip.instance="<urn:uuid:00000000-0000-0000-0000-0000000000aa>";+u.sip!devicename.ccm.cisco.com='
            f'"{target.device}"',
            "Expires: 3600",
            "Content-Length: 0",
        ]
        if challenge is not None:
            more.insert(0, self._proof(challenge, "REGISTER", count, response))
        return self._head("REGISTER", f"r{number}", *more).encode()

    def _long_options(self, challenge: dict[str, str], count: int) -> bytes:
        number = next(self._numbers)
        more = (
            self._proof(challenge, "OPTIONS", count, None),
            f"CSeq: {number} OPTIONS",
            f"X-Padding: {PADDING}",
            "Content-Length: 0",
        )
        return self._head("OPTIONS", f"o{number}", *more).encode()

    def _options(self, branch: str) -> bytes:
        return self._head("OPTIONS", branch, "CSeq: 1 OPTIONS", "Content-Length: 0").encode()

    def _proof(self, challenge: dict[str, str], method: str, count: int, response: str | None) -> str:
        target = self.target
        uri = f"sip:{target.node}"
        if response is None:
            first = _md5(f"{target.user}:{challenge['realm']}:{target.password}")
            second = _md5(f"{method}:{uri}")
            response = _md5(f"{first}:{challenge['nonce']}:{count:08x}:0a1b2c3d:auth:{second}")
        return (
            f'{challenge["answer"]}: Digest username="{target.user}", realm="{challenge["realm"]}", '
            f'nonce="{challenge["nonce"]}", uri="{uri}", response="{response}", algorithm=MD5, qop=auth, '
            f'cnonce="0a1b2c3d", nc={count:08x}'
        )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _let_go(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.transport.abort()


async def _head_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))
    return head


async def _final(reader: asyncio.StreamReader) -> bytes:
    while (head := await _head_of(reader)).startswith(b"SIP/2.0 1"):
        pass
    return head


async def _sip_message(reader: asyncio.StreamReader) -> dict[str, str]:
    """Return the challenge in the next final answer. Raises `ValueError` without one."""
    head = (await _final(reader)).decode("utf-8", "replace")
    for line in head.split("\r\n"):
        name, _, value = line.partition(": ")
        if name in ("Proxy-Authenticate", "WWW-Authenticate"):
            found = {}
            for part in value.removeprefix("Digest ").split(","):
                key, _, text = part.strip().partition("=")
                found[key] = text.strip('"')
            found["answer"] = "Proxy-Authorization" if name.startswith("Proxy") else "Authorization"
            return found
    raise ValueError(head[:40])


async def _drain(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(1 << 16):
            pass


async def _main(target: Target) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # what is cut while it is written
    storm = Storm(target)
    await storm.run()
    print(json.dumps({"done": storm.done, "failed": storm.failed}), flush=True)


if __name__ == "__main__":
    given = Target(**json.loads(sys.argv[1]))
    if not (given.network.startswith("127.") and given.edge.startswith("127.") and given.inside.startswith("127.")):
        sys.exit("only loopback addresses are attacked")
    asyncio.run(_main(given))
