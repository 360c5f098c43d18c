"""The plan of machines, one section for each product, and their clusters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgesim.deployment import releases
from edgesim.deployment.base import Address, DeviceName, DomainName, HostLabel, Model, Numeric, View, ZoneName
from edgesim.deployment.releases import (
    ExpresswayRelease,
    ImPresenceRelease,
    JabberRelease,
    UnifiedCmRelease,
    UnityConnectionRelease,
)
from edgesim.deployment.settings import (
    Account,
    Affinity,
    AlsoServes,
    ClusterView,
    DeploymentSize,
    Hsm,
    IpProtocol,
    KnownAs,
    Licensing,
    Platform,
    ProvisioningMode,
    SecurityProfile,
    ServiceProfile,
    UnityConnectionSso,
    UserProfile,
)


class Machine(Model):
    """Fields of every host: a name, which with ``domain`` makes its FQDN."""

    name: HostLabel
    domain: DomainName | None = Field(
        default=None, description="the host's DNS domain; the section's usual one when left out"
    )
    view: View | None = Field(
        default=None, description="the DNS servers it asks; inside, except E and clients on the internet"
    )


class SingleHomed(Machine):
    """A host with one address."""

    address: Address
    zone: ZoneName = "inside"


class DnsServer(SingleHomed):
    """A name server of one view."""


class Expressway(Machine):
    """Fields of both kinds of Expressway: a release, and what else the machine is used for."""

    release: ExpresswayRelease = releases.DEFAULT_EXPRESSWAY
    ip_protocol: IpProtocol = Field(default="IPv4", description="System > Network interfaces > IP; MRA needs IPv4")
    also_serves: tuple[AlsoServes, ...] = Field(default=(), description="what this Expressway is used for beside MRA")
    licensing: Licensing = "option keys"
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
        default=None, description="a separate name for the inner address, beside the FQDN"
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
    size: DeploymentSize = Field(
        default="medium", description="the deployment size: a large system uses separate ports for C's media"
    )
    turn_server: bool = Field(default=False, description="Configuration > Traversal > TURN: TURN services On")


class LoadBalancer(SingleHomed):
    """A third-party load balancer between the clients and E, which MRA does not support.

    It forwards TCP connections for HTTPS, SIP and XMPP, each to one E. ``_collab-edge`` points to it, and so do,
    outside, the names of every E behind it.
    """

    zone: ZoneName = "internet"
    affinity: Affinity = Field(
        default="source address", description="what goes to the same E again: nothing, or a client's address"
    )


class ExpresswayC(SingleHomed, Expressway):
    """An Expressway-C peer."""


class UnifiedCmNode(SingleHomed):
    """A node of a Unified CM cluster."""

    known_as: KnownAs = Field(
        default="fqdn", description="how System > Server lists the node, and so the name under which others reach it"
    )
    axl: bool = Field(default=True, description="the Cisco AXL Web Service runs")


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
    cluster_view: ClusterView = Field(
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


class UnityConnectionNode(SingleHomed):
    """A node of a Unity Connection cluster."""


class UnityConnectionCluster(Model):
    """A Unity Connection cluster, for voicemail. It is described and checked; the lab does not play the product."""

    name: HostLabel = "cuc"
    release: UnityConnectionRelease = releases.DEFAULT_UNITY_CONNECTION
    publisher: UnityConnectionNode
    subscribers: tuple[UnityConnectionNode, ...] = Field(default=(), max_length=1)
    sso: UnityConnectionSso = Field(default="none", description="how it takes part in single sign-on without OAuth")


class ClientHost(SingleHomed):
    """A machine on which a simulated client runs, or a phone or room device itself."""

    zone: ZoneName = "internet"
    platform: Platform = Field(default="windows", description="phone or room where it is such a device")
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
