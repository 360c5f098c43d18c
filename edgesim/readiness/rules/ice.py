"""Rules about ICE passthrough: the call path must be encrypted end to end, and a TURN server reachable.

Sources: "MRA Deployment Guide X15.0, MRA Requirements and Prerequisites"; "MRA Deployment Guide X12.5, ICE Passthrough
Support".
"""

from __future__ import annotations

from collections.abc import Iterator

from edgesim.deployment import Deployment
from edgesim.deployment.features import Gate, gate
from edgesim.deployment.hosts import UnifiedCmCluster
from edgesim.deployment.people import Device
from edgesim.deployment.releases import Product, Release
from edgesim.readiness import modes
from edgesim.readiness.rule import Book, FieldPath, Finding

book = Book()

DEFAULT_PATH = "the call is set up, but its media stays on the path through Expressway-E and Expressway-C"
CALLS_FAIL = "calls of these devices fail once ICE passthrough is on, or their media stays on the path through E and C"
UC_13 = "UC-13"
"""The row that only says that the conditions of the others apply."""


def _clusters(deployment: Deployment) -> Iterator[tuple[int, UnifiedCmCluster, list[Device], list[Device]]]:
    """Yield the clusters behind an edge with ICE passthrough, with their physical devices and Jabber clients."""
    if not deployment.mra.ice_passthrough:
        return
    for index, cluster in modes.served(deployment):
        found = modes.devices(deployment, cluster)
        jabber = [each for each in found if each.family == "jabber"]
        yield index, cluster, [each for each in found if each not in jabber], jabber


def _some(devices: list[Device]) -> str:
    names = [device.name for device in devices]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


@book.rule("UC-13.releases", requires="ICE passthrough needs Expressway X12.5 and Unified CM 11.5")
def releases(deployment: Deployment) -> Iterator[Finding]:
    """Older products remove the candidates from relayed offers."""
    if not deployment.mra.ice_passthrough:
        return
    edge, call = gate("ice passthrough", Product.EXPRESSWAY), gate("ice passthrough", Product.UNIFIED_CM)
    assert edge is not None and call is not None
    edges, cores = enumerate(deployment.expressway_e), enumerate(deployment.expressway_c)
    parts: list[tuple[FieldPath, str, Release, Gate]] = [
        *((("expressway_e", index, "release"), each.name, each.release, edge) for index, each in edges),
        *((("expressway_c", index, "release"), each.name, each.release, edge) for index, each in cores),
        *(
            (("unified_cm", index, "release"), each.name, each.release, call)
            for index, each in modes.served(deployment)
        ),
    ]
    for at, name, release, needed in parts:
        if not needed.open(release):
            yield Finding(
                at=at,
                what=f"{name} runs {release}: ICE passthrough needs {needed}",
                sees=DEFAULT_PATH,
                fix=f"upgrade {name} to {needed.since} or later, or turn off ICE passthrough",
            )


@book.rule(
    "EXP-18.mixed-mode",
    requires="physical devices that use ICE passthrough register with a cluster in mixed mode",
    rows=("EXP-18", UC_13),
)
def mixed_mode(deployment: Deployment) -> Iterator[Finding]:
    """SIP OAuth suffices for Jabber; phones and room devices need a certificate, and so mixed mode."""
    for index, cluster, physical, _ in _clusters(deployment):
        if physical and not cluster.mixed_mode:
            yield Finding(
                at=("unified_cm", index, "mixed_mode"),
                what=f"ICE passthrough is on, and {cluster.name} with {_some(physical)} is not in mixed mode",
                sees=CALLS_FAIL,
                fix=f"put {cluster.name} into mixed mode and give the devices an encrypted security profile",
            )


@book.rule(
    "EXP-18.sip-oauth",
    requires="Jabber that uses ICE passthrough has SIP OAuth where Unified CM is not in mixed mode",
    rows=("EXP-18", UC_13),
)
def sip_oauth(deployment: Deployment) -> Iterator[Finding]:
    """Without either there is no encryption between the edge and Unified CM."""
    for index, cluster, _, jabber in _clusters(deployment):
        if jabber and not cluster.mixed_mode and not cluster.sip_oauth:
            yield Finding(
                at=("unified_cm", index, "sip_oauth"),
                what=f"ICE passthrough is on; {cluster.name} has neither mixed mode nor SIP OAuth for {_some(jabber)}",
                sees=CALLS_FAIL,
                fix=f"enable SIP OAuth mode on {cluster.name}, or mixed mode and encrypted security profiles",
            )


@book.rule(
    "EXP-18.security-profile",
    requires="devices that use ICE passthrough have a security profile that encrypts",
    rows=("EXP-18", UC_13),
)
def security_profile(deployment: Deployment) -> Iterator[Finding]:
    """An encrypted profile takes effect in mixed mode; one for OAuth if SIP OAuth is on."""
    for index, cluster, physical, jabber in _clusters(deployment):
        plain: dict[str, list[Device]] = {}
        able = (physical if cluster.mixed_mode else []) + (jabber if cluster.mixed_mode or cluster.sip_oauth else [])
        for device in able:
            profile = cluster.security_profile(device.security_profile)
            oauth = profile.oauth and cluster.sip_oauth and device.family == "jabber"
            if not oauth and not (profile.mode == "encrypted" and cluster.mixed_mode):
                plain.setdefault(profile.name, []).append(device)
        for name, devices in plain.items():
            place = [each.name for each in cluster.security_profiles].index(name)
            yield Finding(
                at=("unified_cm", index, "security_profiles", place),
                what=f"ICE passthrough is on, and the profile {name} of {_some(devices)} does not encrypt their calls",
                sees=CALLS_FAIL,
                fix="give the devices an encrypted profile (mixed mode), or Jabber one for OAuth (SIP OAuth mode)",
            )


@book.rule(
    "EXP-14.static-nat",
    requires="a TURN server behind static NAT needs Expressway X12.5.3 alone, X12.5.5 in a cluster",
    rows=("EXP-14", UC_13),
)
def static_nat(deployment: Deployment) -> Iterator[Finding]:
    """Before, the relay announced an address that its peers cannot use."""
    if not deployment.mra.ice_passthrough:
        return
    clustered = len(deployment.expressway_e) > 1
    needed = gate("static nat in clusters" if clustered else "static nat of one node", Product.EXPRESSWAY)
    assert needed is not None
    for index, edge in enumerate(deployment.expressway_e):
        if edge.turn_server and edge.static_nat and not needed.open(edge.release):
            kind = "in a cluster" if clustered else "that stands alone"
            yield Finding(
                at=("expressway_e", index, "static_nat"),
                what=f"{edge.name}, a TURN server {kind}, is behind static NAT on {edge.release}, which needs {needed}",
                sees=f"its relay candidates fail: {DEFAULT_PATH}",
                fix=f"upgrade {edge.name} to {needed.since} or later",
            )


@book.rule(
    "EXP-14.turn-peer",
    requires="the peers of a cluster reach a TURN server among them at the private address of its public interface",
    rows=("EXP-14", UC_13),
)
def turn_peer(deployment: Deployment) -> Iterator[Finding]:
    """A relay on one peer sends to a relay on another, and they know no static NAT of each other."""
    if not deployment.mra.ice_passthrough:
        return
    ports, checker = deployment.defaults.ports, deployment.flow_checker
    for index, server in enumerate(deployment.expressway_e):
        if not (server.turn_server and server.static_nat):
            continue
        first = ports.turn_relay_first
        for peer in deployment.expressway_e:
            if peer is server:
                continue
            passage = checker.passage("udp", peer.name, server.outer, first, source_port=first, local=peer.outer)
            if blocked := passage.blocked:
                yield Finding(
                    at=("expressway_e", index, "outer"),
                    what=f"{peer.name} does not reach {server.name}, a TURN server, at {server.outer}, the private "
                    f"address of its public interface: {blocked.firewall} says {blocked.verdict} ({blocked.rule})",
                    sees=f"no media between relays of the two peers: {DEFAULT_PATH}",
                    fix=f"let the peers reach each other without NAT: udp {peer.outer} -> "
                    f"{server.outer}:{first}-{ports.turn_relay_last}",
                )
