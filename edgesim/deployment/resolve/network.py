"""The network of a deployment: zones, firewalls with their rules, address translation; and the documented design.

The default is the documented design: the zones internet, outer-dmz (E's outer interface), dmz (its inner one) and
inside, a firewall ``external`` before E and ``internal`` behind it, each open inward only for what "MRA Requirements
and Prerequisites" lists. An E with one interface is in outer-dmz: the external firewall has its static NAT, so what C
sends to the public address has to turn round there (NAT reflection).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from edgesim.deployment.hosts import ExpresswayE
from edgesim.deployment.inventory import Inventory
from edgesim.deployment.mistakes import FieldPath
from edgesim.deployment.network import Firewall, Network, Tree, Zone, wall_before
from edgesim.deployment.plan.network import FirewallPlan, NetworkPlan, ZonePlan
from edgesim.deployment.resolve.resolution import Derived, Resolution
from edgesim.world.firewall import Ports, Rule, RuleEndpoint
from edgesim.world.nat import StaticNat, parse_nat
from edgesim.world.topology import INTERNET

OUTER_DMZ, DMZ, INSIDE = "outer-dmz", "dmz", "inside"
EXTERNAL, INTERNAL = "external", "internal"
ZONES = (INTERNET, OUTER_DMZ, DMZ, INSIDE)
FIREWALLS = ((EXTERNAL, INTERNET, OUTER_DMZ), (INTERNAL, DMZ, INSIDE))
DESIGN = "the documented design"


def network(plan: NetworkPlan, resolution: Resolution, inventory: Inventory) -> Network:
    """Return a deployment's network with everything that follows from the rest of it."""
    path: FieldPath = ("network",)
    zones: list[Zone] = []
    if not plan.zones:
        resolution.note((*path, "zones"), path, DESIGN)
    for index, zone in enumerate(plan.zones or tuple(ZonePlan(name=name) for name in ZONES)):
        at: FieldPath = (*path, "zones", index)
        outward: object = None
        if zone.name != INTERNET:
            before = zones[-1].name if zones else INTERNET
            listed: FieldPath = (*path, "zones", max(index - 1, 0), "name")
            outward = zone.outward or Derived(before, listed, "the zone listed before")
        elif zone.outward is not None:
            outward = Derived(None, at, "nothing lies outward of the internet")
        zones.append(resolution.part(Zone, zone, at, outward=outward))
    tree = Tree(zones)
    walls = plan.firewalls
    if walls is None:
        resolution.note((*path, "firewalls"), (*path, "zones"), DESIGN)
        pairs = [(zone.outward, zone.name) for zone in zones]
        walls = tuple(
            FirewallPlan(name=name, between=(outer, inner))
            for name, outer, inner in FIREWALLS
            if (outer, inner) in pairs
        )
    firewalls = tuple(
        _firewall(wall, resolution, inventory, tree, walls, (*path, "firewalls", index))
        for index, wall in enumerate(walls)
    )
    return resolution.part(Network, plan, path, zones=tuple(zones), firewalls=firewalls)


def _firewall(
    wall: FirewallPlan,
    resolution: Resolution,
    inventory: Inventory,
    tree: Tree,
    walls: Sequence[FirewallPlan],
    path: FieldPath,
) -> Firewall:
    defaults = inventory.defaults.network
    mapped = _mappings(inventory, tree, walls, wall)
    for place, edge in enumerate(mapped.values(), start=len(wall.nat)):
        resolution.note((*path, "nat", place), ("expressway_e", edge, "static_nat"), "the static NAT of this E")
    rules: object = wall.rules
    if wall.rules is None:
        documented = tuple(_documented(inventory, tree, wall.between[1]))
        rules = Derived(tuple(map(str, documented)), ("defaults", "ports"), DESIGN)
        for place, rule in enumerate(documented):
            resolution.note((*path, "rules", place), _named_at(inventory, rule), "what goes there")
    idle: FieldPath = ("defaults", "network")
    return resolution.part(
        Firewall,
        wall,
        path,
        rules=rules,
        nat=(*wall.nat, *mapped),
        idle_tcp_s=wall.idle_tcp_s
        or Derived(defaults.firewall_idle_tcp_s, (*idle, "firewall_idle_tcp_s"), "the usual time of a firewall"),
        idle_udp_s=wall.idle_udp_s
        or Derived(defaults.firewall_idle_udp_s, (*idle, "firewall_idle_udp_s"), "the usual time of a firewall"),
    )


def _mappings(inventory: Inventory, tree: Tree, walls: Sequence[FirewallPlan], wall: FirewallPlan) -> Mapping[str, int]:
    """Return the translations that a firewall has for static NATs of E, each with the place of that E."""
    written = {nat.public for each in walls for nat in map(parse_nat, each.nat) if isinstance(nat, StaticNat)}
    before = {each.between[1]: each for each in walls}
    found: dict[str, int] = {}
    for index, edge in enumerate(inventory.expressway_e):
        if edge.static_nat and edge.static_nat not in written and wall_before(tree, before, edge.outer_zone) is wall:
            found[str(StaticNat(public=edge.static_nat, private=edge.outer))] = index
    return found


def _named_at(inventory: Inventory, rule: Rule) -> FieldPath:
    """Return the path of the name that a documented rule has as its target."""
    for index, edge in enumerate(inventory.expressway_e):
        if rule.target.word in (edge.name, edge.outer_zone):
            return ("expressway_e", index, "name" if rule.target.word == edge.name else "outer_zone")
    return ("network", "zones")


# ---- the documented openings


def _documented(inventory: Inventory, tree: Tree, inner: str) -> Iterator[Rule]:
    """Yield the rules that the documents require of a firewall before the zone ``inner``, by what lies on each side."""
    ports = inventory.defaults.ports
    signalling: Ports = _single(ports.edge_https, ports.edge_sip, ports.edge_xmpp)
    media = ((ports.edge_media_first, ports.media_last),)
    if inventory.cms_web_proxy:
        signalling += _single(ports.web_proxy)
    outside, inside = (
        RuleEndpoint(word=tree.side(inner, inside=False)),
        RuleEndpoint(word=tree.side(inner, inside=True)),
    )
    for zone in dict.fromkeys(
        each.outer_zone for each in inventory.expressway_e if tree.within(each.outer_zone, inner)
    ):
        yield _allow("tcp", outside, RuleEndpoint(word=zone, ports=signalling))
        yield _allow("udp", outside, RuleEndpoint(word=zone, ports=media))
        # TURN is not part of MRA; its ports are opened if E's TURN server runs.
        servers = [each for each in inventory.expressway_e if each.outer_zone == zone and each.turn_server]
        if servers:
            control = max(ports.turn_control(each.size) for each in servers)
            relay = (control, (ports.turn_relay_first, ports.turn_relay_last))
            yield _allow("udp", outside, RuleEndpoint(word=zone, ports=relay))
    if any(tree.within(each.zone, inner) for each in inventory.expressway_c):
        for edge in inventory.expressway_e:
            if not any(tree.within(each.zone, inner) for each in edge.interfaces):
                yield _allow("tcp", inside, RuleEndpoint(word=edge.name, ports=_single(*inventory.link_ports)))
                yield _allow("udp", inside, RuleEndpoint(word=edge.name, ports=_multiplexed(inventory, edge)))
                # Clients on premises come in by the edge too, in deployments that have no other way for them.
                yield _allow("tcp", inside, RuleEndpoint(word=edge.name, ports=signalling))
                yield _allow("udp", inside, RuleEndpoint(word=edge.name, ports=media))
    yield _allow("any", inside, RuleEndpoint(word=INTERNET))


def _multiplexed(inventory: Inventory, edge: ExpresswayE) -> Ports:
    """Return the UDP ports of E that C's multiplexed media goes to."""
    pairs = inventory.defaults.ports.multiplexed(edge.size)
    return ((pairs[0][0], pairs[-1][1]),)


def _allow(protocol: Literal["tcp", "udp", "any"], source: RuleEndpoint, target: RuleEndpoint) -> Rule:
    return Rule(verdict="accept", protocol=protocol, source=source, target=target)


def _single(*ports: int) -> Ports:
    return tuple((port, port) for port in ports)
