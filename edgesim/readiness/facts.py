"""Facts about a deployment that several rules use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgesim.deployment import Deployment, HostSpec, Product, closed
from edgesim.deployment.hosts import ImPresenceNode, UnifiedCmNode
from edgesim.deployment.settings import EnabledDomain
from edgesim.journal.matchers import (
    Discovery,
    DnsAnswer,
    HttpRequest,
    HttpResponse,
    Matcher,
    Test,
    XmppStream,
    ZoneState,
    containing,
    one_of,
)
from edgesim.readiness import asked
from edgesim.readiness.rule import FieldPath, Prediction, Stop


def clients(deployment: Deployment, *, outside: bool) -> tuple[HostSpec, ...]:
    """Return the clients that query the outside name servers (or, with ``outside`` false, the inside ones)."""
    view = "outside" if outside else "inside"
    return tuple(spec for spec in deployment.host_specs() if spec.kind == "client" and spec.view == view)


def any_client(deployment: Deployment, *, outside: bool = True) -> Test:
    """Return a condition on a host's name: one of the clients outside (or inside)."""
    return one_of(*(spec.name for spec in clients(deployment, outside=outside)))


def jabbers(deployment: Deployment, *, outside: bool = True) -> tuple[str, ...]:
    """Return the clients outside (or inside) that run Jabber: neither a phone nor a room device."""
    found = {each.name for each in deployment.clients if each.jabber_platform is not None}
    return tuple(spec.name for spec in clients(deployment, outside=outside) if spec.name in found)


def anybody(deployment: Deployment) -> Test:
    """Return a condition on a host's name: one of the clients, outside or inside."""
    return one_of(*(spec.name for spec in deployment.host_specs() if spec.kind == "client"))


def edges(deployment: Deployment) -> Test:
    """Return a condition on a host's name: one of the Expressway-Es."""
    return one_of(*(edge.name for edge in deployment.expressway_e))


def cores(deployment: Deployment) -> Test:
    """Return a condition on a host's name: one of the Expressway-Cs."""
    return one_of(*(core.name for core in deployment.expressway_c))


def listed(names: Sequence[str]) -> str:
    """Return names as a list in words, ``a, b and c``; of many only the first, with the number of the rest."""
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def verb(subjects: Sequence[str], one: str, several: str) -> str:
    """Return the form of a verb for this number of subjects."""
    return one if len(subjects) == 1 else several


def only_through(edges: Sequence[str]) -> str:
    """Return what a client sees of Expressway-Es that an Expressway-C does not reach, while others work."""
    return f"nothing works through {listed(edges)}: clients that connect to it get 502 Next Hop Connection Failed"


def mra_domains(deployment: Deployment) -> tuple[EnabledDomain, ...]:
    """Return the domains in which clients may sign in: chat alone counts, federation alone does not."""
    enabled = deployment.domains.enabled
    return tuple(each for each in enabled if each.unified_cm_registrations or each.im_and_presence)


def sign_in_domains(deployment: Deployment) -> tuple[str, ...]:
    """Return the domains with which users may try to sign in: those configured, and others whose ``_collab-edge`` leads
    to this edge.
    """
    own = {edge.fqdn.lower() for edge in deployment.expressway_e}
    found = [each.name for each in mra_domains(deployment)]
    known = {name.lower() for name in found}
    # An alias of a configured domain leads to the name of records, not to a domain for sign-in.
    for domain in tuple(known):
        for text in asked.ask(deployment, "outside", f"_collab-edge._tls.{domain}", "SRV").texts:
            if text.startswith("CNAME "):
                known.add(text.lower().partition("._tls.")[2])
    services = (each.name for each in deployment.zone_records("outside") if each.type in ("SRV", "CNAME"))
    for name in dict.fromkeys(services):
        label, _, domain = name.partition("._tls.")
        if label.lower() != "_collab-edge" or domain.lower() in known:
            continue
        if own.intersection(asked.targets(deployment, "outside", name)):
            found.append(domain)
    return tuple(found)


def cores_without(deployment: Deployment, feature: str) -> tuple[int, ...]:
    """Return the indexes in ``expressway_c`` of the peers whose release lacks a gated feature."""
    return tuple(
        index
        for index, core in enumerate(deployment.expressway_c)
        if closed(feature, {Product.EXPRESSWAY: core.release})
    )


# ---- conditions


def containing_one_of(parts: Sequence[str]) -> Test:
    """Return a condition on a text: it contains one of ``parts``."""
    if len(parts) == 1:
        return containing(parts[0])
    return Test(f"containing one of {', '.join(map(repr, parts))}", lambda found: any(part in found for part in parts))


# ---- shared predictions


def next_hop_failed(deployment: Deployment, clients: Test) -> Matcher:
    """Return the edge's response to a client whose request gets no further: E's own, whatever failed behind it."""
    edge = deployment.defaults.edge
    return HttpResponse(
        node=clients,
        peer=edges(deployment),
        status=edge.upstream_failure_status,
        reason=edge.upstream_failure_reason,
        payload=containing(f"Server: {edge.server_of_e}\r\n"),
    )


def login_refused(deployment: Deployment, clients: Test) -> Matcher:
    """Return the edge's response to a chat login if Expressway-C knows no IM and Presence."""
    return HttpResponse(
        node=clients,
        peer=edges(deployment),
        method="POST",
        target=containing(deployment.defaults.im.soap_path),
        status=deployment.defaults.edge.allow_list_status,
        payload=containing(f"Server: {deployment.defaults.edge.server_of_c}\r\n"),
    )


def no_mechanisms(deployment: Deployment, clients: Test) -> tuple[Matcher, ...]:
    """Return what a client's XMPP gets if E has no link inside: features without mechanisms, then the end."""
    peers = edges(deployment)
    return (
        XmppStream(node=clients, peer=peers, element="features", detail=""),
        XmppStream(node=clients, peer=peers, element="close"),
    )


def no_uds(deployment: Deployment, domain: str) -> Prediction:
    """Predict an edge configuration without UDS server, with which the client cannot continue."""
    edge = deployment.defaults.edge
    alone = len(mra_domains(deployment)) == 1
    unknown = f"<service><name>_cisco-uds</name><error>{edge.service_error}</error></service>"
    return Prediction(
        awaits=(
            DnsAnswer(node=cores(deployment), name=f"_cisco-uds._tcp.{domain}", qtype="SRV", answers=()),
            HttpResponse(
                node=anybody(deployment), peer=edges(deployment), status=200, payload=containing(unknown)
            ),
        ),
        never=(HttpRequest(node=edges(deployment), decoded=containing("/cucm-uds/")),) if alone else (),
    )  # fmt: skip


# ---- UC servers


@dataclass(frozen=True, slots=True, kw_only=True)
class UcNode:
    """A node of a cluster that was added on Expressway-C: its place, and its name under System > Server."""

    at: FieldPath
    product: str
    spec: UnifiedCmNode | ImPresenceNode
    listed: str
    known_as: str
    publisher: bool
    alone: bool
    """Whether its cluster is the only one of its product."""


def uc_nodes(deployment: Deployment) -> Iterator[UcNode]:
    """Yield the Unified CM and IM and Presence nodes that Expressway-C discovers, or should."""
    mra = deployment.mra
    for index, cluster in enumerate(deployment.unified_cm):
        if cluster.name in mra.unified_cm_clusters:
            for place, node in enumerate(cluster.nodes):
                yield UcNode(
                    at=("unified_cm", index, *_place(place)),
                    product="Unified CM",
                    spec=node,
                    listed=node.server_name,
                    known_as=node.known_as,
                    publisher=place == 0,
                    alone=len(mra.unified_cm_clusters) == 1,
                )
    for index, chat in enumerate(deployment.im_presence):
        if chat.name in mra.im_presence_clusters:
            for place, each in enumerate(chat.nodes):
                yield UcNode(
                    at=("im_presence", index, *_place(place)),
                    product="IM and Presence",
                    spec=each,
                    listed=each.fqdn,
                    known_as="fqdn",
                    publisher=place == 0,
                    alone=len(mra.im_presence_clusters) == 1,
                )


def _place(place: int) -> tuple[str | int, ...]:
    return ("subscribers", place - 1) if place else ("publisher",)


def unusable(deployment: Deployment, node: UcNode, problem: str) -> Prediction:
    """Predict the consequences of a node that Expressway-C does not use; ``problem`` is the state that C shows."""
    discovery = Discovery(
        node=cores(deployment),
        server=node.listed,
        product=node.product,
        state="unusable",
        detail=containing(problem),
    )
    failed = deployment.defaults.links.failed
    zone = ZoneState(node=cores(deployment), zone=f"CEtcp-{node.listed}", state=failed, reason=containing(problem))
    return Prediction(awaits=(discovery, zone) if node.product == "Unified CM" else (discovery,))


def undiscovered(deployment: Deployment, node: UcNode, problem: str, among: Sequence[UcNode]) -> Prediction | None:
    """Predict the consequences of a node that Expressway-C cannot query; ``among`` are all such nodes.

    Without its publisher nothing of a cluster is discovered, and nothing is reported of its other nodes: without
    Unified CM no user is authenticated, without IM and Presence the allow list permits no chat login.
    """
    if any(other.publisher and other.at[:2] == node.at[:2] for other in among if other is not node):
        return None
    if not node.publisher:
        return unusable(deployment, node, problem)
    discovery = Discovery(
        node=cores(deployment),
        server=node.listed,
        product=node.product,
        state="failed",
        detail=containing(problem),
    )
    stop = Stop.REFUSED if node.alone and node.product == "Unified CM" else None
    return Prediction(awaits=(discovery, *_without(deployment, node)), stops=stop)


def _without(deployment: Deployment, node: UcNode) -> tuple[Matcher, ...]:
    if not node.alone:
        return ()
    clients, peers = anybody(deployment), edges(deployment)
    if node.product == "Unified CM":
        realm = f'realm="{deployment.defaults.edge.realm}"'
        return (HttpResponse(node=clients, peer=peers, status=401, payload=containing(realm)),)
    return (login_refused(deployment, clients),)


def sees_unusable(node: UcNode) -> str:
    """Return what a client sees of a node that Expressway-C does not use."""
    return f"nothing reaches {node.listed} through the edge: phones register with other nodes of the cluster, if any"


def sees_undiscovered(node: UcNode) -> str:
    """Return what a client sees of a node that Expressway-C cannot query."""
    if not node.publisher:
        return sees_unusable(node)
    if node.product == "Unified CM":
        return "its users get 401 from the edge, even with the right password"
    return "phone service works, chat does not: the edge refuses the login with 403"
