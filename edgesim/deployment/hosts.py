"""The machines of a deployment, one section for each product, and their clusters.

They are complete: fields that an author may leave out (`edgesim.deployment.plan.hosts`) have a value here. None means
that the thing does not exist.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, TypeVar

from edgesim.deployment.base import Address, DeviceName, DomainName, HostLabel, View, ZoneName
from edgesim.deployment.releases import Release
from edgesim.deployment.settings import (
    JABBER_PLATFORMS,
    Account,
    Affinity,
    AlsoServes,
    ClusterView,
    DeploymentSize,
    Hsm,
    IpProtocol,
    JabberPlatform,
    KnownAs,
    Licensing,
    Platform,
    ProvisioningMode,
    SecurityProfile,
    ServiceProfile,
    UnityConnectionSso,
    UserProfile,
)
from edgesim.world import Interface


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine(ABC):
    """Fields of every host: a name, which with ``domain`` makes its FQDN, and its DNS servers."""

    name: HostLabel
    domain: DomainName
    view: View

    @property
    def fqdn(self) -> str:
        """The host name and domain."""
        return f"{self.name}.{self.domain}"

    @property
    @abstractmethod
    def interfaces(self) -> tuple[Interface, ...]:
        """The addresses of the host, in the world's terms, the main one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleHomed(Machine):
    """A host with one address."""

    address: Address
    zone: ZoneName

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        return (Interface(name="lan1", address=self.address, zone=self.zone),)


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsServer(SingleHomed):
    """A name server of one view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expressway(Machine):
    """Fields of both kinds of Expressway: a release, and what else the machine is used for.

    ``hsm`` is None without a hardware security module.
    """

    release: Release
    ip_protocol: IpProtocol
    also_serves: tuple[AlsoServes, ...]
    licensing: Licensing
    hsm: Hsm | None
    server_eku_upload: bool
    eku_checking: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpresswayE(Expressway):
    """An Expressway-E peer. Its FQDN is the target of ``_collab-edge``, in whose domain the edge cookie must be.

    With ``inner`` it has two network interfaces: ``outer`` towards the clients, ``inner`` towards Expressway-C; None is
    an E with one. ``inner_name`` is a name of the inner address, ``static_nat`` the public address that a firewall
    translates, ``outer_ipv6`` the IPv6 address of the outer interface; each None where there is none. ``dns_domain`` is
    System > DNS > Domain name.
    """

    outer: Address
    inner: Address | None
    outer_zone: ZoneName
    inner_zone: ZoneName
    inner_name: HostLabel | None
    dns_domain: DomainName
    static_nat: Address | None
    outer_ipv6: Address | None
    size: DeploymentSize
    turn_server: bool

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        name = "lan2" if self.inner else "lan1"
        found = []
        if self.ip_protocol != "IPv6":
            found.append(Interface(name=name, address=self.outer, zone=self.outer_zone))
            if self.inner is not None:
                found.append(Interface(name="lan1", address=self.inner, zone=self.inner_zone))
        if self.ip_protocol != "IPv4" and self.outer_ipv6 is not None:
            found.append(Interface(name=name, address=self.outer_ipv6, zone=self.outer_zone))
        return tuple(found)

    @property
    def public_address(self) -> str:
        """The address that clients outside reach."""
        return self.static_nat or self.outer

    @property
    def inner_address(self) -> str:
        """The address of the inner interface, or the only one."""
        return self.inner or self.outer

    @property
    def address_for_c(self) -> str:
        """The address that Expressway-C reaches: of the inner interface, or the public one if there is no other.

        Behind a static NAT an E with one interface names its public address in what it sends, so C has to use it too.
        """
        return self.inner or self.public_address

    @property
    def cookie_domain(self) -> str:
        """The domain of the edge cookie, without the leading dot."""
        return self.dns_domain

    @property
    def inner_fqdn(self) -> str:
        """The name by which Expressway-C reaches it."""
        return f"{self.inner_name}.{self.domain}" if self.inner_name else self.fqdn


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancer(SingleHomed):
    """A third-party load balancer between the clients and E, which MRA does not support.

    It forwards TCP connections for HTTPS, SIP and XMPP, each to one E. ``_collab-edge`` points to it, and so do,
    outside, the names of every E behind it.
    """

    affinity: Affinity


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpresswayC(Expressway):
    """An Expressway-C peer."""

    address: Address
    zone: ZoneName

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        return (Interface(name="lan1", address=self.address, zone=self.zone),)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnifiedCmNode(SingleHomed):
    """A node of a Unified CM cluster."""

    known_as: KnownAs
    axl: bool

    @property
    def server_name(self) -> str:
        """The node as System > Server lists it."""
        return {"fqdn": self.fqdn, "host name": self.name, "address": self.address}[self.known_as]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnifiedCmCluster:
    """A Unified CM cluster: its nodes, its enterprise parameters, the profiles that users and devices refer to."""

    name: HostLabel
    release: Release
    publisher: UnifiedCmNode
    subscribers: tuple[UnifiedCmNode, ...]
    call_manager_group: tuple[HostLabel, ...]
    tftp: tuple[HostLabel, ...]
    mixed_mode: bool
    oauth_refresh: bool
    sip_oauth: bool
    sip_trunks: tuple[HostLabel, ...]
    saml_sso: bool
    cloud_onboarding: bool
    push_notifications: bool
    cluster_view: ClusterView
    contact_search_authentication: bool
    axl_account: Account
    knows_clusters: tuple[HostLabel, ...]
    service_profiles: tuple[ServiceProfile, ...]
    user_profiles: tuple[UserProfile, ...]
    security_profiles: tuple[SecurityProfile, ...]

    @property
    def nodes(self) -> tuple[UnifiedCmNode, ...]:
        """Publisher first, then the subscribers."""
        return (self.publisher, *self.subscribers)

    def node(self, name: str) -> UnifiedCmNode:
        """Return a node by its name. Raises `LookupError`."""
        return _named(self.nodes, name, f"node of cluster {self.name}")

    def service_profile(self, name: str) -> ServiceProfile:
        """Return a service profile by its name. Raises `LookupError`."""
        return _named(self.service_profiles, name, "service profile")

    def user_profile(self, name: str) -> UserProfile:
        """Return a user profile by its name. Raises `LookupError`."""
        return _named(self.user_profiles, name, "user profile")

    def security_profile(self, name: str) -> SecurityProfile:
        """Return a phone security profile by its name. Raises `LookupError`."""
        return _named(self.security_profiles, name, "phone security profile")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImPresenceNode(SingleHomed):
    """A node of an IM and Presence cluster."""

    axl: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImPresenceCluster:
    """An IM and Presence cluster, which belongs to one Unified CM cluster."""

    name: HostLabel
    release: Release
    unified_cm: HostLabel
    publisher: ImPresenceNode
    subscribers: tuple[ImPresenceNode, ...]
    presence_domains: tuple[DomainName, ...]
    peers: tuple[HostLabel, ...]
    chat_aliases: tuple[DomainName, ...]
    redundancy: bool
    restricted: bool
    axl_account: Account

    @property
    def nodes(self) -> tuple[ImPresenceNode, ...]:
        """Publisher first, then the subscribers."""
        return (self.publisher, *self.subscribers)

    def node(self, name: str) -> ImPresenceNode:
        """Return a node by its name. Raises `LookupError`."""
        return _named(self.nodes, name, f"node of cluster {self.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnityConnectionNode(SingleHomed):
    """A node of a Unity Connection cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnityConnectionCluster:
    """A Unity Connection cluster, for voicemail. It is described and checked; the lab does not play the product."""

    name: HostLabel
    release: Release
    publisher: UnityConnectionNode
    subscribers: tuple[UnityConnectionNode, ...]
    sso: UnityConnectionSso

    @property
    def nodes(self) -> tuple[UnityConnectionNode, ...]:
        """Publisher first, then the subscriber."""
        return (self.publisher, *self.subscribers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHost(SingleHomed):
    """A machine on which a simulated client runs, or a phone or room device itself.

    ``ipv6`` is its IPv6 address, ``device`` the phone or room device that it is, ``dhcp_tftp_option`` the DHCP option
    by which its network names a TFTP server; each None where there is none.
    """

    platform: Platform
    release: Release
    ipv6: Address | None
    device: DeviceName | None
    dhcp_tftp_option: Literal[66, 150] | None
    provisioning_mode: ProvisioningMode

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        found = (Interface(name="lan1", address=self.address, zone=self.zone),)
        return (*found, Interface(name="lan1", address=self.ipv6, zone=self.zone)) if self.ipv6 else found

    @property
    def jabber_platform(self) -> JabberPlatform | None:
        """The platform of the Jabber there; None if the machine is a device."""
        return JABBER_PLATFORMS.get(self.platform)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
    """One host of a deployment, ready for a world: ``kind`` is the section it stands in (``dns``, ``expressway_e``,
    ``expressway_c``, ``unified_cm``, ``im_presence``, ``load_balancer``, ``client``), ``spec`` its own part of the
    deployment, ``cluster`` the name of the cluster whose node it is, None for a host of no cluster."""

    name: str
    kind: str
    fqdn: str
    interfaces: tuple[Interface, ...]
    spec: Machine
    view: View
    cluster: str | None = None

    @property
    def address(self) -> str:
        """The main address."""
        return self.interfaces[0].address


N = TypeVar("N", Machine, UnifiedCmNode, ImPresenceNode, ServiceProfile, UserProfile, SecurityProfile)


def _named(items: tuple[N, ...], name: str, what: str) -> N:
    for item in items:
        if item.name == name:
            return item
    raise LookupError(f"no {what} is called {name!r}")
