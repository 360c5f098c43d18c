"""Rules about other uses of an MRA Expressway, and about devices in front of it.

Sources: "MRA Deployment Guide X15.0, MRA Requirements and Prerequisites" (unsupported Expressway features and
limitations); "MRA Deployment Guide X12.5, Troubleshooting".
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from edgesim.deployment import Deployment
from edgesim.deployment.features import gate
from edgesim.deployment.hosts import Expressway
from edgesim.deployment.releases import Product, Release
from edgesim.deployment.settings import Hsm
from edgesim.journal.matchers import HttpRequest, HttpResponse, Test, TlsRefused, containing, one_of
from edgesim.readiness import facts
from edgesim.readiness.rule import Book, FieldPath, Finding, Prediction, Severity

book = Book()


def _expressways(deployment: Deployment) -> Iterator[tuple[FieldPath, Expressway]]:
    for index, edge in enumerate(deployment.expressway_e):
        yield ("expressway_e", index), edge
    for index, core in enumerate(deployment.expressway_c):
        yield ("expressway_c", index), core


# ---- EXP-04, EXP-05: other services


@book.rule("EXP-04.jabber-guest", requires="an Expressway that is used for MRA does not serve Jabber Guest")
def jabber_guest(deployment: Deployment) -> Iterator[Finding]:
    """On either host: Jabber Guest, too, uses a pair."""
    for path, each in _expressways(deployment):
        if "Jabber Guest" in each.also_serves:
            yield Finding(
                at=(*path, "also_serves"),
                what=f"{each.name} serves Jabber Guest as well as MRA",
                sees="it is not supported: sign-ins of MRA clients or of guests may fail at any time",
                fix="deploy a separate pair of Expressways for Jabber Guest",
            )


@book.rule("EXP-05.microsoft-gateway", requires="an Expressway-C that is used for MRA is not the Microsoft gateway")
def microsoft_gateway(deployment: Deployment) -> Iterator[Finding]:
    """The gateway to Microsoft's servers needs a dedicated Expressway-C."""
    for path, each in _expressways(deployment):
        if "Microsoft gateway" in each.also_serves:
            yield Finding(
                at=(*path, "also_serves"),
                what=f"{each.name} is the Microsoft gateway as well as serving MRA",
                sees="it is not supported: calls of MRA clients or to Microsoft users may fail at any time",
                fix="move the Microsoft gateway to a separate Expressway-C",
            )


# ---- EXP-10: presence domains, federation

DEFAULT_DEPLOYMENT = "Default deployment"
PREVIEW_MOST = 50
"""The recommended maximum of presence domains while several of them are a preview feature."""
SUPPORTED_MOST = 75
"""The recommended maximum of presence domains in the default deployment."""


def _presence_domains(deployment: Deployment) -> dict[str, list[str]]:
    """Return the presence domains of each of C's deployments, in order."""
    places = {each.name.lower(): each.deployment for each in deployment.domains.enabled}
    known = deployment.mra.im_presence_clusters
    names = dict.fromkeys(
        name.lower() for chat in deployment.im_presence if chat.name in known for name in chat.presence_domains
    )
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(places.get(name, DEFAULT_DEPLOYMENT), []).append(name)
    return found


def _oldest(deployment: Deployment) -> Release:
    return min(each.release for _, each in _expressways(deployment))


def _has(feature: str, release: Release) -> bool:
    needed = gate(feature, Product.EXPRESSWAY)
    assert needed is not None
    return needed.open(release)


@book.rule("EXP-10.presence-domains", requires="no more presence domains than the Expressway's release allows")
def presence_domains(deployment: Deployment) -> Iterator[Finding]:
    """One before X8.5, one in each of C's deployments on X8.5, several from X8.5.1 on."""
    release = _oldest(deployment)
    if _has("several presence domains, preview", release):
        return
    found = _presence_domains(deployment)
    if not _has("several deployments", release):
        found = {DEFAULT_DEPLOYMENT: [name for names in found.values() for name in names]}
    for where, names in found.items():
        if len(names) > 1:
            each = "one" if where == DEFAULT_DEPLOYMENT and len(found) == 1 else f"one in {where}"
            yield Finding(
                at=("im_presence", 0, "presence_domains"),
                what=f"{len(names)} presence domains ({', '.join(names[:4])}); Expressway {release} has {each}",
                sees=f"phone service works; chat works only for users of {names[0]}",
                fix="upgrade the Expressways to X12.6.3 or later, or use a single presence domain",
            )


@book.rule(
    "EXP-10.number-of-presence-domains",
    requires=f"fewer than {PREVIEW_MOST} presence domains before X12.6.3, at most {SUPPORTED_MOST} from then on",
    severity=Severity.WARNING,
)
def number_of_presence_domains(deployment: Deployment) -> Iterator[Finding]:
    """Recommended numbers: more are not refused."""
    release = _oldest(deployment)
    if not _has("several presence domains, preview", release):
        return
    supported = _has("several presence domains", release)
    found = _presence_domains(deployment)
    count = len(found.get(DEFAULT_DEPLOYMENT, [])) if supported else sum(len(names) for names in found.values())
    most = SUPPORTED_MOST if supported else PREVIEW_MOST - 1
    if count > most:
        kind = "in the default deployment" if supported else "as a preview feature"
        yield Finding(
            at=("im_presence", 0, "presence_domains"),
            what=f"{count} presence domains; on Expressway {release} {most} or fewer are recommended {kind}",
            sees="nothing is refused, but chat may be slow to start, and the configuration is not supported",
            fix="stay within the recommended number"
            + ("" if supported else f", or upgrade the Expressways to X12.6.3 or later ({SUPPORTED_MOST})"),
        )


@book.rule("EXP-10.one-federation", requires="XMPP federation is on one Expressway cluster only")
def one_federation(deployment: Deployment) -> Iterator[Finding]:
    """Foreign servers find one route into a domain."""
    if not deployment.domains.federated_elsewhere:
        return
    for index, domain in enumerate(deployment.domains.enabled):
        if domain.xmpp_federation:
            yield Finding(
                at=("domains", "enabled", index, "xmpp_federation"),
                what=f"XMPP federation of {domain.name} is on here and on another Expressway cluster",
                sees="chat from other organizations is lost, depending on the cluster at which a message arrives",
                fix="turn off XMPP federation on all Expressway clusters but one",
            )


# ---- EXP-19: hardware security modules (a preview feature)


def _hsms(deployment: Deployment) -> Iterator[tuple[FieldPath, Expressway, Hsm]]:
    for path, each in _expressways(deployment):
        if each.hsm is not None:
            yield path, each, each.hsm


@book.rule("EXP-19.smart-licensing", requires="HSM, a preview feature, is not used with smart licensing")
def hsm_with_smart_licensing(deployment: Deployment) -> Iterator[Finding]:
    """HSM is enabled by an option key, which smart licensing removes."""
    for path, each, _ in _hsms(deployment):
        if each.licensing == "smart":
            yield Finding(
                at=(*path, "licensing"),
                what=f"{each.name} has an HSM and smart licensing",
                sees="the HSM cannot be enabled; the Expressway's private key stays on its disk",
                fix=f"use option keys on {each.name}, or stop using the HSM",
            )


@book.rule("EXP-19.safenet-luna", requires="SafeNet Luna is listed as an HSM, and must not be configured")
def safenet_luna(deployment: Deployment) -> Iterator[Finding]:
    """The product offers it in its menu, but does not support it."""
    for path, each, hsm in _hsms(deployment):
        if hsm.vendor == "SafeNet Luna":
            yield Finding(
                at=(*path, "hsm", "vendor"),
                what=f"{each.name} is configured for a SafeNet Luna HSM",
                sees="it is not supported: an Expressway without its private key has no TLS for HTTPS or SIP",
                fix="remove the SafeNet Luna from the configuration",
            )


@book.rule("EXP-19.option-key", requires="HSM needs its option key")
def hsm_option_key(deployment: Deployment) -> Iterator[Finding]:
    """A preview feature that a key enables."""
    for path, each, hsm in _hsms(deployment):
        if not hsm.option_key:
            yield Finding(
                at=(*path, "hsm", "option_key"),
                what=f"{each.name} is configured for an HSM without the option key",
                sees="the HSM is not used; the Expressway's private key stays on its disk",
                fix=f"install the HSM option key on {each.name}",
            )


# ---- NET-08: the Web Proxy for Meeting Server


@book.rule(
    "NET-08.guest-account-client-uri",
    requires="the Web Proxy's guest account client URI is not a domain enabled for Unified CM registrations",
)
def guest_account_client_uri(deployment: Deployment) -> Iterator[Finding]:
    """With the same value only the service configured first works."""
    web_proxy, domain = deployment.cms_web_proxy, deployment.contested_domain
    if web_proxy is None or domain is None:
        return
    clients, edges = facts.any_client(deployment), one_of(*(each.name for each in deployment.expressway_e))
    refused = deployment.defaults.edge.second_service_status
    if web_proxy.configured == "before MRA":
        path = base64.urlsafe_b64encode(domain.encode()).decode().rstrip("=")
        sees = f"sign-ins to {domain} are refused by Expressway-E ({refused}), but guests can join meetings"
        asked = containing(f"/{path}/get_edge_config")
        cores = one_of(*(each.name for each in deployment.expressway_c))
        prediction = Prediction(
            awaits=(HttpResponse(node=clients, peer=edges, status=refused, target=asked),),
            never=(HttpRequest(node=cores, target=asked),),
        )
    else:
        sees = f"meeting guests are refused by Expressway-E ({refused}), but sign-ins to {domain} work"
        prediction = Prediction(
            awaits=(
                HttpResponse(node=clients, peer=edges, status=refused, target="/"),
                HttpRequest(node=edges, peer=clients, target="/", headers=has_host(web_proxy.guest_account_client_uri)),
            ),
        )
    yield Finding(
        at=("cms_web_proxy", "guest_account_client_uri"),
        what=f"{domain} is both the Web Proxy's guest account client URI and a domain for Unified CM registrations; "
        f"the Web Proxy was configured {web_proxy.configured}",
        sees=sees,
        fix="give the Web Proxy a different guest account client URI, such as join." + domain,
        prediction=prediction,
    )


def has_host(name: str) -> Test:
    """Return a condition on a request's header lines: this host, without a port or with one."""
    wanted = name.lower()
    return Test(
        f"with Host: {wanted}",
        lambda lines: any(key.lower() == "host" and value.partition(":")[0].lower() == wanted for key, value in lines),
    )


# ---- EXP-02: load balancers


@book.rule("EXP-02.load-balancer", requires="no third-party load balancer is between MRA clients and Expressway-E")
def load_balancer(deployment: Deployment) -> Iterator[Finding]:
    """In every mode: its name is not in E's certificate, or the names of E lead to another E, or only E sees it.

    From X14.1 on clients get the addresses of E and bypass it, except for HTTPS. Load is spread by SRV records with
    equal priorities, or by GeoDNS.
    """
    balancer = deployment.load_balancer
    if balancer is None:
        return
    clients, port = facts.any_client(deployment), deployment.defaults.ports.edge_https
    held = {
        each.name: {name.lower() for name in deployment.certificate(each.name, "server").names}
        for each in deployment.expressway_e
    }
    nameless = [name for name, names in held.items() if balancer.fqdn.lower() not in names]
    mistaken = "certificate verify failed"
    if nameless:
        sees = (
            f"Jabber prompts its user to accept the certificate: that of {', '.join(nameless)} lacks {balancer.fqdn}; "
        )
        sees += "phones and room devices do not connect"
        awaits = TlsRefused(node=clients, peer=balancer.name, port=port, reason=containing(mistaken))
    elif (
        balancer.affinity == "none"
        and _named_by_fqdn(deployment)
        and any(other.fqdn.lower() not in names for names in held.values() for other in deployment.expressway_e)
    ):
        sees = "users sign in, then lose one service after another: a connection meant for one Expressway-E reaches "
        sees += "another, whose certificate has a different name"
        awaits = TlsRefused(node=clients, peer=balancer.name, reason=containing(mistaken))
    else:
        sees = "users sign in; Expressway-E sees all of them at the same address, so intrusion protection against one "
        sees += "of them blocks all, and no Expressway-E takes over for one that is down"
        awaits = HttpRequest(node=one_of(*held), peer=balancer.name)
    yield Finding(
        at=("load_balancer",),
        what=f"{balancer.fqdn}, a load balancer, is between the clients and {', '.join(held)}",
        sees=sees,
        fix="remove it, and publish an SRV record of equal priority for each Expressway-E",
        prediction=Prediction(awaits=(awaits,)),
    )


def _named_by_fqdn(deployment: Deployment) -> bool:
    """Whether the edge configuration names E for SIP by FQDN."""
    edge = deployment.defaults.edge
    first = Release.parse(edge.addressed_from, Product.EXPRESSWAY)
    return "sip" not in edge.addressed_servers or any(each.release < first for each in deployment.expressway_c)
