"""Verbs on fault rules: typed faults by their names on the command line and in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from edgesim.control.carrier import ControlError, Unsupported
from edgesim.control.command import Done, LabCommand, Seconds, Site, verb
from edgesim.world import SECOND, Capability, World
from edgesim.world.faults import (
    BlackHole,
    Delay,
    DropDatagram,
    DropMessage,
    Fault,
    FlipByte,
    RefuseConnection,
    ResetConnection,
    Rewrite,
    Selector,
)

__all__ = ["AddFault", "FaultAdded", "FaultRow", "FaultTable", "Faults", "RemoveFault"]

Probability = Annotated[float, Field(gt=0, le=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
FaultKind = Literal[
    "refuse-connection",
    "black-hole",
    "delay",
    "drop-datagram",
    "rewrite",
    "flip-byte",
    "drop-message",
    "reset-connection",
]
KINDS: dict[FaultKind, type[Fault]] = {
    "refuse-connection": RefuseConnection,
    "black-hole": BlackHole,
    "delay": Delay,
    "drop-datagram": DropDatagram,
    "rewrite": Rewrite,
    "flip-byte": FlipByte,
    "drop-message": DropMessage,
    "reset-connection": ResetConnection,
}
NAMES = {cls: name for name, cls in KINDS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRow:
    """A fault rule in force: its id, its kind, its name, and what it does to which traffic, in words."""

    number: int
    kind: str
    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultTable:
    """The fault rules in force, in their order."""

    faults: tuple[FaultRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultAdded:
    """The id of a new fault rule."""

    number: int


@verb("add-fault")
class AddFault(LabCommand[FaultAdded]):
    """Add a fault rule (`edgesim.world.faults`).

    ``source``, ``target``, ``port``, ``protocol`` and ``contains`` select traffic; ``times`` is the budget, ``seconds``
    the lifetime. ``delay_ms`` goes with ``delay``, ``find`` and ``replace`` with ``rewrite``, ``offset`` with
    ``flip-byte``.
    """

    kind: FaultKind
    label: str = ""
    source: str | None = None
    target: str | None = None
    port: Port | None = None
    protocol: Literal["tcp", "udp"] | None = None
    contains: bytes | None = None
    probability: Probability = 1.0
    times: Annotated[int, Field(ge=1)] | None = None
    seconds: Seconds | None = None
    delay_ms: Annotated[float, Field(gt=0)] | None = None
    find: bytes | None = None
    replace: bytes | None = None
    offset: Annotated[int, Field(ge=0)] = 0

    async def work(self, site: Site) -> FaultAdded:
        for name in (self.source, self.target):
            if name is not None:
                site.node(name)
        world = site.lab.world
        return FaultAdded(number=world.faults.add(rule_of(self, world)))


@verb("remove-fault")
class RemoveFault(LabCommand[Done]):
    """Lift a fault rule by its id; without one, all. ``may_be_gone`` takes one for lifted whose budget is spent."""

    number: int | None = None
    may_be_gone: bool = False

    async def work(self, site: Site) -> Done:
        faults = site.lab.world.faults
        rules = dict(faults.rules())
        if self.number is None:
            faults.clear()
            return Done(text=f"{len(rules)} lifted")
        if self.number not in rules and not self.may_be_gone:
            there = ", ".join(map(str, rules)) or "none"
            raise ControlError(f"no fault {self.number} is in force; in force: {there}")
        faults.remove(self.number)
        return Done(text=f"fault {self.number} is lifted")


@verb("faults")
class Faults(LabCommand[FaultTable]):
    """The fault rules in force."""

    async def work(self, site: Site) -> FaultTable:
        world = site.lab.world
        return FaultTable(faults=tuple(_row(number, rule, world) for number, rule in world.faults.rules()))


# ---- rules


def command_of(rule: Fault, now_ns: int) -> AddFault:
    """Return the command that adds a rule at a lab time."""
    return AddFault(
        kind=NAMES[type(rule)],
        label=rule.name,
        source=rule.where.source,
        target=rule.where.target,
        port=rule.where.port,
        protocol=rule.where.protocol,
        contains=rule.where.contains,
        probability=rule.probability,
        times=rule.times,
        seconds=None if rule.until_ns is None else (rule.until_ns - now_ns) / SECOND,
        delay_ms=rule.seconds * 1000 if isinstance(rule, Delay) else None,
        find=rule.find if isinstance(rule, Rewrite) else None,
        replace=rule.replace if isinstance(rule, Rewrite) else None,
        offset=rule.offset if isinstance(rule, FlipByte) else 0,
    )


def rule_of(wanted: AddFault, world: World) -> Fault:
    """Return the rule that a command describes. Raises `ControlError`."""
    cls = KINDS[wanted.kind]
    if cls.place == "wire" and Capability.LATENCY not in world.capabilities:
        raise Unsupported(f"the {world.kind} world does not support {wanted.kind}: it does not control packets")
    common: dict[str, Any] = {
        "name": wanted.label or wanted.kind,
        "where": Selector(
            source=wanted.source,
            target=wanted.target,
            port=wanted.port,
            protocol=wanted.protocol,
            contains=wanted.contains,
        ),
        "probability": wanted.probability,
        "times": wanted.times,
        "until_ns": None if wanted.seconds is None else world.now() + round(wanted.seconds * SECOND),
    }
    if cls is Delay:
        if wanted.delay_ms is None:
            raise ControlError("delay requires delay_ms, the extra delay in milliseconds")
        return Delay(seconds=wanted.delay_ms / 1000, **common)
    if cls is Rewrite:
        if not wanted.find or wanted.replace is None:
            raise ControlError("rewrite requires find and replace, octets each")
        return Rewrite(find=wanted.find, replace=wanted.replace, **common)
    if cls is FlipByte:
        return FlipByte(offset=wanted.offset, **common)
    return cls(**common)


def _row(number: int, rule: Fault, world: World) -> FaultRow:
    """Return a rule in force, in words."""
    where = rule.where
    parts = []
    if where.source or where.target:
        parts.append(f"{where.source or 'any host'} to {where.target or 'any host'}")
    if where.port is not None:
        parts.append(f"port {where.port}")
    if where.protocol is not None:
        parts.append(where.protocol)
    if where.contains is not None:
        parts.append(f"containing {where.contains!r}")
    if isinstance(rule, Delay):
        parts.append(f"{rule.by_ns / 1e6:g} ms")
    if isinstance(rule, Rewrite):
        parts.append(f"{rule.find!r} becomes {rule.replace!r}")
    if isinstance(rule, FlipByte):
        parts.append(f"octet {rule.offset}")
    if rule.probability < 1:
        parts.append(f"with probability {rule.probability:g}")
    if rule.times is not None:
        parts.append(f"{rule.times} times at most")
    if rule.until_ns is not None:
        parts.append(f"for {max(rule.until_ns - world.now(), 0) / SECOND:.0f} s more")
    return FaultRow(number=number, kind=NAMES[type(rule)], label=rule.name, text=", ".join(parts) or "everything")
