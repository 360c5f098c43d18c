"""Rules about certificates that no peer accepts, whoever signed them: invalid dates, or another host's name.

Sources: MRA Deployment Guide, "Certificate Requirements"; "Configure and Troubleshoot Collaboration Edge (MRA)
Certificates" (Cisco 213872); RFC 5280, 4.1.2.5; RFC 6125, 6.4.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgesim.deployment import Deployment
from edgesim.deployment.hosts import UnifiedCmNode
from edgesim.deployment.presenting import Presentation, presentations
from edgesim.deployment.security import Certificate
from edgesim.journal.matchers import TlsRefused, containing, one_of
from edgesim.pki.names import first_match, qualified, within
from edgesim.readiness import facts
from edgesim.readiness.chains import chain
from edgesim.readiness.rule import Book, Finding, Prediction, Stop

book = Book()
EFFECTS = {
    ("expressway_e", "server"): "Jabber prompts its user to accept the certificate, or refuses it; phones and room "
    "devices do "
    "not connect; the traversal zone fails (TLS), so no user has phone or chat",
    ("expressway_e", "client"): "nothing yet: E presents it only on connections that it opens",
    ("expressway_c", "server"): "the traversal zone fails (TLS): REGISTER gets 503, there is no chat, and requests "
    "for configuration files get 502",
    ("unified_cm", "tomcat"): "Expressway-C does not discover the node; if it is the publisher, no user can sign in "
    "(401)",
    ("unified_cm", "callmanager"): "users sign in, but requests for configuration files on 6972 get 502 connect "
    "failed; in mixed mode the zone to 5061 stays down",
    ("im_presence", "tomcat"): "Expressway-C does not discover the node: no chat",
    ("im_presence", "cup-xmpp"): "Expressway-C's XMPP link to the node stays down: no chat",
}
EFFECTS["expressway_c", "client"] = EFFECTS["expressway_c", "server"]
"""What a client sees if a certificate is refused, by kind of host and service."""
WEAK = ("rsa-1024",)
"""Keys below OpenSSL's required security level (level 2: 112 bits)."""
WORDS = {"expired": "has expired", "not yet valid": "is not yet valid"}


def _verified(deployment: Deployment) -> Iterator[tuple[Certificate, tuple[Presentation, ...]]]:
    """Yield every server certificate that a peer verifies, with the legs that verify it and trust its signer. Which
    clients present one is another rule's subject (CERT-15).
    """
    legs: dict[tuple[str, str], list[Presentation]] = {}
    for leg in presentations(deployment):
        if leg.store is None or deployment.host(leg.host).kind == "client":
            continue
        if chain(deployment, (leg.host, leg.service), (leg.to, leg.store)).good:
            legs.setdefault((leg.host, leg.service), []).append(leg)
    for (host, service), found in legs.items():
        yield deployment.certificate(host, service), tuple(found)


def _common_legs(deployment: Deployment, legs: tuple[Presentation, ...]) -> tuple[Presentation, ...]:
    """Return the legs that every deployment uses: links of C, what clients open, publishers that C queries."""
    publishers = {each.publisher.name for each in deployment.unified_cm} | {
        each.publisher.name for each in deployment.im_presence
    }
    tftp = {cluster.tftp[0] for cluster in deployment.unified_cm}
    return tuple(
        leg
        for leg in legs
        if not (leg.service == "tomcat" and leg.host not in publishers)
        and not (leg.service == "callmanager" and leg.host not in tftp)
        and leg.port not in (deployment.defaults.ports.headset_https,)
    )


def _refusals(deployment: Deployment, legs: tuple[Presentation, ...], reason: str = "") -> Prediction | None:
    """Return what the verifying hosts report; without ``reason`` each has its own text."""
    met = _common_legs(deployment, legs)
    if not met:
        return None
    readers = one_of(*dict.fromkeys(leg.to for leg in met))
    alone = len(deployment.expressway_e) == 1 and met[0].host == deployment.expressway_e[0].name
    clients = {spec.name for spec in facts.clients(deployment, outside=True)}
    everybody = alone and clients <= {leg.to for leg in met}
    words = {"reason": containing(reason)} if reason else {}
    awaits = (TlsRefused(node=readers, peer=met[0].host, **words),)
    return Prediction(awaits=awaits, stops=Stop.CERTIFICATE if everybody else None)


def _finding(
    deployment: Deployment, certificate: Certificate, *, what: str, fix: str, prediction: Prediction | None
) -> Finding:
    """Return what is wrong with a certificate, with what people see of it."""
    return Finding(
        at=deployment.place_of_certificate(certificate.host, certificate.service),
        what=what,
        sees=EFFECTS[deployment.host(certificate.host).kind, certificate.service],
        fix=fix,
        prediction=prediction,
    )


@book.rule("CERT-16.validity", requires="the certificates presented for MRA are within their validity period")
def validity(deployment: Deployment) -> Iterator[Finding]:
    """By the clock of the verifying host; on all legs at once."""
    for certificate, legs in _verified(deployment):
        if certificate.validity == "valid":
            continue
        words = WORDS[certificate.validity]
        readers = facts.listed(tuple(dict.fromkeys(leg.to for leg in legs)))
        yield _finding(
            deployment,
            certificate,
            what=f"the certificate {certificate.service} of {certificate.host} {words}: {readers} "
            f"{facts.verb(tuple({leg.to for leg in legs}), 'refuses', 'refuse')} it",
            fix="have it signed again, upload it, and restart; or correct the clock that is wrong",
            prediction=_refusals(deployment, legs, certificate.validity),
        )


@book.rule("CERT-16.server-auth", requires="the certificates of servers are valid for TLS server authentication")
def server_auth(deployment: Deployment) -> Iterator[Finding]:
    """For Expressways this is CERT-12; other products present whatever was installed."""
    for certificate, legs in _verified(deployment):
        kind = deployment.host(certificate.host).kind
        serving = tuple(leg for leg in legs if leg.side == "server")
        if certificate.server_auth or not serving or kind in ("expressway_e", "expressway_c"):
            continue
        readers = tuple(dict.fromkeys(leg.to for leg in serving))
        valid = certificate.validity == "valid"
        yield _finding(
            deployment,
            certificate,
            what=f"the certificate {certificate.service} of {certificate.host} lacks the extended key usage server "
            f"authentication: {facts.listed(readers)} {facts.verb(readers, 'refuses', 'refuse')} it",
            fix="have it signed again with the extended key usage server authentication",
            prediction=_refusals(deployment, serving, "unsuitable certificate purpose") if valid else None,
        )


@book.rule("CERT-16.key", requires="the keys of the certificates presented for MRA are strong enough to be accepted")
def key(deployment: Deployment) -> Iterator[Finding]:
    """RSA keys of 1024 bits are refused by current TLS libraries, whoever signed them."""
    for certificate, legs in _verified(deployment):
        if certificate.key not in WEAK or certificate.validity != "valid":
            continue
        readers = tuple(dict.fromkeys(leg.to for leg in legs))
        yield _finding(
            deployment,
            certificate,
            what=f"the key of the certificate {certificate.service} of {certificate.host} is {certificate.key}: "
            f"{facts.listed(readers)} {facts.verb(readers, 'refuses', 'refuse')} it",
            fix="create a new CSR with an RSA key of 2048 bits or more, and have it signed",
            prediction=_refusals(deployment, legs, "key too weak"),
        )


def _wanted(deployment: Deployment, certificate: Certificate, legs: tuple[Presentation, ...]) -> Iterator[str]:
    """Yield the host names by which the verifying hosts reach a server."""
    host = deployment.host(certificate.host)
    if not any(leg.side == "server" for leg in legs):
        return
    if isinstance(host.spec, UnifiedCmNode):
        yield host.spec.server_name  # as listed under System > Server: Expressway-C and clients dial it
        return
    if host.kind != "expressway_e":
        yield host.fqdn
        return
    if any(deployment.host(leg.to).kind == "client" for leg in legs):
        yield host.fqdn
    place = [edge.name for edge in deployment.expressway_e].index(host.name)
    peers = deployment.traversal_zone.peer_addresses
    own = {edge.fqdn.lower() for edge in deployment.expressway_e} | {
        edge.inner_fqdn.lower() for edge in deployment.expressway_e
    }
    if place < len(peers) and peers[place].lower() in own:
        yield peers[place]


@book.rule("CERT-16.host-name", requires="the certificate of each server contains the names by which peers reach it")
def host_name(deployment: Deployment) -> Iterator[Finding]:
    """The FQDN; on Expressway-E also the peer address of Expressway-C's traversal zone."""
    limit = deployment.defaults.tls.san_limit_characters
    for certificate, legs in _verified(deployment):
        names = within((qualified(name) for name in certificate.names), limit)
        wanted = tuple(dict.fromkeys(_wanted(deployment, certificate, legs)))
        lacking = tuple(name for name in wanted if first_match([qualified(name)], names) is None)
        if not lacking or certificate.validity != "valid":
            continue
        yield _finding(
            deployment,
            certificate,
            what=f"the SAN of the certificate {certificate.service} of {certificate.host} lacks "
            f"{facts.listed(lacking)}, by which peers reach it",
            fix=f"create a new CSR that includes {facts.listed(lacking)}, and have it signed",
            prediction=_refusals(deployment, tuple(leg for leg in legs if leg.side == "server")),
        )
