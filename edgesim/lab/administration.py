"""Administration of certificates in a running lab: request, sign, upload, restart.

The order is the documented one: generate the CSR, upload the certificate, upload the trusted CAs, restart.
Source: Cisco, "Cisco Expressway Certificate Creation and Use Deployment Guide".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from cryptography import x509

from edgesim.deployment.hosts import Expressway, ExpresswayE
from edgesim.deployment.services import FIXED, restartable, services_of
from edgesim.deployment.uploads import upload_problems
from edgesim.journal import events
from edgesim.lab.abilities import HasWebProxy, RestartsServices
from edgesim.lab.lab import RunningLab
from edgesim.lab.requests import ServiceRequest, request_for
from edgesim.node import Node
from edgesim.pki import Identity, PkiError, TrustStore, Upload, Usage, subject_of
from edgesim.pki.inspection import read_certificates, usages_of
from edgesim.pki.installation import validity_from
from edgesim.pki.keys import PrivateKey
from edgesim.pki.request import read

NO_KEY = "the certificate is for none of the private keys here: it answers another signing request"


class NotRunning(Exception):
    """No product runs on the host that could be administered."""


def request(node: Node, service: str | None = None, discovered: Collection[str] = ()) -> ServiceRequest:
    """Make a signing request on a running host, with the names that it knows now; the private key stays there.

    Chat node aliases come from the IM and Presence clusters in ``discovered``: those that Expressway-C has found.
    Raises `LookupError`, and `RequestRefused` if the product makes no request.
    """
    made = request_for(node.deployment, node.name, service, discovered=tuple(discovered))
    node.requested[made.service] = made.key
    return made


def sign(lab: RunningLab, csr: bytes, *, by: str = "enterprise", strip: Sequence[str] = ()) -> bytes:
    """Sign a request in PEM as one of the lab's authorities and return the certificate in PEM.

    ``by`` is a signer's name (`edgesim.deployment.security.Authority`), ``strip`` the usages that it drops from what
    was asked for (``client auth``, ``server auth``). Raises `LookupError` and `PkiError`.
    """
    signers = lab.authorities.signers()
    if by not in signers:
        raise LookupError(f"no authority {by!r}; known: {', '.join(signers)}")
    asked = read(csr)
    dropped = [{"client auth": Usage.CLIENT, "server auth": Usage.SERVER}[each] for each in strip]
    days = lab.deployment.defaults.tls.certificate_days
    now = datetime.fromtimestamp((lab.world.epoch_ns + lab.world.now()) // 1_000_000_000, UTC)
    try:
        leaf = signers[by].certify(asked.request, asked.key, validity=validity_from(now, days), strip=dropped)
    except ValueError as error:
        raise PkiError(f"the CA cannot sign this request: {error}") from None
    return TrustStore.of("", leaf).pem()


def upload_trust(lab: RunningLab, node: Node, store: str, what: str | bytes | x509.Certificate) -> None:
    """Append certificates to a trust store of a running host. They count after a restart.

    ``what`` is the name of one of the lab's CAs, ``host/service`` for a certificate itself, a certificate, or PEM text.
    Raises `LookupError` and `PkiError`.
    """
    if store not in node.trusts or store in FIXED:
        there = ", ".join(each for each in node.trusts if each not in FIXED) or "none that can be changed"
        raise LookupError(f"{node.name} has no trust store {store!r}; known: {there}")
    given = _certificates(lab, what)
    node.uploads.append(Upload(store=store, trusted=given))
    for each in given:
        _emit(node, store, each)


def upload_certificate(
    lab: RunningLab, node: Node, pem: bytes | None = None, service: str | None = None, *, copied: bool = False
) -> tuple[str, ...]:
    """Upload the certificate of a service (None: the host's first) to a running host; it is shown after a restart.

    Returns why the product refuses it; empty where it takes it. What is refused changes nothing. ``copied`` is "Upload
    server certificate file as client certificate": the newest server certificate, ``pem`` is not looked at. Raises
    `LookupError` and `PkiError`.
    """
    services = services_of(node.spec.kind)
    chosen = service or (services[0] if services else "")
    if chosen not in services:
        raise LookupError(f"{node.name} has no certificate {chosen!r}; known: {', '.join(services) or 'none'}")
    if copied:
        identity: Identity | None = node.installed.newest("server")
        if chosen != "client" or identity is None:
            raise LookupError(f"{node.name}: the server certificate is copied as client certificate only")
        leaf = identity.certificate
    else:
        if pem is None:
            raise PkiError("a certificate in PEM is needed")
        leaf, *above = read_certificates(pem)
        key = _key_of(node, chosen, leaf)
        identity = None if key is None else Identity(key, leaf, tuple(above) or _above(lab, leaf))
    problems = _problems(node, chosen, leaf, copied=copied) if identity is not None else (NO_KEY,)
    _emit(node, chosen, leaf, problems)
    if not problems and identity is not None:
        node.uploads.append(Upload(store=chosen, identity=identity))
        node.requested.pop(chosen, None)
    return problems


async def restart_service(node: Node, name: str) -> str:
    """Restart one service of Unified CM or of IM and Presence, and what restarts along; return its full name.

    Raises `LookupError` for a service that is not there, `NotRunning`, and `OSError` where a port is taken.
    """
    try:
        service = restartable(node.spec.kind, name)
    except LookupError as error:
        raise LookupError(f"{node.name}: {error}") from None
    product = node.host.service
    if not isinstance(product, RestartsServices):
        raise NotRunning(f"{node.name} is played by a script: it has no services")
    along = dict(node.defaults.tls.restarted_along).get(service, ())
    restarted = (service, *along)
    node.installed.restarted(restarted)
    await node.host.run(product.restart(restarted), name=f"restart of {service}")
    for each in restarted:
        node.journal.emit(events.ServiceRestarted(service=each))
    return service


async def configure_web_proxy(node: Node, guest_account_client_uri: str) -> bool:
    """Configure the Web Proxy for Meeting Server on a running Expressway-E, which remembers it.

    Returns whether the Web Proxy gets the domain: not if MRA had it first. Raises `LookupError` for a host that is not
    an Expressway-E, and `OSError` if its port is taken.
    """
    product = node.host.service
    if not isinstance(product, HasWebProxy):
        raise LookupError(f"{node.name} is not an Expressway-E: it has no Web Proxy")
    return await node.host.run(product.configure_web_proxy(guest_account_client_uri), name="configure the Web Proxy")


def _certificates(lab: RunningLab, what: str | bytes | x509.Certificate) -> tuple[x509.Certificate, ...]:
    if isinstance(what, x509.Certificate):
        return (what,)
    return read_certificates(what) if isinstance(what, bytes) else (lab.certificates.named(what),)


def _key_of(node: Node, service: str, leaf: x509.Certificate) -> PrivateKey | None:
    """Return the private key on the host that a certificate is for: that of the last request, or of the service."""
    present = node.installed.newest(service)
    keys: Iterable[PrivateKey | None] = (node.requested.get(service), present.key if present else None)
    return next((key for key in keys if key is not None and key.public_key() == leaf.public_key()), None)


def _above(lab: RunningLab, leaf: x509.Certificate) -> tuple[x509.Certificate, ...]:
    """Return what the lab's authority that signed a certificate sends with it."""
    for authority in lab.authorities.signers().values():
        if authority.certificate.subject == leaf.issuer:
            return authority.sent_chain
    return ()


def _problems(node: Node, service: str, leaf: x509.Certificate, *, copied: bool) -> tuple[str, ...]:
    spec = node.spec.spec
    if not isinstance(spec, Expressway):
        return ()  # Unified CM takes a CallManager certificate without clientAuth, too
    return upload_problems(
        usages_of(leaf),
        "expressway_e" if isinstance(spec, ExpresswayE) else "expressway_c",
        spec.release,
        store="client" if service == "client" else "server",
        server_eku_upload=spec.server_eku_upload,
        copied=copied,
    )


def _emit(node: Node, store: str, certificate: x509.Certificate, problems: Sequence[str] = ()) -> None:
    node.journal.emit(
        events.CertificateUpload(
            store=store, subject=subject_of(certificate), accepted=not problems, reason="; ".join(problems)
        )
    )


__all__ = [
    "NotRunning",
    "configure_web_proxy",
    "request",
    "restart_service",
    "sign",
    "upload_certificate",
    "upload_trust",
]
