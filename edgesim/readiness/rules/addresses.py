"""Rules about addresses between C and E: who is seen as whom, and by which interface.

Each asks the deployment's own firewalls (`edgesim.deployment.ways`) what becomes of C's connections, so that any way of
writing rules and translations down is judged by what it does.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgesim.deployment import Deployment
from edgesim.deployment.hosts import ExpresswayC, ExpresswayE
from edgesim.journal.matchers import (
    FirewallBlocked,
    Matcher,
    SipRequest,
    SipResponse,
    TcpFailed,
    XmppSession,
    ZoneState,
    containing,
    one_of,
)
from edgesim.readiness import facts
from edgesim.readiness.rule import Book, Finding, Path, Prediction

book = Book()
NOTHING = (
    "nothing works through this edge: the traversal zone never comes up, and HTTPS gets 502 Next Hop Connection Failed"
)
"""What a client sees of an E that no C reaches."""


def _dialled(deployment: Deployment, edge: ExpresswayE) -> tuple[str, str] | None:
    """Return the peer address by which C reaches an E, as written and as an address; None where none leads there."""
    own = {edge.outer, edge.inner, edge.static_nat}
    for peer in deployment.traversal_zone.peer_addresses:
        for address in facts.addresses(deployment, "inside", peer) or (peer,):
            if address in own:
                return peer, address
    return None


def _pairs(deployment: Deployment) -> Iterator[tuple[int, ExpresswayE, ExpresswayC, str]]:
    """Yield each E with its place, each C, and the address by which that C reaches it."""
    for index, edge in enumerate(deployment.expressway_e):
        dialled = _dialled(deployment, edge)
        for core in deployment.expressway_c if dialled else ():
            yield index, edge, core, dialled[1] if dialled else ""


def _translating(deployment: Deployment, address: str) -> Path:
    """Return the field of the firewall that shows ``address`` to others."""
    for index, wall in enumerate(deployment.network.firewalls or ()):
        for place, text in enumerate(wall.nat):
            if text.endswith(f" as {address}"):
                return ("network", "firewalls", index, "nat", place)
    return ("network", "firewalls")


def _zone_fails(deployment: Deployment, core: str) -> Matcher:
    return ZoneState(node=core, zone=deployment.traversal_zone.name, state=deployment.defaults.links.failed_refused)


def _zone_never_up(deployment: Deployment, core: str) -> Matcher:
    return ZoneState(node=core, zone=deployment.traversal_zone.name, state=deployment.defaults.links.active)


@book.rule(
    "NET-01.shared-address", requires="Expressway-C and Expressway-E have addresses of their own, behind NAT too"
)
def shared_address(deployment: Deployment) -> Iterator[Finding]:
    """Answers to an address that C and E share go to E: no connection of C ever comes up."""
    port = deployment.traversal_zone.port
    for _, edge, core, address in _pairs(deployment):
        passage = deployment.ways.passage("tcp", core.name, address, port)
        if passage.astray is None:
            continue
        yield Finding(
            at=_translating(deployment, passage.source[0]),
            what=f"{core.name} shows the address {passage.source[0]}, which is also that of {edge.name}",
            sees=NOTHING,
            mend=f"give {core.name} and {edge.name} addresses of their own, and translate neither to the other's",
            prediction=Prediction(
                awaits=(
                    FirewallBlocked(node=core.name, port=port, rule=containing(passage.source[0])),
                    _zone_fails(deployment, core.name),
                    facts.next_hop_failed(deployment, facts.any_client(deployment)),
                ),
                never=(_zone_never_up(deployment, core.name),),
                within=30,
            ),
        )


@book.rule("NET-17.translated-source", requires="no NAT translates what Expressway-C sends to Expressway-E")
def translated_source(deployment: Deployment) -> Iterator[Finding]:
    """E names C by the address that it sees; a C that knows no such address sends SERVICE out again, and fails."""
    for _, edge, core, address in _pairs(deployment):
        passage = deployment.ways.passage("tcp", core.name, address, deployment.traversal_zone.port)
        seen = passage.source[0]
        if passage.verdict != "accept" or passage.astray is not None or seen == core.address:
            continue
        warning = f'Warning: 399 {core.address}:{deployment.defaults.ports.sip_tls} "Request Timeout"'
        yield Finding(
            at=_translating(deployment, seen),
            what=f"{edge.name} sees {core.name} as {seen}, which is not its address {core.address}",
            sees="sign-in, files and chat work, but the phone does not register: E's SERVICE is answered 408",
            mend=f"let the connections from {core.name} to {edge.name} pass without source translation",
            prediction=Prediction(
                awaits=(
                    SipResponse(
                        node=edge.name, peer=core.name, method="SERVICE", status=408, payload=containing(warning)
                    ),
                    SipResponse(node=facts.any_client(deployment), peer=edge.name, method="REGISTER", status=408),
                ),
                never=(
                    SipRequest(node=one_of(*(each.name for each in deployment.unified_cm_nodes)), method="REGISTER"),
                ),
                within=60,
            ),
        )


@book.rule(
    "NET-20.no-reflection",
    requires="where one interface and static NAT make C use E's public address, the external firewall reflects it",
)
def no_reflection(deployment: Deployment) -> Iterator[Finding]:
    """A deprecated design: what C sends to the public address has to turn round at the external firewall."""
    port = deployment.traversal_zone.port
    for _, edge, core, address in _pairs(deployment):
        if edge.inner is not None or edge.static_nat is None or address != edge.static_nat:
            continue
        blocked = deployment.ways.passage("tcp", core.name, address, port).blocked
        wall = _wall(deployment, blocked.firewall) if blocked and address in blocked.rule else None
        if wall is None or blocked is None:
            continue
        yield Finding(
            at=("network", "firewalls", wall, "reflection"),
            what=f"{core.name} reaches {edge.name} by its public address {address}, and the firewall "
            f"{blocked.firewall} does not reflect",
            sees=NOTHING,
            mend=f"let {blocked.firewall} reflect, or, better, give {edge.name} a second interface",
            prediction=_unreachable(deployment, edge, core, port, address),
        )


@book.rule("NET-19.inner-name", requires="Expressway-C's peer address leads to the inner interface of Expressway-E")
def inner_name(deployment: Deployment) -> Iterator[Finding]:
    """With two interfaces and no split DNS, the public FQDN leads C outside."""
    port = deployment.traversal_zone.port
    for index, edge, core, address in _pairs(deployment):
        if edge.inner is None or address == edge.inner:
            continue
        if deployment.ways.passage("tcp", core.name, address, port).verdict == "accept":
            continue
        yield Finding(
            at=("dns", "split") if not deployment.dns.split else ("expressway_e", index, "inner_name"),
            what=f"{core.name}'s peer address leads to {address}, which is not the inner interface of {edge.name}",
            sees=NOTHING,
            mend=f"use split DNS, or a name of its own for {edge.inner}: expressway_e[{index}].inner_name",
            prediction=_unreachable(deployment, edge, core, port, address),
        )


@book.rule(
    "LIM-02.xcp-interface", requires="Expressway-C reaches the internal interface of Expressway-E, which XCP uses"
)
def xcp_interface(deployment: Deployment) -> Iterator[Finding]:
    """XCP listens on the internal interface alone: a traversal zone by the external one does not carry chat."""
    port, clients = deployment.xcp_link.port, facts.any_client(deployment)
    for index, edge, core, address in _pairs(deployment) if deployment.im_presence else ():
        zone = deployment.ways.passage("tcp", core.name, address, deployment.traversal_zone.port)
        if edge.inner is None or address == edge.inner or zone.verdict != "accept":
            continue
        yield Finding(
            at=("expressway_e", index, "inner_zone"),
            what=f"{core.name} reaches {edge.name} by its external interface, and XCP only uses the internal one "
            f"({edge.inner} in zone {edge.inner_zone})",
            sees="phone service works, chat does not",
            mend=f"let the traversal zone of {core.name} use the internal interface",
            prediction=Prediction(
                awaits=(
                    ZoneState(
                        node=core.name, zone=deployment.traversal_zone.name, state=deployment.defaults.links.active
                    ),
                    TcpFailed(node=core.name, port=port),
                    *(facts.no_mechanisms(deployment, clients) if len(deployment.expressway_e) == 1 else ()),
                ),
                never=(XmppSession(node=one_of(*(each.name for each in deployment.im_presence_nodes))),),
                within=60,
            ),
        )


def _wall(deployment: Deployment, name: str) -> int | None:
    """Return the place of a firewall by its name."""
    return next((i for i, each in enumerate(deployment.network.firewalls or ()) if each.name == name), None)


def _unreachable(deployment: Deployment, edge: ExpresswayE, core: ExpresswayC, port: int, address: str) -> Prediction:
    """Predict what a C shows that cannot reach its E, and what a client gets."""
    return Prediction(
        awaits=(
            FirewallBlocked(node=core.name, port=port, remote=containing(address)),
            _zone_fails(deployment, core.name),
            facts.next_hop_failed(deployment, facts.any_client(deployment)),
        ),
        never=(_zone_never_up(deployment, core.name),),
        within=30,
    )
