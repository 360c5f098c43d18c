"""What the attacks of a storm stand on: whom they attack, at what pace, from which addresses, by which connections."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import random
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

AT_ONCE = 200
"""Steps of one attack that may be under way; beyond, a step is left out."""
HELD = 150
"""Connections that one attack keeps open; the oldest is let go."""
STEP_S = 10
"""Seconds after which a step is given up."""
NOTHING = (OSError, EOFError, ssl.SSLError, TimeoutError, ValueError)
"""What becomes of an attack that is resisted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """One of the good people, whose name, number and device an attacker may know."""

    user: str
    number: str
    device: str
    contact: str = ""
    """The URI under which the client can be reached, and its instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is attacked, and the account of the attacker who has one. ``only`` names attacks; none: all of them."""

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
    victims: tuple[Victim, ...]
    seconds: float
    scale: float = 1.0
    only: tuple[str, ...] = ()


@dataclass(slots=True)
class Ground:
    """Connections from rotating addresses, and steps at a rate. ``done`` and ``failed`` count what came of them."""

    target: Target
    rates: dict[str, float]
    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    held: dict[str, list[asyncio.StreamWriter]] = field(default_factory=dict)
    draw: random.Random = field(default_factory=lambda: random.Random(7))
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    tls: ssl.SSLContext = field(default_factory=lambda: _anybody())

    async def at_rate(self, name: str, step: Callable[[], Awaitable[None]], until: float) -> None:
        """Take a step again and again at the attack's rate."""
        loop = asyncio.get_running_loop()
        pause = 1 / (self.rates[name] * self.target.scale)
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
            async with asyncio.timeout(STEP_S):
                await step()
            self.done[name] += 1
        except NOTHING as error:
            self.failed[f"{name}: {type(error).__name__}"] += 1

    async def lasting(self, name: str, attack: Callable[[float], Awaitable[None]], until: float) -> None:
        """Run an attack that lasts, again whenever it was thrown out."""
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            try:
                async with asyncio.timeout(max(0.1, until - loop.time())):
                    await attack(until)
            except NOTHING as error:
                self.failed[f"{name}: {type(error).__name__}"] += 1
                await asyncio.sleep(1)

    async def pause(self, name: str, steps: int = 1) -> None:
        """Wait for as long as so many steps of a lasting attack take at its rate."""
        await asyncio.sleep(steps / (self.rates[name] * self.target.scale))

    def source(self) -> str:
        """Return an address of its own, another for each call until all were used."""
        number = next(self.numbers)
        return f"{self.target.network}.{208 + number // 250 % 40}.{1 + number % 250}"

    def word(self) -> str:
        """Return a name that is new."""
        return f"{self.draw.getrandbits(48):x}"

    async def open(
        self, port: int, *, tls: bool = True, host: str = ""
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a port, from a new address."""
        return await asyncio.open_connection(
            host or self.target.edge,
            port,
            ssl=self.tls if tls else None,
            server_hostname=f"{self.word()}.invalid" if tls else None,
            local_addr=(self.source(), 0),
        )

    def hold(self, name: str, writer: asyncio.StreamWriter) -> None:
        """Keep a connection open for a while after its step."""
        held = self.held.setdefault(name, [])
        held.append(writer)
        if len(held) > HELD:
            let_go(held.pop(0))

    def let_all_go(self) -> None:
        """Close whatever was kept open."""
        for writers in self.held.values():
            for writer in writers:
                let_go(writer)

    @property
    def path(self) -> str:
        """The path by which Expressway-E serves the domain."""
        return "/" + base64.b64encode(self.target.domain.encode()).decode()


def basic(user: str, password: str) -> str:
    """Return an ``Authorization`` line."""
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode() + "\r\n"


def let_go(writer: asyncio.StreamWriter) -> None:
    """Close a connection at once."""
    with contextlib.suppress(OSError):
        writer.transport.abort()


async def drain(reader: asyncio.StreamReader) -> None:
    """Read until there is nothing more."""
    with contextlib.suppress(OSError):
        while await reader.read(1 << 16):
            pass


def _anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
