"""Rules about Unified CM and IM and Presence nodes: addressing, listing, and discovery by Expressway-C.

Source: "MRA Deployment Guide X15.0, MRA Requirements and Prerequisites".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from edgesim.deployment import Deployment
from edgesim.deployment.hosts import ExpresswayC, UnifiedCmCluster
from edgesim.deployment.settings import SecurityProfile
from edgesim.journal.matchers import HttpRequest, HttpResponse, SipResponse
from edgesim.readiness import asked, facts, modes
from edgesim.readiness.rule import Book, Finding, Prediction

book = Book()
AXL = "Cisco AXL Web Service"
AXL_PATH = "/axl/"


@book.rule("UC-02.ipv4", requires="Unified CM and IM and Presence are addressed by IPv4")
def ipv4(deployment: Deployment) -> Iterator[Finding]:
    """Expressway-C does not use a node that has only an IPv6 address."""
    broken = [node for node in facts.uc_nodes(deployment) if ":" in node.spec.address]
    for node in broken:
        yield Finding(
            at=(*node.at, "address"),
            what=f"{node.product} node {node.spec.name} has the IPv6 address {node.spec.address}",
            sees=facts.sees_undiscovered(node),
            fix=f"give {node.spec.name} an IPv4 address, and Refresh servers on Expressway-C",
            prediction=facts.undiscovered(deployment, node, deployment.defaults.edge.node_has_ipv6, broken),
        )


@book.rule("UC-03.axl", requires="the Cisco AXL Web Service runs on the publishers that Expressway-C asks")
def axl(deployment: Deployment) -> Iterator[Finding]:
    """C reads a cluster's nodes, release and keys by AXL, only from its publisher."""
    broken = [node for node in facts.uc_nodes(deployment) if node.publisher and not node.spec.axl]
    for node in broken:
        yield Finding(
            at=(*node.at, "axl"),
            what=f"the {AXL} is not running on {node.spec.name}, the {node.product} publisher",
            sees=f"Expressway-C discovers nothing of the cluster; {facts.sees_undiscovered(node)}",
            fix=f"activate and start the {AXL} on {node.spec.name}, then Refresh servers on Expressway-C",
            prediction=_unanswered(deployment, node, broken),
        )


def _unanswered(deployment: Deployment, node: facts.UcNode, among: Sequence[facts.UcNode]) -> Prediction | None:
    found = facts.undiscovered(deployment, node, AXL, among)
    if found is None:
        return None
    asked = HttpRequest(node=node.spec.name, peer=facts.cores(deployment), method="POST", target=AXL_PATH)
    reported = HttpResponse(
        node=facts.cores(deployment), peer=node.spec.name, status=404, method="POST", target=AXL_PATH
    )
    return replace(found, awaits=(asked, reported, *found.awaits))


@book.rule(
    "UC-10.bare-host-name",
    requires="where Unified CM and Expressway are in different domains, its nodes are listed by FQDN or address",
)
def bare_host_name(deployment: Deployment) -> Iterator[Finding]:
    """Expressway-C completes a bare name with its own domain, which the node is not in."""
    broken = [node for node in facts.uc_nodes(deployment) if _strangers(deployment, node)]
    for node in broken:
        core = _strangers(deployment, node)[0]
        yield Finding(
            at=(*node.at, "known_as"),
            what=f"System > Server lists {node.listed}, which is in {node.spec.domain}; {core.name} is in "
            f"{core.domain} and looks for {node.listed}.{core.domain}",
            sees=facts.sees_undiscovered(node),
            fix=f"list it as {node.spec.fqdn}, and Refresh servers on Expressway-C",
            prediction=facts.undiscovered(deployment, node, deployment.defaults.edge.node_does_not_resolve, broken),
        )


def _strangers(deployment: Deployment, node: facts.UcNode) -> tuple[ExpresswayC, ...]:
    """Return the Expressway-Cs in other domains that do not find a node by its bare name."""
    if node.known_as != "host name":
        return ()
    return tuple(
        core
        for core in deployment.expressway_c
        if core.domain != node.spec.domain and not asked.addresses(deployment, "inside", f"{node.listed}.{core.domain}")
    )


@book.rule(
    "CERT-10.profile-fits",
    requires="the phone security profiles of devices over MRA fit their cluster: secure ones need mixed mode, those "
    "for OAuth need SIP OAuth mode, all others TCP",
)
def profile_fits(deployment: Deployment) -> Iterator[Finding]:
    """A device's configuration file names its profile; the device registers on that profile's port and transport."""
    for index, cluster in modes.served(deployment):
        for place, profile in enumerate(cluster.security_profiles):
            devices = tuple(
                each.name
                for each in modes.devices(deployment, cluster)
                if each.security_profile == profile.name
            )  # fmt: skip
            lacking = _lacking(cluster, profile)
            if not devices or lacking is None:
                continue
            refused = SipResponse(
                node=facts.any_client(deployment), peer=facts.edges(deployment), method="REGISTER", status=403
            )
            yield Finding(
                at=("unified_cm", index, "security_profiles", place),
                what=f"the profile {profile.name} of {facts.listed(devices)} {lacking}",
                sees="users sign in, but the phone does not register: REGISTER gets 403 Forbidden",
                fix=f"change the profile, or give {facts.listed(devices)} one that suits {cluster.name}",
                prediction=Prediction(awaits=(refused,)) if _registers(deployment, devices) else None,
            )


def _lacking(cluster: UnifiedCmCluster, profile: SecurityProfile) -> str | None:
    """Return what a profile or its cluster lacks; None if they match."""
    if profile.oauth:
        return None if cluster.sip_oauth else f"is for OAuth, but SIP OAuth mode is off on {cluster.name}"
    if profile.mode != "non secure":
        return None if cluster.mixed_mode else f"is {profile.mode}, but {cluster.name} is not in mixed mode"
    return None if "TCP" in profile.transport.split("+") else f"has the transport {profile.transport}, not TCP"


def _registers(deployment: Deployment, devices: Sequence[str]) -> bool:
    """Return whether one of these devices registers from outside: a phone or room device, or a Jabber's."""
    outside = {spec.name for spec in facts.clients(deployment, outside=True)}
    machines = [each for each in deployment.clients if each.name in outside]
    prefixes = {modes.PREFIX_OF[each.platform] for each in machines if each.platform in modes.PREFIX_OF}
    return any(each.device in devices for each in machines) or any(name[:3] in prefixes for name in devices)
