"""Fault rules by their names on the command line and in JSON."""

from __future__ import annotations

from edgesim.control.carrier import ControlError
from edgesim.control.commands import AddFault, FaultRow
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

KINDS: dict[str, type[Fault]] = {
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


def fault(wanted: AddFault, world: World) -> Fault:
    """Return the rule that a command describes. Raises `ControlError`."""
    cls = KINDS[wanted.kind]
    if cls.place == "wire" and Capability.LATENCY not in world.capabilities:
        raise ControlError(f"the {world.kind} world cannot do {wanted.kind}: packets there travel as they like")
    common = {
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
            raise ControlError("delay needs delay_ms: how much longer, in milliseconds")
        return Delay(seconds=wanted.delay_ms / 1000, **common)  # type: ignore[arg-type]  # fields of every fault
    if cls is Rewrite:
        if not wanted.find or wanted.replace is None:
            raise ControlError("rewrite needs find and replace: which octets become which")
        return Rewrite(find=wanted.find, replace=wanted.replace, **common)  # type: ignore[arg-type]  # see above
    if cls is FlipByte:
        return FlipByte(offset=wanted.offset, **common)  # type: ignore[arg-type]  # see above
    return cls(**common)  # type: ignore[arg-type]  # see above


def row(number: int, rule: Fault, world: World) -> FaultRow:
    """Return a rule in force, in words."""
    where = rule.where
    parts = []
    if where.source or where.target:
        parts.append(f"{where.source or 'anybody'} to {where.target or 'anybody'}")
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
    return FaultRow(number=number, kind=NAMES[type(rule)], text=", ".join(parts) or "everything")
