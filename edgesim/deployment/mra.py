"""The settings that make a pair of Expressways an MRA edge: domains, links, access control, allow list."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgesim.deployment.base import DomainName, HostLabel, Model, Port, RecordName, Secret, Text
from edgesim.deployment.hosts import DnsServer, View


class EnabledDomain(Model):
    """A domain on C with its service switches (Configuration > Domains)."""

    name: DomainName
    unified_cm_registrations: bool = True
    im_and_presence: bool = True
    xmpp_federation: bool = False
    deployment: Text = Field(default="Default deployment", description="the deployment of C that it belongs to")

    @property
    def registers(self) -> bool:
        """Whether Unified CM registrations are enabled: chat forces them on (MRA Deployment Guide X12.6, "Install
        MRA")."""
        return self.unified_cm_registrations or self.im_and_presence


class Domains(Model):
    """The DNS domains of a deployment."""

    edge: DomainName = "example.com"
    inside: DomainName | None = Field(
        default=None, description="domain of the inside hosts; inside.<edge> when left out"
    )
    enabled: tuple[EnabledDomain, ...] = Field(
        default=(), description="domains that C accepts; the edge domain when left out"
    )
    federated_elsewhere: bool = Field(
        default=False, description="another Expressway cluster of the organisation does XMPP federation, too"
    )


class ExtraRecord(Model):
    """A DNS record beside the derived ones. An SRV's value is ``priority weight port target``."""

    view: View
    name: RecordName
    type: Literal["A", "AAAA", "CNAME", "SRV", "PTR"]
    value: Text
    ttl: int = Field(default=3600, ge=0, le=2**31 - 1)


class OmittedRecord(Model):
    """A derived DNS record that this deployment lacks."""

    view: View
    name: RecordName
    type: Literal["A", "AAAA", "CNAME", "SRV", "PTR"]


class Dns(Model):
    """Both views of the DNS. Records derive from the hosts; ``extra`` and ``without`` change that."""

    inside: DnsServer
    outside: DnsServer
    split: bool = Field(default=True, description="inside, E's FQDN leads to its inner address; else to the public one")
    collab_edge: bool = Field(default=True, description="publish _collab-edge._tls for the enabled domains, outside")
    collab_edge_inside: bool = Field(default=False, description="the same in the inside view")
    cisco_uds: bool = Field(default=True, description="publish _cisco-uds._tcp for the enabled domains, inside")
    cisco_uds_outside: bool = Field(default=False, description="the leak that keeps Jabber from ever trying the edge")
    cuplogin: bool = Field(default=False, description="publish _cuplogin._tcp, inside (legacy)")
    extra: tuple[ExtraRecord, ...] = ()
    without: tuple[OmittedRecord, ...] = ()


class TraversalZone(Model):
    """The Unified Communications traversal zone between C and E."""

    name: Text = "UCTraversal"
    user: Text = "traversal"
    password: Secret = "traversal-password"
    server_password: str | None = Field(
        default=None,
        repr=False,
        json_schema_extra={"secret": True},
        description="E's idea of the password, where it differs",
    )
    port: Port = 7001
    peer_addresses: tuple[Text, ...] = Field(
        default=(), description="how C reaches each E; E's FQDNs when left out", max_length=6
    )
    tls_verify_subject_name: DomainName | None = Field(
        default=None, description="the name that E demands in C's SAN; C's FQDN or cluster name when left out"
    )
    check_credentials: bool = Field(
        default=False, description="authentication policy; Do not check credentials is the right one"
    )
    index_on_e: int = Field(
        default=3, ge=1, le=999, description="the zone's number on E, as in zone-id and ingress-zone-id"
    )
    hop_count: int = Field(default=15, ge=1, le=255)


class SshTunnel(Model):
    """The SSH tunnel that C opens to E and that carries HTTPS."""

    port: Port = 2222
    user: Text = "portforwarding"
    loopback_port: Port = Field(default=8443, description="C's proxy listens there on 127.0.0.1")


class XcpLink(Model):
    """The XCP link that C opens to E and that carries XMPP."""

    port: Port = 7400
    secret: Secret = "xcp-secret"
    enable_cvs: bool = Field(default=True, description="XCP TLS Certificate CVS EnableCvs: C verifies certificates")
    verify_hostname: bool = Field(
        default=True, description="XCP TLS Certificate CVS VerifyHostname: they must hold the peer's name"
    )
    convert_ip_to_hostname: bool = Field(
        default=True,
        description="XCP TLS Certificate CVS ConvertIpToHostname: that name is the one that the peer's address has in "
        "reverse DNS",
    )

    @property
    def looks_back(self) -> bool:
        """Whether C looks the address of a peer up in reverse DNS."""
        return self.enable_cvs and self.verify_hostname and self.convert_ip_to_hostname


class AccessControl(Model):
    """MRA Access Control of C. As shipped it takes OAuth tokens with refresh and refuses passwords."""

    authentication_path: Literal["none", "UCM/LDAP", "SAML SSO", "SAML SSO and UCM/LDAP"] = "UCM/LDAP"
    oauth_refresh: bool = Field(default=True, description="Authorize by OAuth token with refresh")
    oauth_simple: bool = Field(default=False, description="Authorize by OAuth token")
    user_credential: bool = Field(default=False, description="Authorize by user credential: name and password")
    check_internal_availability: bool = Field(
        default=False, description="Check for internal authentication availability"
    )
    activation_code_onboarding: bool = False
    embedded_safari: bool = Field(default=False, description="Allow Jabber iOS clients to use embedded Safari browser")
    webex_embedded_browser: bool = Field(default=False, description="WebEx Client Embedded Browser Support")
    sip_token_extra_ttl: int = Field(
        default=0, ge=0, description="seconds of grace of simple tokens for incoming calls"
    )


class AllowRule(Model):
    """A rule of the HTTP allow list that the administrator wrote."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s/]+(/\S*)?$", max_length=2048)]
    methods: tuple[Literal["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"], ...] = ()
    match: Literal["exact", "prefix"] = "prefix"
    description: str = Field(default="", max_length=256)


class CmsWebProxy(Model):
    """The Web Proxy for Cisco Meeting Server on the same Expressway."""

    guest_account_client_uri: DomainName
    configured: Literal["before MRA", "after MRA"] = Field(
        default="after MRA", description="which of the two was configured first"
    )


class MediaProbe(Model):
    """A media channel that is there without a call: from a client to E, multiplexed to C, and on to an inside host."""

    to: HostLabel = Field(description="the inside host that it leads to")
    port: Annotated[Port, Field(le=65534)] = Field(default=20000, description="its port for RTP; RTCP is the next one")
    edge: HostLabel | None = Field(default=None, description="the Expressway-E; the first when left out")
    core: HostLabel | None = Field(default=None, description="the Expressway-C; the first when left out")
    edge_port: Port | None = Field(
        default=None, description="E's port for RTP towards clients, an even one; its first when left out"
    )


class Mra(Model):
    """Configuration > Unified Communications on C (and what must match on E)."""

    access: AccessControl = AccessControl()
    sip_path_headers: bool = False
    stun_keepalive: bool = True
    ice_passthrough: bool = Field(default=False, description="ICE passthrough support in the zones of C and E")
    verify_origin_server: bool = Field(
        default=True,
        description="xConfiguration EdgeConfigServer VerifyOriginServer: C's proxy verifies servers, from X14.2",
    )
    allow_list: tuple[AllowRule, ...] = ()
    media_probe: MediaProbe | None = Field(
        default=None, description="a media channel set up by configuration, to try the path for media without a call"
    )
    tls_verify_unified_cm: bool = Field(default=True, description="TLS verify mode of the Unified CM servers")
    tls_verify_im_presence: bool = Field(default=True, description="TLS verify mode of the IM and Presence servers")
    expressway_e_cluster: DomainName | None = Field(default=None, description="FQDN of the E cluster")
    expressway_c_cluster: DomainName | None = Field(default=None, description="FQDN of the C cluster")
    unified_cm_clusters: tuple[HostLabel, ...] | None = Field(
        default=None, description="clusters added on C; all when left out"
    )
    im_presence_clusters: tuple[HostLabel, ...] | None = Field(
        default=None, description="clusters added on C; all when left out"
    )
