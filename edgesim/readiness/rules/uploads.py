"""Rules about uploaded certificates: what a product accepts, and what waits for a restart.

Sources: Cisco, "Cisco Expressway Certificate Creation and Use Deployment Guide"; Expressway release notes X15.4 and
X15.5; "Navigate Client EKU Sunset with Expressway x15.5"; MRA Deployment Guide, "Certificate Requirements".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from edgesim.deployment import Deployment, Product, closed
from edgesim.deployment.hosts import Expressway, ExpresswayC, ExpresswayE
from edgesim.deployment.security import Certificate
from edgesim.deployment.uploads import CLIENT_AUTH, SERVER_AUTH, CertificateStore, upload_problems
from edgesim.journal.matchers import (
    Authentication,
    HttpResponse,
    Matcher,
    SshTunnel,
    TlsRefused,
    ZoneState,
    containing,
)
from edgesim.readiness import facts
from edgesim.readiness.chains import shown_as_client, words
from edgesim.readiness.rule import Book, Finding, Prediction, Severity
from edgesim.readiness.rules import certificate_names, certificates, endpoints

book = Book()

NOT_FOR_THIS = containing("unsuitable certificate purpose")


def _has(feature: str, machine: Expressway) -> bool:
    return not closed(feature, {Product.EXPRESSWAY: machine.release})


# ---- extended key usages


@book.rule(
    "CERT-12.usages",
    requires="the certificates of both Expressways have the extended key usages without which they cannot be uploaded: "
    "server and client authentication; from X15.4 on, fewer",
)
def usages(deployment: Deployment) -> Iterator[Finding]:
    """Each certificate of an Expressway against what its release accepts."""
    for certificate in deployment.certificates:
        machine = deployment.host(certificate.host).spec
        if not isinstance(machine, ExpresswayE | ExpresswayC):
            continue
        problems = _refused(deployment, certificate, machine)
        if problems:
            yield Finding(
                at=deployment.place_of_certificate(certificate.host, certificate.service),
                what=f"the certificate {certificate.service} of {certificate.host} cannot be uploaded: "
                f"{'; '.join(problems)}",
                sees=_sees(deployment, certificate, machine),
                fix="have the CA sign it with the usages that the CSR asks for: the CA's template must not drop them",
                prediction=_effect(deployment, certificate, machine),
            )


def _refused(deployment: Deployment, certificate: Certificate, machine: ExpresswayE | ExpresswayC) -> tuple[str, ...]:
    """Return why the host refuses the certificate, as its only one or, from X15.5 on, as both of its two."""
    has = [SERVER_AUTH] if certificate.server_auth else []
    has += [CLIENT_AUTH] if certificate.client_auth else []
    found: tuple[str, ...] = ()
    for store in _stores(deployment, certificate, machine):
        found += upload_problems(
            has,
            "expressway_e" if isinstance(machine, ExpresswayE) else "expressway_c",
            machine.release,
            store=store,
            server_eku_upload=machine.server_eku_upload,
        )
    return found


def _stores(
    deployment: Deployment, certificate: Certificate, machine: ExpresswayE | ExpresswayC
) -> Iterator[CertificateStore]:
    """Yield the roles in which a certificate is used. E's client certificate plays no part in MRA: E dials no peer."""
    if certificate.service == "server":
        yield "server"
    both = isinstance(machine, ExpresswayC) and _has("separate client certificate", machine)
    if both and shown_as_client(deployment, machine.name) == (machine.name, certificate.service):
        yield "client"


def _sees(deployment: Deployment, certificate: Certificate, machine: ExpresswayE | ExpresswayC) -> str:
    refused = "the product refuses the upload and keeps the old certificate; where this one is in place all the "
    if not certificate.server_auth:
        return f"{refused}same, every peer that connects refuses it"
    if isinstance(machine, ExpresswayE):
        if any(not _has("server-only certificate on e", core) for core in deployment.expressway_c):
            return (
                f"{refused}same, sign-in works but the phone does not register: Expressway-C answers SERVICE with 403"
            )
        return f"{refused}same, MRA works"
    zone = f"{refused}same, the traversal zone fails while Expressway-E checks the usage"
    if _has("separate client certificate", machine):
        return f"{zone}; without the check the SSH tunnels still fail: 502 for every login"
    return f"{zone}: no phone service, no chat"


def _effect(deployment: Deployment, certificate: Certificate, machine: ExpresswayE | ExpresswayC) -> Prediction | None:
    port = deployment.traversal_zone.port
    awaits: list[Matcher] = []
    if isinstance(machine, ExpresswayE):
        if not certificate.server_auth:
            for core in deployment.expressway_c:
                awaits.append(TlsRefused(node=core.name, peer=machine.name, port=port, reason=NOT_FOR_THIS))
                awaits.append(TlsRefused(node=machine.name, peer=core.name, port=port, alert="unsupported certificate"))
        elif all(not _has("server-only certificate on e", core) for core in deployment.expressway_c):
            detail = containing(f"E's certificate lacks {CLIENT_AUTH}")
            awaits.append(Authentication(node=facts.cores(deployment), granted=False, detail=detail))
    elif not certificate.client_auth and shown_as_client(deployment, machine.name) == (
        machine.name,
        certificate.service,
    ):
        awaits += _client_side(deployment, machine, port)
    return Prediction(awaits=tuple(awaits)) if awaits else None


def _client_side(deployment: Deployment, core: ExpresswayC, port: int) -> Iterator[Matcher]:
    """Yield the consequences of a C that presents a certificate without clientAuth."""
    checking = [
        edge for edge in deployment.expressway_e if edge.eku_checking or not _has("separate client certificate", edge)
    ]
    for edge in checking:
        yield TlsRefused(node=edge.name, peer=core.name, port=port, reason=NOT_FOR_THIS)
        yield TlsRefused(node=core.name, peer=edge.name, port=port, alert="unsupported certificate")
    zone = deployment.traversal_zone.name
    if len(checking) == len(deployment.expressway_e):
        yield ZoneState(node=core.name, zone=zone, state=deployment.defaults.links.failed)
    elif not checking:
        yield ZoneState(node=core.name, zone=zone, state=deployment.defaults.links.active)
    if _has("separate client certificate", core):
        for node in (core.name, facts.edges(deployment)):
            yield SshTunnel(node=node, state="failed", detail=containing(CLIENT_AUTH))
        if len(deployment.expressway_c) == 1:
            yield HttpResponse(node=facts.any_client(deployment), peer=facts.edges(deployment), status=502)


# ---- names


@book.rule(
    "CERT-13.alias-form",
    severity=Severity.ADVICE,
    requires="the certificates of Expressways contain chat node aliases in DNS form",
)
def alias_form(deployment: Deployment) -> Iterator[Finding]:
    """Not every CA signs XMPP addresses, and not every peer considers them."""
    aliases = {alias.lower() for chat in deployment.im_presence for alias in chat.chat_aliases}
    for certificate in deployment.certificates:
        if not isinstance(deployment.host(certificate.host).spec, Expressway):
            continue
        written = [
            name
            for name in certificate.names
            if name.startswith("XMPP:") and name.removeprefix("XMPP:").lower() in aliases
        ]
        if written:
            yield Finding(
                at=deployment.place_of_certificate(certificate.host, certificate.service),
                what=f"the certificate {certificate.service} of {certificate.host} has the chat node aliases "
                f"{', '.join(name.removeprefix('XMPP:') for name in written)} as XMPP addresses",
                sees="nothing by itself, but many public CAs refuse such a request or drop the names, and then "
                "federated group chat fails",
                fix="generate the CSR with the format DNS for chat node aliases (chat_alias_form: DNS)",
            )


# ---- what waits for a restart

Kinds = tuple[str, ...]


def _pending(deployment: Deployment, kinds: Kinds, fix: Callable[[str], str]) -> Iterator[Finding]:
    """Yield the failures of uploads that are not in effect yet: those of the deployment without the upload."""
    before = _found(deployment)
    for place, store in enumerate(deployment.trust):
        if not store.pending or deployment.host(store.host).kind not in kinds:
            continue
        without = replace(store, pending=())
        trust = (*deployment.trust[:place], without, *deployment.trust[place + 1 :])
        for key, finding in _found(replace(deployment, trust=trust)).items():
            if key not in before:
                yield Finding(
                    at=deployment.place_of_trust_store(store.host, store.store),
                    what=f"{store.store} of {store.host} got {' and '.join(words(each) for each in store.pending)} "
                    "after the last restart: not yet in effect",
                    sees=finding.sees,
                    fix=fix(store.host),
                    prediction=finding.prediction,
                )


def _found(deployment: Deployment) -> dict[tuple[str, str], Finding]:
    others = (endpoints.client_certificate, endpoints.ca_list, certificate_names.system_trust)
    finds = (*(rule.find for rule in certificates.book.rules), *others)
    return {(find.__name__, each.what): each for find in finds for each in find(deployment)}


@book.rule("CERT-14.not-restarted", requires="an Expressway is restarted after a trusted CA was uploaded")
def expressway_not_restarted(deployment: Deployment) -> Iterator[Finding]:
    """Trusted CAs that wait for a restart of the whole Expressway."""
    yield from _pending(deployment, ("expressway_c", "expressway_e"), lambda host: f"restart {host}")


@book.rule(
    "CERT-02.not-restarted",
    requires="Tomcat, CallManager and HAProxy are restarted after a trust store of Unified CM was changed",
)
def unified_cm_not_restarted(deployment: Deployment) -> Iterator[Finding]:
    """Certificates that wait for the services of Unified CM."""
    yield from _pending(
        deployment, ("unified_cm",), lambda host: f"restart Cisco Tomcat, Cisco CallManager and Cisco HAProxy on {host}"
    )


@book.rule(
    "CERT-03.not-restarted", requires="the XCP router is restarted after a trust store of IM and Presence was changed"
)
def im_presence_not_restarted(deployment: Deployment) -> Iterator[Finding]:
    """Certificates that wait for the services of IM and Presence."""
    yield from _pending(
        deployment, ("im_presence",), lambda host: f"restart Cisco XCP Router and Cisco Tomcat on {host}"
    )


@book.rule("EP-06.not-restarted", requires="a client is restarted after a CA was added to its list")
def client_not_restarted(deployment: Deployment) -> Iterator[Finding]:
    """CAs that wait for a restart of a room device, or of Jabber's host."""
    yield from _pending(deployment, ("client",), lambda host: f"restart {host}")
