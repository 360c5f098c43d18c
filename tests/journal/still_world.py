"""A world in which nothing runs: it reports what a test has it report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edgesim.world import Entropy, Host, Interface, World
from edgesim.world import events as told


class StillWorld(World):
    """A world in which nothing happens unless a test says so."""

    def __init__(self) -> None:
        self.kind = "sim"
        self.capabilities = frozenset()
        self.seed = 1
        self.epoch_ns = 10**18
        self.hosts: dict[str, Host] = {}
        self.time = 0
        self.observers: list[Callable[[told.WorldEvent], None]] = []

    def run(self, work: Any) -> Any:
        raise AssertionError("nothing runs here")

    def now(self) -> int:
        return self.time

    def entropy(self, name: str) -> Entropy:
        return Entropy(self.seed, name)

    def observe(self, observer: Callable[[told.WorldEvent], None]) -> None:
        self.observers.append(observer)

    def host_at(self, address: str) -> Host | None:
        return next((h for h in self.hosts.values() if any(i.address == address for i in h.interfaces)), None)

    def add_host(self, name: str, interfaces: Sequence[Interface], factory: Any = None) -> Host:
        self.hosts[name] = Host(self, name, interfaces, factory)
        return self.hosts[name]

    def report(self, event: told.WorldEvent) -> None:
        for observer in self.observers:
            observer(event)


# What a world can do beyond telling and naming is no concern of the journal.
StillWorld.__abstractmethods__ = frozenset()
