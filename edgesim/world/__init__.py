"""Worlds: a simulated network under a virtual clock, and the live one on loopback addresses."""

from edgesim.world.api import (
    SECOND,
    Capability,
    Host,
    HostClock,
    HostState,
    Interface,
    NoRunningHost,
    Service,
    UnsupportedError,
    World,
    here,
)
from edgesim.world.entropy import Entropy
from edgesim.world.events import WorldEvent
from edgesim.world.wires import Wires

__all__ = [
    "SECOND",
    "Capability",
    "Entropy",
    "Host",
    "HostClock",
    "HostState",
    "Interface",
    "NoRunningHost",
    "Service",
    "UnsupportedError",
    "Wires",
    "World",
    "WorldEvent",
    "here",
]
