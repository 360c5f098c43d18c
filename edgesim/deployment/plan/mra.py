"""The plan of the settings that make a pair of Expressways an MRA edge: domains, links, access."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgesim.deployment.base import DomainName, HostLabel, Model, Port, Secret, Text
from edgesim.deployment.plan.hosts import DnsServer
from edgesim.deployment.settings import AccessControl, AllowRule, EnabledDomain, ExtraRecord, OmittedRecord


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
