"""Which documented flows a deployment has, and whether its firewalls let them through.

Firewalls are evaluated by the code with which worlds check packets (`edgesim.world.paths`), so that order, ranges and
hosts of rules count as they do there.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from edgesim.deployment.flows import KINDS, ROLES, FlowKind, Numbers, Protocol, Role
from edgesim.deployment.hosts import ExpresswayE, HostSpec
from edgesim.deployment.model import Deployment
from edgesim.world.firewall import End as FlowEnd
from edgesim.world.firewall import Ports, ports_text
from edgesim.world.topology import Firewall

STRANGER = "198.51.100.1"
"""A client's address, where a deployment has no client outside (RFC 5737)."""
EPHEMERAL: Ports = ((32768, 60999),)
"""Source ports where none are documented (Linux, ip_local_port_range)."""
ALL: Ports = ((1, 65535),)
PROTOCOLS: tuple[Protocol, ...] = ("tcp", "udp")
Decision = tuple[str, str, str]
"""Firewall, rule, verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a flow: a host of the deployment, or a stranger outside."""

    name: str
    address: str
    zone: str
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Shut:
    """Ports of a flow that do not get through, and who says so: firewall, rule (its text), ``drop`` or ``reject``."""

    ports: Ports
    source_ports: Ports
    firewall: str
    rule: str
    verdict: str
    written: bool
    """Whether a rule decided, or what no rule is about, and not address translation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A documented flow of a deployment, from one machine to another, and where it is blocked."""

    kind: FlowKind
    source: End
    target: End
    ports: Ports
    source_ports: Ports
    blocked: tuple[Shut, ...] = ()

    @property
    def open(self) -> bool:
        """Whether all of it gets through."""
        return not self.blocked

    def __str__(self) -> str:
        return f"{self.source.name} -> {self.target.name} {self.kind.protocol} {ports_text(self.ports)}"


def flows(deployment: Deployment) -> Iterator[Flow]:
    """Yield every documented flow of a deployment, with its firewalls' verdicts; none of features that it lacks."""
    analysis = FirewallAnalysis(deployment)
    for each in KINDS:
        if each.wanted(deployment):
            yield from analysis.flows(each)


class FirewallAnalysis:
    """Asks a deployment's firewalls about flows."""

    def __init__(self, deployment: Deployment) -> None:
        self.lab = deployment
        self.paths = deployment.flow_checker.paths
        rules = [rule for wall in self.paths.network.firewalls for rule in wall.rules]
        self._written = {wall.name: {str(rule) for rule in wall.rules} for wall in self.paths.network.firewalls}
        self._targets = _edges(span for rule in rules for span in rule.target.ports)
        self._sources = _edges(span for rule in rules for span in rule.source.ports)

    def flows(self, each: FlowKind) -> Iterator[Flow]:
        """Yield the flows of one line of the list: from every source to every target that the deployment has."""
        for source in self._machines(each.source):
            for target in self._machines(each.target):
                if (source is None or target is None) or source.name != target.name:
                    yield self.flow(each, source, target)

    def flow(self, each: FlowKind, source: HostSpec | None, target: HostSpec | None) -> Flow:
        """Return one flow with its verdict; a source of None is any address on the internet."""
        edge = target.spec if target is not None else None
        numbers = Numbers.of(self.lab, edge.size if isinstance(edge, ExpresswayE) else "medium")
        address = self._address(source, target)
        found = Flow(
            kind=each,
            source=self._end(source, address),
            target=End(
                name=target.name if target else ROLES[each.target],
                address=address,
                zone=self._zone(target, address),
                known=target is not None,
            ),
            ports=each.ports(numbers),
            source_ports=each.source_ports(numbers) if each.source_ports else EPHEMERAL,
        )
        return replace(found, blocked=tuple(self._blocked(found)))

    # ---- sources and targets

    def _machines(self, role: Role) -> list[HostSpec | None]:
        lab = self.lab
        specs = lab.host_specs()
        if role == "client":
            outside: list[HostSpec | None] = [
                each for each in specs if each.kind == "client" and each.view == "outside"
            ]
            return outside or [None]
        if role == "endpoint":
            return [each for each in specs if each.kind == "client" and each.view == "inside"]
        if role in ("dns_outside", "dns_inside"):
            return [lab.host((lab.dns.outside if role == "dns_outside" else lab.dns.inside).name)]
        return [each for each in specs if each.kind == role]

    def _address(self, source: HostSpec | None, target: HostSpec | None) -> str:
        """Return the address that the source dials."""
        if target is None:
            return STRANGER
        spec = target.spec
        if not isinstance(spec, ExpresswayE):
            return target.address
        if source is None or source.kind == "client":
            return spec.public_address
        if source.kind == "expressway_e":
            return spec.inner_address
        return peer_address(self.lab, spec) or spec.inner_address

    def _end(self, host: HostSpec | None, towards: str) -> End:
        if host is None:
            return End(name=ROLES["client"], address=STRANGER, zone=self.paths.root, known=False)
        interface = self.paths.interface(host, towards)
        return End(name=host.name, address=interface.address, zone=self.paths.known(interface.zone))

    def _zone(self, host: HostSpec | None, address: str) -> str:
        if host is None:
            return self.paths.root
        for interface in host.interfaces:
            if interface.address == address:
                return self.paths.known(interface.zone)
        return self.paths.known(host.interfaces[0].zone)

    # ---- what firewalls say

    def _blocked(self, flow: Flow) -> Iterator[Shut]:
        """Yield the ports that do not get through: rules change their mind only where ranges of theirs end."""
        merged: dict[tuple[Decision, tuple[int, int]], list[tuple[int, int]]] = {}
        for sources in _pieces(flow.source_ports, self._sources):
            for targets in _pieces(flow.ports, self._targets):
                blocked = self._check(flow, sources[0], targets[0])
                if blocked is not None:
                    merged.setdefault((blocked, sources), []).append(targets)
        by_ports: dict[tuple[Decision, Ports], list[tuple[int, int]]] = {}
        for (blocked, sources), spans in merged.items():
            by_ports.setdefault((blocked, _joined(spans)), []).append(sources)
        for ((firewall, rule, verdict), ports), source_spans in by_ports.items():
            yield Shut(
                ports=ports,
                source_ports=_joined(source_spans),
                firewall=firewall,
                rule=rule,
                verdict=verdict,
                written=rule in self._written[firewall] or rule.startswith("otherwise "),
            )

    def _check(self, flow: Flow, source_port: int, port: int) -> Decision | None:
        host = self.lab.hosts_by_name.get(flow.source.name) if flow.source.known else None
        passage = self.paths.check(
            flow.kind.protocol,
            (flow.source.address, source_port),
            (flow.target.address, port),
            host=host,
            zone=flow.source.zone,
        )
        found = passage.blocked
        return (found.firewall, found.rule, found.verdict) if found is not None else None

    # ---- what comes inward

    def before_cores(self) -> tuple[Firewall, ...]:
        """Return the firewalls that are crossed inward from an E's inner interface to a C."""
        walls: dict[str, Firewall] = {}
        for edge in self.lab.expressway_e:
            for core in self.lab.expressway_c:
                for wall, inward in self.paths.way(edge.interfaces[-1].zone, core.zone):
                    if inward:
                        walls[wall.name] = wall
        return tuple(walls.values())

    def outer_ends(self, wall: Firewall) -> Iterator[tuple[str, FlowEnd]]:
        """Yield who may come from the outer side of a firewall: every E, and a stranger."""
        for edge in self.lab.expressway_e:
            interface = edge.interfaces[-1]
            if self.paths.beyond(wall, interface.zone):
                zone = self.paths.known(interface.zone)
                yield edge.name, FlowEnd(address=interface.address, port=1, zone=zone, host=edge.name)
        yield "a stranger", FlowEnd(address=STRANGER, port=1, zone=self.paths.root)

    def behind(self, wall: Firewall) -> Iterator[FlowEnd]:
        """Yield the machines on the inner side of a firewall."""
        for spec in self.lab.host_specs():
            for interface in spec.interfaces:
                if not self.paths.beyond(wall, interface.zone):
                    zone = self.paths.known(interface.zone)
                    yield FlowEnd(address=interface.address, port=1, zone=zone, host=spec.name)

    def accepted(
        self, wall: Firewall, protocol: Protocol, source: FlowEnd, target: FlowEnd
    ) -> Iterator[tuple[str, tuple[int, int]]]:
        """Yield the ports that a firewall opens, and the rule that opens them, from some port of the source."""
        for sources in _pieces(ALL, self._sources):
            for targets in _pieces(ALL, self._targets):
                ends = replace(source, port=sources[0]), replace(target, port=targets[0])
                verdict, rule = wall.check(protocol, *ends)
                if verdict == "accept":
                    yield rule, targets


def peer_address(deployment: Deployment, edge: ExpresswayE) -> str | None:
    """Return the address to which C's traversal zone resolves the peer address of an E, None where it does not."""
    peers = deployment.traversal_zone.peer_addresses
    place = [each.name for each in deployment.expressway_e].index(edge.name)
    return resolved(deployment, peers[place]) if place < len(peers) else None


def resolved(deployment: Deployment, name: str) -> str | None:
    """Return the address of a name in the inside DNS, or the address itself; None for a name that does not resolve."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    held: dict[str, dict[str, str]] = {}
    for each in deployment.zone_records("inside"):
        held.setdefault(each.name.lower(), {}).setdefault(each.type, str(each.value))
    wanted = name.lower()
    for _ in range(8):
        found = held.get(wanted) or held.get(_wildcard(held, wanted), {})
        if "A" in found:
            return found["A"]
        if "CNAME" not in found:
            return None
        wanted = found["CNAME"].lower()
    return None


def _wildcard(held: Collection[str], name: str) -> str:
    """Return the name of the wildcard that answers for a name without records (RFC 4592)."""
    existing = {
        ".".join(labels[place:]) for each in held for labels in [each.split(".")] for place in range(len(labels))
    }
    if name in existing:
        return ""
    above = name
    while "." in above:
        above = above.partition(".")[2]
        if above in existing:
            return f"*.{above}"
    return ""


def _edges(spans: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """Return where ranges begin, and where what follows them begins."""
    return tuple(sorted({edge for first, last in spans for edge in (first, last + 1)}))


def _pieces(ports: Ports, edges: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield ranges, cut at these edges."""
    for first, last in ports:
        cuts = [first, *(edge for edge in edges if first < edge <= last), last + 1]
        for one, other in itertools.pairwise(cuts):
            yield one, other - 1


def _joined(spans: list[tuple[int, int]]) -> Ports:
    """Return ranges in order, those that overlap or touch as one."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """An opening inward at a firewall before Expressway-C: the rule, its sources and its targets."""

    firewall: str
    rule: str
    protocol: Protocol
    ports: Ports
    sources: tuple[str, ...]
    targets: tuple[str, ...]


def openings(deployment: Deployment) -> tuple[Opening, ...]:
    """Return what the firewalls between E and C let in, from an E's inner interface or from a stranger outside.

    They come in the order of each firewall's rules.
    """
    analysis = FirewallAnalysis(deployment)
    merged: dict[tuple[str, str, Protocol], tuple[dict[str, None], dict[str, None], list[tuple[int, int]]]] = {}
    places: dict[tuple[str, str], int] = {}
    for wall in analysis.before_cores():
        places |= {(wall.name, str(rule)): len(places) + place for place, rule in enumerate(wall.rules)}
        for source, start in analysis.outer_ends(wall):
            for target in analysis.behind(wall):
                for protocol in PROTOCOLS:
                    for rule, ports in analysis.accepted(wall, protocol, start, target):
                        each = merged.setdefault((wall.name, rule, protocol), ({}, {}, []))
                        each[0][source], each[1][target.host or target.address] = None, None
                        each[2].append(ports)
    return tuple(
        Opening(
            firewall=firewall,
            rule=rule,
            protocol=protocol,
            ports=_joined(spans),
            sources=tuple(sources),
            targets=tuple(targets),
        )
        for (firewall, rule, protocol), (sources, targets, spans) in sorted(
            merged.items(), key=lambda item: places[item[0][0], item[0][1]]
        )
    )
