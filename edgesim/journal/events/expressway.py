"""States of an Expressway: zones, servers that it discovers, intrusion protection, alarms."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.journal.events.base import Event, kind


@kind("zone.state")
@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneState(Event):
    """An Expressway zone changed state, e.g. ``Active`` or ``Failed`` with its reason."""

    zone: str
    state: str
    reason: str = ""

    def summary(self) -> str:
        return f"zone {self.zone}: {self.state}{f' ({self.reason})' if self.reason else ''}"


@kind("discovery")
@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery(Event):
    """Expressway-C's view of a server it discovered (or could not), with the reason."""

    server: str
    product: str
    state: str
    detail: str = ""

    def summary(self) -> str:
        return f"discovery of {self.product} {self.server}: {self.state} {self.detail}".rstrip()


@kind("protection.blocked")
@dataclass(frozen=True, slots=True, kw_only=True)
class AddressBlocked(Event):
    """Automated intrusion protection of this host blocked an address for ``seconds``; ``reason`` names the category.

    ``ports`` are the ports of this host that the address may not reach, none for all of them.
    """

    address: str
    reason: str
    seconds: int
    ports: tuple[int, ...] = ()

    def summary(self) -> str:
        where = f" on {', '.join(map(str, self.ports))}" if self.ports else ""
        return f"{self.address} blocked{where} for {self.seconds} s: {self.reason}"


@kind("protection.unblocked")
@dataclass(frozen=True, slots=True, kw_only=True)
class AddressUnblocked(Event):
    """This host takes connections from an address again; ``dropped`` were refused meanwhile."""

    address: str
    reason: str
    dropped: int

    def summary(self) -> str:
        return f"{self.address} unblocked: {self.reason}"


@kind("alarm")
@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm(Event):
    """A product raised or lowered an alarm (``state``); ``id``, title and description are those of its list."""

    id: str
    state: str
    severity: str
    title: str
    description: str

    def summary(self) -> str:
        return f"alarm {self.id} {self.state}: {self.title}: {self.description}"
