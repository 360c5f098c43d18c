"""Rules about trust: whether every verifier can build the chain of every certificate presented.

Sources: MRA Deployment Guide, "Certificate Requirements"; "Understand MRA Certificate Requirements and Apache Traffic
Server History" (Cisco 225476); "Configure and Troubleshoot Collaboration Edge (MRA) Certificates" (Cisco 213872).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from edgesim.deployment import Deployment, HostSpec, Product, closed
from edgesim.deployment.hosts import ExpresswayC, UnifiedCmCluster, UnifiedCmNode
from edgesim.deployment.security import Certificate
from edgesim.journal.matchers import (
    Discovery,
    HttpResponse,
    Matcher,
    SipResponse,
    Test,
    TlsRefused,
    XcpLink,
    ZoneState,
    containing,
    one_of,
)
from edgesim.readiness import facts
from edgesim.readiness.chains import Chain, chain, contents, own_entry, shown_as_client, words
from edgesim.readiness.rule import Book, Finding, Prediction, Stop

book = Book()

NOT_VERIFIED = containing("certificate verify failed")
UNKNOWN_CA = "unknown ca"


def _has(feature: str, core: ExpresswayC) -> bool:
    return not closed(feature, {Product.EXPRESSWAY: core.release})


Name = str | Test
Cores = tuple[ExpresswayC, ...]


def _any(cores: Cores) -> Name:
    """Return a condition on a host's name: one of these."""
    return cores[0].name if len(cores) == 1 else one_of(*(core.name for core in cores))


def _names(cores: Cores) -> str:
    return " and ".join(core.name for core in cores)


def _server_refuses(server: Name, caller: Name, port: int) -> tuple[Matcher, ...]:
    """The symptoms if the listening host cannot verify the caller's certificate."""
    return (
        TlsRefused(node=server, peer=caller, port=port, reason=NOT_VERIFIED),
        TlsRefused(node=caller, peer=server, port=port, alert=UNKNOWN_CA),
    )


def _caller_refuses(caller: Name, server: Name, port: int) -> tuple[Matcher, ...]:
    """The symptoms if the caller cannot verify the listening host's certificate."""
    return (
        TlsRefused(node=caller, peer=server, port=port, reason=NOT_VERIFIED),
        TlsRefused(node=server, peer=caller, port=port, alert=UNKNOWN_CA),
    )


def _failed(deployment: Deployment, cores: Cores, zone: str) -> Matcher:
    return ZoneState(node=_any(cores), zone=zone, state=deployment.defaults.links.failed)


def _unverified(deployment: Deployment) -> Matcher:
    """What a client gets if C's proxy cannot verify a server."""
    tls = deployment.defaults.tls
    return HttpResponse(
        node=facts.any_client(deployment),
        peer=facts.edges(deployment),
        status=tls.unverified_server_status,
        reason=tls.unverified_server_reason,
    )


def _no_chat(deployment: Deployment, cores: Cores) -> tuple[Matcher, ...]:
    """What a client sees if these have no XMPP link inside; nothing if another link is available."""
    alone = len(deployment.im_presence_nodes) == 1 and len(cores) == len(deployment.expressway_c)
    return facts.no_mechanisms(deployment, facts.any_client(deployment)) if alone else ()


def _predict(*awaits: Matcher) -> Prediction | None:
    return Prediction(awaits=awaits) if awaits else None


# ---- Unified CM trusts Expressway-C


def _unified_cm_nodes(deployment: Deployment) -> Iterator[tuple[UnifiedCmCluster, UnifiedCmNode]]:
    for cluster in deployment.unified_cm:
        if cluster.name in deployment.mra.unified_cm_clusters:
            for node in cluster.nodes:
                yield cluster, node


def _refused_by_unified_cm(
    deployment: Deployment, cluster: UnifiedCmCluster, node: UnifiedCmNode, cores: Cores, store: str
) -> Prediction | None:
    """The consequence of a certificate missing in a node's trust store; None if no connection uses it."""
    ports = deployment.defaults.ports
    awaits: list[Matcher] = []
    if store == "callmanager-trust" and cluster.mixed_mode:
        awaits += _server_refuses(node.name, _any(cores), ports.sip_tls)
        awaits.append(_failed(deployment, cores, f"CEtls-{node.server_name}"))
    showing = tuple(core for core in cores if _has("proxy presents its certificate", core))
    if node.name == cluster.tftp[0] and showing:
        awaits += _server_refuses(node.name, _any(showing), ports.configuration_https)
        awaits.append(_unverified(deployment))
    return _predict(*awaits)


def _trust_in_c(
    deployment: Deployment, store: str, wrong: Callable[[UnifiedCmCluster, Chain], bool]
) -> Iterator[Finding]:
    for cluster, node in _unified_cm_nodes(deployment):
        holds = contents(deployment.trust_store(node.name, store))
        seen: dict[tuple[str, ...], Cores] = {}
        for core in deployment.expressway_c:
            found = chain(deployment, shown_as_client(deployment, core.name), (node.name, store))
            own = own_entry(found.certificate)
            missing = (() if own in holds else (own,)) if cluster.mixed_mode else found.missing
            if missing and wrong(cluster, found):
                seen[missing] = (*seen.get(missing, ()), core)
        for missing, cores in seen.items():
            what = " and ".join(words(each) for each in missing)
            yield Finding(
                at=deployment.place_of_trust_store(node.name, store),
                what=f"{store} of {node.name} lacks {what}{' (mixed mode)' if cluster.mixed_mode else ''}, needed "
                f"to trust {_names(cores)}",
                sees="users sign in, but requests for configuration files on 6972 (and 6971) get 502: Unified CM "
                "refuses C with the alert unknown CA. There is no phone service"
                + ("; secure SIP on 5061 fails too" if cluster.mixed_mode else ""),
                fix=f"upload it as {store} on the cluster {cluster.name}, then restart Tomcat, CallManager and TFTP "
                "(and HAProxy)",
                prediction=_refused_by_unified_cm(deployment, cluster, node, cores, store),
            )


def _root_missing(cluster: UnifiedCmCluster, found: Chain) -> bool:
    return cluster.mixed_mode or found.lacks_root


def _intermediate_missing(cluster: UnifiedCmCluster, found: Chain) -> bool:
    return not cluster.mixed_mode and found.lacks_intermediates


@book.rule(
    "CERT-01.callmanager-trust",
    requires="CallManager-trust of Unified CM holds the root of Expressway-C's certificate, in mixed mode the "
    "certificate itself",
)
def callmanager_trust(deployment: Deployment) -> Iterator[Finding]:
    """CallManager-trust of every node, for every Expressway-C."""
    yield from _trust_in_c(deployment, "callmanager-trust", _root_missing)


@book.rule(
    "CERT-01.tomcat-trust",
    requires="Tomcat-trust of Unified CM holds the root of Expressway-C's certificate, in mixed mode the "
    "certificate itself",
)
def tomcat_trust(deployment: Deployment) -> Iterator[Finding]:
    """Tomcat-trust of every node, for every Expressway-C."""
    yield from _trust_in_c(deployment, "tomcat-trust", _root_missing)


@book.rule(
    "CERT-05.intermediate",
    requires="CallManager-trust and Tomcat-trust hold every intermediate CA of Expressway-C's certificate too",
)
def intermediate_on_unified_cm(deployment: Deployment) -> Iterator[Finding]:
    """The CAs between Expressway-C's certificate and its root, which C does not send."""
    for store in ("tomcat-trust", "callmanager-trust"):
        yield from _trust_in_c(deployment, store, _intermediate_missing)


# ---- IM and Presence trusts Expressway-C


def _im_presence_trust(deployment: Deployment, store: str) -> Iterator[Finding]:
    port = deployment.defaults.ports.im_presence_xmpp
    for cluster in deployment.im_presence:
        if cluster.name not in deployment.mra.im_presence_clusters:
            continue
        for node in cluster.nodes:
            chains = {
                core: chain(deployment, shown_as_client(deployment, core.name), (node.name, store))
                for core in deployment.expressway_c
            }
            cores = tuple(core for core, found in chains.items() if not found.good)
            if not cores:
                continue
            yield Finding(
                at=deployment.place_of_trust_store(node.name, store),
                what=f"{store} of {node.name} lacks {chains[cores[0]].words}, needed to trust {_names(cores)}",
                sees="there is no chat: XMPP streams on 5222 open and close without SASL mechanisms, because the "
                "link from "
                f"{_names(cores)} to {node.name}:{port} is refused with the alert unknown CA",
                fix=f"upload it as {store} on the cluster {cluster.name}, then restart its services",
                prediction=_predict(*_server_refuses(node.name, _any(cores), port), *_no_chat(deployment, cores)),
            )


@book.rule(
    "CERT-03.cup-xmpp-trust", requires="IM and Presence's cup-xmpp-trust holds the root of Expressway-C's certificate"
)
def cup_xmpp_trust(deployment: Deployment) -> Iterator[Finding]:
    """The store that verifies Expressway-C's XMPP link."""
    yield from _im_presence_trust(deployment, "cup-xmpp-trust")


@book.rule(
    "CERT-03.tomcat-trust", requires="IM and Presence's tomcat-trust holds the root of Expressway-C's certificate"
)
def im_presence_tomcat_trust(deployment: Deployment) -> Iterator[Finding]:
    """The other store that must hold it."""
    yield from _im_presence_trust(deployment, "tomcat-trust")


# ---- Expressway-C trusts Unified CM, IM and Presence


def _verifies(deployment: Deployment, core: ExpresswayC, tls_verify: bool) -> bool:
    """Return whether C's proxy verifies servers with this TLS verify mode."""
    return tls_verify or (_has("proxy verifies servers", core) and deployment.mra.verify_origin_server)


def _trusts(deployment: Deployment, cores: Cores, host: str, service: str) -> bool:
    """Return whether each of these can verify a server's certificate."""
    return all(chain(deployment, (host, service), (core.name, "trusted-ca")).good for core in cores)


def _unified_cm_refused(deployment: Deployment, node: HostSpec, cores: Cores, service: str) -> Prediction | None:
    """The consequence if C cannot verify a certificate of a Unified CM node."""
    ports, verify, caller = deployment.defaults.ports, deployment.mra.tls_verify_unified_cm, _any(cores)
    cluster = deployment.cluster_of(node.name)
    name, publisher = cluster.node(node.name).server_name, cluster.publisher.name
    failure = _unverified(deployment)
    if service == "tomcat":
        if node.name != publisher:
            return None
        if not verify:
            return _predict(*_caller_refuses(caller, node.name, ports.uds), failure)
        reported = _predict(
            *_caller_refuses(caller, node.name, ports.uds),
            Discovery(node=caller, server=name, state="failed", detail=NOT_VERIFIED),
            HttpResponse(node=facts.any_client(deployment), status=401, payload=containing('realm="Cisco-Edge"')),
        )
        everywhere = len(deployment.mra.unified_cm_clusters) == 1 and len(cores) == len(deployment.expressway_c)
        return replace(reported, stops=Stop.REFUSED) if reported and everywhere else reported
    if not _trusts(deployment, cores, publisher, "tomcat"):
        return None  # no connection is made
    awaits: list[Matcher] = []
    if verify and cluster.mixed_mode:
        awaits += (*_caller_refuses(caller, node.name, ports.sip_tls), _failed(deployment, cores, f"CEtls-{name}"))
    if node.name == cluster.tftp[0]:
        awaits += (*_caller_refuses(caller, node.name, ports.configuration_https), failure)
    return _predict(*awaits)


def _im_presence_refused(deployment: Deployment, node: HostSpec, cores: Cores, service: str) -> Prediction | None:
    """The consequence if C cannot verify a certificate of an IM and Presence node."""
    ports, verify, caller = deployment.defaults.ports, deployment.mra.tls_verify_im_presence, _any(cores)
    publisher = deployment.im_presence_cluster_of(node.name).publisher.name
    if service == "cup-xmpp":
        if not _trusts(deployment, cores, publisher, "tomcat"):
            return None  # the cluster is never discovered
        link = XcpLink(node=caller, peer=node.fqdn, state="failed")
        refused = _caller_refuses(caller, node.name, ports.im_presence_xmpp)
        return _predict(*refused, link, *_no_chat(deployment, cores))
    if node.name != publisher:
        return None
    found = _caller_refuses(caller, node.name, ports.soap)
    if not verify:
        return _predict(*found, _unverified(deployment))
    undiscovered = Discovery(node=caller, server=node.fqdn, state="failed", detail=NOT_VERIFIED)
    alone = len(deployment.mra.im_presence_clusters) == 1 and len(cores) == len(deployment.expressway_c)
    return _predict(
        *found, undiscovered, *((facts.login_refused(deployment, facts.any_client(deployment)),) if alone else ())
    )


ChainTest = Callable[[Chain], bool]


def _verified(deployment: Deployment, kind: str, wrong: ChainTest) -> Iterator[tuple[Cores, HostSpec, Chain]]:
    """Yield every server certificate of a kind of host, with the Expressway-Cs whose verification has this result."""
    cm = kind == "unified_cm"
    verify = deployment.mra.tls_verify_unified_cm if cm else deployment.mra.tls_verify_im_presence
    clusters = deployment.mra.unified_cm_clusters if cm else deployment.mra.im_presence_clusters
    for spec in deployment.host_specs():
        if spec.kind != kind or spec.cluster not in clusters:
            continue
        for certificate in deployment.certificates_of(spec.name):
            by_proxy = certificate.service != "cup-xmpp"
            chains = {
                core: chain(deployment, (spec.name, certificate.service), (core.name, "trusted-ca"))
                for core in deployment.expressway_c
                if (_verifies(deployment, core, verify) if by_proxy else verify)
            }
            cores = tuple(core for core, found in chains.items() if wrong(found))
            if cores:
                yield cores, spec, chains[cores[0]]


def _refused(deployment: Deployment, spec: HostSpec, cores: Cores, service: str) -> Prediction | None:
    find = _unified_cm_refused if spec.kind == "unified_cm" else _im_presence_refused
    return find(deployment, spec, cores, service)


EFFECTS = {
    ("unified_cm", "tomcat"): "C cannot discover the cluster and no user can sign in (401), or, where only its proxy "
    "verifies, every request to it gets 502 connect failed",
    ("unified_cm", "callmanager"): "users sign in, but requests for configuration files on 6972 get 502 connect "
    "failed; in mixed mode the zone to 5061 stays down",
    ("im_presence", "tomcat"): "C cannot discover the cluster: chat is refused with 403, or, where only its proxy "
    "verifies, with 502",
    ("im_presence", "cup-xmpp"): "C's XMPP link to the node stays down: no chat",
}


def _servers(deployment: Deployment, kind: str) -> Iterator[Finding]:
    for cores, spec, found in _verified(deployment, kind, lambda each: not each.good and not each.self_signed):
        service = found.certificate.service
        yield Finding(
            at=deployment.place_of_trust_store(cores[0].name, "trusted-ca"),
            what=f"{_names(cores)} does not trust {found.words}, needed for {words(own_entry(found.certificate))}",
            sees=EFFECTS[kind, service],
            fix=f"append it to the trusted CA list of {_names(cores)}, and restart",
            prediction=_refused(deployment, spec, cores, service),
        )


@book.rule("CERT-04.unified-cm", requires="Expressway-C trusts the roots of every Unified CM cluster")
def unified_cm_trusted(deployment: Deployment) -> Iterator[Finding]:
    """The Tomcat and CallManager certificates of each node."""
    yield from _servers(deployment, "unified_cm")


@book.rule("CERT-04.im-presence", requires="Expressway-C trusts the roots of every IM and Presence cluster")
def im_presence_trusted(deployment: Deployment) -> Iterator[Finding]:
    """The Tomcat and cup-xmpp certificates of each node."""
    yield from _servers(deployment, "im_presence")


@book.rule(
    "CERT-08.absent",
    requires="Expressway-C holds every self-signed certificate of Unified CM and IM and Presence itself",
)
def self_signed_absent(deployment: Deployment) -> Iterator[Finding]:
    """Self-signed certificates have no root to trust instead."""
    for kind in ("unified_cm", "im_presence"):
        for cores, spec, found in _verified(deployment, kind, lambda each: not each.good and each.self_signed):
            service = found.certificate.service
            yield Finding(
                at=deployment.place_of_trust_store(cores[0].name, "trusted-ca"),
                what=f"{_names(cores)} does not hold {found.words}, which is self-signed",
                sees=EFFECTS[kind, service],
                fix=f"append the certificate itself to the trusted CA list of {_names(cores)}, or have a CA sign it",
                prediction=_refused(deployment, spec, cores, service),
            )


@book.rule(
    "CERT-08.same-subject",
    requires="no two self-signed certificates that Expressway-C holds have the same subject",
)
def self_signed_alike(deployment: Deployment) -> Iterator[Finding]:
    """Expressway-C uses only the first entry with a subject in its list (CSCve56019)."""
    for kind in ("unified_cm", "im_presence"):
        for cores, spec, found in _verified(deployment, kind, lambda each: each.good and each.self_signed):
            certificate = found.certificate
            higher = {core: _first_of_subject(deployment, core, certificate) for core in cores}
            blind = tuple(core for core in cores if higher[core] != own_entry(certificate))
            if not blind:
                continue
            first = higher[blind[0]]
            yield Finding(
                at=deployment.place_of_certificate(certificate.host, certificate.service),
                what=f"{words(first)} and {words(own_entry(certificate))} have the same subject, "
                f"CN={certificate.common_name}: {_names(blind)} uses only the first",
                sees=f"the lower one in the list has no effect: {EFFECTS[kind, certificate.service]}",
                fix="have a CA sign them, or give one of them a different common name",
                prediction=_refused(deployment, spec, blind, certificate.service),
            )


def _first_of_subject(deployment: Deployment, core: ExpresswayC, certificate: Certificate) -> str:
    """Return the topmost entry of C's list with the subject of this self-signed certificate."""
    for name in contents(deployment.trust_store(core.name, "trusted-ca")):
        host, slash, service = name.partition("/")
        if slash and deployment.certificate(host, service).common_name == certificate.common_name:
            return name
    return own_entry(certificate)


# ---- the traversal zone


def _zone(deployment: Deployment, *, on_c: bool, wrong: ChainTest) -> Iterator[Finding]:
    port, zone = deployment.traversal_zone.port, deployment.traversal_zone.name
    clients = facts.any_client(deployment)
    refused = SipResponse(node=clients, status=deployment.defaults.sip.zone_down_status, method="REGISTER")
    alone = len(deployment.expressway_c) == len(deployment.expressway_e) == 1
    no_chat = deployment.im_presence and (deployment.xcp_link.enable_cvs or not on_c)
    unserved = (refused, *(facts.no_mechanisms(deployment, clients) if no_chat else ())) if alone else ()
    # One finding per store and missing CA, however many peers present a certificate that needs it.
    stores: dict[tuple[str, str], list[tuple[str, ExpresswayC]]] = {}
    for edge in deployment.expressway_e:
        for core in deployment.expressway_c:
            owner, other = (core.name, edge.name) if on_c else (edge.name, core.name)
            shown = (edge.name, "server") if on_c else shown_as_client(deployment, core.name)
            found = chain(deployment, shown, (owner, "trusted-ca"))
            if wrong(found):
                stores.setdefault((owner, found.words), []).append((other, core))
    for (owner, lacking), met in stores.items():
        others = tuple(other for other, _ in met)
        cores = tuple(dict.fromkeys(core for _, core in met))
        refuses = (_caller_refuses if on_c else _server_refuses)(owner, one_of(*others), port)
        # Of several peers the zone shows the state of one.
        whole = len(others if on_c else (owner,)) == len(deployment.expressway_e)
        yield Finding(
            at=deployment.place_of_trust_store(owner, "trusted-ca"),
            what=f"{owner} does not trust {lacking}, needed for the "
            f"{facts.verb(others, 'certificate', 'certificates')} of {facts.listed(others)}",
            sees=f"the zone {zone} is {deployment.defaults.links.failed}: REGISTER gets 503, and there is no chat",
            fix=f"append it to the trusted CA list of {owner}, and restart it",
            prediction=_predict(*refuses, *((_failed(deployment, cores, zone),) if whole else ()), *unserved),
        )


@book.rule("CERT-04.expressway-e", requires="Expressway-C trusts the root of Expressway-E's certificate")
def edge_root_on_c(deployment: Deployment) -> Iterator[Finding]:
    """The root, without which nothing else helps."""
    yield from _zone(deployment, on_c=True, wrong=lambda found: found.lacks_root)


@book.rule(
    "CERT-09.intermediate",
    requires="Expressway-C trusts the intermediate CAs of Expressway-E's certificate too",
    rows=("CERT-09", "CERT-04"),
)
def edge_intermediate_on_c(deployment: Deployment) -> Iterator[Finding]:
    """The root alone is not enough: E does not send its intermediates."""
    yield from _zone(deployment, on_c=True, wrong=lambda found: found.lacks_intermediates)


@book.rule("CERT-06.root", requires="Expressway-E trusts the root of Expressway-C's certificate")
def core_root_on_e(deployment: Deployment) -> Iterator[Finding]:
    """The root, without which nothing else helps."""
    yield from _zone(deployment, on_c=False, wrong=lambda found: found.lacks_root)


@book.rule(
    "CERT-06.intermediate",
    requires="Expressway-E trusts the intermediate CAs of Expressway-C's certificate too",
    rows=("CERT-06", "CERT-09"),
)
def core_intermediate_on_e(deployment: Deployment) -> Iterator[Finding]:
    """The root alone is not enough: C does not send its intermediates."""
    yield from _zone(deployment, on_c=False, wrong=lambda found: found.lacks_intermediates)
