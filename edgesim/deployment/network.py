"""The network of a deployment: zones, firewalls with their rules, address translation; and the documented design.

What is left out is the documented design: internet, outer-dmz (E's outer interface), dmz (its inner one) and inside, a
firewall ``external`` before E and one called ``internal`` behind it, each open for what "MRA Requirements and
Prerequisites" lists and for nothing else inward. An E with one interface also stands in outer-dmz: the external
firewall holds its static NAT, so what C sends to the public address has to turn round there: NAT reflection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from edgesim.deployment.base import Address, HostLabel, Model, Text, derived
from edgesim.deployment.hosts import ExpresswayE, ZoneName
from edgesim.world.firewall import (
    Ports,
    Rule,
    RuleEndpoint,
    RuleError,
    Verdict,
    parse_endpoint,
    parse_ports,
    parse_protocol,
    parse_rule,
    ports_text,
)
from edgesim.world.nat import SourceNat, StaticNat, parse_nat
from edgesim.world.topology import INTERNET, Firewall, Network, Zone

if TYPE_CHECKING:
    from edgesim.deployment.model import Deployment

OUTER_DMZ, DMZ, INSIDE = "outer-dmz", "dmz", "inside"
EXTERNAL, INTERNAL = "external", "internal"
SECOND = 1_000_000_000


def _rule(text: str) -> str:
    return str(parse_rule(text))


def _nat(text: str) -> str:
    return str(parse_nat(text))


def _opening(text: str) -> str:
    protocol, ports = parse_opening(text)
    return f"{protocol} {ports_text(ports)}"


def parse_opening(text: str) -> tuple[str, Ports]:
    """Return protocol and ports of a text such as ``tcp 7001`` or ``udp 36002-59999``. Raises `RuleError`."""
    words = text.split()
    if len(text) > 256 or len(words) != 2:
        raise RuleError("a protocol and its ports, such as 'tcp 7001' or 'udp 36002-59999'")
    return parse_protocol(words[0]), parse_ports(words[1])


RuleText = Annotated[str, AfterValidator(_rule)]
"""``allow tcp internet -> outer-dmz:8443,5061``."""
NatText = Annotated[str, AfterValidator(_nat)]
"""``static 203.0.113.10 = 10.0.10.10`` or ``source inside -> outer-dmz as 203.0.113.10``."""
OpeningText = Annotated[str, AfterValidator(_opening)]
"""``tcp 7001``."""


class ZonePlan(Model):
    """A network zone."""

    name: ZoneName
    outward: ZoneName | None = Field(
        default=None, description="the next zone towards the internet; the one listed before when left out"
    )
    site: Text | None = Field(default=None, description="where it is, in the author's words")


class FirewallPlan(Model):
    """A firewall between two neighbouring zones. The first rule that fits decides about a new flow."""

    name: HostLabel
    between: tuple[ZoneName, ZoneName] = Field(description="the outer zone, then the inner one")
    rules: tuple[RuleText, ...] | None = Field(
        default=None, description="what the documents require at this place when left out", max_length=256
    )
    closed: tuple[OpeningText, ...] = Field(
        default=(), description="ports that the rules open and that are closed here all the same", max_length=64
    )
    otherwise: Literal["drop", "reject"] = Field(default="drop", description="what no rule is about")
    nat: tuple[NatText, ...] = Field(default=(), description="E's static_nat adds its own", max_length=64)
    reflection: bool = Field(
        default=False, description="flows from the inner side to a static mapping's public address turn round here"
    )
    address: Address | None = Field(
        default=None, description="the source of what turns round here; the public address when left out"
    )
    keeps_source: bool = Field(
        default=False, description="what turns round here keeps its source, which few firewalls can; MRA needs it"
    )
    idle_tcp_s: float | None = Field(default=None, gt=0, description="defaults.network.firewall_idle_tcp_s")
    idle_udp_s: float | None = Field(default=None, gt=0, description="defaults.network.firewall_idle_udp_s")


Pin = Literal["latency", "jitter", "order", "timers", "start", "srv", "actors"]
"""What a seed otherwise decides about a simulated network."""


class NetworkPlan(Model):
    """Zones and the firewalls between them, and what no seed decides about the wires."""

    zones: tuple[ZonePlan, ...] = Field(default=(), max_length=64)
    firewalls: tuple[FirewallPlan, ...] | None = Field(default=None, max_length=64)
    pinned: tuple[Pin, ...] = Field(
        default=(),
        max_length=7,
        description="what is the same under every seed: the latency of each way as described (latency), packets that"
        " neither vary nor wait (jitter), hosts in one order at one instant (order), timers that fire when due"
        " (timers), hosts that start one after the other in the order of the deployment (start), SRV targets by falling"
        " weight (srv), actors of a story who begin together at one instant (actors)",
    )


ZONES = (INTERNET, OUTER_DMZ, DMZ, INSIDE)
FIREWALLS = ((EXTERNAL, INTERNET, OUTER_DMZ), (INTERNAL, DMZ, INSIDE))


def filled(deployment: Deployment) -> NetworkPlan:
    """Return a deployment's network with everything that follows from the rest of it."""
    plan = deployment.network
    zones: list[ZonePlan] = []
    for zone in plan.zones or tuple(ZonePlan(name=name) for name in ZONES):
        before = zones[-1].name if zones else INTERNET
        zones.append(derived(zone, outward=None if zone.name == INTERNET else zone.outward or before))
    tree = Tree(zones)
    walls = plan.firewalls
    if walls is None:
        pairs = [(zone.outward, zone.name) for zone in zones]
        walls = tuple(
            FirewallPlan(name=name, between=(outer, inner))
            for name, outer, inner in FIREWALLS
            if (outer, inner) in pairs
        )
    network = deployment.defaults.network
    return derived(
        plan,
        zones=tuple(zones),
        firewalls=tuple(
            derived(
                wall,
                rules=tuple(map(str, documented(deployment, tree, wall.between[1])))
                if wall.rules is None
                else wall.rules,
                nat=(*wall.nat, *_mappings(deployment, tree, walls, wall)),
                idle_tcp_s=wall.idle_tcp_s or network.firewall_idle_tcp_s,
                idle_udp_s=wall.idle_udp_s or network.firewall_idle_udp_s,
            )
            for wall in walls
        ),
    )


class Tree:
    """Which zone lies where; tolerant of what is wrong, which `mistakes_in` tells."""

    def __init__(self, zones: Iterable[ZonePlan]) -> None:
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


def wall_before(tree: Tree, walls: Iterable[FirewallPlan], zone: str) -> FirewallPlan | None:
    """Return the next firewall outward of a zone."""
    before = {wall.between[1]: wall for wall in walls}
    return next((before[each] for each in tree.upwards(zone) if each in before), None)


def _mappings(deployment: Deployment, tree: Tree, walls: tuple[FirewallPlan, ...], wall: FirewallPlan) -> Iterator[str]:
    written = {nat.public for each in walls for nat in map(parse_nat, each.nat) if isinstance(nat, StaticNat)}
    for edge in deployment.expressway_e:
        if edge.static_nat and edge.static_nat not in written and wall_before(tree, walls, edge.outer_zone) is wall:
            yield str(StaticNat(public=edge.static_nat, private=edge.outer))


# ---- the documented openings


def documented(deployment: Deployment, tree: Tree, inner: str) -> Iterator[Rule]:
    """Yield the rules that the documents require of a firewall before the zone ``inner``, by what lies on each side."""
    ports = deployment.defaults.ports
    signalling: Ports = ((ports.edge_https,) * 2, (ports.edge_sip,) * 2, (ports.edge_xmpp,) * 2)
    media = ((ports.edge_media_first, ports.media_last),)
    if deployment.cms_web_proxy:
        signalling += ((ports.web_proxy,) * 2,)
    outside, inside = (
        RuleEndpoint(word=tree.side(inner, inside=False)),
        RuleEndpoint(word=tree.side(inner, inside=True)),
    )
    for zone in dict.fromkeys(
        each.outer_zone for each in deployment.expressway_e if tree.within(each.outer_zone, inner)
    ):
        yield _allow("tcp", outside, RuleEndpoint(word=zone, ports=signalling))
        yield _allow("udp", outside, RuleEndpoint(word=zone, ports=media))
        # TURN is no part of MRA; its ports are opened where E's TURN server runs.
        if any(each.turn_server for each in deployment.expressway_e if each.outer_zone == zone):
            relay = ((ports.turn,) * 2, (ports.turn_relay_first, ports.turn_relay_last))
            yield _allow("udp", outside, RuleEndpoint(word=zone, ports=relay))
    if any(tree.within(each.zone, inner) for each in deployment.expressway_c):
        for edge in deployment.expressway_e:
            if not any(tree.within(each.zone, inner) for each in edge.interfaces):
                yield _allow("tcp", inside, RuleEndpoint(word=edge.name, ports=links(deployment)))
                yield _allow("udp", inside, RuleEndpoint(word=edge.name, ports=multiplexed(deployment, edge)))
                # Clients on premises come in by the edge too, in deployments that have no other way for them.
                yield _allow("tcp", inside, RuleEndpoint(word=edge.name, ports=signalling))
                yield _allow("udp", inside, RuleEndpoint(word=edge.name, ports=media))
    yield _allow("any", inside, RuleEndpoint(word=INTERNET))


def links(deployment: Deployment) -> Ports:
    """Return the TCP ports of E that C connects to: traversal zone, XCP, SSH tunnel."""
    return tuple(
        (port, port) for port in (deployment.traversal_zone.port, deployment.xcp_link.port, deployment.ssh_tunnel.port)
    )


def multiplexed(deployment: Deployment, edge: ExpresswayE) -> Ports:
    """Return the UDP ports of E that C's multiplexed media goes to."""
    ports = deployment.defaults.ports
    if edge.size == "large":
        return ((ports.multiplex_large_first, ports.multiplex_large_last),)
    return ((ports.multiplex_rtp, ports.multiplex_rtcp),)


def _allow(protocol: Literal["tcp", "udp", "any"], source: RuleEndpoint, target: RuleEndpoint) -> Rule:
    return Rule(verdict="accept", protocol=protocol, source=source, target=target)


# ---- into a world


def topology(deployment: Deployment) -> Network:
    """Return a complete deployment's zones and firewalls, ready for a world."""
    plan = deployment.network
    return Network(
        zones=tuple(Zone(name=each.name, outward=each.outward, site=each.site or "") for each in plan.zones),
        firewalls=tuple(_firewall(each) for each in plan.firewalls or ()),
    )


def _firewall(plan: FirewallPlan) -> Firewall:
    return Firewall(
        name=plan.name,
        outer=plan.between[0],
        inner=plan.between[1],
        rules=tuple(closed(map(parse_rule, plan.rules or ()), plan.closed, plan.otherwise)),
        otherwise=plan.otherwise,
        idle_tcp_ns=round((plan.idle_tcp_s or 0) * SECOND),
        idle_udp_ns=round((plan.idle_udp_s or 0) * SECOND),
        nat=tuple(map(parse_nat, plan.nat)),
        reflection=plan.reflection,
        address=plan.address,
        keeps_source=plan.keeps_source,
    )


def closed(rules: Iterable[Rule], openings: Iterable[str], verdict: Verdict) -> Iterator[Rule]:
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


def translates(deployment: Deployment) -> bool:
    """Say whether a deployment needs a world that translates addresses: for NAT, or one address in two zones."""
    addresses = [interface.address for spec in deployment.host_specs() for interface in spec.interfaces]
    return any(wall.nat for wall in deployment.network.firewalls or ()) or len(set(addresses)) < len(addresses)


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
