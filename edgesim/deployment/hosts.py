"""The machines of a deployment, one section a product, and the clusters that some of them form."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from edgesim.deployment import releases
from edgesim.deployment.base import Address, DomainName, HostLabel, Model, Numeric, Secret, Text
from edgesim.deployment.people import DeviceName
from edgesim.deployment.releases import (
    ExpresswayRelease,
    ImPresenceRelease,
    JabberRelease,
    UnifiedCmRelease,
    UnityConnectionRelease,
)
from edgesim.world import Interface

ZoneName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
"""The name of a network zone: ``internet``, ``dmz``, ``inside`` or a deployment's own."""
View = Literal["inside", "outside"]
"""Which half of the DNS a host asks."""


class Machine(Model):
    """What every host has: a name, which with ``domain`` makes its FQDN."""

    name: HostLabel
    domain: DomainName | None = Field(
        default=None, description="the host's DNS domain; the section's usual one when left out"
    )
    view: View | None = Field(
        default=None, description="the DNS servers it asks; inside, except E and clients on the internet"
    )

    @property
    def fqdn(self) -> str:
        """The host name and domain, which the deployment has filled in."""
        return f"{self.name}.{self.domain}" if self.domain else self.name

    @property
    @abstractmethod
    def interfaces(self) -> tuple[Interface, ...]:
        """The addresses of the host, in the world's terms, the main one first."""


class SingleHomed(Machine):
    """A host with one address."""

    address: Address
    zone: ZoneName = "inside"

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        return (Interface(name="lan1", address=self.address, zone=self.zone),)


class DnsServer(SingleHomed):
    """A name server of one view."""


class Hsm(Model):
    """A hardware security module of an Expressway: a preview feature that an option key enables."""

    vendor: Literal["nShield Plus", "SafeNet Luna"] = "nShield Plus"
    option_key: bool = Field(default=True, description="the option key that enables HSM is installed")


class Expressway(Machine):
    """What both kinds of Expressway have: a release, and what else the machine is used for."""

    release: ExpresswayRelease = releases.DEFAULT_EXPRESSWAY
    ip_protocol: Literal["IPv4", "IPv6", "Both"] = Field(
        default="IPv4", description="System > Network interfaces > IP; MRA needs IPv4"
    )
    also_serves: tuple[Literal["Jabber Guest", "Microsoft gateway", "B2B calls"], ...] = Field(
        default=(), description="what this Expressway is used for beside MRA"
    )
    licensing: Literal["option keys", "smart"] = "option keys"
    hsm: Hsm | None = None
    server_eku_upload: bool = Field(
        default=False,
        description="xConfiguration XCP TLS Certificate CVS EnableServerEkuUpload, of E from X15.4",
    )
    eku_checking: bool = Field(
        default=True,
        description="xConfiguration SIP TLS Certificate ExtendedKeyUsage Checking Mode, from X15.5",
    )


class ExpresswayE(Expressway):
    """An Expressway-E peer. Its FQDN is the target of ``_collab-edge``, in whose domain the edge cookie must be.

    With ``inner`` it has two network interfaces: ``outer`` towards the clients, ``inner`` towards Expressway-C.
    """

    outer: Address
    inner: Address | None = None
    outer_zone: ZoneName = "outer-dmz"
    inner_zone: ZoneName = "dmz"
    inner_name: HostLabel | None = Field(
        default=None, description="a name of its own for the inner address, beside the FQDN"
    )
    dns_domain: DomainName | None = Field(
        default=None, description="System > DNS > Domain name, the cookie's domain, where it is not the FQDN's"
    )
    static_nat: Address | None = Field(
        default=None, description="the public address, where the firewall before it has a static NAT for it"
    )
    outer_ipv6: Address | None = Field(
        default=None, description="IPv6 address of the outer interface, where ip_protocol is IPv6 or Both"
    )
    size: Literal["small", "medium", "large"] = Field(
        default="medium", description="the deployment size: a large system takes C's media on ports of its own"
    )
    turn_server: bool = Field(default=False, description="Configuration > Traversal > TURN: TURN services On")

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
        """The address that Expressway-C reaches: of the inner interface; the public one where there is no other.

        Behind a static NAT an E with one interface names its public address in what it sends, so C has to use it too.
        """
        return self.inner or self.public_address

    @property
    def cookie_domain(self) -> str:
        """The domain of the edge cookie, without the leading dot: System > DNS > Domain name."""
        return self.dns_domain or self.domain or ""

    @property
    def inner_fqdn(self) -> str:
        """The name by which Expressway-C reaches it."""
        return f"{self.inner_name}.{self.domain}" if self.inner_name else self.fqdn


class LoadBalancer(SingleHomed):
    """Somebody else's load balancer between the clients and E, which no MRA deployment may have.

    It forwards TCP connections to HTTPS, SIP and XMPP, each to one E. ``_collab-edge`` leads to it, and outside so do
    the names of every E, which stand behind it.
    """

    zone: ZoneName = "internet"
    affinity: Literal["none", "source address"] = Field(
        default="source address", description="what goes to the same E again: nothing, or a client's address"
    )


class ExpresswayC(SingleHomed, Expressway):
    """An Expressway-C peer."""


class UnifiedCmNode(SingleHomed):
    """A node of a Unified CM cluster."""

    known_as: Literal["fqdn", "host name", "address"] = Field(
        default="fqdn", description="how System > Server lists the node, hence how everybody is told to reach it"
    )
    axl: bool = Field(default=True, description="the Cisco AXL Web Service runs")

    @property
    def server_name(self) -> str:
        """The node as System > Server lists it."""
        return {"fqdn": self.fqdn, "host name": self.name, "address": self.address}[self.known_as]


class Account(Model):
    """An application user, such as the one with Standard AXL API Access."""

    user: Text
    password: Secret


class ServiceProfile(Model):
    """A UC service profile: what Jabber is told about services. Without ``cti`` no UDS server is handed out."""

    name: Text = "SPDefault"
    im_presence: bool = True
    cti: bool = True
    uds_directory: bool = True


JabberPolicy = Literal["no service", "IM and presence only", "IM and presence, voice and video"]


class UserProfile(Model):
    """A user profile: whether its users may come through the edge, and for what."""

    name: Text = "Standard (Factory Default) User Profile"
    mobile_and_remote_access: bool = True
    jabber_desktop: JabberPolicy = "IM and presence, voice and video"
    jabber_mobile: JabberPolicy = "IM and presence, voice and video"


class SecurityProfile(Model):
    """A phone security profile. The name of an encrypted one has the form of an FQDN and stands in C's SAN."""

    name: Text = "Standard SIP Non-Secure Profile"
    mode: Literal["non secure", "authenticated", "encrypted"] = "non secure"
    transport: Literal["TCP", "TLS", "UDP", "TCP+UDP"] = "TCP+UDP"
    digest: bool = False
    oauth: bool = False
    encrypted_configuration: bool = False


class UnifiedCmCluster(Model):
    """A Unified CM cluster: its nodes, its enterprise parameters, the profiles that users and devices refer to."""

    name: HostLabel = "cucm"
    release: UnifiedCmRelease = releases.DEFAULT_UNIFIED_CM
    publisher: UnifiedCmNode
    subscribers: tuple[UnifiedCmNode, ...] = ()
    call_manager_group: tuple[HostLabel, ...] = Field(
        default=(), description="node names, best first; publisher and subscribers in order when left out", max_length=3
    )
    tftp: tuple[HostLabel, ...] = Field(default=(), description="nodes that run TFTP; the publisher when left out")
    mixed_mode: bool = Field(default=False, description="cluster security mode 1")
    oauth_refresh: bool = Field(
        default=False, description="OAuth with Refresh Login Flow; the product ships with it disabled"
    )
    sip_oauth: bool = Field(default=False, description="SIP OAuth mode")
    sip_trunks: tuple[HostLabel, ...] = Field(
        default=(), description="Expressway-Cs with a SIP trunk whose incoming port is that of the lines"
    )
    saml_sso: bool = Field(default=False, description="SAML Single Sign-On is enabled")
    cloud_onboarding: bool = Field(default=False, description="the cluster is onboarded to the Cisco cloud")
    push_notifications: bool = Field(default=False, description="Push Notifications are enabled")
    cluster_view: Literal["ILS", "manual"] = Field(
        default="ILS", description="how it knows the other clusters: ILS, or a cluster view kept by hand"
    )
    contact_search_authentication: bool = False
    axl_account: Account = Account(user="axl", password="axl-password")
    knows_clusters: tuple[HostLabel, ...] | None = Field(
        default=None, description="its cluster view (ILS or by hand); all other clusters when left out"
    )
    service_profiles: tuple[ServiceProfile, ...] = (ServiceProfile(),)
    user_profiles: tuple[UserProfile, ...] = (UserProfile(),)
    security_profiles: tuple[SecurityProfile, ...] = (SecurityProfile(),)

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


class ImPresenceNode(SingleHomed):
    """A node of an IM and Presence cluster."""

    axl: bool = Field(default=True, description="the Cisco AXL Web Service runs")


class ImPresenceCluster(Model):
    """An IM and Presence cluster, which belongs to one Unified CM cluster."""

    name: HostLabel = "imp"
    release: ImPresenceRelease = releases.DEFAULT_IM_PRESENCE
    unified_cm: HostLabel | None = Field(default=None, description="its Unified CM cluster; the first when left out")
    publisher: ImPresenceNode
    subscribers: tuple[ImPresenceNode, ...] = ()
    presence_domains: tuple[DomainName, ...] = Field(default=(), description="the edge domain when left out")
    peers: tuple[HostLabel, ...] | None = Field(
        default=None, description="intercluster peers; all clusters when left out"
    )
    chat_aliases: tuple[DomainName, ...] | None = Field(
        default=None, description="chat node aliases, the domains of its rooms; one a node when left out"
    )
    redundancy: bool = Field(
        default=False, description="publisher and first subscriber form a presence redundancy group"
    )
    restricted: bool = Field(default=True, description="the restricted (encrypting) version, not the unrestricted one")
    axl_account: Account = Account(user="axl", password="axl-password")

    @property
    def nodes(self) -> tuple[ImPresenceNode, ...]:
        """Publisher first, then the subscribers."""
        return (self.publisher, *self.subscribers)

    def node(self, name: str) -> ImPresenceNode:
        """Return a node by its name. Raises `LookupError`."""
        return _named(self.nodes, name, f"node of cluster {self.name}")


class UnityConnectionNode(SingleHomed):
    """A node of a Unity Connection cluster."""


class UnityConnectionCluster(Model):
    """A Unity Connection cluster, for voicemail. It is described and checked; the lab does not play the product."""

    name: HostLabel = "cuc"
    release: UnityConnectionRelease = releases.DEFAULT_UNITY_CONNECTION
    publisher: UnityConnectionNode
    subscribers: tuple[UnityConnectionNode, ...] = Field(default=(), max_length=1)
    sso: Literal["none", "cluster-wide", "per node, SAML", "per node, OpenAM"] = Field(
        default="none", description="how it takes part in single sign-on without OAuth"
    )

    @property
    def nodes(self) -> tuple[UnityConnectionNode, ...]:
        """Publisher first, then the subscriber."""
        return (self.publisher, *self.subscribers)


ProvisioningMode = Literal["Off", "Auto", "CUCM", "Edge", "TMS", "VCS"]
"""Provisioning Mode of a room device, as its configuration spells it."""


class ClientHost(SingleHomed):
    """A machine on which a simulated client runs, or a phone or room device itself."""

    zone: ZoneName = "internet"
    platform: Literal["windows", "mac", "ios", "android", "phone", "room"] = Field(
        default="windows", description="phone or room where it is such a device"
    )
    release: JabberRelease = Field(default=releases.DEFAULT_JABBER, description="of Jabber; a device has its firmware")
    ipv6: Address | None = Field(default=None, description="its IPv6 address, beside the IPv4 one")
    device: DeviceName | None = Field(
        default=None, description="the phone or room device that it is, by its name in devices"
    )
    dhcp_tftp_option: Annotated[Literal[66, 150] | None, Numeric] = Field(
        default=None,
        description="the DHCP option by which the network of a phone names a TFTP server, which keeps it from MRA",
    )
    provisioning_mode: ProvisioningMode = Field(
        default="Edge", description="of a room device; Edge is what its menus call Cisco UCM via Expressway"
    )

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        found = (Interface(name="lan1", address=self.address, zone=self.zone),)
        return (*found, Interface(name="lan1", address=self.ipv6, zone=self.zone)) if self.ipv6 else found


N = TypeVar("N", Machine, UnifiedCmNode, ImPresenceNode, ServiceProfile, UserProfile, SecurityProfile)


def _named(items: tuple[N, ...], name: str, what: str) -> N:
    for item in items:
        if item.name == name:
            return item
    raise LookupError(f"no {what} is called {name!r}")
