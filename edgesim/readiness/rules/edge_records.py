"""Rules about ``_collab-edge``: each domain has it, and each of its records leads clients to Expressway-E.

Sources: "MRA Deployment Guide X15.0, MRA Requirements and Prerequisites"; "Configure MRA through Expressway/VCS in a
Multi-Domain Deployment" (Cisco 117811); RFC 2782.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgesim.deployment import Deployment
from edgesim.deployment.base import View
from edgesim.deployment.hosts import ExpresswayE
from edgesim.dns import Srv
from edgesim.edge.cookie import domain_matches
from edgesim.journal.matchers import (
    ClientState,
    DnsAnswer,
    HttpResponse,
    Matcher,
    TcpOpened,
    TlsRefused,
    containing,
    one_of,
)
from edgesim.pki.names import first_match, qualified, within
from edgesim.readiness import asked, facts
from edgesim.readiness.chains import chain, has
from edgesim.readiness.rule import Book, FieldPath, Finding, Prediction, Severity, Stop

book = Book()
VIEWS: tuple[View, ...] = ("outside", "inside")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """One ``_collab-edge`` record, and where it leads clients in one view. ``edge`` is None if that is not an E."""

    view: View
    name: str
    record: Srv
    answer: asked.Answered
    edge: ExpresswayE | None

    @property
    def target(self) -> str:
        """The target's name, in lower case."""
        return self.record.target.lower()

    @property
    def by_own_name(self) -> bool:
        """Whether the target is the FQDN of the Expressway-E that it leads to."""
        return self.edge is not None and self.edge.fqdn.lower() == self.target


def _leads(deployment: Deployment) -> Iterator[tuple[Lead, ...]]:
    """Yield the records of each MRA domain in each view whose clients use them."""
    own = {edge.fqdn.lower(): edge for edge in deployment.expressway_e}
    for domain in facts.mra_domains(deployment):
        name = f"_collab-edge._tls.{domain.name}"
        for view in VIEWS:
            if view == "inside" and asked.targets(deployment, view, f"_cisco-uds._tcp.{domain.name}"):
                continue  # which wins
            leads = []
            for record in asked.services(deployment, view, name):
                answer = asked.ask(deployment, view, record.target, "A")
                edge = own.get(record.target.lower()) or _at(deployment, view, answer)
                leads.append(Lead(view=view, name=name, record=record, answer=answer, edge=edge))
            if leads:
                yield tuple(leads)


def _at(deployment: Deployment, view: View, answer: asked.Answered) -> ExpresswayE | None:
    for edge in deployment.expressway_e:
        reached = {edge.public_address} if view == "outside" else {edge.public_address, edge.outer, edge.inner}
        if reached.intersection(answer.values):
            return edge
    return None


def _asks(deployment: Deployment, lead: Lead) -> Matcher:
    """Return what shows that clients get a ``_collab-edge`` record."""
    text = containing(f"SRV {' '.join(map(str, lead.record))}")
    return DnsAnswer(node=facts.any_client(deployment), name=lead.name, qtype="SRV", answers=text)


def _unmet(deployment: Deployment) -> tuple[Matcher, ...]:
    """Return what does not occur if no client reaches an Expressway-E."""
    port = deployment.defaults.ports.edge_https
    return tuple(
        TcpOpened(node=facts.any_client(deployment), peer=edge.name, port=port) for edge in deployment.expressway_e
    )


def _stop(deployment: Deployment, lead: Lead) -> Stop | None:
    """Return where misled clients end: all of them, if the record is of their sign-in domain."""
    return Stop.NO_ADDRESS if lead.name == f"_collab-edge._tls.{deployment.domains.edge}" else None


def _field(deployment: Deployment, lead: Lead) -> FieldPath:
    """Return the field that determines a record."""
    for index, each in enumerate(deployment.dns.extra):
        written = each.view == lead.view and each.type == "SRV"
        if written and each.value.lower().split() == [str(part).lower() for part in lead.record]:
            return ("dns", "extra", index)
    return asked.field_of(deployment, lead.view, lead.name, "SRV")


# ---- domains


@book.rule("NET-09.edge-domain", requires="the domain that users sign in with is configured on Expressway-C")
def edge_domain(deployment: Deployment) -> Iterator[Finding]:
    """Records are published for domains that Expressway-C has, so a sign-in to another one does not find the edge.

    If its ``_collab-edge`` resolves nevertheless, `domain_on_c` reports it.
    """
    domain = deployment.domains.edge
    name = f"_collab-edge._tls.{domain}"
    known = {each.name.lower() for each in facts.mra_domains(deployment)}
    if domain.lower() in known or asked.targets(deployment, "outside", name):
        return
    yield Finding(
        at=("domains", "enabled"),
        what=f"users sign in with addresses in {domain}, which is not configured on Expressway-C, and {name} does not "
        "resolve outside",
        sees=f"Jabber with an address in {domain} finds no service outside and asks for manual settings",
        fix=f"add {domain} under Configuration > Domains on Expressway-C, and publish {name}",
        prediction=Prediction(
            awaits=(DnsAnswer(node=facts.any_client(deployment), name=name, qtype="SRV", answers=()),),
            stops=Stop.NO_RECORD,
        ),
    )


@book.rule("NET-09.collab-edge", requires="each MRA domain has _collab-edge._tls", rows=("NET-09", "NET-06"))
def collab_edge(deployment: Deployment) -> Iterator[Finding]:
    """Without it clients do not find the edge; published only inside, it serves those on premises."""
    for domain in facts.mra_domains(deployment):
        name = f"_collab-edge._tls.{domain.name}"
        if asked.targets(deployment, "outside", name) or asked.targets(deployment, "inside", name):
            continue
        clients = facts.any_client(deployment)
        yield Finding(
            at=asked.field_of(deployment, "outside", name, "SRV")
            if deployment.dns.collab_edge
            else ("dns", "collab_edge"),
            what=f"{name} resolves nowhere",
            sees=f"Jabber with an address in {domain.name} finds no service outside and asks for manual settings",
            fix=f"publish {name}: priority 10, weight 10, port 8443, one for each Expressway-E",
            prediction=Prediction(
                awaits=(DnsAnswer(node=clients, name=name, qtype="SRV", answers=()),),
                stops=Stop.NO_RECORD if domain.name == deployment.domains.edge else None,
            ),
        )


@book.rule("NET-09.domain-on-c", requires="each domain with _collab-edge is configured on Expressway-C")
def domain_on_c(deployment: Deployment) -> Iterator[Finding]:
    """Expressway-E refuses a domain that it did not get from Expressway-C."""
    known = {each.name for each in facts.mra_domains(deployment)}
    for domain in facts.sign_in_domains(deployment):
        if domain in known:
            continue
        name = f"_collab-edge._tls.{domain}"
        yield Finding(
            at=("domains", "enabled"),
            what=f"{name} points to this edge, but {domain} is not configured on Expressway-C",
            sees="403 Forbidden from Expressway-E itself, or a certificate that does not contain the domain: "
            "sign-in stops there",
            fix=f"add {domain} under Configuration > Domains on Expressway-C, or remove {name}",
            prediction=_not_served(deployment, domain),
        )


def _not_served(deployment: Deployment, domain: str) -> Prediction | None:
    """Predict the failure of a client that signs in with a domain unknown to Expressway-C."""
    clients, edges = facts.any_client(deployment), facts.edges(deployment)
    refusal = containing(f"Server: {deployment.defaults.edge.server_of_e}\r\n")
    if domain == deployment.domains.edge:
        forms = [form.format(domain=domain) for form in deployment.defaults.client.edge_names]
        naming = [
            has(deployment, deployment.certificate(edge.name, "server"), *forms) for edge in deployment.expressway_e
        ]
        if not any(naming):  # the clients refuse the certificate before they get this response
            port = deployment.defaults.ports.edge_https
            return Prediction(
                awaits=(
                    TlsRefused(node=clients, peer=edges, port=port, reason=containing("mismatch")),
                    TlsRefused(node=edges, peer=clients, port=port, alert="bad certificate"),
                ),
                stops=Stop.CERTIFICATE,
            )
        if not all(naming):
            return None
    return Prediction(awaits=(HttpResponse(node=clients, peer=edges, status=403, payload=refusal),))


@book.rule(
    "NET-09.edge-address-outside", requires="outside, the FQDN of each Expressway-E resolves to its public address"
)
def edge_address_outside(deployment: Deployment) -> Iterator[Finding]:
    """The target of ``_collab-edge`` must resolve for clients."""
    wanted: dict[str, None] = {}
    for domain in facts.mra_domains(deployment):
        wanted.update(dict.fromkeys(asked.targets(deployment, "outside", f"_collab-edge._tls.{domain.name}")))
    for edge in deployment.expressway_e:
        if edge.ip_protocol == "IPv6" or edge.fqdn.lower() not in wanted:
            continue
        answer = asked.ask(deployment, "outside", edge.fqdn, "A")
        found = tuple(map(str, answer.values))
        if _outside_address(deployment, edge) in found:
            continue
        clients = facts.any_client(deployment)
        missing = not found
        yield Finding(
            at=asked.field_of(deployment, "outside", edge.fqdn, "A"),
            what=f"{edge.fqdn}, a target of _collab-edge, has no address in the outside view"
            if missing
            else f"{edge.fqdn} resolves to {', '.join(found)} outside, not to {_outside_address(deployment, edge)}",
            sees="Couldn't resolve host name: no packet reaches the edge" if missing else "no answer on 8443",
            fix=f"create {edge.fqdn} A {_outside_address(deployment, edge)} in the outside DNS",
            prediction=Prediction(
                awaits=(DnsAnswer(node=clients, name=edge.fqdn, qtype="A", answers=answer.texts),),
                never=(TcpOpened(node=clients, peer=edge.name, port=deployment.defaults.ports.edge_https),),
                stops=Stop.NO_ADDRESS,
            )
            if wanted == {edge.fqdn.lower(): None}
            else None,
        )


def _outside_address(deployment: Deployment, edge: ExpresswayE) -> str:
    """Return the address to which Expressway-E's FQDN should lead clients outside."""
    return deployment.load_balancer.address if deployment.load_balancer else edge.public_address


# ---- records


@book.rule(
    "NET-09.collab-edge-port", requires="the _collab-edge records have the port on which Expressway-E serves HTTPS"
)
def collab_edge_port(deployment: Deployment) -> Iterator[Finding]:
    """Clients use the record's port, and only one port has an HTTPS proxy."""
    right = deployment.defaults.ports.edge_https
    for leads in _leads(deployment):
        wrong = [each for each in leads if each.record.port != right]
        for lead in wrong:
            port, target = lead.record.port, lead.target
            predicted = lead.view == "outside" and len(wrong) == len(leads)
            yield Finding(
                at=_field(deployment, lead),
                what=f"{lead.name} points to port {port} of {target}, but Expressway-E serves clients on {right}",
                sees=f"clients try {target}:{port} and get no edge configuration (HOST_UNREACHABLE_ERROR)"
                + ("" if len(wrong) == len(leads) else ", then the next record"),
                fix=f"publish {lead.name} SRV 10 10 {right} {target}",
                prediction=Prediction(
                    awaits=(_asks(deployment, lead),), never=_unmet(deployment), stops=_stop(deployment, lead)
                )
                if predicted
                else None,
            )


@book.rule("NET-09.collab-edge-target", requires="the targets of _collab-edge resolve to an Expressway-E")
def collab_edge_target(deployment: Deployment) -> Iterator[Finding]:
    """A target that resolves nowhere, or to another host, is unusable. The FQDNs of Expressway-Es are another rule's
    subject.
    """
    balancer = deployment.load_balancer
    for leads in _leads(deployment):
        astray = [each for each in leads if each.edge is None]
        for lead in astray:
            if balancer is not None and balancer.address in lead.answer.values:
                continue
            there = ", ".join(map(str, lead.answer.values))
            clients = facts.any_client(deployment)
            resolved = DnsAnswer(node=clients, name=lead.record.target, qtype="A", answers=lead.answer.texts)
            yield Finding(
                at=_field(deployment, lead),
                what=f"{lead.name} points to {lead.target}, "
                + (f"which resolves to {there}, not to an Expressway-E" if there else "which does not resolve"),
                sees=f"clients do not reach the edge through {lead.target}"
                + (": sign-in fails" if len(astray) == len(leads) else ", and try the next record"),
                fix=f"replace {lead.target} with the FQDN of an Expressway-E",
                prediction=Prediction(
                    awaits=(_asks(deployment, lead), resolved),
                    never=_unmet(deployment),
                    stops=_stop(deployment, lead),
                )
                if lead.view == "outside" and len(astray) == len(leads) == 1
                else None,
            )


@book.rule(
    "NET-09.collab-edge-name",
    requires="the targets of _collab-edge are names in the certificate of the Expressway-E that they resolve to",
    rows=("NET-09", "CERT-11"),
)
def collab_edge_name(deployment: Deployment) -> Iterator[Finding]:
    """Clients verify the name that they dial; the FQDN of an Expressway-E is `CERT-16.host-name`."""
    for leads in _leads(deployment):
        wrong = [each for each in leads if each.edge and not each.by_own_name and not _named(deployment, each)]
        for lead in wrong:
            assert lead.edge is not None
            alias = f", an alias of {lead.edge.fqdn}," if lead.answer.texts[0].startswith("CNAME") else ""
            yield Finding(
                at=_field(deployment, lead),
                what=f"{lead.name} points to {lead.target}{alias} which is not in the certificate of {lead.edge.name}",
                sees="Jabber prompts the user to accept the certificate, or refuses it where policy says so "
                "(CERTIFICATE_VALIDATION_ERROR); phones and room devices do not connect",
                fix=f"replace {lead.target} with {lead.edge.fqdn}: the target of an SRV record must not be an alias",
                prediction=_mismatch(deployment, lead) if len(wrong) == len(leads) == 1 else None,
            )


def _named(deployment: Deployment, lead: Lead) -> bool:
    assert lead.edge is not None
    limit = deployment.defaults.tls.san_limit_characters
    names = within(map(qualified, deployment.certificate(lead.edge.name, "server").names), limit)
    return first_match([qualified(lead.target)], names) is not None


def _mismatch(deployment: Deployment, lead: Lead) -> Prediction | None:
    """Predict that Jabbers outside that know the CA refuse the certificate for its names."""
    assert lead.edge is not None
    shown = (lead.edge.name, "server")
    knowing = [name for name in facts.jabbers(deployment) if chain(deployment, shown, (name, "system")).good]
    if not knowing or lead.view != "outside" or deployment.certificate(*shown).validity != "valid":
        return None
    clients = one_of(*knowing)
    refused = TlsRefused(node=clients, peer=lead.edge.name, port=lead.record.port, reason=containing("mismatch"))
    everybody = len(knowing) == len(facts.clients(deployment, outside=True))
    return Prediction(awaits=(refused,), stops=Stop.CERTIFICATE if everybody else None)


@book.rule(
    "NET-09.collab-edge-alias",
    requires="the targets of _collab-edge are not aliases (CNAME)",
    severity=Severity.WARNING,
)
def collab_edge_alias(deployment: Deployment) -> Iterator[Finding]:
    """RFC 2782 forbids it; if the alias is in the certificate, simulated clients accept it nevertheless."""
    for leads in _leads(deployment):
        for lead in leads:
            if lead.edge is None or not lead.answer.texts or not lead.answer.texts[0].startswith("CNAME"):
                continue
            if lead.by_own_name or _named(deployment, lead):
                yield Finding(
                    at=_field(deployment, lead),
                    what=f"{lead.name} points to {lead.target}, which is an alias of {lead.edge.fqdn}",
                    sees="nothing with clients that follow it, but the target of an SRV record must not be an alias",
                    fix=f"replace {lead.target} with {lead.edge.fqdn}",
                )


@book.rule(
    "NET-09.cookie-domain", requires="the DNS domain of each Expressway-E covers the names by which clients reach it"
)
def cookie_domain(deployment: Deployment) -> Iterator[Finding]:
    """The edge cookie is for System > DNS > Domain name; clients accept no cookie for a domain that they did not
    contact.
    """
    asked_for = [lead for leads in _leads(deployment) for lead in leads]
    for index, edge in enumerate(deployment.expressway_e):
        names = dict.fromkeys(each.target for each in asked_for if each.edge is edge) or {edge.fqdn.lower(): None}
        strange = tuple(name for name in names if not domain_matches(name, edge.cookie_domain))
        if not strange:
            continue
        clients = facts.any_client(deployment)
        domain = containing(f"Domain=.{edge.cookie_domain}")
        given = HttpResponse(node=clients, peer=edge.name, status=200, payload=domain)
        failed = ClientState(node=clients, outcome="failed", detail=containing("Failed to retrieve EdgeConfig"))
        alone = len(deployment.expressway_e) == 1 and len(strange) == len(names)
        own = ("expressway_e", index, "dns_domain")
        yield Finding(
            at=own if deployment.is_written(own) else ("expressway_e", index, "name"),
            what=f"{edge.name} sets its cookie for {edge.cookie_domain}; clients reach it as {facts.listed(strange)}",
            sees="the edge configuration comes with 200, but sign-in stops there: clients cannot use its cookie",
            fix=f"set System > DNS > Domain name of {edge.name} to {edge.domain}",
            prediction=Prediction(awaits=(given, failed), stops=Stop.REFUSED) if alone else None,
        )


@book.rule(
    "NET-10.one-record-each",
    requires="_collab-edge has one record for each Expressway-E of the cluster",
    severity=Severity.WARNING,
)
def one_record_each(deployment: Deployment) -> Iterator[Finding]:
    """A peer without a record is no client's first choice."""
    for domain in facts.mra_domains(deployment):
        name = f"_collab-edge._tls.{domain.name}"
        leads = [each for found in _leads(deployment) for each in found if (each.name, each.view) == (name, "outside")]
        found = tuple(each.target for each in leads)
        led_to = [each.edge for each in leads if each.edge is not None]
        if not led_to or deployment.load_balancer:  # the records' targets are another rule's subject
            continue
        clients = facts.any_client(deployment)
        for edge in deployment.expressway_e:
            if edge in led_to:
                continue
            yield Finding(
                at=asked.field_of(deployment, "outside", name, "SRV"),
                what=f"{name} lists {', '.join(found)}, but not {edge.fqdn}",
                sees=f"clients in {domain.name} never start at {edge.name}; when the others are down, no user can "
                "sign in",
                fix=f"add {name} SRV 10 10 8443 {edge.fqdn} outside",
                prediction=Prediction(
                    awaits=(
                        DnsAnswer(node=clients, name=name, rcode="NOERROR", answers=asked.lacking(edge.fqdn)),
                        HttpResponse(node=clients, peer=facts.edges(deployment), status=200),
                    ),
                ),
            )
