"""Rules about addresses between C and E: which address each sees of the other, and on which interface.

They ask the deployment's own firewalls (`edgesim.deployment.reachability`) what happens to C's connections, so that any
notation of rules and translations is checked by its effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edgesim.deployment import Deployment
from edgesim.deployment.hosts import ExpresswayC, ExpresswayE
from edgesim.journal.matchers import (
    FirewallBlocked,
    Matcher,
    SipRequest,
    SipResponse,
    TcpFailed,
    Test,
    XmppStream,
    ZoneState,
    containing,
    one_of,
)
from edgesim.readiness import asked, facts
from edgesim.readiness.rule import Book, FieldPath, Finding, Prediction, Stop

book = Book()
NOTHING = (
    "nothing works through this edge: the traversal zone never comes up, and HTTPS gets 502 Next Hop Connection Failed"
)
"""What a client sees of an E that no C reaches."""


def _dialled(deployment: Deployment, edge: ExpresswayE) -> tuple[str, str] | None:
    """Return the peer address by which C reaches an E, as written and as an address; None if none leads there."""
    own = {edge.outer, edge.inner, edge.static_nat}
    for peer in deployment.traversal_zone.peer_addresses:
        for address in asked.addresses(deployment, "inside", peer) or (peer,):
            if address in own:
                return peer, address
    return None


def _pairs(deployment: Deployment) -> Iterator[tuple[int, ExpresswayE, ExpresswayC, str]]:
    """Yield each E with its path, each C, and the address by which that C reaches it."""
    for index, edge in enumerate(deployment.expressway_e):
        dialled = _dialled(deployment, edge)
        for core in deployment.expressway_c if dialled else ():
            yield index, edge, core, dialled[1] if dialled else ""


def _translating(deployment: Deployment, address: str) -> FieldPath:
    """Return the field of the firewall that translates to ``address``."""
    for index, wall in enumerate(deployment.network.firewalls):
        for place, text in enumerate(wall.nat):
            if text.endswith(f" as {address}"):
                return ("network", "firewalls", index, "nat", place)
    return ("network", "firewalls")


def _zone_fails(deployment: Deployment, cores: Test) -> Matcher:
    return ZoneState(node=cores, zone=deployment.traversal_zone.name, state=deployment.defaults.links.failed)


@dataclass(frozen=True, slots=True)
class _Place:
    """A fault at one path of a deployment: one finding, however many peers are affected."""

    deployment: Deployment
    at: FieldPath
    pairs: tuple[tuple[ExpresswayE, ExpresswayC, str], ...]
    """E, C, and an address: the one that C dials, or the one it is seen by."""

    @property
    def edges(self) -> tuple[str, ...]:
        """The Expressway-Es concerned."""
        return tuple(dict.fromkeys(edge.name for edge, _, _ in self.pairs))

    @property
    def cores(self) -> tuple[str, ...]:
        """The Expressway-Cs concerned."""
        return tuple(dict.fromkeys(core.name for _, core, _ in self.pairs))

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses concerned."""
        return tuple(dict.fromkeys(address for _, _, address in self.pairs))

    @property
    def everywhere(self) -> bool:
        """Whether it concerns every E and every C."""
        lab = self.deployment
        return len(self.pairs) == len(lab.expressway_e) * len(lab.expressway_c)

    def unreachable(self, blocked: Matcher) -> Prediction:
        """Predict what Cs that cannot reach their Es show; clients get through the remaining ones."""
        if not self.everywhere:
            return Prediction(awaits=(blocked,), within=30)
        lab, cores = self.deployment, one_of(*self.cores)
        refused = facts.next_hop_failed(lab, facts.any_client(lab))
        up = ZoneState(node=cores, zone=lab.traversal_zone.name, state=lab.defaults.links.active)
        awaits = (blocked, _zone_fails(lab, cores), refused)
        return Prediction(awaits=awaits, never=(up,), within=30, stops=Stop.NO_WAY_TO_C)

    def blocked(self) -> Matcher:
        """Predict what firewalls report of C's connections to the addresses that it dials."""
        port = self.deployment.traversal_zone.port
        remote = facts.containing_one_of(self.addresses)
        return FirewallBlocked(node=one_of(*self.cores), port=port, remote=remote)


def _by_place(
    deployment: Deployment, found: Iterable[tuple[FieldPath, ExpresswayE, ExpresswayC, str]]
) -> Iterator[_Place]:
    places: dict[FieldPath, list[tuple[ExpresswayE, ExpresswayC, str]]] = {}
    for at, edge, core, address in found:
        places.setdefault(at, []).append((edge, core, address))
    for at, pairs in places.items():
        yield _Place(deployment, at, tuple(pairs))


@book.rule("NET-01.shared-address", requires="Expressway-C and Expressway-E have distinct addresses, also behind NAT")
def shared_address(deployment: Deployment) -> Iterator[Finding]:
    """Responses to an address shared by C and E go to E: C's connections never come up."""

    def astray() -> Iterator[tuple[FieldPath, ExpresswayE, ExpresswayC, str]]:
        for _, edge, core, address in _pairs(deployment):
            passage = deployment.flow_checker.to_zone(core.name, address)
            if passage.astray is not None:
                yield _translating(deployment, passage.source[0]), edge, core, passage.source[0]

    port = deployment.traversal_zone.port
    for place in _by_place(deployment, astray()):
        cores, edges, shown = facts.listed(place.cores), facts.listed(place.edges), facts.listed(place.addresses)
        rule = facts.containing_one_of(place.addresses)
        yield Finding(
            at=place.at,
            what=f"{cores} {facts.verb(place.cores, 'reaches', 'reach')} {edges} from {shown}, which is also an "
            f"address of {edges}",
            sees=NOTHING if place.everywhere else facts.only_through(place.edges),
            fix=f"give {cores} and {edges} distinct addresses, and translate neither to the other's",
            prediction=place.unreachable(FirewallBlocked(node=one_of(*place.cores), port=port, rule=rule)),
        )


@book.rule("NET-17.translated-source", requires="no NAT translates what Expressway-C sends to Expressway-E")
def translated_source(deployment: Deployment) -> Iterator[Finding]:
    """E names C by the address that it sees; a C that does not know it forwards SERVICE again, and fails."""

    def translated() -> Iterator[tuple[FieldPath, ExpresswayE, ExpresswayC, str]]:
        for _, edge, core, address in _pairs(deployment):
            passage = deployment.flow_checker.to_zone(core.name, address)
            seen = passage.source[0]
            if passage.verdict == "accept" and passage.astray is None and seen != core.address:
                yield _translating(deployment, seen), edge, core, seen

    for place in _by_place(deployment, translated()):
        cores, edges = facts.listed(place.cores), facts.listed(place.edges)
        shared = len(place.addresses) < len(place.cores)
        one = len(place.cores) == 1
        own = f"which is not its address {place.pairs[0][1].address}" if one else "which are not their addresses"
        yield Finding(
            at=place.at,
            what=f"{edges} {facts.verb(place.edges, 'sees', 'see')} {cores} as {facts.listed(place.addresses)}, "
            + ("the same address for all of them" if shared else own),
            sees="sign-in, files and chat work, but phones do not register, or not for long: E cannot tell the "
            "Expressway-Cs apart, and each ends the zone of the other"
            if shared
            else "sign-in, files and chat work, but the phone does not register: E's SERVICE gets 408",
            fix=f"let the connections from {cores} to {edges} pass without source translation",
            prediction=_of_shared(place) if shared else _of_translated(place) if place.everywhere else None,
        )


def _of_shared(place: _Place) -> Prediction:
    """Predict what Cs show that share an address, so that E confuses them."""
    zone = place.deployment.traversal_zone.name
    return Prediction(awaits=(ZoneState(node=one_of(*place.cores), zone=zone, reason=containing("connection lost")),))


def _of_translated(place: _Place) -> Prediction:
    """Predict the failure of a registration through a C that is addressed by an address not its own."""
    lab, cores, edges = place.deployment, one_of(*place.cores), one_of(*place.edges)
    core = place.pairs[0][1].address if len(place.cores) == 1 else ""
    warning = f'Warning: 399 {core}:{lab.defaults.ports.sip_tls} "Request Timeout"' if core else '"Request Timeout"'
    nodes = one_of(*(each.name for each in lab.unified_cm_nodes))
    return Prediction(
        awaits=(
            SipResponse(node=edges, peer=cores, method="SERVICE", status=408, payload=containing(warning)),
            SipResponse(node=facts.any_client(lab), peer=edges, method="REGISTER", status=408),
        ),
        never=(SipRequest(node=nodes, peer=cores, method="REGISTER"),),
        within=60,
    )


@book.rule(
    "NET-20.no-reflection",
    requires="where one interface and static NAT make C use E's public address, the external firewall has NAT "
    "reflection",
)
def no_reflection(deployment: Deployment) -> Iterator[Finding]:
    """A deprecated design: C's packets to the public address must be reflected by the external firewall."""

    def unreflected() -> Iterator[tuple[FieldPath, ExpresswayE, ExpresswayC, str]]:
        for _, edge, core, address in _pairs(deployment):
            if edge.inner is not None or edge.static_nat is None or address != edge.static_nat:
                continue
            blocked = deployment.flow_checker.to_zone(core.name, address).blocked
            wall = _firewall_path(deployment, blocked.firewall) if blocked and address in blocked.rule else None
            if wall is not None:
                yield ("network", "firewalls", wall, "reflection"), edge, core, address

    for place in _by_place(deployment, unreflected()):
        walls = deployment.network.firewalls
        wall, edges = walls[int(place.at[2])].name, facts.listed(place.edges)
        yield Finding(
            at=place.at,
            what=f"{facts.listed(place.cores)} {facts.verb(place.cores, 'reaches', 'reach')} {edges} at the public "
            f"address {facts.listed(place.addresses)}, and the firewall {wall} has no NAT reflection",
            sees=NOTHING if place.everywhere else facts.only_through(place.edges),
            fix=f"enable NAT reflection on {wall} (reflection, and keeps_source because E must see C's own address) "
            "or, better, give "
            f"{edges} a second interface",
            prediction=place.unreachable(place.blocked()),
        )


@book.rule("NET-19.inner-name", requires="Expressway-C's peer address resolves to the inner interface of Expressway-E")
def inner_name(deployment: Deployment) -> Iterator[Finding]:
    """With two interfaces and no split DNS, the public FQDN leads C outside."""

    def outside() -> Iterator[tuple[FieldPath, ExpresswayE, ExpresswayC, str]]:
        for index, edge, core, address in _pairs(deployment):
            if edge.inner is None or address == edge.inner:
                continue
            if deployment.flow_checker.to_zone(core.name, address).verdict != "accept":
                split = ("dns", "split") if not deployment.dns.split else ("expressway_e", index, "inner_name")
                yield split, edge, core, address

    for place in _by_place(deployment, outside()):
        inner = facts.listed(tuple(str(edge.inner) for edge in dict.fromkeys(edge for edge, _, _ in place.pairs)))
        yield Finding(
            at=place.at,
            what=f"the peer {facts.verb(place.edges, 'address', 'addresses')} of {facts.listed(place.cores)} "
            f"{facts.verb(place.edges, 'leads', 'lead')} to {facts.listed(place.addresses)}, not to the inner "
            f"{facts.verb(place.edges, 'interface', 'interfaces')} of {facts.listed(place.edges)}",
            sees=NOTHING if place.everywhere else facts.only_through(place.edges),
            fix=f"use split DNS, or a separate name for {inner}: inner_name of {facts.listed(place.edges)}",
            prediction=place.unreachable(place.blocked()),
        )


@book.rule(
    "LIM-02.xcp-interface", requires="Expressway-C reaches the internal interface of Expressway-E, which XCP uses"
)
def xcp_interface(deployment: Deployment) -> Iterator[Finding]:
    """XCP listens only on the internal interface: a traversal zone to the external one does not carry chat."""

    def external() -> Iterator[tuple[FieldPath, ExpresswayE, ExpresswayC, str]]:
        for index, edge, core, address in _pairs(deployment) if deployment.im_presence else ():
            passage = deployment.flow_checker.to_zone(core.name, address)
            if edge.inner is not None and address != edge.inner and passage.verdict == "accept":
                by_dns = not deployment.dns.split and edge.inner_name is None
                yield ("dns", "split") if by_dns else ("expressway_e", index, "inner_zone"), edge, core, address

    links, port = deployment.defaults.links, deployment.xcp_link.port
    for place in _by_place(deployment, external()):
        edges, cores = tuple(dict.fromkeys(edge for edge, _, _ in place.pairs)), one_of(*place.cores)
        inner = facts.listed([f"{edge.inner} in zone {edge.inner_zone}" for edge in edges])
        alone = len(edges) == len(deployment.expressway_e)
        yield Finding(
            at=place.at,
            what=f"{facts.listed(place.cores)} {facts.verb(place.cores, 'reaches', 'reach')} "
            f"{facts.listed(place.edges)} on the external {facts.verb(place.edges, 'interface', 'interfaces')}, and "
            f"XCP uses only the internal {facts.verb(place.edges, 'one', 'ones')} ({inner})",
            sees="phone service works, chat does not",
            fix=f"make the traversal zone of {facts.listed(place.cores)} use the internal interface: with split DNS "
            f"or a separate name (inner_name of {facts.listed(place.edges)}), and a route to "
            f"{facts.listed(list(dict.fromkeys(str(edge.inner_zone) for edge in edges)))}",
            prediction=Prediction(
                awaits=(
                    ZoneState(node=cores, zone=deployment.traversal_zone.name, state=links.active),
                    TcpFailed(node=cores, port=port),
                    *(facts.no_mechanisms(deployment, facts.any_client(deployment)) if alone else ()),
                ),
                never=(XmppStream(node=facts.any_client(deployment), element="success"),) if alone else (),
                within=60,
            ),
        )


def _firewall_path(deployment: Deployment, name: str) -> int | None:
    """Return the path of a firewall by name."""
    return next((i for i, each in enumerate(deployment.network.firewalls) if each.name == name), None)
