"""Paths between hosts: zones, firewalls with NAT, links with latency and loss, partitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from edgesim.world.api import Interface
from edgesim.world.events import Address
from edgesim.world.firewall import End, FirewallAction
from edgesim.world.nat import Binding, Bindings, SourceNat, StaticNat
from edgesim.world.topology import Firewall, Network, Zone, outward_only

TURNS = 8
"""How many static mappings one flow may pass; more is a loop of mappings, and goes nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Properties of the path from one host to another. ``loss`` is a probability."""

    latency_ns: int | None = None
    loss: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Where a flow ended: at which firewall, by which rule (its text), with which verdict; ``source`` as seen there."""

    firewall: str
    rule: str
    verdict: FirewallAction
    source: End


class Placed(Protocol):
    """What lies somewhere in a network: a host of a world, or the description of one."""

    @property
    def name(self) -> str: ...

    @property
    def interfaces(self) -> tuple[Interface, ...]: ...


H = TypeVar("H", bound=Placed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage(Generic[H]):
    """The result for a new flow.

    ``host`` receives it (None: no host has the address). ``source`` is what the receiver sees, ``target`` its own
    address. ``keeper`` is the firewall that forgets it first, after ``idle_ns`` without a packet (None: none does).
    With ``astray``, answers go to a static mapping with the same public address: the two cannot be distinguished.
    """

    verdict: FirewallAction
    host: H | None
    source: Address
    target: Address
    idle_ns: int | None = None
    keeper: str = ""
    blocked: Blocked | None = None
    astray: Blocked | None = None


class FlowState:
    """The firewalls' state of a flow: since when it has been idle, and whether it has timed out."""

    __slots__ = ("forgotten", "idle_ns", "keeper", "last_ns", "reported")

    def __init__(self, keeper: str, idle_ns: int | None, now: int) -> None:
        self.keeper = keeper
        self.idle_ns = idle_ns or 0
        self.last_ns = now
        self.forgotten = False
        self.reported = False

    def fresh(self, now: int) -> bool:
        """Return whether the state is still there; once it is gone it stays so."""
        self.forgotten = self.forgotten or now - self.last_ns > self.idle_ns
        return not self.forgotten

    def passes(self, now: int) -> bool:
        """Note a packet, which passes if the state is still there."""
        if not self.fresh(now):
            return False
        self.last_ns = now
        return True


@dataclass(frozen=True, slots=True)
class _Found(Generic[H]):
    """Where an address is: at a host, or on a firewall's outer face."""

    zone: str
    host: H | None = None
    firewall: Firewall | None = None
    static: StaticNat | None = None


class Paths(Generic[H]):
    """The ways between hosts. Zones that the network does not know count as the root.

    Addresses are looked for near the sender first, so that one address may exist in two zones.
    """

    def __init__(self, zones: tuple[str, ...], hosts: Mapping[str, H]) -> None:
        self._hosts = hosts
        self._links: dict[tuple[str, str], Link] = {}
        self._cuts: dict[tuple[str, str], int] = {}
        self.lossy = False
        self.bindings = Bindings()
        self.install(outward_only(zones))

    def install(self, network: Network) -> None:
        """Set zones and firewalls, for new flows. Raises `ValueError` if the zones are not a tree."""
        zones = {zone.name: zone for zone in network.zones}
        roots = [zone.name for zone in network.zones if zone.outward is None]
        if len(zones) != len(network.zones) or len(roots) != 1:
            raise ValueError("zones require a single root and unique names")
        outward = {name: _upwards(zone, zones) for name, zone in zones.items()}
        walls: dict[str, Firewall] = {}
        for wall in network.firewalls:
            if wall.inner not in zones or zones[wall.inner].outward != wall.outer or wall.inner in walls:
                raise ValueError(f"firewall {wall.name} requires two adjacent zones that no other firewall joins")
            walls[wall.inner] = wall
        self.network = network
        self.zones = zones
        self.root = roots[0]
        self._outward = outward
        self._walls = walls
        self._ways: dict[tuple[str, str], tuple[tuple[Firewall, bool], ...]] = {}
        self._found: dict[tuple[str, str], _Found[H]] = {}

    def changed(self) -> None:
        """Forget what was learned about where addresses are: a host has come."""
        self._found.clear()

    # ---- where things are

    def known(self, zone: str) -> str:
        """Return a zone's name, or the root's for a zone that is not in this network."""
        return zone if zone in self.zones else self.root

    def distance(self, one: str, other: str) -> int:
        """Return the number of steps between two zones."""
        up, over = self._outward[self.known(one)], self._outward[self.known(other)]
        common = sum(a == b for a, b in zip(reversed(up), reversed(over), strict=False))
        return len(up) + len(over) - 2 * common

    def beyond(self, wall: Firewall, zone: str) -> bool:
        """Return whether a zone lies on the outer side of a firewall."""
        return wall.inner not in self._outward[self.known(zone)]

    def way(self, one: str, other: str) -> tuple[tuple[Firewall, bool], ...]:
        """Return the firewalls between two zones in order, and for each whether it is crossed inward."""
        one, other = self.known(one), self.known(other)
        way = self._ways.get((one, other))
        if way is None:
            up, over = self._outward[one], self._outward[other]
            out = [(self._walls[zone], False) for zone in up if zone not in over and zone in self._walls]
            into = [(self._walls[zone], True) for zone in reversed(over) if zone not in up and zone in self._walls]
            way = self._ways[one, other] = (*out, *into)
        return way

    def zone_of(self, host: H, address: str) -> str:
        """Return the zone of one of a host's addresses."""
        for interface in host.interfaces:
            if interface.address == address:
                return self.known(interface.zone)
        return self.known(host.interfaces[0].zone) if host.interfaces else self.root

    def _locate(self, zone: str, address: str) -> _Found[H] | None:
        """Return what has an address, seen from a zone: the nearest host or firewall."""
        found = self._found.get((zone, address))
        if found is None:
            places = [
                _Found(self.known(interface.zone), host=host)
                for host in self._hosts.values()
                for interface in host.interfaces
                if interface.address == address
            ]
            for wall in self._walls.values():
                for nat in wall.nat:
                    if isinstance(nat, StaticNat) and nat.public == address:
                        places.append(_Found(wall.outer, firewall=wall, static=nat))
            places.sort(key=lambda each: self.distance(zone, each.zone))
            if not places:
                return None  # not remembered: there is no end of addresses that no host has
            found = self._found[zone, address] = places[0]
        return found

    def owner(self, host: H, address: str) -> H | None:
        """Return the host that an address leads to from ``host``, through static mappings where there are any."""
        for interface in host.interfaces:
            if interface.address == address:
                return host
        return self.owner_from(host.interfaces[0].zone if host.interfaces else self.root, address)

    def owner_from(self, zone: str, address: str) -> H | None:
        """The same from a zone."""
        zone = self.known(zone)
        for _ in range(TURNS):
            found = self._locate(zone, address)
            if found is None or found.firewall is None or found.static is None:
                return found.host if found else None
            zone, address = found.firewall.inner, found.static.private
        return None

    def peer(self, host: H | None, end: Address) -> H | None:
        """Return the host that a peer's address and port mean to ``host``, also behind NAT."""
        name = self.bindings.holder(end)
        if name is not None and name in self._hosts:
            return self._hosts[name]
        return self.owner_from(self.root, end[0]) if host is None else self.owner(host, end[0])

    def interface(self, host: H, address: str) -> Interface:
        """Return the interface by which ``host`` reaches an address: the nearest to it of the same IP version, where
        there is one. Raises `OSError`."""
        if not host.interfaces:
            raise OSError(f"{host.name} has no interface")
        same = [each for each in host.interfaces if (":" in each.address) == (":" in address)]
        found = [(self._locate(self.known(each.zone), address), each) for each in same or host.interfaces]
        return min(found, key=lambda it: self.distance(it[1].zone, it[0].zone if it[0] else self.root))[1]

    # ---- new flows

    def check(self, protocol: str, source: Address, target: Address, *, host: H | None, zone: str) -> Passage[H]:
        """Check a new flow from ``host`` (None: a stranger) in ``zone``, and say how the receiver will see it."""
        zone = self.known(zone)
        found = self._locate(zone, target[0])
        if found is not None and found.host is not None and not self.way(zone, found.zone):
            return Passage(verdict="accept", host=found.host, source=source, target=target)
        start = End(address=source[0], port=source[1], zone=zone, host=host.name if host else None)
        return _Journey(self, protocol, start, target).end()

    # ---- links

    def link(self, source: str, target: str) -> Link | None:
        """Return what is special about a way, or None."""
        return self._links.get((source, target))

    def set_link(self, one: str, other: str, link: Link) -> None:
        """Set the latency or loss of the path between two hosts, in both directions."""
        self._links[(one, other)] = self._links[(other, one)] = link
        self.lossy = any(item.loss for item in self._links.values())

    # ---- partitions

    def cut(self, source: str, target: str) -> bool:
        """Return whether nothing gets from ``source`` to ``target``."""
        return bool(self._cuts) and (source, target) in self._cuts

    def partition(self, one: str, other: str, *, both_ways: bool = True) -> None:
        """Let nothing through from ``one`` to ``other``, and back if ``both_ways``."""
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


class _Journey(Generic[H]):
    """One new flow on its way: ``source`` and ``target`` as they look at the present place."""

    def __init__(self, paths: Paths[H], protocol: str, source: End, target: Address) -> None:
        self.paths = paths
        self.protocol = protocol
        self.source = source
        self.port = target[1]
        self.address = target[0]
        self.dialled = target
        self.first = source
        self.idle: int | None = None
        self.keeper = ""
        self.blocked: Blocked | None = None
        self.astray: Blocked | None = None

    def end(self) -> Passage[H]:
        """Go all the way, or until a firewall ends it."""
        zone = self.source.zone
        host: H | None = None
        for _ in range(TURNS):
            found = self.paths._locate(zone, self.address)
            if found is None or found.firewall is None or found.static is None:
                host = found.host if found else None
                self._travel(zone, found.zone if found else self.paths.root, host)
                break
            wall, static = found.firewall, found.static
            if self.paths.beyond(wall, zone):
                self._travel(zone, wall.outer, None)
                # The mapping comes before the rules of its firewall, which name what really lies inside.
                zone, self.address = wall.outer, static.private
                inside = self.paths._locate(wall.inner, static.private)
                host = inside.host if inside is not None else None
                self._travel(zone, inside.zone if inside and host else wall.inner, host, mapped=wall)
                if host is not None:
                    break
                zone = wall.inner
            else:
                self._travel(zone, wall.inner, None, towards=wall.outer)
                self._turn(wall, static)
                zone, self.address = wall.inner, static.private
            if self.blocked is not None:
                host = self.paths.owner_from(wall.inner, static.private)
                break
        here = (self.address, self.port)
        source = (self.source.address, self.source.port)
        verdict: FirewallAction = "accept" if self.blocked is None else self.blocked.verdict
        return Passage(
            verdict=verdict,
            host=host,
            source=source,
            target=here,
            idle_ns=self.idle,
            keeper=self.keeper,
            blocked=self.blocked,
            astray=self.astray,
        )

    def _travel(
        self, zone: str, goal: str, host: H | None, *, mapped: Firewall | None = None, towards: str | None = None
    ) -> None:
        target = End(
            address=self.address, port=self.port, zone=towards or goal, host=host.name if host is not None else None
        )
        for wall, inward in self.paths.way(zone, goal):
            if self.blocked is not None:
                return
            if inward and wall is not mapped and any(_maps(nat, private=self.address) for nat in wall.nat):
                self._stop(wall, "drop", f"{self.address} is reached by its public address only")
                return
            self._meet(wall, target)
            self._translate(wall, target, inward=inward)

    def _meet(self, wall: Firewall, target: End) -> None:
        verdict, rule = wall.check(self.protocol, self.source, target)
        idle = wall.idle_udp_ns if self.protocol == "udp" else wall.idle_tcp_ns
        if self.idle is None or idle < self.idle:
            self.idle, self.keeper = idle, wall.name
        if verdict != "accept":
            self._stop(wall, verdict, rule)

    def _turn(self, wall: Firewall, static: StaticNat) -> None:
        """Turn round at a firewall whose static mapping was dialled from the inner side."""
        if self.blocked is not None:
            return
        self._meet(wall, End(address=static.public, port=self.port, zone=wall.outer))
        if self.blocked is not None:
            return
        if not wall.reflection:
            self._stop(wall, "drop", f"{static}: no reflection")
            return
        if not wall.keeps_source:
            self._show(wall.address or static.public, wall.inner)

    def _translate(self, wall: Firewall, target: End, *, inward: bool) -> None:
        if self.blocked is not None:
            return
        for nat in wall.nat:
            if isinstance(nat, StaticNat) and not inward and nat.private == self.source.address:
                self.source = replace(self.source, address=nat.public, zone=wall.outer, host=None)
                return
        for nat in wall.nat:
            if isinstance(nat, SourceNat) and nat.source.matches(self.source) and nat.target.matches(target):
                self._show(nat.address, wall.inner if inward else wall.outer)
                shared = next((each for each in self._statics() if each.public == nat.address), None)
                if shared is not None:
                    text = f"{shared}: answers to {nat.address} go there"
                    self.astray = Blocked(firewall=wall.name, rule=text, verdict="drop", source=self.source)
                return

    def _statics(self) -> Iterator[StaticNat]:
        for wall in self.paths.network.firewalls:
            for nat in wall.nat:
                if isinstance(nat, StaticNat):
                    yield nat

    def _show(self, address: str, zone: str) -> None:
        """Give the flow another source: an address of a firewall, and a port there."""
        first = self.first
        flow = Binding(self.protocol, first.host or first.address, (first.address, first.port), self.dialled)
        port = self.paths.bindings.port(address, flow)
        self.source = End(address=address, port=port, zone=zone)

    def _stop(self, wall: Firewall, verdict: FirewallAction, rule: str) -> None:
        self.blocked = Blocked(firewall=wall.name, rule=rule, verdict=verdict, source=self.source)


def _upwards(zone: Zone, zones: Mapping[str, Zone]) -> tuple[str, ...]:
    """Return a zone and those around it, up to the root."""
    chain = [zone.name]
    while zone.outward is not None:
        if zone.outward not in zones or zone.outward in chain:
            raise ValueError(f"zone {zone.name} leads outward to {zone.outward}, which leads nowhere")
        zone = zones[zone.outward]
        chain.append(zone.name)
    return tuple(chain)


def _maps(nat: StaticNat | SourceNat, *, private: str) -> bool:
    return isinstance(nat, StaticNat) and nat.private == private
