"""Mutations: changes under which a scenario must turn red, which shows that its assertions can fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgesim.world import Capability
from edgesim.world.faults import Fault


@dataclass(frozen=True, slots=True)
class Mutation:
    """Base: by itself it changes nothing."""

    @property
    def name(self) -> str:
        """The mutation in words."""
        return type(self).__name__

    def changes(self) -> Mapping[str, Any]:
        """Return settings of the deployment to change, by dotted path."""
        return {}

    def without(self) -> tuple[str, ...]:
        """Return hosts that shall not start."""
        return ()

    def faults(self) -> tuple[Fault, ...]:
        """Return fault rules that are in force from the start of the story."""
        return ()

    def skews(self) -> Mapping[str, float]:
        """Return hosts whose clocks are off from the start of the story, each with its offset in seconds."""
        return {}

    @property
    def needs(self) -> frozenset[Capability]:
        """The capabilities that the world must have."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class Setting(Mutation):
    """A setting of the deployment has another value; ``path`` as in `Deployment.changed`."""

    path: str
    value: Any

    @property
    def name(self) -> str:
        return f"{self.path} = {self.value!r}"

    def changes(self) -> Mapping[str, Any]:
        return {self.path: self.value}


@dataclass(frozen=True, slots=True)
class HostDown(Mutation):
    """A host is not started."""

    host: str

    @property
    def name(self) -> str:
        return f"{self.host} is down"

    def without(self) -> tuple[str, ...]:
        return (self.host,)


@dataclass(frozen=True, slots=True)
class WithFault(Mutation):
    """A fault rule is in force."""

    fault: Fault

    @property
    def name(self) -> str:
        return f"fault {self.fault.name} ({type(self.fault).__name__})"

    def faults(self) -> tuple[Fault, ...]:
        return (self.fault,)

    @property
    def needs(self) -> frozenset[Capability]:
        return frozenset({Capability.LATENCY if self.fault.place == "wire" else Capability.FAULTS})


@dataclass(frozen=True, slots=True)
class ClockSkew(Mutation):
    """A host's clock is ``seconds`` ahead, or behind with a negative number."""

    host: str
    seconds: float

    @property
    def name(self) -> str:
        return f"{self.host}'s clock is {abs(self.seconds):g} s {'ahead' if self.seconds > 0 else 'behind'}"

    def skews(self) -> Mapping[str, float]:
        return {self.host: self.seconds}

    @property
    def needs(self) -> frozenset[Capability]:
        return frozenset({Capability.CLOCK_SKEW})
