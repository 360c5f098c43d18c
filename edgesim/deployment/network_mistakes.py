"""Contradictions in a deployment's network: zones without neighbours, rules about nothing, duplicate addresses."""

from __future__ import annotations

from collections.abc import Iterator

from edgesim.deployment.inventory import Inventory, machine_paths
from edgesim.deployment.mistakes import FieldPath, Mistake
from edgesim.deployment.network import Firewall, Network, Tree, overlap, wall_before, words
from edgesim.deployment.plan.network import parse_opening
from edgesim.world.firewall import Rule, ports_text
from edgesim.world.firewall import parse_rule as rule_of
from edgesim.world.nat import SourceNat, StaticNat
from edgesim.world.nat import parse_nat as nat_of
from edgesim.world.topology import INTERNET

INTERFACES = (("address", "zone"), ("outer", "outer_zone"), ("inner", "inner_zone"))
"""The fields of a machine that hold an address, each with that of its zone."""


def network_mistakes(inventory: Inventory, network: Network) -> tuple[Mistake, ...]:
    """Return every contradiction in the network of a deployment."""
    return tuple(_Check(inventory, network).all())


class _Check:
    def __init__(self, inventory: Inventory, network: Network) -> None:
        self.inventory = inventory
        self.network = network
        self.zones = [zone.name for zone in network.zones]
        self.tree = Tree(network.zones)
        self.walls = network.firewalls
        self.places: dict[str, list[tuple[str, str]]] = {}
        """By address: the hosts that have it, and in which zone."""
        for _, _, machine in machine_paths(inventory):
            for interface in machine.interfaces:
                self.places.setdefault(interface.address, []).append((machine.name, interface.zone))
        self.hosts = {machine.name for _, _, machine in machine_paths(inventory)}

    def all(self) -> Iterator[Mistake]:
        yield from self._zones()
        yield from self._interfaces()
        for index, wall in enumerate(self.walls):
            path: FieldPath = ("network", "firewalls", index)
            yield from self._between(path, wall, self.walls[:index])
            yield from self._rules(path, wall)
            yield from self._closed(path, wall)
        yield from self._translations()

    def _zones(self) -> Iterator[Mistake]:
        seen: list[str] = []
        for index, zone in enumerate(self.network.zones):
            path: FieldPath = ("network", "zones", index)
            if zone.name in seen:
                yield _wrong((*path, "name"), zone.name, "duplicate zone")
            elif zone.outward is not None and zone.outward not in self.zones:
                yield _wrong((*path, "outward"), zone.outward, f"no such zone; known: {', '.join(self.zones)}")
            elif self.tree.upwards(zone.name)[-1:] != (INTERNET,):
                yield _wrong((*path, "outward"), zone.outward or zone.name, f"does not lead outward to {INTERNET}")
            seen.append(zone.name)

    def _interfaces(self) -> Iterator[Mistake]:
        taken: dict[str, list[tuple[str, str]]] = {}
        for path, _, machine in machine_paths(self.inventory):
            for field, zone_field in INTERFACES:
                address, zone = getattr(machine, field, None), getattr(machine, zone_field, "")
                if address is None:
                    continue
                if zone not in self.zones:
                    reason = f"no such zone; known: {', '.join(self.zones)}"
                    yield _wrong((*path, zone_field), zone, reason)
                holder = next((name for name, there in taken.get(address, ()) if not self._apart(zone, there)), None)
                if holder is not None:
                    yield _wrong((*path, field), address, f"already the address of {holder}")
                taken.setdefault(address, []).append((machine.name, zone))

    def _apart(self, one: str, other: str) -> bool:
        """Return whether a firewall with NAT is between two zones: then one address may be in both."""
        up, over = self.tree.upwards(one), self.tree.upwards(other)
        between = [zone for zone in (*up, *over) if (zone in up) is not (zone in over)]
        return any(wall.between[1] in between and wall.nat for wall in self.walls)

    def _between(self, path: FieldPath, wall: Firewall, before: tuple[Firewall, ...]) -> Iterator[Mistake]:
        if any(wall.name == each.name for each in before):
            yield _wrong((*path, "name"), wall.name, "duplicate firewall")
        outer, inner = wall.between
        unknown = [(place, zone) for place, zone in enumerate(wall.between) if zone not in self.zones]
        for place, zone in unknown:
            yield _wrong((*path, "between", place), zone, f"no such zone; known: {', '.join(self.zones)}")
        if unknown:
            return
        if self.tree.outward[inner] != outer:
            turned = self.tree.outward[outer] == inner
            next_to = self.tree.outward[inner]
            reason = (
                "expected the outer zone first"
                if turned
                else "these zones are not adjacent; "
                + (f"the zone outward of {inner} is {next_to}" if next_to else f"no zone is outward of {inner}")
            )
            yield _wrong((*path, "between"), f"{outer}, {inner}", reason)
        for each in before:
            if each.between == wall.between:
                yield _wrong((*path, "between"), f"{outer}, {inner}", f"{each.name} is already between these zones")

    def _rules(self, path: FieldPath, wall: Firewall) -> Iterator[Mistake]:
        named: list[tuple[FieldPath, str, Rule | SourceNat]] = [
            ((*path, "rules", index), text, rule_of(text)) for index, text in enumerate(wall.rules)
        ]
        for index, text in enumerate(wall.nat):
            nat = nat_of(text)
            if isinstance(nat, SourceNat):
                named.append(((*path, "nat", index), text, nat))
        for place, text, rule in named:
            for word in dict.fromkeys(words(rule)):
                if word in self.zones and word in self.hosts:
                    yield _wrong(place, text, f"{word} is both a zone and a host: rename one of them")
                elif word not in self.zones and word not in self.hosts:
                    yield _wrong(place, text, f"no zone or host is called {word}")

    def _closed(self, path: FieldPath, wall: Firewall) -> Iterator[Mistake]:
        opened = [rule for rule in map(rule_of, wall.rules) if rule.verdict == "accept" and rule.target.ports]
        for index, text in enumerate(wall.closed):
            protocol, ports = parse_opening(text)
            fits = [rule for rule in opened if protocol in ("any", rule.protocol) and overlap(rule.target.ports, ports)]
            if not fits:
                there = dict.fromkeys(f"{rule.protocol} {ports_text(rule.target.ports)}" for rule in opened)
                reason = "no rule of this firewall opens it; " + (
                    f"its rules open {'; '.join(there)}" if there else "its rules name no ports"
                )
                yield _wrong((*path, "closed", index), text, reason)

    def _translations(self) -> Iterator[Mistake]:
        publics: dict[str, str] = {}
        privates: dict[tuple[str, str], str] = {}
        for index, wall in enumerate(self.walls):
            for place, text in enumerate(wall.nat):
                nat, path = nat_of(text), ("network", "firewalls", index, "nat", place)
                address = nat.public if isinstance(nat, StaticNat) else nat.address
                holder = next((name for name, zone in self.places.get(address, ()) if zone == wall.between[0]), None)
                if holder is not None:
                    yield _wrong(path, text, f"{address} is already the address of {holder} in {wall.between[0]}")
                if isinstance(nat, SourceNat):
                    continue
                if nat.public in publics:
                    yield _wrong(path, text, f"{nat.public} is already mapped to {publics[nat.public]}")
                elif (wall.name, nat.private) in privates:
                    yield _wrong(path, text, f"{nat.private} is already mapped to {privates[wall.name, nat.private]}")
                elif not any(self.tree.within(zone, wall.between[1]) for zone in self._zones_of(nat.private)):
                    yield _wrong(path, text, f"no host on the inner side of {wall.name} has the address {nat.private}")
                publics.setdefault(nat.public, nat.private)
                privates.setdefault((wall.name, nat.private), nat.public)
        before = {wall.between[1]: wall for wall in self.walls}
        for index, edge in enumerate(self.inventory.expressway_e):
            if edge.static_nat is None:
                continue
            mapped = publics.get(edge.static_nat)
            if mapped is None or wall_before(self.tree, before, edge.outer_zone) is None:
                reason = f"no firewall outward of {edge.outer_zone} translates it"
                yield _wrong(("expressway_e", index, "static_nat"), edge.static_nat, reason)
            elif mapped != edge.outer:
                reason = f"a firewall maps it to {mapped}"
                yield _wrong(("expressway_e", index, "static_nat"), edge.static_nat, reason)

    def _zones_of(self, address: str) -> Iterator[str]:
        """Yield where an address is: hosts' zones, and the outer zones of firewalls that map it further in."""
        for _, zone in self.places.get(address, ()):
            yield zone
        for wall in self.walls:
            for nat in map(nat_of, wall.nat):
                if isinstance(nat, StaticNat) and nat.public == address:
                    yield wall.between[0]


def _wrong(path: FieldPath, value: str, reason: str) -> Mistake:
    return Mistake(path=path, value=value, reason=reason)
