"""Typed faults: rules that act on traffic, each with a selector, a direction, a probability, a budget and a lifetime.

A fault meets a flow in one of three places: when a connection is opened (`RefuseConnection`, `BlackHole`), on its way
(`Delay`, `DropDatagram`), and at the receiver, on what it decoded (`Rewrite`, `FlipByte`, `DropMessage`, `ResetAfter`):
below the application and above TLS, so that a rule can name plain text and the journal shows what really arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from edgesim.world.entropy import Entropy
from edgesim.world.events import Address

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Traffic as a rule sees it: hosts by name (None for a stranger), the addresses, and ``tcp`` or ``udp``."""

    source: str | None
    target: str | None
    local: Address
    remote: Address
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which traffic a fault concerns; what is None matches everything.

    ``source`` and ``target`` name hosts; ``port`` is the server's port on either side; ``contains`` is looked for in
    the decoded octets; ``protocol`` is ``tcp`` or ``udp``.
    """

    source: str | None = None
    target: str | None = None
    port: int | None = None
    protocol: Literal["tcp", "udp"] | None = None
    contains: bytes | None = None

    def matches(self, flow: Flow, data: bytes | None = None) -> bool:
        """Return whether the flow (and the data, for rules about content) is meant."""
        return (
            (self.source is None or flow.source == self.source)
            and (self.target is None or flow.target == self.target)
            and (self.port is None or self.port in (flow.local[1], flow.remote[1]))
            and (self.protocol is None or flow.protocol == self.protocol)
            and (self.contains is None or (data is not None and self.contains in data))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Base of the rules. ``times`` is the budget (None: no limit); ``until_ns`` ends its life at a lab time."""

    place: ClassVar[str] = ""
    name: str = "fault"
    where: Selector = field(default_factory=Selector)
    probability: float = 1.0
    times: int | None = None
    until_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseConnection(Fault):
    """The connection is refused, as if nothing listened."""

    place: ClassVar[str] = "connect"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackHole(Fault):
    """The attempt to connect is lost without an answer."""

    place: ClassVar[str] = "connect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay(Fault):
    """Packets take ``seconds`` longer; order within a connection is kept."""

    place: ClassVar[str] = "wire"
    seconds: float

    @property
    def by_ns(self) -> int:
        """The delay in nanoseconds."""
        return round(self.seconds * SECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class DropDatagram(Fault):
    """A datagram is lost."""

    place: ClassVar[str] = "wire"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite(Fault):
    """Octets ``find`` in what the receiver decoded become ``replace``."""

    place: ClassVar[str] = "receive"
    find: bytes
    replace: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipByte(Fault):
    """The octet at ``offset`` of what the receiver decoded is inverted."""

    place: ClassVar[str] = "receive"
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DropMessage(Fault):
    """A message that the receiver decoded is discarded."""

    place: ClassVar[str] = "receive"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetConnection(Fault):
    """The connection is reset when matching data arrives."""

    place: ClassVar[str] = "receive"


Fired = Callable[[Fault, Flow, str], None]


class Budgets:
    """How often each rule with a budget has fired: in this process, where a world has no other."""

    def __init__(self) -> None:
        self._taken: dict[int, int] = {}

    def take(self, number: int) -> int:
        """Count a firing of a rule; return how many there were before it, in all processes of the world."""
        before = self._taken.get(number, 0)
        self._taken[number] = before + 1
        return before

    def taken(self, number: int) -> int:
        """Return how often a rule has fired so far."""
        return self._taken.get(number, 0)

    def forget(self, number: int) -> None:
        """Forget a rule that is lifted."""
        self._taken.pop(number, None)


class FaultTable:
    """The rules in force, in the order in which they were added."""

    def __init__(self, entropy: Entropy, now: Callable[[], int], fired: Fired, budgets: Budgets | None = None) -> None:
        self._entropy = entropy
        self._now = now
        self._fired = fired
        self._rules: dict[int, Fault] = {}
        self._budgets = budgets if budgets is not None else Budgets()
        self._next = 1

    def __len__(self) -> int:
        return len(self._rules)

    def add(self, fault: Fault) -> int:
        """Add a rule; return its id."""
        number = self._next
        self.put(number, fault)
        return number

    def put(self, number: int, fault: Fault) -> None:
        """Add a rule under a number that no other rule has."""
        self._next = max(self._next, number + 1)
        self._rules[number] = fault

    def remove(self, number: int) -> None:
        """Lift a rule; lifting one that is gone already is not an error."""
        if self._rules.pop(number, None) is not None:
            self._budgets.forget(number)

    def clear(self) -> None:
        """Lift all rules."""
        for number in tuple(self._rules):
            self.remove(number)

    def rules(self) -> list[tuple[int, Fault]]:
        """Return the rules in force with their ids."""
        return list(self._rules.items())

    @contextmanager
    def during(self, fault: Fault) -> Iterator[int]:
        """Keep a rule in force for the length of a ``with`` block."""
        number = self.add(fault)
        try:
            yield number
        finally:
            self.remove(number)

    def _applicable(self, place: str, flow: Flow, data: bytes | None) -> Iterator[Fault]:
        for number, fault in list(self._rules.items()):
            if fault.place != place or not fault.where.matches(flow, data):
                continue
            if fault.until_ns is not None and self._now() >= fault.until_ns:
                self.remove(number)
                continue
            if isinstance(fault, Rewrite) and (data is None or fault.find not in data):
                continue
            if fault.probability < 1.0 and self._entropy.random() >= fault.probability:
                continue
            if fault.times is not None:
                before = self._budgets.take(number)
                if before >= fault.times - 1:
                    self.remove(number)
                if before >= fault.times:
                    continue
            yield fault

    def on_connect(self, flow: Flow) -> str | None:
        """Return ``refuse``, ``drop`` or None for an attempt to connect."""
        for fault in self._applicable("connect", flow, None):
            verdict = "refuse" if isinstance(fault, RefuseConnection) else "drop"
            self._fired(fault, flow, f"connection to port {flow.remote[1]}: {verdict}")
            return verdict
        return None

    def on_wire(self, flow: Flow, data: bytes) -> int | None:
        """Return the extra delay in nanoseconds of what is sent, or None if it is lost."""
        extra = 0
        for fault in self._applicable("wire", flow, data):
            if isinstance(fault, DropDatagram):
                if flow.protocol == "udp":
                    self._fired(fault, flow, "datagram dropped")
                    return None
            elif isinstance(fault, Delay):
                self._fired(fault, flow, f"delayed by {fault.by_ns / 1e6:g} ms")
                extra += fault.by_ns
        return extra

    def on_receive(self, flow: Flow, data: bytes) -> bytes | None:
        """Return what the receiver shall see of ``data`` (empty: nothing), or None to reset the connection."""
        for fault in self._applicable("receive", flow, data):
            match fault:
                case Rewrite():
                    data = data.replace(fault.find, fault.replace)
                    self._fired(fault, flow, f"{fault.find!r} became {fault.replace!r}")
                case FlipByte() if data:
                    at = fault.offset % len(data)
                    data = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
                    self._fired(fault, flow, f"octet {at} inverted")
                case DropMessage():
                    self._fired(fault, flow, f"{len(data)} octets thrown away")
                    return b""
                case ResetConnection():
                    self._fired(fault, flow, "connection reset")
                    return None
        return data
