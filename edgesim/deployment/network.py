"""The network of a deployment: zones, firewalls with their rules, address translation; and as worlds take it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from edgesim.deployment.base import Address, HostLabel, Text, ZoneName
from edgesim.deployment.plan.network import Otherwise, Pin, parse_opening
from edgesim.world import topology as worlds
from edgesim.world.firewall import FirewallAction, Ports, Rule, RuleError, parse_endpoint, parse_rule
from edgesim.world.nat import SourceNat, parse_nat

SECOND = 1_000_000_000
W = TypeVar("W")


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A network zone. ``outward`` is the next one towards the internet, None for the internet itself; ``site`` is None
    where its author does not say where it is."""

    name: ZoneName
    outward: ZoneName | None
    site: Text | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall:
    """A firewall between two neighbouring zones, the outer one first. The first rule that fits decides about a flow.

    ``address`` is the source of what turns round here, None for the public address of each mapping.
    """

    name: HostLabel
    between: tuple[ZoneName, ZoneName]
    rules: tuple[str, ...]
    closed: tuple[str, ...]
    otherwise: Otherwise
    nat: tuple[str, ...]
    reflection: bool
    address: Address | None
    keeps_source: bool
    idle_tcp_s: float
    idle_udp_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Zones and the firewalls between them, and what no seed decides about the wires."""

    zones: tuple[Zone, ...]
    firewalls: tuple[Firewall, ...]
    pinned: tuple[Pin, ...]


class Tree:
    """Which zone lies where; tolerant of what is wrong, which `network_mistakes` reports."""

    def __init__(self, zones: Iterable[Zone]) -> None:
        self.outward = {zone.name: zone.outward for zone in zones}

    def upwards(self, zone: str | None) -> tuple[str, ...]:
        """Return a zone and those around it, as far as they are known."""
        chain: list[str] = []
        while zone is not None and zone in self.outward and zone not in chain:
            chain.append(zone)
            zone = self.outward[zone]
        return tuple(chain)

    def within(self, zone: str, inner: str) -> bool:
        """Say whether ``zone`` lies on the inner side of the firewall before ``inner``."""
        return inner in self.upwards(zone)

    def side(self, inner: str, *, inside: bool) -> str:
        """Return what a rule calls one side of the firewall before ``inner``: its only zone, or ``any``."""
        zones = [zone for zone in self.outward if self.within(zone, inner) is inside]
        return zones[0] if len(zones) == 1 else "any"


def wall_before(tree: Tree, walls: Mapping[str, W], zone: str) -> W | None:
    """Return the next firewall outward of a zone; ``walls`` are by the zone on their inner side."""
    return next((walls[each] for each in tree.upwards(zone) if each in walls), None)


def topology(network: Network) -> worlds.Network:
    """Return zones and firewalls, ready for a world."""
    return worlds.Network(
        zones=tuple(worlds.Zone(name=each.name, outward=each.outward, site=each.site or "") for each in network.zones),
        firewalls=tuple(map(_firewall, network.firewalls)),
    )


def _firewall(wall: Firewall) -> worlds.Firewall:
    outer, inner = wall.between
    return worlds.Firewall(
        name=wall.name,
        outer=outer,
        inner=inner,
        rules=tuple(closed(map(parse_rule, wall.rules), wall.closed, wall.otherwise)),
        otherwise=wall.otherwise,
        idle_tcp_ns=round(wall.idle_tcp_s * SECOND),
        idle_udp_ns=round(wall.idle_udp_s * SECOND),
        nat=tuple(map(parse_nat, wall.nat)),
        reflection=wall.reflection,
        address=wall.address,
        keeps_source=wall.keeps_source,
    )


def closed(rules: Iterable[Rule], openings: Iterable[str], verdict: FirewallAction) -> Iterator[Rule]:
    """Yield rules, and before each that opens a port of ``openings`` one that closes just that port."""
    shut = [parse_opening(text) for text in openings]
    for rule in rules:
        for protocol, ports in shut:
            common = overlap(rule.target.ports, ports)
            if rule.verdict == "accept" and protocol in ("any", rule.protocol) and common:
                yield replace(rule, verdict=verdict, target=replace(rule.target, ports=common))
        yield rule


def overlap(one: Ports, other: Ports) -> Ports:
    """Return the ports that both have."""
    pairs = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return tuple((first, last) for first, last in pairs if first <= last)


def words(rule: Rule | SourceNat) -> Iterator[str]:
    """Yield the zones and hosts that a rule or translation names."""
    for place in (rule.source, rule.target):
        if place.network is None and place.word != "any":
            yield place.word


def moved(text: str, table: dict[str, str]) -> str:
    """Return a rule's or translation's text with other addresses; a network moves with the hosts that lie in it."""
    return " ".join(_moved_word(word, table) for word in text.split())


def _moved_word(word: str, table: dict[str, str]) -> str:
    if word in table:
        return table[word]
    try:
        place = parse_endpoint(word)
    except RuleError:
        return word
    if place.network is None:
        return word
    for old, new in table.items():
        try:
            there = parse_endpoint(old).network
        except RuleError:
            continue
        if there is not None and there.version == place.network.version and there[0] in place.network:
            target = parse_endpoint(new).network
            if target is not None and target.version == 4 and place.network.version == 4:
                around = target.supernet(new_prefix=place.network.prefixlen)
                return str(replace(place, network=around))
    return word
