"""What changes around the hosts of a world while their processes run, sent by the lab's own process to all of them.

Changes travel as pickles, from the lab's own process only: nothing that a host's process says is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgesim.world.api import Host
from edgesim.world.entropy import Entropy
from edgesim.world.faults import Budgets, Fault, FaultTable, Fired
from edgesim.world.live.world import LiveWorld
from edgesim.world.paths import Link, Paths
from edgesim.world.topology import Network


@dataclass(frozen=True, slots=True)
class FaultAdded:
    """A rule is in force, under the number that it has in every process."""

    number: int
    fault: Fault

    def apply(self, world: LiveWorld) -> None:
        world.faults.put(self.number, self.fault)


@dataclass(frozen=True, slots=True)
class FaultRemoved:
    """A rule is lifted."""

    number: int

    def apply(self, world: LiveWorld) -> None:
        world.faults.remove(self.number)


@dataclass(frozen=True, slots=True)
class Installed:
    """Other zones and firewalls are in force."""

    network: Network

    def apply(self, world: LiveWorld) -> None:
        world.paths.install(self.network)


@dataclass(frozen=True, slots=True)
class Partitioned:
    """Nothing gets from one host to the other, nor back unless told otherwise."""

    one: str
    other: str
    both_ways: bool

    def apply(self, world: LiveWorld) -> None:
        world.paths.partition(self.one, self.other, both_ways=self.both_ways)


@dataclass(frozen=True, slots=True)
class Healed:
    """One partition is undone."""

    one: str
    other: str
    both_ways: bool

    def apply(self, world: LiveWorld) -> None:
        world.paths.heal(self.one, self.other, both_ways=self.both_ways)


@dataclass(frozen=True, slots=True)
class Linked:
    """The way between two hosts is special."""

    one: str
    other: str
    link: Link

    def apply(self, world: LiveWorld) -> None:
        world.paths.set_link(self.one, self.other, self.link)


@dataclass(frozen=True, slots=True)
class Skewed:
    """A host's clock is ahead of the lab's by so many nanoseconds."""

    host: str
    by_ns: int

    def apply(self, world: LiveWorld) -> None:
        world.skew(self.host, self.by_ns)


Change = FaultAdded | FaultRemoved | Installed | Partitioned | Healed | Linked | Skewed
Publish = Callable[[Change], None]


class ReplicatedFaults(FaultTable):
    """The rules of a world whose hosts are processes: each change is published."""

    def __init__(
        self, entropy: Entropy, now: Callable[[], int], fired: Fired, budgets: Budgets, publish: Publish
    ) -> None:
        super().__init__(entropy, now, fired, budgets)
        self._publish = publish

    def put(self, number: int, fault: Fault) -> None:
        super().put(number, fault)
        self._publish(FaultAdded(number, fault))

    def remove(self, number: int) -> None:
        if number in self._rules:
            super().remove(number)
            self._publish(FaultRemoved(number))

    def rules(self) -> list[tuple[int, Fault]]:
        for number, fault in tuple(self._rules.items()):
            if fault.times is not None and self._budgets.taken(number) >= fault.times:
                self.remove(number)  # it fired as often as it may, in whichever process
        return super().rules()


class ReplicatedPaths(Paths[Host]):
    """The paths of a world whose hosts are processes: each change is published."""

    def __init__(self, zones: tuple[str, ...], hosts: Mapping[str, Host], publish: Publish) -> None:
        self._publish: Publish = lambda _: None
        super().__init__(zones, hosts)
        self._publish = publish

    def install(self, network: Network) -> None:
        super().install(network)
        self._publish(Installed(network))

    def partition(self, one: str, other: str, *, both_ways: bool = True) -> None:
        super().partition(one, other, both_ways=both_ways)
        self._publish(Partitioned(one, other, both_ways))

    def heal(self, one: str, other: str, *, both_ways: bool = True) -> None:
        super().heal(one, other, both_ways=both_ways)
        self._publish(Healed(one, other, both_ways))

    def set_link(self, one: str, other: str, link: Link) -> None:
        super().set_link(one, other, link)
        self._publish(Linked(one, other, link))

    def all(self) -> list[Change]:
        """Return the changes that make another process's paths like these."""
        found: list[Change] = [Installed(self.network)]
        found += [Linked(one, other, link) for (one, other), link in self._links.items()]
        for (one, other), times in self._cuts.items():
            found += [Partitioned(one, other, both_ways=False)] * times
        return found
