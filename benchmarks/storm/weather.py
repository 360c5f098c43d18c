"""A live lab, the people in it, the storms over it, and what is counted afterwards."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.people import crowd, own_network
from benchmarks.storm.attacks import RATES
from benchmarks.storm.ground import Target, Victim
from edgesim.clients.jabber import Jabber
from edgesim.http.server import Connection as HttpConnection
from edgesim.journal import Bounds, Entry, Event, Journal, events
from edgesim.lab import RunningLab, on_loopback
from edgesim.sip.connection import StreamConnection
from edgesim.sip.proxy_state import Branch
from edgesim.sip.transaction import ClientTransaction, ServerTransaction
from edgesim.world.background import Background
from edgesim.world.live import LiveWorld
from edgesim.world.machine import stopwatch
from edgesim.world.tls.layer import TlsLayer
from edgesim.xmpp.connection import ClientConnection

RESIDENTS, VISITORS = 2, 3
"""People who stay signed in and talk, and people who sign in, talk and go, again and again."""
REFRESH_S = 20
"""Seconds between the refreshes of a registration, in place of Unified CM's 120: a short storm sees some, too."""
QUIET_ROUNDS = 3
SLOWER = 10.0
"""How many times longer than in quiet a sign-in may take in a storm."""
STARVED = 0.5
"""The share of time in which other programs have the processor beyond which nothing is said about speed."""
GROWTH = 1.10
KEPT_S = 120.0
"""How long HTTP connections are kept after use: only a longer calm shows whether all are gone."""
PATIENCE = 20.0
"""Seconds within which a message must arrive."""
TICK = 0.02
JOURNAL = 16 << 20
"""Octets of journal that are kept: full in the first storm, so that the second adds nothing."""
KEPT = ("http Connection", "world TlsLayer")
COUNTED = (
    StreamConnection, HttpConnection, ClientConnection, TlsLayer, ServerTransaction, ClientTransaction, Branch,
)  # fmt: skip


@dataclass(slots=True)
class Outcome:
    """What came of the storms over one lab."""

    protection: bool
    wanted: tuple[str, ...] = tuple(RATES)
    """The attacks that are to happen."""
    quiet: list[float] = field(default_factory=list)
    stormy: list[float] = field(default_factory=list)
    messages: int = 0
    refreshes: int = 0
    failures: list[str] = field(default_factory=list)
    attacks: Counter[str] = field(default_factory=Counter)
    resisted: Counter[str] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)
    """Megabytes: before the storms, after each."""
    counts: list[dict[str, int]] = field(default_factory=list)
    starved: float = 0.0
    """The share of a storm in which this process waited for a processor that others had."""
    busy: float = 0.0
    """The share of a storm in which it had one."""
    errors: list[str] = field(default_factory=list)
    """Errors of the lab that nobody handled."""
    settled: bool = True
    """Whether the calm was long enough for connections that are kept to be gone."""

    @property
    def slower(self) -> float:
        """How many times longer than in quiet the median sign-in took."""
        return statistics.median(self.stormy or [float("inf")]) / statistics.median(self.quiet)

    @property
    def doubtful(self) -> bool:
        """Whether other programs had so much of the processor that what took too long says nothing about the lab."""
        return self.starved > STARVED

    def problems(self) -> list[str]:
        """Return what must not be, a line each."""
        found = [*self.failures, *(f"an error that nobody handled: {error}" for error in self.errors)]
        if self.slower > SLOWER and not self.doubtful:
            found.append(f"a sign-in takes {self.slower:.1f} times as long in a storm as in quiet")
        if not self.messages or not self.refreshes:
            found.append("nobody talked, or nobody refreshed")
        if len(self.memory) > 2 and self.memory[-1] > GROWTH * self.memory[-2]:
            found.append(f"memory grew from {self.memory[-2]:.0f} to {self.memory[-1]:.0f} MB by one more storm")
        for kind, count in self.counts[-1].items():
            before = self.counts[0][kind]
            if kind in KEPT and not self.settled:
                continue
            if count > before + max(2, before // 10):
                found.append(f"{kind}: {before} before, {count} after")
        tried = {name.partition(":")[0] for name in (*self.attacks, *self.resisted)}
        never = [name for name in self.wanted if name not in tried]
        if never:
            found.append(f"attacks that never happened: {', '.join(never)}")
        return found


class Weather:
    """One lab with its people. ``seconds`` is how long a storm lasts, ``settle`` how long the calm after it."""

    def __init__(
        self,
        *,
        protection: bool,
        seconds: float,
        settle: float,
        storms: int,
        scale: float,
        visitors: int = VISITORS,
        changes: Mapping[str, Any] | None = None,
        only: tuple[str, ...] = (),
    ) -> None:
        self.seconds, self.settle, self.storms, self.scale = seconds, settle, storms, scale
        self.outcome = Outcome(protection, only or tuple(RATES), settled=settle > KEPT_S)
        self._count = RESIDENTS + visitors
        self._changes = dict(changes or {})
        self._stormy = False

    def run(self) -> Outcome:
        """Do it, and return what came of it."""
        with tempfile.TemporaryDirectory() as folder, own_network() as network:
            self._play(network, Path(folder))
        return self.outcome

    def _play(self, network: str, folder: Path) -> None:
        deployment = crowd(self._count + 1, machines=self._count).changed(
            {
                "defaults.protection.intrusion_protection_on_e": self.outcome.protection,
                "defaults.unified_cm.keepalive_interval_s": REFRESH_S,
                "defaults.client.least_refresh_s": REFRESH_S // 2,
                "defaults.protection.authorizations_per_period": 10_000,  # visitors come more often than people do
                **self._changes,
            }
        )
        world = LiveWorld(1)
        journal = Journal(
            world, spool=folder / "journal.jsonl", bounds=Bounds(octets=JOURNAL), writer=Background("journal")
        )
        self.lab = RunningLab(world, on_loopback(deployment, network=network), journal=journal)
        self.network = network
        attacker = self.lab.deployment.users[self._count]
        self._hostile = self.lab.deployment.devices_of(attacker.id)[0].name
        users = self.lab.deployment.users
        people = [Jabber(self.lab.node(f"pc-{number:04}"), users[number]) for number in range(self._count)]
        self.residents, self.visitors = people[:RESIDENTS], people[RESIDENTS:]
        self._own = {self.lab.deployment.devices_of(each.user.id)[0].name for each in self.residents}
        journal.listen(self._hear)
        world.run(self._story())
        self.outcome.errors += [str(error) for error in world.unhandled]
        journal.close()

    def _hear(self, entry: Entry[Event]) -> None:
        event = entry.event
        if isinstance(event, events.Registered) and self._stormy and event.device in self._own:
            self.outcome.refreshes += 1
        elif isinstance(event, events.Unregistered) and "expired" in event.summary() and event.device != self._hostile:
            self.outcome.failures.append(f"a registration was lost: {event.summary()}")

    async def _story(self) -> None:
        await self.lab.start()
        for resident in self.residents:
            await self._sign_in(resident, [])
        for _ in range(QUIET_ROUNDS):
            for visitor in self.visitors:
                await self._visit(visitor, self.outcome.quiet)
        await asyncio.sleep(2)
        self._take_stock()
        for _ in range(self.storms):
            await self._storm()
            await asyncio.sleep(self.settle)
            self._take_stock()
        for person in (*self.residents, *self.visitors):
            await person.close()
        await self.lab.stop()

    # ---- people

    async def _sign_in(self, person: Jabber, taken: list[float]) -> bool:
        began = stopwatch()
        result = await person.sign_in()
        taken.append(stopwatch() - began)
        if not (result.ok and result.phone and result.chat):
            what = f"{result.stage.value} {result.reason}, phone {result.phone}, chat {result.chat}"
            self.outcome.failures.append(f"{person.user.id} could not sign in: {what}")
        return result.ok

    async def _visit(self, person: Jabber, taken: list[float]) -> None:
        if await self._sign_in(person, taken):
            await self._say(person, self.residents[0])
        await person.sign_out()

    async def _say(self, sender: Jabber, receiver: Jabber) -> None:
        """Send a message and wait until it is there."""
        self.outcome.messages += self._stormy
        text = f"message {self.outcome.messages} of {stopwatch()}"
        try:
            await sender.say(receiver.user.id, text)
            for _ in range(int(PATIENCE / TICK)):
                if any(heard == text for _, heard in receiver.messages[-50:]):
                    return
                await asyncio.sleep(TICK)
            problem = "it did not arrive"
        except Exception as error:
            problem = str(error) or type(error).__name__
        self.outcome.failures.append(f"{sender.user.id} lost a message: {problem}")

    async def _come_and_go(self, person: Jabber, until: float) -> None:
        while stopwatch() < until:
            await self._visit(person, self.outcome.stormy)
            await asyncio.sleep(0.5)

    async def _talk(self, until: float) -> None:
        one, other = self.residents
        while stopwatch() < until:
            await self._say(one, other)
            await self._say(other, one)
            for each in self.residents:
                if each.phone is None or not each.phone.registered:
                    self.outcome.failures.append(f"{each.user.id} is no longer registered")
            await asyncio.sleep(0.5)

    # ---- storms

    async def _storm(self) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.storm.attacks",
            json.dumps(asdict(self._target())),
            stdout=asyncio.subprocess.PIPE,
        )
        self._stormy, until = True, stopwatch() + self.seconds
        waited, worked, began = _waited(), time.process_time(), stopwatch()
        people = [self._come_and_go(visitor, until) for visitor in self.visitors]
        for task in [asyncio.ensure_future(work) for work in (*people, self._talk(until))]:
            await task
        self._stormy = False
        lasted = stopwatch() - began
        self.outcome.starved = max(self.outcome.starved, (_waited() - waited) / lasted)
        self.outcome.busy = max(self.outcome.busy, (time.process_time() - worked) / lasted)
        reported, _ = await asyncio.wait_for(process.communicate(), 60)
        if process.returncode:
            raise RuntimeError("the attacker died")
        counts = json.loads(reported)
        self.outcome.attacks.update(counts["done"])
        self.outcome.resisted.update(counts["failed"])

    def _target(self) -> Target:
        deployment = self.lab.deployment
        edge, core, node = deployment.expressway_e[0], deployment.expressway_c[0], deployment.unified_cm[0].publisher
        attacker = deployment.users[self._count]
        device = deployment.devices_of(attacker.id)[0]
        return Target(
            network=self.network,
            edge=edge.interfaces[0].address,
            inside=node.interfaces[0].address,
            domain=deployment.domains.edge,
            node=node.fqdn,
            route=f"<sip:{core.interfaces[0].address}:5061;transport=tls;zone-id=3;directed;lr>",
            user=attacker.id,
            password=attacker.password,
            number=attacker.numbers[0],
            device=device.name,
            victims=tuple(self._victim(each) for each in (*self.residents, *self.visitors)),
            seconds=self.seconds,
            scale=self.scale,
            only=self.outcome.wanted,
        )

    def _victim(self, person: Jabber) -> Victim:
        """Return what an attacker may know of somebody: of those who are registered, also where they can be reached."""
        user, device = person.user, self.lab.deployment.devices_of(person.user.id)[0].name
        contact = ""
        for entry in self.lab.journal.select(kind="sip.request", node=self.lab.deployment.expressway_e[0].name):
            text = entry.payload.decode("utf-8", "replace")
            found = re.search(r"Contact: <([^>]+)>[^\r]*urn:uuid:([0-9a-fA-F-]+)", text)
            if found and f'"{device}"' in text and text.startswith("REGISTER"):
                contact = " ".join(found.groups())
        return Victim(user=user.id, number=user.numbers[0], device=device, contact=contact)

    def _take_stock(self) -> None:
        for each in self.residents:
            each.messages.clear()
        gc.collect()
        _trim()
        self.outcome.memory.append(_memory())
        names = {kind: kind.__module__.split(".")[1] + " " + kind.__name__ for kind in COUNTED}
        found = Counter(dict.fromkeys((*names.values(), "tasks"), 0))
        for thing in gc.get_objects():
            name = names.get(type(thing))
            if name is not None:
                found[name] += 1
        found["tasks"] = sum(len(host.life.tasks) for host in self.lab.world.hosts.values() if host.life is not None)
        self.outcome.counts.append(dict(found))


def _waited() -> float:
    """Return the seconds for which this process was ready and had no processor; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _memory() -> float:
    """Return the megabytes that this process has in memory; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0
    return pages * 4096 / 1e6


def _trim() -> None:
    """Have the allocator give back what is free, so that memory shows what is held."""
    libc: Any = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
