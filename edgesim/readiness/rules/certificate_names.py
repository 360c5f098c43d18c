"""Rules about the content of certificates: names and signers.

Sources: MRA Deployment Guide, "Certificate Requirements"; "Configure and Troubleshoot Collaboration Edge (MRA)
Certificates" (Cisco 213872).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgesim.deployment import Deployment
from edgesim.deployment.hosts import Expressway
from edgesim.journal.matchers import Matcher, Note, TcpClosed, Test, TlsRefused, TlsUp, ZoneState, containing, one_of
from edgesim.pki.names import first_match, qualified
from edgesim.readiness import asked, facts
from edgesim.readiness.chains import chain, has, own_entry, shown_as_client, words
from edgesim.readiness.rule import Book, Finding, Prediction, Severity, Stop

book = Book()


def _aliases(deployment: Deployment) -> tuple[str, ...]:
    """Return the chat node aliases that federated group chat requires in the certificates of both Expressways."""
    if not any(domain.xmpp_federation for domain in deployment.domains.enabled):
        return ()
    known = deployment.mra.im_presence_clusters
    return tuple(alias for chat in deployment.im_presence if chat.name in known for alias in chat.chat_aliases)


# ---- Expressway-C


@book.rule(
    "CERT-10.profile-name",
    requires="the SAN of Expressway-C contains the names of the encrypted phone security profiles of devices over MRA",
)
def profile_name(deployment: Deployment) -> Iterator[Finding]:
    """Unified CM looks for a secure device's profile in the certificate that Expressway-C presents on 5061."""
    for cluster in deployment.unified_cm:
        if not cluster.mixed_mode or cluster.name not in deployment.mra.unified_cm_clusters:
            continue
        for profile in cluster.security_profiles:
            devices = [
                each.name
                for each in deployment.devices
                if each.cluster == cluster.name and each.security_profile == profile.name
            ]
            if profile.mode != "encrypted" or profile.oauth or not devices:
                continue
            cores = [
                core.name
                for core in deployment.expressway_c
                if not has(deployment, deployment.certificate(*shown_as_client(deployment, core.name)), profile.name)
            ]
            if not cores:
                continue
            nodes = one_of(*(node.name for node in cluster.nodes))
            awaits: tuple[Matcher, ...] = (
                Note(node=nodes, text=containing(f"Expected={profile.name}")),
                TcpClosed(node=one_of(*cores), peer=nodes, port=deployment.defaults.ports.sip_tls),
            )
            yield Finding(
                at=deployment.place_of_certificate(*shown_as_client(deployment, cores[0])),
                what=f"the certificate of {' and '.join(cores)} lacks the name {profile.name} of the phone security "
                f"profile of {', '.join(devices)}",
                sees="the device gets its configuration but does not register: Unified CM closes the TLS connection on "
                "5061 (InvalidX509NameInCertificate)",
                fix=f"add {profile.name} to the CSR of {' and '.join(cores)} and have it signed again",
                prediction=Prediction(awaits=awaits),
            )


@book.rule(
    "CERT-10.cluster-name", requires="the SAN of every Expressway-C contains the name that Expressway-E's zone verifies"
)
def cluster_name(deployment: Deployment) -> Iterator[Finding]:
    """The *TLS verify subject name*: for a clustered Expressway-C the cluster's name."""
    zone, wanted = deployment.traversal_zone, deployment.traversal_zone.tls_verify_subject_name
    for core in deployment.expressway_c:
        if has(deployment, deployment.certificate(*shown_as_client(deployment, core.name)), wanted):
            continue
        failed = deployment.defaults.links.failed
        yield Finding(
            at=deployment.place_of_certificate(*shown_as_client(deployment, core.name)),
            what=f"the certificate of {core.name} lacks {wanted}, the TLS verify subject name of the zone {zone.name}",
            sees=f"the zone from {core.name} stays {failed}: Peer's TLS certificate identity was unacceptable",
            fix=f"add {wanted} to the CSR of {core.name}, or set the TLS verify subject name to a name that it "
            "contains",
            prediction=Prediction(
                awaits=(
                    Note(
                        node=one_of(*(edge.name for edge in deployment.expressway_e)),
                        peer=core.name,
                        text=containing("identity was unacceptable"),
                    ),
                    ZoneState(node=core.name, zone=zone.name, state=failed),
                )
            ),
        )


@book.rule(
    "CERT-10.chat-alias", requires="the SAN of Expressway-C contains the chat node aliases of federated group chat"
)
def chat_alias_of_c(deployment: Deployment) -> Iterator[Finding]:
    """The same aliases as in Expressway-E's certificate."""
    for core in deployment.expressway_c:
        yield from _missing_aliases(deployment, core.name)


# ---- Expressway-E


@book.rule(
    "CERT-11.registration-domain", requires="the SAN of Expressway-E contains the Unified CM registration domains"
)
def registration_domain(deployment: Deployment) -> Iterator[Finding]:
    """The edge domain itself, prefixed with ``collab-edge``, or as an SRV name.

    Devices and the edge domain are another rule's subject.
    """
    devices = any(each.device and each.view == "outside" for each in deployment.clients)
    clients = facts.any_client(deployment)
    port = deployment.defaults.ports.edge_https
    for domain in deployment.domains.enabled:
        if not (domain.unified_cm_registrations or domain.im_and_presence):
            continue
        if devices and domain.name == deployment.domains.edge:
            continue
        forms = [form.format(domain=domain.name) for form in deployment.defaults.client.edge_names]
        lacking = tuple(
            edge
            for edge in deployment.expressway_e
            if not has(deployment, deployment.certificate(edge.name, "server"), *forms)
        )
        for edge in lacking:
            yield Finding(
                at=deployment.place_of_certificate(edge.name, "server"),
                what=f"the certificate of {edge.name} lacks the domain {domain.name}",
                sees="Jabber prompts the user to accept the certificate, or refuses it where policy says so",
                fix=f"add {domain.name} to the CSR of {edge.name} as a Unified CM registration domain",
                prediction=Prediction(
                    awaits=(
                        TlsRefused(node=clients, peer=edge.name, port=port, reason=containing("mismatch")),
                        TlsRefused(node=edge.name, peer=clients, port=port, alert="bad certificate"),
                    )
                )
                if domain.name == deployment.domains.edge and len(lacking) == len(deployment.expressway_e)
                else None,
            )


@book.rule("CERT-11.federation-domain", requires="the SAN of Expressway-E contains the XMPP federation domains")
def federation_domain(deployment: Deployment) -> Iterator[Finding]:
    """A domain that federates, as a DNS name or an XMPP address."""
    for domain in deployment.domains.enabled:
        if not domain.xmpp_federation:
            continue
        for edge in deployment.expressway_e:
            if not has(deployment, deployment.certificate(edge.name, "server"), domain.name, f"XMPP:{domain.name}"):
                yield Finding(
                    at=deployment.place_of_certificate(edge.name, "server"),
                    what=f"the certificate of {edge.name} lacks the federation domain {domain.name}",
                    sees="servers of other organizations that verify it refuse to federate: their users and ours "
                    "cannot chat with each other",
                    fix=f"add {domain.name} to the CSR of {edge.name} as a DNS name",
                    prediction=_shown_without(deployment, edge.name, domain.name),
                )


@book.rule(
    "CERT-11.chat-alias", requires="the SAN of Expressway-E contains the chat node aliases of federated group chat"
)
def chat_alias_of_e(deployment: Deployment) -> Iterator[Finding]:
    """Rooms live at the chat nodes' own domains, which federate too."""
    for edge in deployment.expressway_e:
        yield from _missing_aliases(deployment, edge.name)


def _missing_aliases(deployment: Deployment, host: str) -> Iterator[Finding]:
    certificate = deployment.certificate(host, "server")
    missing = [alias for alias in _aliases(deployment) if not has(deployment, certificate, alias, f"XMPP:{alias}")]
    if missing:
        yield Finding(
            at=deployment.place_of_certificate(host, "server"),
            what=f"the certificate of {host} lacks the chat node alias{'es' if missing[1:] else ''} "
            f"{' and '.join(missing)}",
            sees="users of other organizations cannot join chat rooms of this one",
            fix=f"create a new CSR on {host}, which includes the aliases once IM and Presence is discovered",
            prediction=_shown_without(deployment, host, *missing),
        )


def _shown_without(deployment: Deployment, host: str, *names: str) -> Prediction:
    """Return where missing names become visible: in the traversal zone, on the other Expressway."""
    others = deployment.expressway_c if deployment.host(host).kind == "expressway_e" else deployment.expressway_e
    lacking = Test(
        f"without {' and '.join(names)}", lambda found: first_match([qualified(each) for each in names], found) is None
    )
    port = deployment.traversal_zone.port
    seen = TlsUp(node=one_of(*(each.name for each in others)), peer=host, port=port, peer_names=lacking)
    return Prediction(awaits=(seen,))


# ---- trust in Expressway-E, and advice


@book.rule(
    "EP-02.system-trust",
    requires="the operating system of every Jabber outside trusts the CA of Expressway-E's certificate",
)
def system_trust(deployment: Deployment) -> Iterator[Finding]:
    """Jabber verifies Expressway-E with the trust store of its operating system."""
    machines = [
        spec
        for spec in facts.clients(deployment, outside=True)
        if "system" in (store.store for store in deployment.trust_of(spec.name))
    ]
    for edge in deployment.expressway_e:
        chains = {spec.name: chain(deployment, (edge.name, "server"), (spec.name, "system")) for spec in machines}
        strangers = [name for name, found in chains.items() if not found.good]
        if not strangers:
            continue
        port = deployment.defaults.ports.edge_https
        yield Finding(
            at=deployment.place_of_trust_store(strangers[0], "system"),
            what=f"the trust store of {', '.join(strangers)} lacks {chains[strangers[0]].words}, needed for the "
            f"certificate of {edge.name}",
            sees="Jabber prompts the user to accept the certificate, or refuses it where policy says so",
            fix=f"install it there, or have a public CA sign the certificate of {edge.name}",
            prediction=Prediction(
                awaits=(
                    TlsRefused(
                        node=one_of(*strangers),
                        peer=edge.name,
                        port=port,
                        reason=containing("certificate verify failed"),
                    ),
                    TlsRefused(node=edge.name, peer=one_of(*strangers), port=port, alert="unknown ca"),
                ),
                stops=Stop.CERTIFICATE
                if len(deployment.expressway_e) == 1 and len(strangers) == len(facts.clients(deployment, outside=True))
                else None,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """A kind of certificate that Jabber inside verifies, in its order: the host, and the port."""

    service: str
    nodes: tuple[str, ...]
    port: int
    sees: str


def _met_inside(deployment: Deployment) -> tuple[Meeting, ...]:
    ports = deployment.defaults.ports
    managers, presence = (
        tuple(each.name for each in nodes) for nodes in (deployment.unified_cm_nodes, deployment.im_presence_nodes)
    )
    return (
        Meeting(service="tomcat", nodes=managers, port=ports.uds, sees="sign-in inside stops there"),
        Meeting(service="tomcat", nodes=presence, port=ports.soap, sees="no chat inside"),
        Meeting(service="cup-xmpp", nodes=presence, port=ports.im_presence_client, sees="no chat inside"),
    )


@book.rule(
    "EP-02.system-trust-inside",
    requires="the operating system of every Jabber inside trusts the CAs of Unified CM and IM and Presence",
)
def system_trust_inside(deployment: Deployment) -> Iterator[Finding]:
    """On premises Jabber verifies the servers themselves, with the same trust store.

    Self-signed certificates are the subject of `ca_signed`.
    """
    going = facts.jabbers(deployment, outside=False)
    if not asked.targets(deployment, "inside", f"_cisco-uds._tcp.{deployment.domains.edge}"):
        going = ()  # it does not connect to the servers directly
    for met in _met_inside(deployment):
        chains = {
            (machine, node): found
            for machine in going
            for node in met.nodes
            if not (found := chain(deployment, (node, met.service), (machine, "system"))).good and not found.self_signed
        }
        if not chains:
            continue
        strangers, nodes = (tuple(dict.fromkeys(names)) for names in zip(*chains, strict=True))
        stopped = tuple(name for name in strangers if all((name, node) in chains for node in met.nodes))
        lacking = dict.fromkeys(found.words for found in chains.values())
        yield Finding(
            at=deployment.place_of_trust_store(strangers[0], "system"),
            what=f"the trust store of {facts.listed(strangers)} lacks {facts.listed(tuple(lacking))}, needed for the "
            f"{facts.verb(nodes, 'certificate', 'certificates')} {met.service} of {facts.listed(nodes)}",
            sees=f"Jabber prompts the user to accept the certificate, or refuses it where policy says so: {met.sees}"
            + ("" if stopped else ", unless another node is tried first"),
            fix="install it there, for example by group policy",
            prediction=_refused_inside(met, stopped) if stopped else None,
        )
        going = tuple(name for name in going if name not in stopped)


def _refused_inside(met: Meeting, machines: tuple[str, ...]) -> Prediction:
    clients, servers = one_of(*machines), one_of(*met.nodes)
    return Prediction(
        awaits=(
            TlsRefused(node=clients, peer=servers, port=met.port, reason=containing("certificate verify failed")),
            TlsRefused(node=servers, peer=clients, port=met.port, alert="unknown ca"),
        )
    )


@book.rule(
    "CERT-16.wildcard",
    severity=Severity.WARNING,
    requires="the certificates of Expressways have no wildcard names, which Expressway does not support",
)
def wildcard(deployment: Deployment) -> Iterator[Finding]:
    """How products treat them is not public; here they match as RFC 6125 allows."""
    for certificate in deployment.certificates:
        if not isinstance(deployment.host(certificate.host).spec, Expressway):
            continue
        wild = tuple(name for name in certificate.names if name.removeprefix("DNS:").startswith("*."))
        if wild:
            yield Finding(
                at=deployment.place_of_certificate(certificate.host, certificate.service),
                what=f"{words(own_entry(certificate))} has the wildcard {facts.verb(wild, 'name', 'names')} "
                f"{facts.listed(wild)}",
                sees="unknown: Expressway does not support wildcard certificates; in this lab they work",
                fix=f"have a certificate signed that lists each name of {certificate.host}",
            )


@book.rule(
    "CERT-16.ca-signed", severity=Severity.ADVICE, requires="the certificates presented for MRA are signed by a CA"
)
def ca_signed(deployment: Deployment) -> Iterator[Finding]:
    """Cisco recommends certificates signed by a CA on every product."""
    for certificate in deployment.certificates:
        if certificate.signed_by == "self-signed" and deployment.host(certificate.host).kind != "client":
            yield Finding(
                at=deployment.place_of_certificate(certificate.host, certificate.service),
                what=f"{words(own_entry(certificate))} is self-signed",
                sees="nothing, as long as every peer that verifies it trusts the certificate itself",
                fix="have a CA sign it: peers then need to trust only its root",
            )
