"""The documented authentication modes of MRA that a deployment uses, and the clients that come through the edge."""

from __future__ import annotations

from collections.abc import Iterator

from edgesim.deployment import Deployment
from edgesim.deployment.hosts import ClientHost, UnifiedCmCluster
from edgesim.deployment.people import Device
from edgesim.deployment.releases import Product

SIGN_IN = ("password", "legacy SSO", "OAuth with refresh", "OAuth with refresh and SSO")
"""The modes by which a client authenticates."""
JABBER_OF = {
    "windows": Product.JABBER_WINDOWS,
    "mac": Product.JABBER_MAC,
    "ios": Product.JABBER_IOS,
    "android": Product.JABBER_ANDROID,
}
PREFIX_OF = {"windows": "CSF", "mac": "CSF", "ios": "TCT", "android": "BOT"}
"""The prefixes of Jabber's device names, by platform."""
MOBILE_DEVICES = ("iphone", "android", "tablet")
"""The device types of Jabber on mobile systems."""


def served(deployment: Deployment) -> Iterator[tuple[int, UnifiedCmCluster]]:
    """Yield the Unified CM clusters that C knows, with their paths in the deployment."""
    known = deployment.mra.unified_cm_clusters
    yield from ((index, each) for index, each in enumerate(deployment.unified_cm) if each.name in known)


def of(deployment: Deployment, cluster: UnifiedCmCluster) -> tuple[str, ...]:
    """Return the modes in use between the edge and one cluster, keys of `edgesim.deployment.features.MODES`.

    A mode counts if both sides have it on: C's MRA access control and, for refreshable tokens and for push, Unified CM
    too.
    """
    access = deployment.mra.access
    sso = "SAML SSO" in access.authentication_path
    passwords = "UCM/LDAP" in access.authentication_path
    refresh = access.oauth_refresh and cluster.oauth_refresh
    found = {
        "MRA": True,
        "password": passwords and access.user_credential,
        "legacy SSO": sso and access.oauth_simple,
        "OAuth with refresh": passwords and refresh,
        "OAuth with refresh and SSO": sso and refresh,
        "push": cluster.push_notifications,
    }
    return tuple(mode for mode, used in found.items() if used)


def anywhere(deployment: Deployment) -> tuple[str, ...]:
    """Return the modes in use with any cluster."""
    return tuple(dict.fromkeys(mode for _, cluster in served(deployment) for mode in of(deployment, cluster)))


def clients(deployment: Deployment) -> Iterator[tuple[int, ClientHost]]:
    """Yield the clients that come through the edge, with their paths in the deployment."""
    everywhere = deployment.dns.collab_edge_inside
    yield from ((index, each) for index, each in enumerate(deployment.clients) if everywhere or each.view == "outside")


def devices(deployment: Deployment, cluster: UnifiedCmCluster) -> tuple[Device, ...]:
    """Return the devices of a cluster that may come through the edge: their owner's user profile allows it."""
    return tuple(
        device for device in deployment.devices if device.cluster == cluster.name and _allowed(deployment, device)
    )


def _allowed(deployment: Deployment, device: Device) -> bool:
    if device.owner is None:
        return False
    user = deployment.user(device.owner)
    return deployment.cluster(user.home_cluster).user_profile(user.user_profile).mobile_and_remote_access
