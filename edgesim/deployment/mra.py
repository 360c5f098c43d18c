"""The settings that make a pair of Expressways an MRA edge, complete: domains, links, access control, allow list."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgesim.deployment.base import DomainName, HostLabel, Port, Secret, Text
from edgesim.deployment.hosts import DnsServer
from edgesim.deployment.settings import AccessControl, AllowRule, EnabledDomain, ExtraRecord, OmittedRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Domains:
    """The DNS domains of a deployment: of the edge, of the inside hosts, and those that C accepts."""

    edge: DomainName
    inside: DomainName
    enabled: tuple[EnabledDomain, ...]
    federated_elsewhere: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dns:
    """Both views of the DNS: which records are published beside those of the hosts."""

    inside: DnsServer
    outside: DnsServer
    split: bool
    collab_edge: bool
    collab_edge_inside: bool
    cisco_uds: bool
    cisco_uds_outside: bool
    cuplogin: bool
    extra: tuple[ExtraRecord, ...]
    without: tuple[OmittedRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraversalZone:
    """The Unified Communications traversal zone between C and E.

    ``password`` is C's, ``server_password`` what E has for the same user. ``tls_verify_subject_name`` is the name that
    E demands in C's SAN.
    """

    name: Text
    user: Text
    password: Secret = field(repr=False)
    server_password: Secret = field(repr=False)
    port: Port
    peer_addresses: tuple[Text, ...]
    tls_verify_subject_name: DomainName
    check_credentials: bool
    index_on_e: int
    hop_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaProbe:
    """A media channel that is there without a call: from a client to E, multiplexed to C, and on to an inside host."""

    to: HostLabel
    port: Port
    edge: HostLabel
    core: HostLabel
    edge_port: Port


@dataclass(frozen=True, slots=True, kw_only=True)
class Mra:
    """Configuration > Unified Communications on C (and what must match on E).

    ``media_probe`` is None where none is set up; ``expressway_e_cluster`` and ``expressway_c_cluster`` are the FQDNs of
    the clusters, None where they have none.
    """

    access: AccessControl
    sip_path_headers: bool
    stun_keepalive: bool
    ice_passthrough: bool
    verify_origin_server: bool
    allow_list: tuple[AllowRule, ...]
    media_probe: MediaProbe | None
    tls_verify_unified_cm: bool
    tls_verify_im_presence: bool
    expressway_e_cluster: DomainName | None
    expressway_c_cluster: DomainName | None
    unified_cm_clusters: tuple[HostLabel, ...]
    im_presence_clusters: tuple[HostLabel, ...]
