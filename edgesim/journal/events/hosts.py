"""Hosts and their services; faults, and mistakes of ours."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.journal.events.base import Event, kind


@kind("host.state")
@dataclass(frozen=True, slots=True, kw_only=True)
class HostStateChanged(Event):
    """A host started, stopped, crashed, lost power, froze or thawed."""

    state: str

    def summary(self) -> str:
        return self.state


@kind("service.restarted")
@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRestarted(Event):
    """One service of a host was stopped and started again, such as ``Cisco Tomcat``, while the others went on."""

    service: str

    def summary(self) -> str:
        return f"{self.service} restarted"


@kind("fault.fired")
@dataclass(frozen=True, slots=True, kw_only=True)
class FaultFired(Event):
    """A fault rule acted."""

    fault: str
    fault_kind: str
    detail: str

    def summary(self) -> str:
        return f"fault {self.fault}: {self.detail}"


@kind("error")
@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorUnhandled(Event):
    """Code of this host raised an unhandled error: a mistake in edgesim, or in a story."""

    message: str
    error: str
    where: str

    def summary(self) -> str:
        return f"unhandled: {self.error or self.message}"
