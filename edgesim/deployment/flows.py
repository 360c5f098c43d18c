"""The documented flows between the machines of an MRA deployment, as one list.

Sources: "Expressway IP Port Usage Configuration Guide, Mobile and Remote Access" and "MRA Requirements and
Prerequisites". `edgesim.deployment.reach` finds which of them a deployment has, and whether its firewalls pass them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from edgesim.deployment.defaults import LinkDefaults, PortDefaults
from edgesim.deployment.model import Deployment
from edgesim.deployment.plan.mra import TraversalZone
from edgesim.deployment.settings import SshTunnel, XcpLink
from edgesim.world.firewall import Ports, ports_text

__all__ = ["KINDS", "ROLES", "FlowKind", "Numbers", "Ports", "Protocol", "Role", "kind", "ports_text"]

Protocol = Literal["tcp", "udp"]
Role = Literal[
    "client",
    "dns_outside",
    "dns_inside",
    "expressway_e",
    "expressway_c",
    "unified_cm",
    "im_presence",
    "unity_connection",
    "endpoint",
]
ROLES: dict[Role, str] = {
    "client": "client outside",
    "dns_outside": "DNS outside",
    "dns_inside": "DNS inside",
    "expressway_e": "Expressway-E",
    "expressway_c": "Expressway-C",
    "unified_cm": "Unified CM",
    "im_presence": "IM and Presence",
    "unity_connection": "Unity Connection",
    "endpoint": "endpoint inside",
}
"""The printed name of each role."""
GUIDE = "IP port usage guide"
"""The "Expressway IP Port Usage Configuration Guide", in short."""
DNS = "RFC 1035"


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The port numbers that a deployment has settled on; of one Expressway-E where that matters."""

    defaults: PortDefaults
    links: LinkDefaults
    zone: int
    xcp: int
    tunnel: int
    size: str = "medium"

    @classmethod
    def of(cls, deployment: Deployment | None = None, size: str = "medium") -> Numbers:
        """Return a deployment's numbers; the documented ones without a deployment."""
        return cls(
            defaults=deployment.defaults.ports if deployment else PortDefaults(),
            links=deployment.defaults.links if deployment else LinkDefaults(),
            zone=(deployment.traversal_zone if deployment else TraversalZone()).port,
            xcp=(deployment.xcp_link if deployment else XcpLink()).port,
            tunnel=(deployment.ssh_tunnel if deployment else SshTunnel()).port,
            size=size,
        )


Select = Callable[[Numbers], Ports]


def _at(*names: str) -> Select:
    """Return a choice of single ports, by their names in `PortDefaults`, in order."""
    return lambda numbers: tuple(sorted((port, port) for port in (getattr(numbers.defaults, name) for name in names)))


def _range(name: str) -> Select:
    """Return the choice of a range of ports, by its name in `PortDefaults` without ``_first`` and ``_last``."""
    return lambda numbers: ((getattr(numbers.defaults, f"{name}_first"), getattr(numbers.defaults, f"{name}_last")),)


def _client_media(numbers: Numbers) -> Ports:
    return (numbers.defaults.client_media(numbers.size),)


def _multiplexed(numbers: Numbers) -> Ports:
    pairs = numbers.defaults.multiplexed(numbers.size)
    return ((pairs[0][0], pairs[-1][1]),)


def _turn(numbers: Numbers) -> Ports:
    return (numbers.defaults.turn_control(numbers.size),)


def _database(numbers: Numbers) -> Ports:
    return tuple(sorted((port, port) for port in (numbers.defaults.cluster_database, numbers.links.cluster_port)))


def _turns(deployment: Deployment) -> bool:
    return any(each.turn_server for each in deployment.expressway_e)


def _sip_oauth(deployment: Deployment) -> bool:
    return any(cluster.sip_oauth for cluster in deployment.unified_cm)


def _absent(_: Deployment) -> bool:
    """For what the testbed does not have."""
    return False


def _always(_: Deployment) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowKind:
    """A line of the documented list. ``ports`` are those of the target, ``source_ports`` those that the source uses.

    ``rows`` are the catalogue's; ``document`` names further documents. One that is not
    ``required`` belongs to an optional feature; ``wanted`` says whether a deployment has it.
    """

    name: str
    source: Role
    target: Role
    protocol: Protocol
    ports: Select
    carries: str
    source_ports: Select | None = None
    rows: tuple[str, ...] = ()
    required: bool = True
    wanted: Callable[[Deployment], bool] = _always
    document: str = GUIDE


def _to_edge(name: str, protocol: Protocol, ports: Select, carries: str) -> FlowKind:
    return FlowKind(
        name=name,
        source="client",
        target="expressway_e",
        protocol=protocol,
        ports=ports,
        carries=carries,
        rows=("NET-16",),
    )


def _turn_line(name: str, ports: Select, carries: str) -> FlowKind:
    return replace(_to_edge(name, "udp", ports, carries), rows=(), required=False, wanted=_turns)


def _across(name: str, protocol: Protocol, ports: Select, carries: str, sources: Select | None = None) -> FlowKind:
    return FlowKind(
        name=name,
        source="expressway_c",
        target="expressway_e",
        protocol=protocol,
        ports=ports,
        carries=carries,
        source_ports=sources,
        rows=("NET-15",),
    )


def _inside(
    name: str,
    target: Role,
    ports: Select,
    carries: str,
    *,
    http: bool = False,
    wanted: Callable[[Deployment], bool] | None = None,
) -> FlowKind:
    return FlowKind(
        name=name,
        source="expressway_c",
        target=target,
        protocol="tcp",
        ports=ports,
        carries=carries,
        source_ports=_range("http_source") if http else None,
        required=wanted is None,
        wanted=wanted or _always,
    )


def _peers(role: Role) -> tuple[FlowKind, ...]:
    """Return what the peers of a cluster of Expressways say to each other."""
    prefix = "cluster-e" if role == "expressway_e" else "cluster-c"

    def line(name: str, protocol: Protocol, ports: Select, carries: str, *, required: bool = True) -> FlowKind:
        return FlowKind(
            name=f"{prefix}-{name}",
            source=role,
            target=role,
            protocol=protocol,
            ports=ports,
            carries=f"cluster: {carries}",
            required=required,
        )

    return (
        line("database", "tcp", _database, "database, plain and TLS"),
        line("sip", "tcp", _at("cluster_sip"), "SIP over TLS"),
        line("media", "udp", _range("media"), "media between peers", required=False),
        line("gatekeeper", "udp", _at("cluster_gatekeeper"), "H.323", required=False),
    )


KINDS: tuple[FlowKind, ...] = (
    FlowKind(
        name="dns-outside",
        source="client",
        target="dns_outside",
        protocol="udp",
        ports=_at("dns"),
        carries="DNS: _collab-edge, and E's address",
        document=DNS,
    ),
    _to_edge("edge-https", "tcp", _at("edge_https"), "all HTTPS: edge configuration, UDS, files, SOAP, SSO"),
    _to_edge("edge-sip", "tcp", _at("edge_sip"), "SIP over TLS"),
    _to_edge("edge-xmpp", "tcp", _at("edge_xmpp"), "XMPP with STARTTLS"),
    _to_edge("edge-media", "udp", _client_media, "media"),
    _turn_line("turn", _turn, "TURN control, for ICE"),
    _turn_line("turn-relay", _range("turn_relay"), "TURN relays"),
    _across("traversal-sip", "tcp", lambda numbers: ((numbers.zone, numbers.zone),), "SIP over TLS: the traversal zone",
            _range("sip_source")),
    _across("ssh-tunnel", "tcp", lambda numbers: ((numbers.tunnel, numbers.tunnel),), "SSH tunnels, which carry HTTPS",
            _range("http_source")),
    _across("xcp", "tcp", lambda numbers: ((numbers.xcp, numbers.xcp),), "XCP, which carries XMPP"),
    _across("traversal-media", "udp", _multiplexed, "multiplexed media", _range("media")),
    FlowKind(
        name="dns-inside",
        source="expressway_c",
        target="dns_inside",
        protocol="udp",
        ports=_at("dns"),
        carries="DNS: names and addresses of E and of the UC servers",
        document=DNS,
    ),
    _inside("line-sip", "unified_cm", _at("sip", "sip_tls"), "SIP: non-secure and secure profiles"),
    _inside("line-oauth", "unified_cm", _at("sip_oauth_mra"), "SIP OAuth, mutual TLS", wanted=_sip_oauth),
    FlowKind(
        name="line-oauth-back",
        source="unified_cm",
        target="expressway_c",
        protocol="tcp",
        ports=_at("sip_tls"),
        carries="SIP OAuth in the other direction",
        required=False,
        wanted=_sip_oauth,
    ),
    _inside("uds", "unified_cm", _at("uds"), "UDS, AXL, SSO (443 as well)", http=True),
    _inside("files", "unified_cm", _at("configuration_http", "configuration_https"),
            "configuration files, plain and over TLS", http=True),
    _inside("headset", "unified_cm", _at("headset_https", "headset_metrics"),
            "headset configuration and metrics", http=True, wanted=_absent),
    _inside("soap", "im_presence", _at("soap"), "SOAP, AXL", http=True),
    _inside("xcp-inside", "im_presence", _at("im_presence_xmpp"), "XMPP over TLS"),
    _inside("file-transfer", "im_presence", _at("file_transfer"), "managed file transfer", http=True, wanted=_absent),
    _inside("voicemail", "unity_connection",
            _at("voicemail_alternate", "voicemail_https", "message_waiting_http", "message_waiting_https"),
            "visual voicemail, message waiting", http=True, wanted=_absent),
    FlowKind(
        name="endpoint-media",
        source="endpoint",
        target="expressway_c",
        protocol="udp",
        ports=_range("media"),
        carries="media, both ways",
    ),
    *_peers("expressway_e"),
    *_peers("expressway_c"),
)  # fmt: skip
"""Every documented flow, from the client inward."""


def kind(name: str) -> FlowKind:
    """Return a line of the list by its name. Raises `LookupError`."""
    for each in KINDS:
        if each.name == name:
            return each
    raise LookupError(f"no documented flow is called {name!r}")
