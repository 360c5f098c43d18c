"""A full lab in the simulated world with two attackers, one on the internet and one inside, and two honest users."""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edgesim.clients.jabber import Jabber
from edgesim.control import InProcess
from edgesim.deployment import builtin
from edgesim.journal import Entry, Event
from edgesim.lab import RunningLab
from edgesim.pki import EXPRESSWAY, Authority, Identity, Request, client_context
from edgesim.scenario.leaks import stop_and_look
from edgesim.world import Host, Interface
from edgesim.world.entropy import Entropy
from edgesim.world.netstat import SocketRow
from edgesim.world.sim import SimWorld
from tests.hostile.case import Case
from tests.hostile.xmpp_inputs import HEADER
from tests.simrun import idle

OUTSIDER, INSIDER = "198.51.100.66", "10.0.50.66"
QUIET = 2.0
"""Seconds of lab time in which an answer must begin, and of silence after which it is complete."""
CLOSES = 700.0
"""Seconds of lab time in which a server must have ended a connection that leads to nothing."""

SALT = (b"\r\n", b"\0", b"\xff", b"<", b">", b'"', b";", b":", b"%00", b"9" * 30)
"""What damages a text most."""

Dialect = Literal["http", "sip", "xmpp", "xcp", "ssh", "dns", "dns-udp", "sip-udp", "media-udp"]


@dataclass(frozen=True, slots=True)
class Door:
    """A listening port. ``tls``: from the first octet; ``mutual``: with a certificate of the caller."""

    host: str
    address: str
    port: int
    dialect: Dialect
    tls: bool = False
    mutual: bool = False

    def __str__(self) -> str:
        return f"{self.host}-{self.address}-{self.port}-{self.dialect}"


UCM = [("ucm-pub", "10.0.40.11"), ("ucm-sub", "10.0.40.12")]
EDGE, CORE = ("expe", "203.0.113.10"), ("expe", "10.0.20.10")
DOORS = [
    *[Door(host, address, 53, dialect)
      for host, address in (("dns-inside", "10.0.40.53"), ("dns-outside", "203.0.113.53"))
      for dialect in ("dns", "dns-udp")],
    *[Door(*node, 8443, "http", tls=True) for node in UCM],
    Door(*UCM[0], 6970, "http"),
    Door(*UCM[0], 6972, "http", tls=True),
    *[Door(*node, 5060, dialect) for node in UCM for dialect in ("sip", "sip-udp")],
    *[Door(*node, 5061, "sip", tls=True, mutual=True) for node in UCM],
    Door("imp-pub", "10.0.40.21", 8443, "http", tls=True),
    Door("imp-pub", "10.0.40.21", 5222, "xmpp"),
    Door("imp-pub", "10.0.40.21", 7400, "xcp", tls=True, mutual=True),
    *[Door(*side, 2222, "ssh") for side in (EDGE, CORE)],
    Door(*EDGE, 8443, "http", tls=True),
    Door(*EDGE, 5061, "sip", tls=True),
    *[Door(*side, 7001, "sip", tls=True, mutual=True) for side in (EDGE, CORE)],
    Door(*EDGE, 5222, "xmpp"),
    Door(*CORE, 7400, "xcp", tls=True, mutual=True),
    *[Door(*CORE, port, "media-udp") for port in (2776, 2777)],
    Door("expc", "10.0.30.10", 5060, "sip"),
    Door("expc", "10.0.30.10", 5061, "sip", tls=True, mutual=True),
]  # fmt: skip
"""Every port that the lab listens on; a test compares it with the world's own list."""


class Wire(asyncio.Protocol):
    """The attacker's end of a connection: it keeps everything."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.closed = asyncio.Event()
        self.news = asyncio.Event()
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data
        self.news.set()

    def datagram_received(self, data: bytes, _: Any) -> None:
        self.data_received(data)

    def error_received(self, _: Exception) -> None:
        """A port is closed; the test will see that nothing came."""

    def eof_received(self) -> bool:
        self.closed.set()
        self.news.set()
        return False

    def connection_lost(self, _: Exception | None) -> None:
        self.closed.set()
        self.news.set()

    def send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    async def quiet(self, seconds: float = QUIET) -> bytes:
        """Return all that came, once nothing came for a while or the other side closed."""
        while not self.closed.is_set():
            self.news.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self.news.wait()
            except TimeoutError:
                break
        return bytes(self.heard)

    async def over(self, seconds: float = CLOSES) -> bool:
        """Return whether the other side ends the connection in time."""
        try:
            async with asyncio.timeout(seconds):
                await self.closed.wait()
        except TimeoutError:
            return False
        return True

    def hang_up(self) -> None:
        self.transport.abort()


class Arena:
    """The lab under attack. Unless ``protected``, nothing blocks an attacker: the parsers are alone with the input."""

    def __init__(self, world: SimWorld, *, protected: bool = False, changes: dict[str, Any] | None = None) -> None:
        self.world = world
        deployment = builtin("small").changed(
            {
                "unified_cm.0.mixed_mode": True,
                "defaults.protection.intrusion_protection_on_e": protected,
                **(changes or {}),
            }
        )
        self.lab = RunningLab(world, deployment)
        self.journal = self.lab.journal
        self.outsider = self._attacker("mallory", OUTSIDER, "internet")
        self.insider = self._attacker("trudy", INSIDER, "inside")
        self.entropy = Entropy(20, "hostile inputs")
        self.alice = Jabber(self.lab.node("jabber-1"), deployment.user("alice"))
        self._bob = Jabber(self.lab.node("jabber-2"), deployment.user("bob"))

    def _attacker(self, name: str, address: str, zone: str) -> Host:
        return self.world.add_host(name, [Interface(name="lan1", address=address, zone=zone)], idle)

    async def start(self) -> None:
        """Start everything; alice signs in and stays."""
        await self.lab.start()
        await self.world.start("mallory")
        await self.world.start("trudy")
        assert (await self.alice.sign_in()).ok

    async def end(self) -> None:
        """What must hold after every attack."""
        await self.bob_signs_in()
        self.no_strangers_left()
        alice = [entry for entry in self.entries("sip.unregistered") if "CSFALICE" in entry.event.summary()]
        assert not alice, "alice lost her registration"
        assert self.alice.phone is not None and self.alice.phone.registered
        await self.alice.sign_out()
        assert await stop_and_look(InProcess(self.lab), self.world.kind) == []
        await self.world.stop("mallory")
        await self.world.stop("trudy")

    async def bob_signs_in(self) -> None:
        """A full sign-in through everything, and out again."""
        result = await self._bob.sign_in()
        assert result.ok and result.phone and result.chat, result
        await self._bob.sign_out()

    async def alice_refreshes(self) -> None:
        """Wait until alice's registration was refreshed once more."""
        before = len(self.journal)
        async with asyncio.timeout(200):
            refreshed = False
            while not refreshed:
                await asyncio.sleep(5)
                news = self.entries("sip.registered", before)
                refreshed = any("CSFALICE" in entry.event.summary() for entry in news)

    def entries(self, kind: str, start: int = 0) -> Sequence[Entry[Event]]:
        """Entries of a kind."""
        return self.journal.select(kind=kind, start=start)

    def strangers(self) -> list[SocketRow]:
        """The sockets that lead to an attacker."""
        return [row for row in self.world.sockets() if row.remote is not None and row.remote[0] in (OUTSIDER, INSIDER)]

    def no_strangers_left(self) -> None:
        """No server may keep a socket for an attacker who hung up."""
        assert not self.strangers()

    # ---- the attack

    def attacker(self, door: Door) -> Host:
        """Whoever of the two reaches a door: the firewall before E lets the internet to its clients' ports only."""
        outside = door.address.startswith("203.") and door.port not in (2222, 7001)
        return self.outsider if outside else self.insider

    def context(self, door: Door) -> ssl.SSLContext:
        """TLS that trusts anybody; behind a mutual door, with Expressway-C's or E's own certificate, stolen."""
        owner = "expe" if door.host == "expc" else "expc"
        identity = self.lab.certificates.identities(owner)["server"] if door.mutual else None
        return client_context(None, identity=identity)

    def stranger(self) -> Identity:
        """A certificate with Expressway-C's names, by a CA that nobody here trusts."""
        entropy = Entropy(66, "another CA")
        names = self.lab.certificates.identities("expc")["server"].names
        made = Request(common_name="expc.inside.example.com", names=names, profile=EXPRESSWAY)
        return Authority.root("Nobody's Root CA", entropy).issue(made)

    async def open(self, door: Door, *, raw: bool = False) -> Wire:
        """Connect to a door; ``raw`` stays below TLS."""
        return await self.attacker(door).run(self._open(door, raw), name="attack")

    async def _open(self, door: Door, raw: bool) -> Wire:
        loop = asyncio.get_running_loop()
        if door.dialect.endswith("-udp"):
            _, wire = await loop.create_datagram_endpoint(Wire, remote_addr=(door.address, door.port))
            wire.send = wire.transport.sendto
            return wire
        tls = self.context(door) if door.tls and not raw else None
        name = "lab.example.com" if tls is not None else None
        _, wire = await loop.create_connection(Wire, door.address, door.port, ssl=tls, server_hostname=name)
        return wire

    async def strike(
        self,
        door: Door,
        case: Case,
        *,
        raw: bool = False,
        prepare: Callable[[Wire], Awaitable[None]] | None = None,
    ) -> bytes:
        """Send one input and hold the server to what the case demands. Return what came back."""
        start = len(self.journal)
        wire = await self.open(door, raw=raw)
        try:
            if prepare is not None:
                await prepare(wire)
                wire.heard.clear()
            for piece in case.pieces:
                wire.send(piece)
                if case.pause:
                    await asyncio.sleep(case.pause)
                if wire.closed.is_set():
                    break
            if case.ends and not wire.transport.is_closing():
                if wire.transport.can_write_eof():
                    wire.transport.write_eof()
                else:
                    wire.transport.close()
            heard = await wire.quiet()
            if case.closes:
                assert await wire.over(), f"{case}: the connection stays open after {heard[:300]!r}"
                heard = bytes(wire.heard) if case.patient else heard
        finally:
            wire.hang_up()
        self._check(case, heard, start)
        return heard

    async def strike_all(self, door: Door, cases: Iterable[Case], **options: Any) -> None:
        """Strike with every case, and fail with all that went wrong; bob signs in meanwhile."""
        bob = asyncio.get_running_loop().create_task(self.bob_signs_in(), name="bob")
        failures = []
        for case in cases:
            try:
                await self.strike(door, case, **options)
            except AssertionError as error:
                failures.append(str(error).partition("\n")[0])
        await bob
        assert not failures, "\n".join(failures)

    async def start_tls(self, door: Door, wire: Wire) -> None:
        """Go through STARTTLS on an XMPP port."""
        wire.send(HEADER + b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        await wire.quiet(0.5)
        assert wire.heard.endswith(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), bytes(wire.heard)

        async def upgrade() -> Any:
            loop = asyncio.get_running_loop()
            return await loop.start_tls(wire.transport, wire, self.context(door), server_hostname="example.com")

        wire.transport = await self.attacker(door).run(upgrade(), name="STARTTLS")

    async def authenticate(self, door: Door, wire: Wire, user: str) -> None:
        """Go through STARTTLS, SASL and binding on an XMPP port."""
        await self.start_tls(door, wire)
        secret = base64.b64encode(f"\0{user}\0{user}-secret".encode())
        auth = b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + secret + b"</auth>"
        bind = b"<iq type='set' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq><presence/>"
        for octets, wanted in ((HEADER + auth, b"<success"), (HEADER + bind, b"<jid>")):
            wire.heard.clear()
            wire.send(octets)
            await wire.quiet(0.5)
            assert wanted in wire.heard, bytes(wire.heard)

    def mutated(self, octets: bytes) -> bytes:
        """Return octets with a few things wrong: bits, places, lengths."""
        draw, data = self.entropy, bytearray(octets)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(0, len(data) + 1)
            size = draw.randint(1, 40)
            match draw.randrange(0, 6):
                case 0 if at < len(data):
                    data[at] ^= 1 << draw.randrange(0, 8)
                case 1:
                    del data[at : at + size]
                case 2:
                    data[at:at] = data[at : at + size] * draw.randint(1, 50)
                case 3:
                    data[at:at] = draw.randbytes(size)
                case 4:
                    del data[at:]
                case _:
                    data[at:at] = draw.choice(
                        [b"\r\n", b"\0", b"\xff", b"<", b">", b'"', b";", b":", b"%00", b"9" * 30]
                    )
        return bytes(data)

    def _check(self, case: Case, heard: bytes, start: int) -> None:
        if case.answer is not None:
            assert re.match(case.answer, heard, re.DOTALL), f"{case}: answered {heard[:300]!r}"
        if case.counted:
            assert heard.count(case.counted) <= case.at_most, f"{case}: answered more than once: {heard[:2000]!r}"
        assert case.never not in heard, f"{case}: answered {heard[:2000]!r}"
        malformed = self.entries("malformed", start)
        if case.malformed is not None:
            assert bool(malformed) is case.malformed, f"{case}: {[each.event.summary() for each in malformed]}"

    async def crowd(self, door: Door, count: int, *, together: bool, octets: bytes = b"", raw: bool = True) -> int:
        """Open ``count`` connections, one after the other or all at once; return how many could be opened."""
        wires = []
        opened = 0
        for _ in range(count):
            try:
                wire = await self.open(door, raw=raw)
            except OSError:
                continue
            opened += 1
            wires.append(wire)
            if octets:
                wire.send(octets)
            if not together:
                wire.hang_up()
        if together:
            await self.bob_signs_in()
        for wire in wires:
            wire.hang_up()
        return opened

    async def settle(self) -> None:
        """Let what the attackers left time out."""
        await asyncio.sleep(5)


def under_attack(
    story: Callable[[Arena], Awaitable[None]], *, seed: int = 1, changes: dict[str, Any] | None = None
) -> None:
    """Run a story in a lab with alice signed in. Afterwards bob can sign in too, and nothing is left or unhandled."""
    world = SimWorld(seed)
    arena = Arena(world, changes=changes)

    async def whole() -> None:
        await arena.start()
        await story(arena)
        await arena.settle()
        await arena.end()

    world.run(whole())
    assert not world.errors(), world.unhandled
