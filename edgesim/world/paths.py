"""What lies between hosts: zones, links with their latency and loss, partitions, and who may open what to whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edgesim.world.api import Host, Interface
from edgesim.world.events import Address

Verdict = str
"""``accept``, ``drop`` (silence) or ``reject`` (an ICMP error)."""

Policy = Callable[[str, str, str, Address, Address], Verdict]
"""Judges a new flow: source zone, target zone, ``tcp`` or ``udp``, source and target address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What is special about the way from one host to another. ``loss`` is a probability."""

    latency_ns: int | None = None
    loss: float = 0.0


class Paths:
    """The ways between hosts. ``zones`` runs from the outermost to the innermost."""

    def __init__(self, zones: tuple[str, ...]) -> None:
        self.zones = zones
        self.policy: Policy = self.outward_only
        self._links: dict[tuple[str, str], Link] = {}
        self._cuts: dict[tuple[str, str], int] = {}
        self.lossy = False

    def depth(self, zone: str) -> int:
        """Return how far inside a zone lies; unknown zones count as outside."""
        return self.zones.index(zone) if zone in self.zones else 0

    def outward_only(self, source: str, target: str, protocol: str, local: Address, remote: Address) -> Verdict:
        """The policy without further rules: connections are opened outward or within a zone, never inward."""
        return "accept" if self.depth(source) >= self.depth(target) else "drop"

    def verdict(self, source: str, target: str, protocol: str, local: Address, remote: Address) -> Verdict:
        """Judge a new flow by the policy in force."""
        return self.policy(source, target, protocol, local, remote)

    def interface(self, host: Host, zone: str) -> Interface:
        """Return the interface by which ``host`` reaches ``zone``: in that zone, else in the nearest."""
        if not host.interfaces:
            raise OSError(f"{host.name} has no interface")
        return min(host.interfaces, key=lambda item: (item.zone != zone, abs(self.depth(item.zone) - self.depth(zone))))

    # ---- links

    def link(self, source: str, target: str) -> Link | None:
        """Return what is special about a way, or None."""
        return self._links.get((source, target))

    def set_link(self, one: str, other: str, link: Link) -> None:
        """Give the way between two hosts, in both directions, a latency or a loss of its own."""
        self._links[(one, other)] = self._links[(other, one)] = link
        self.lossy = any(item.loss for item in self._links.values())

    # ---- partitions

    def cut(self, source: str, target: str) -> bool:
        """Say whether nothing gets from ``source`` to ``target``."""
        return bool(self._cuts) and (source, target) in self._cuts

    def partition(self, one: str, other: str, *, both_ways: bool = True) -> None:
        """Let nothing through from ``one`` to ``other``, nor back unless told otherwise."""
        for pair in ((one, other), (other, one)) if both_ways else ((one, other),):
            self._cuts[pair] = self._cuts.get(pair, 0) + 1

    def heal(self, one: str, other: str, *, both_ways: bool = True) -> None:
        """Undo one `partition` of the same hosts; no error where there is none."""
        for pair in ((one, other), (other, one)) if both_ways else ((one, other),):
            left = self._cuts.get(pair, 0) - 1
            if left > 0:
                self._cuts[pair] = left
            else:
                self._cuts.pop(pair, None)

    @contextmanager
    def partitioned(self, one: str, other: str, *, both_ways: bool = True) -> Iterator[None]:
        """Keep a partition for the length of a ``with`` block."""
        self.partition(one, other, both_ways=both_ways)
        try:
            yield
        finally:
            self.heal(one, other, both_ways=both_ways)
