"""The contract of both worlds: hosts, their clocks, their entropy, and what can be done to them.

A *world* runs *hosts*. A host is built by a factory, so that it can crash and be built again; each life is one
*incarnation*. Which host runs is a context variable: connections that any library opens take their source address from
it, and a server callback runs in the context of the host that listens. No code above `edgesim.world` asks which world
it is in; a world publishes its capabilities instead.

Code above uses asyncio as usual: ``loop.create_connection(factory, "10.0.40.11", 5060)``, ``loop.create_server``,
``loop.create_datagram_endpoint``, ``asyncio.start_server``, ``asyncio.sleep``, ``asyncio.timeout``. Host names given to
``create_connection`` are resolved by the running host's resolver.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from edgesim.world.entropy import Entropy
from edgesim.world.events import WorldEvent

if TYPE_CHECKING:
    from edgesim.world.admission import Admission
    from edgesim.world.faults import FaultTable
    from edgesim.world.netstat import SocketRow
    from edgesim.world.topology import Network
    from edgesim.world.unhandled import UnhandledError, UnhandledErrors
    from edgesim.world.wires import Wires

T = TypeVar("T")
SECOND = 1_000_000_000
"""Nanoseconds in a second: times inside a world are integers of nanoseconds."""


class NoRunningHost(RuntimeError):
    """Network or clock use outside any host: run the code through `Host.run` or in a host's factory."""


class UnsupportedError(RuntimeError):
    """This world lacks a capability."""

    def __init__(self, capability: Capability) -> None:
        super().__init__(f"not supported by this world: {capability.value}")
        self.capability = capability


class Capability(Enum):
    """Features that not every world has; a missing one makes a scenario *unsupported*."""

    VIRTUAL_TIME = "virtual time"
    FREEZE = "freeze a host"
    POWER_LOSS = "power loss: silence instead of resets"
    DROP_SILENTLY = "drop packets silently"
    LATENCY = "latency and loss per link"
    PARTITION = "one-way and two-way partitions"
    CLOCK_SKEW = "clock skew per host"
    FAULTS = "typed faults on traffic"
    NAT = "address translation, and one address in two zones"
    EXTERNAL_CLIENTS = "clients that are real programs"


class HostState(Enum):
    """The state of a host."""

    OFF = "off"
    STARTING = "starting"
    UP = "up"
    FROZEN = "frozen"
    CRASHED = "crashed"
    POWERED_OFF = "powered off"
    STOPPED = "stopped"

    @property
    def dead(self) -> bool:
        """Whether the machine itself is off: not even its kernel answers."""
        return self in (HostState.OFF, HostState.POWERED_OFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One address of a host, in one zone (``internet``, ``dmz``, ``inside``, or a deployment's own)."""

    name: str
    address: str
    zone: str


class Service(Protocol):
    """The result of a host's factory: a service that can be stopped gracefully."""

    async def stop(self) -> None: ...


@runtime_checkable
class BecomesReady(Protocol):
    """A service that needs others: `ready` returns once its connections to them stand."""

    async def ready(self) -> None: ...


@runtime_checkable
class KeepsOrphans(Protocol):
    """The loop of a world, which knows the running tasks that belong to no host."""

    orphans: dict[int, asyncio.Task[Any]]


HostFactory = Callable[["Host"], Awaitable[Service]]
NameLookup = Callable[[str], Awaitable[Sequence[str]]]


@dataclass(slots=True, eq=False)
class Incarnation:
    """One life of a host: from a start to the next crash or stop. Ended ones are fenced off: nothing they do has
    effects.
    """

    host: Host
    number: int
    fenced: bool = False
    frozen: bool = False
    unwinding: bool = False
    tasks: dict[int, asyncio.Task[Any]] = field(default_factory=dict)


_running: ContextVar[Incarnation] = ContextVar("edgesim_running_host")


def here() -> Host:
    """Return the host in whose context the caller runs.

    Raises `NoRunningHost` where none does.
    """
    try:
        return _running.get().host
    except LookupError:
        raise NoRunningHost("no host runs here: use Host.run or start the code from a host's factory") from None


class HostClock:
    """A host's wall clock: lab time plus the lab's epoch plus this host's own skew."""

    __slots__ = ("_world", "skew_ns")

    def __init__(self, world: World) -> None:
        self._world = world
        self.skew_ns = 0

    def now_ns(self) -> int:
        """Return Unix time in nanoseconds as this host believes it to be."""
        return self._world.epoch_ns + self._world.now() + self.skew_ns

    def time(self) -> float:
        """Return Unix time in seconds as this host believes it to be."""
        return self.now_ns() / SECOND

    def utc(self) -> datetime:
        """Return the date and time in UTC as this host believes them to be, to the microsecond."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.now_ns() // 1000)

    def http_date(self) -> str:
        """Return the date in the form of RFC 9110, section 5.6.7 (also that of SIP's ``Date``, RFC 3261, 20.17)."""
        now = self.utc()
        day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[now.weekday()]
        month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[now.month - 1]
        return f"{day}, {now.day:02d} {month} {now.year} {now.hour:02d}:{now.minute:02d}:{now.second:02d} GMT"


class Host:
    """A machine of the lab: interfaces, a clock, a disk that survives crashes, and the services its factory builds."""

    def __init__(self, world: World, name: str, interfaces: Sequence[Interface], factory: HostFactory) -> None:
        self.world = world
        self.name = name
        self.interfaces = tuple(interfaces)
        self.factory = factory
        self.clock = HostClock(world)
        self.state = HostState.OFF
        self.disk: dict[str, Any] = {}
        self.life = Incarnation(self, 0)
        self.service: Service | None = None
        self.lookup: NameLookup | None = None
        self.services: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<Host {self.name} #{self.life.number} {self.state.value}>"

    @property
    def incarnation(self) -> int:
        """Which life of the host this is: 1 after the first start."""
        return self.life.number

    def address(self, zone: str | None = None) -> str:
        """Return the host's address in ``zone``, or its first address. Raises `LookupError` if it has none there."""
        for interface in self.interfaces:
            if zone is None or interface.zone == zone:
                return interface.address
        raise LookupError(f"{self.name} has no address in zone {zone!r}")

    def entropy(self, purpose: str) -> Entropy:
        """Return a fresh stream named for this host, this incarnation and ``purpose``; take one per purpose."""
        return self.world.entropy(f"{self.name}#{self.life.number}/{purpose}")

    def proved(self, port: int, peer: tuple[str, int]) -> None:
        """Mark the client of a connection to ``port`` as authenticated: the connection is not closed for others."""
        self.world.admission.proved(self.name, port, peer)

    def spawn(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Start a task that belongs to this host's present incarnation and ends with it."""
        task: asyncio.Task[T] = asyncio.get_running_loop().create_task(
            work, name=f"{self.name}: {name}", context=self.context()
        )
        return task

    def context(self) -> Context:
        """Return a new context in which this host runs."""
        context = copy_context()
        context.run(_running.set, self.life)
        return context

    async def run(self, work: Coroutine[Any, Any, T], *, name: str = "work") -> T:
        """Run a coroutine as this host and return its result."""
        return await self.spawn(work, name=name)


class PathControl(Protocol):
    """Changes to the paths between hosts (`edgesim.world.paths.Paths`)."""

    def install(self, network: Network) -> None:
        """Set zones and firewalls, for new flows. Raises `ValueError` if the zones are not a tree."""

    def changed(self) -> None:
        """Forget what was found out about addresses: there is a new host."""

    def peer(self, host: Host | None, end: tuple[str, int]) -> Host | None:
        """Return the host that a peer's address and port mean to ``host`` behind NAT, or None if it is not
        translated.
        """

    def cut(self, source: str, target: str) -> bool:
        """Return whether nothing gets from ``source`` to ``target``."""

    def partition(self, one: str, other: str, *, both_ways: bool = True) -> None:
        """Cut the path from one host to another."""

    def heal(self, one: str, other: str, *, both_ways: bool = True) -> None:
        """Undo one `partition`."""

    def partitioned(self, one: str, other: str, *, both_ways: bool = True) -> AbstractContextManager[None]:
        """Cut the path for the length of a ``with`` block."""


class World(ABC):
    """A network of hosts and the time they share."""

    kind: str
    capabilities: frozenset[Capability]
    seed: int
    epoch_ns: int
    """Unix time, in nanoseconds, at lab time zero."""
    hosts: dict[str, Host]
    loop: asyncio.AbstractEventLoop
    """The loop that everything of this world runs on; `run` closes it."""
    admission: Admission
    """Admission of connections to the hosts."""
    unhandled: UnhandledErrors
    """Unhandled errors of the loop, of tasks and of callbacks."""
    one_host: bool = False
    """Whether of all hosts only one runs in this process."""

    @abstractmethod
    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in this world, then end every host and close the world. A world runs once."""

    @abstractmethod
    def now(self) -> int:
        """Return lab time: nanoseconds since the world began."""

    @abstractmethod
    def entropy(self, name: str) -> Entropy:
        """Return a new stream of randomness for ``name``."""

    @abstractmethod
    def observe(self, observer: Callable[[WorldEvent], None]) -> None:
        """Call ``observer`` with every `WorldEvent` from now on."""

    @abstractmethod
    def errors(self) -> list[UnhandledError]:
        """Return what no code handled so far, the last of it: errors in callbacks, and the exceptions of tasks and
        futures that were never retrieved. Garbage is collected first, so that the answer does not depend on when the
        collector came by.
        """

    def timers(self, host: Host) -> list[tuple[float, str]]:
        """Return the running timers of a host's present life, where the world knows them: when each is due, in
        seconds, and what it calls.
        """
        return []

    def stuck(self) -> str:
        """Return which tasks wait and where if nothing is scheduled any more, or an empty text."""
        return ""

    @abstractmethod
    def host_at(self, address: str) -> Host | None:
        """Return the host that owns an address, or None for an address outside the lab."""

    def peer(self, host: Host | None, end: tuple[str, int]) -> Host | None:
        """Return the host that a peer's address and port mean to ``host`` (None: to a stranger), also behind NAT."""
        return self.host_at(end[0])

    @abstractmethod
    def add_host(self, name: str, interfaces: Sequence[Interface], factory: HostFactory) -> Host:
        """Add a host, not yet started. Raises `ValueError` if the name, or an address in its zone, is taken."""

    def process(self, name: str) -> int | None:
        """Return the number of a running host's own process, or None if it has none."""
        return None

    def run_here(self, name: str) -> None:
        """Run a host in this process from its next start on, because code here needs its objects."""
        return

    def skew(self, name: str, by_ns: int) -> None:
        """Set a host's clock ahead of lab time by ``by_ns`` nanoseconds, or behind if negative."""
        self.hosts[name].clock.skew_ns = by_ns

    @property
    @abstractmethod
    def faults(self) -> FaultTable:
        """The fault rules in force."""

    @property
    @abstractmethod
    def paths(self) -> PathControl:
        """Links, partitions and the policy between zones."""

    @abstractmethod
    def lay(self, wires: Wires) -> None:
        """Set the parameters of the network, before any host starts.

        The live world has a network; it uses only the waits between attempts to connect.
        """

    @abstractmethod
    def sockets(self, host: str | None = None) -> list[SocketRow]:
        """Return the open sockets of one host or all."""

    @abstractmethod
    async def start(self, name: str) -> None:
        """Build the host's services by its factory and wait until they are up."""

    @abstractmethod
    async def stop(self, name: str) -> None:
        """Stop a host gracefully: its service's `Service.stop`, then the rest."""

    @abstractmethod
    async def restart(self, name: str) -> None:
        """Stop a host gracefully, if it runs, and start it again."""

    @abstractmethod
    async def crash(self, name: str) -> None:
        """End the host's processes at once: peers see resets."""

    @abstractmethod
    async def power_off(self, name: str) -> None:
        """Cut the host's power: peers get no answer. Needs `Capability.POWER_LOSS`."""

    @abstractmethod
    async def freeze(self, name: str) -> None:
        """Stop the host's time: nothing of it runs until `thaw`. Needs `Capability.FREEZE`."""

    @abstractmethod
    async def thaw(self, name: str) -> None:
        """Let a frozen host go on."""
