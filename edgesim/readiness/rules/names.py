"""Rules about DNS: which names exist in which view, and their targets.

Sources: "MRA Deployment Guide X15.0, MRA Requirements and Prerequisites"; "Configure MRA through Expressway/VCS in a
Multi-Domain Deployment" (Cisco 117811).
"""

from __future__ import annotations

from collections.abc import Iterator

from edgesim.deployment import Deployment
from edgesim.deployment.hosts import ExpresswayE
from edgesim.deployment.records import reverse_name
from edgesim.journal.matchers import (
    DnsAnswer,
    Matcher,
    TcpOpened,
    XcpLink,
    XmppStream,
    ZoneState,
    containing,
    matching,
    one_of,
)
from edgesim.readiness import asked, facts
from edgesim.readiness.rule import Book, Finding, Prediction, Severity, Stop

book = Book()
NO_INSIDE_SRV = "no inside srv of the edge domain"
OVER_TLS = "xcp over tls"


# ---- _cisco-uds


@book.rule("NET-14.cisco-uds-outside", requires="_cisco-uds must not resolve outside")
def cisco_uds_outside(deployment: Deployment) -> Iterator[Finding]:
    """A Jabber that finds ``_cisco-uds`` considers itself inside and never tries the edge."""
    clients = one_of(*facts.jabbers(deployment))
    for domain in deployment.domains.enabled:
        name = f"_cisco-uds._tcp.{domain.name}"
        if not asked.targets(deployment, "outside", name):
            continue
        yield Finding(
            at=("dns", "cisco_uds_outside")
            if deployment.dns.cisco_uds_outside
            else asked.field_of(deployment, "outside", name, "SRV"),
            what=f"{name} resolves in the outside view",
            sees="Jabber takes itself to be inside: it never contacts Expressway-E, and sign-in fails",
            fix=f"remove {name} from the outside DNS",
            prediction=Prediction(
                awaits=(
                    DnsAnswer(node=clients, name=name, rcode="NOERROR"),
                    DnsAnswer(node=clients, name=one_of(*asked.targets(deployment, "outside", name)), qtype="A"),
                ),
                never=tuple(
                    TcpOpened(node=clients, peer=edge.name, port=deployment.defaults.ports.edge_https)
                    for edge in deployment.expressway_e
                ),
                stops=Stop.NO_RECORD,
            )
            if facts.jabbers(deployment) and domain.name == deployment.domains.edge
            else None,
        )


def _without_uds(deployment: Deployment) -> Iterator[str]:
    """Yield the MRA domains whose ``_cisco-uds`` does not resolve for Expressway-C."""
    for domain in facts.mra_domains(deployment):
        if not asked.targets(deployment, "inside", f"_cisco-uds._tcp.{domain.name}"):
            yield domain.name


@book.rule(
    "NET-04.cisco-uds-before-x12.5",
    requires="before X12.5 Expressway-C must be able to resolve _cisco-uds of every MRA domain",
    rows=("NET-04", "NET-07", "NET-09", "NET-11"),
)
def cisco_uds_before_x12_5(deployment: Deployment) -> Iterator[Finding]:
    """The edge configuration returns the result of C's own query for the embedded domain."""
    old = facts.cores_without(deployment, NO_INSIDE_SRV)
    if not old:
        return
    core = deployment.expressway_c[old[0]]
    for domain in _without_uds(deployment):
        name = f"_cisco-uds._tcp.{domain}"
        yield Finding(
            at=_uds_field(deployment, name),
            what=f"{core.name} ({core.release}) cannot resolve {name}: the inside view has no such record",
            sees="the edge configuration contains NameError instead of Unified CM servers, and the client stops there",
            fix=f"create {name} inside, if necessary as a pinpoint subdomain, or upgrade the Expressways to X12.5",
            prediction=facts.no_uds(deployment, domain),
        )


@book.rule("NET-05.known-by-fqdn", requires="where _cisco-uds does not resolve, Unified CM nodes are listed by FQDN")
def known_by_fqdn(deployment: Deployment) -> Iterator[Finding]:
    """From X12.5 on the names of the discovered nodes replace the SRV record; an address cannot."""
    clusters = [each for each in deployment.unified_cm if each.name in deployment.mra.unified_cm_clusters]
    if len(facts.cores_without(deployment, NO_INSIDE_SRV)) == len(deployment.expressway_c):
        return
    if any(node.known_as == "fqdn" for cluster in clusters for node in cluster.nodes):
        return
    for domain in _without_uds(deployment):
        for cluster in clusters:
            nodes = ", ".join(node.server_name for node in cluster.nodes)
            yield Finding(
                at=("unified_cm", deployment.unified_cm.index(cluster), "publisher", "known_as"),
                what=f"_cisco-uds._tcp.{domain} does not resolve inside, and {cluster.name} lists {nodes}",
                sees="the edge configuration contains NameError instead of Unified CM servers, and the client stops "
                "there",
                fix="enter the nodes by FQDN under System > Server, then Refresh servers on Expressway-C; or create "
                f"_cisco-uds._tcp.{domain} inside",
                prediction=facts.no_uds(deployment, domain),
            )


@book.rule(
    "NET-11.cisco-uds-inside",
    requires="_cisco-uds should resolve inside, with one record for each Unified CM node",
    severity=Severity.ADVICE,
)
def cisco_uds_inside(deployment: Deployment) -> Iterator[Finding]:
    """Without it, and without ``_collab-edge`` inside, clients on premises find no service at all."""
    if facts.cores_without(deployment, NO_INSIDE_SRV):
        return
    # If _collab-edge resolves inside, clients on premises are meant to come through the edge.
    domains = [
        each
        for each in _without_uds(deployment)
        if not asked.targets(deployment, "inside", f"_collab-edge._tls.{each}")
    ]
    for at in dict.fromkeys(_uds_field(deployment, f"_cisco-uds._tcp.{each}") for each in domains):
        mine = tuple(each for each in domains if _uds_field(deployment, f"_cisco-uds._tcp.{each}") == at)
        names = tuple(f"_cisco-uds._tcp.{each}" for each in mine)
        clients, edge = facts.jabbers(deployment, outside=False), deployment.domains.edge
        yield Finding(
            at=at,
            what=f"neither _cisco-uds._tcp nor _collab-edge._tls of {facts.listed(mine)} resolves inside",
            sees="clients outside sign in; on premises Jabber finds no service and asks for manual settings",
            fix=f"create {facts.listed(names)} in the inside DNS: priority 10, weight 10, port 8443, one for each "
            "Unified CM node",
            prediction=Prediction(
                awaits=(
                    DnsAnswer(node=one_of(*clients), name=f"_cisco-uds._tcp.{edge}", qtype="SRV", answers=()),
                    DnsAnswer(node=one_of(*clients), name=f"_collab-edge._tls.{edge}", qtype="SRV", answers=()),
                ),
            )
            if clients and edge in mine
            else None,
        )


def _uds_field(deployment: Deployment, name: str) -> tuple[str | int, ...]:
    if not deployment.dns.cisco_uds:
        return ("dns", "cisco_uds")
    return asked.field_of(deployment, "inside", name, "SRV")


# ---- the name by which C reaches E


@book.rule("NET-09.edge-address-inside", requires="inside, the name by which C reaches each Expressway-E resolves")
def edge_address_inside(deployment: Deployment) -> Iterator[Finding]:
    """All three links of C need that name."""
    unresolved = [edge for edge in _edges_by_name(deployment) if not _inside(deployment, edge)]
    for edge in unresolved:
        name = _peer_name(deployment, edge)
        failed = deployment.defaults.links.failed
        zone = f"{name} does not resolve"
        # The zone's reason covers every peer, and its state is not that of one among several.
        state = failed if len(deployment.expressway_e) == 1 else matching(".")
        awaits: list[Matcher] = [ZoneState(node=facts.cores(deployment), state=state, reason=containing(zone))]
        if len(unresolved) == len(deployment.expressway_e):
            awaits.append(facts.next_hop_failed(deployment, facts.anybody(deployment)))
        yield Finding(
            at=asked.field_of(deployment, "inside", name, "A"),
            what=f"{name} has no address in the inside view",
            sees=f"no traversal zone, SSH tunnel or XCP link to {edge.name}: 502 Next Hop Connection Failed",
            fix=f"create {name} A {edge.inner_address} in the inside DNS",
            prediction=Prediction(
                awaits=tuple(awaits),
                stops=Stop.NO_WAY_TO_C if len(unresolved) == len(deployment.expressway_e) else None,
                undialled=deployment.link_ports if len(unresolved) == len(deployment.expressway_e) else (),
            ),
        )


# ---- names and addresses, both ways


@book.rule(
    "NET-12.reverse-dns",
    requires="from X8.8 on, C's DNS resolves each Expressway-E forward and in reverse, for IM and Presence",
    rows=("NET-12", "NET-09"),
)
def reverse_dns(deployment: Deployment) -> Iterator[Finding]:
    """C verifies E's certificate on the XCP link by the name of E's address."""
    chat = any(each.im_and_presence for each in deployment.domains.enabled) and deployment.mra.im_presence_clusters
    if (
        not chat
        or not deployment.xcp_link.looks_back
        or len(facts.cores_without(deployment, OVER_TLS)) == len(deployment.expressway_c)
    ):
        return
    broken: dict[str, tuple[ExpresswayE, str, tuple[str, ...]]] = {}
    for edge in _edges_by_name(deployment):
        name = _peer_name(deployment, edge)
        for address in _inside(deployment, edge)[:1]:
            found = asked.reverse(deployment, "inside", address)
            if name.lower() not in found:
                broken[name] = (edge, address, found)
    for name, (edge, address, found) in broken.items():
        clients, cores = facts.anybody(deployment), facts.cores(deployment)
        answer = DnsAnswer(node=cores, name=reverse_name(address), qtype="PTR")
        awaits: list[Matcher] = [answer, XcpLink(node=cores, peer=name, state="failed")]
        if len(broken) == len(deployment.expressway_e):
            awaits.append(XmppStream(node=clients, element="features", detail=""))
        yield Finding(
            at=asked.field_of(deployment, "inside", reverse_name(address), "PTR"),
            what=f"{address}, the address of {name}, "
            + (
                f"resolves to {', '.join(found)} in reverse DNS inside"
                if found
                else "has no name in reverse DNS inside"
            ),
            sees=f"phone service works, chat through {edge.name} does not: port {deployment.defaults.ports.edge_xmpp} "
            "accepts the connection, offers no SASL mechanisms, and closes it",
            fix=f"create {reverse_name(address)} PTR {name} in the inside DNS",
            prediction=Prediction(
                awaits=tuple(awaits),
                never=(XmppStream(node=facts.any_client(deployment), element="success"),)
                if len(broken) == len(deployment.expressway_e)
                else (),
                undialled=(deployment.xcp_link.port,) if len(broken) == len(deployment.expressway_e) else (),
            ),
        )


@book.rule("NET-13.forward", requires="inside, the FQDN of every UC node resolves to its address")
def forward_of_nodes(deployment: Deployment) -> Iterator[Finding]:
    """Expressway-C does not use a node that it does not find; one found elsewhere does not answer."""
    texts = deployment.defaults.edge
    broken = [
        node
        for node in facts.uc_nodes(deployment)
        if ":" not in node.spec.address and not asked.addresses(deployment, "inside", node.spec.fqdn)
    ]
    unasked = [node for node in broken if node.known_as != "address"]
    for node in broken:
        fqdn, address = node.spec.fqdn, node.spec.address
        sees = facts.sees_undiscovered(node)
        prediction = facts.undiscovered(deployment, node, texts.node_does_not_resolve, unasked)
        if node.known_as == "address":  # C queries its name, and accepts it only if it resolves back
            sees, prediction = facts.sees_unusable(node), facts.unusable(deployment, node, texts.node_without_fqdn)
        yield Finding(
            at=asked.field_of(deployment, "inside", fqdn, "A"),
            what=f"{fqdn} has no address in the inside view",
            sees=sees,
            fix=f"create {fqdn} A {address} in the inside DNS, then Refresh servers on Expressway-C",
            prediction=prediction,
        )
    yield from _misdirected_nodes(deployment)


def _misdirected_nodes(deployment: Deployment) -> Iterator[Finding]:
    """Yield the nodes whose names lead to an address that is not theirs."""
    for node in facts.uc_nodes(deployment):
        answer = asked.ask(deployment, "inside", node.spec.fqdn, "A")
        if not answer.values or set(answer.values) <= {node.spec.address}:
            continue
        others = facts.listed(tuple(str(each) for each in answer.values if each != node.spec.address))
        asks = DnsAnswer(node=facts.cores(deployment), name=node.listed, qtype="A", answers=answer.texts)
        yield Finding(
            at=asked.field_of(deployment, "inside", node.spec.fqdn, "A"),
            what=f"{node.spec.fqdn} resolves to {others} inside, but its address is {node.spec.address}",
            sees=f"Expressway-C queries the wrong machine: {facts.sees_undiscovered(node)}",
            fix=f"make {node.spec.fqdn} resolve only to {node.spec.address}, then Refresh servers on Expressway-C",
            prediction=Prediction(
                awaits=(asks,), stops=Stop.REFUSED if node.alone and node.product == "Unified CM" else None
            )
            if node.publisher and node.known_as == "fqdn"
            else None,
        )


@book.rule(
    "NET-13.reverse", requires="inside, a UC node that is listed by address or host name has its FQDN in reverse DNS"
)
def reverse_of_nodes(deployment: Deployment) -> Iterator[Finding]:
    """Expressway-C finds such a node's FQDN from its address."""
    for node in facts.uc_nodes(deployment):
        address = node.spec.address
        if node.known_as == "fqdn" or ":" in address or not asked.addresses(deployment, "inside", node.spec.fqdn):
            continue
        found = asked.reverse(deployment, "inside", address)
        if any(address in asked.addresses(deployment, "inside", name) for name in found):
            continue
        yield Finding(
            at=asked.field_of(deployment, "inside", reverse_name(address), "PTR"),
            what=f"System > Server lists {node.listed}, and {address} has no name in reverse DNS inside that "
            "resolves back to it",
            sees=facts.sees_unusable(node),
            fix=f"create {reverse_name(address)} PTR {node.spec.fqdn} in the inside DNS, or list the node by FQDN",
            prediction=facts.unusable(deployment, node, deployment.defaults.edge.node_without_fqdn),
        )


def _edges_by_name(deployment: Deployment) -> Iterator[ExpresswayE]:
    """Yield the Expressway-Es that C is configured to reach by one of their names."""
    for edge in deployment.expressway_e:
        if edge.ip_protocol != "IPv6" and _peer_name(deployment, edge):
            yield edge


def _peer_name(deployment: Deployment, edge: ExpresswayE) -> str:
    own = {edge.fqdn.lower(), edge.inner_fqdn.lower()}
    return next((peer for peer in deployment.traversal_zone.peer_addresses if peer.lower() in own), "")


def _inside(deployment: Deployment, edge: ExpresswayE) -> tuple[str, ...]:
    return asked.addresses(deployment, "inside", _peer_name(deployment, edge))
