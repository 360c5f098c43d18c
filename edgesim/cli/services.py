"""Names of the ports of a lab, and the ports on which its hosts listen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgesim.deployment import Deployment
from edgesim.world.netstat import SocketRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A port on which a host listens; ``protocol`` is ``tcp``, ``udp`` or ``tcp+udp``."""

    host: str
    address: str
    port: int
    protocol: str
    service: str


def names(deployment: Deployment) -> dict[tuple[str, int], str]:
    """Return the names of services by kind of host and port."""
    ports = deployment.defaults.ports
    edge = {
        ports.edge_https: "HTTPS for clients",
        ports.edge_sip: "SIP over TLS",
        ports.edge_xmpp: "XMPP",
        deployment.traversal_zone.port: "traversal zone",
        deployment.ssh_tunnel.port: "SSH tunnel",
        deployment.xcp_link.port: "XCP",
    }
    cluster = {
        ports.uds: "UDS, AXL",
        ports.sip: "SIP",
        ports.sip_tls: "SIP over TLS",
        ports.configuration_http: "files, plain",
        ports.configuration_https: "files, TLS",
    }
    chat = {ports.soap: "SOAP, AXL", ports.im_presence_client: "XMPP", ports.im_presence_xmpp: "XCP"}
    by_kind = {
        "expressway_e": edge,
        "load_balancer": edge,
        "expressway_c": {ports.sip_tls: "SIP over TLS", ports.sip: "SIP"},
        "unified_cm": cluster,
        "im_presence": chat,
        "dns": {ports.dns: "DNS"},
    }
    return {(kind, port): name for kind, table in by_kind.items() for port, name in table.items()}


def listening(deployment: Deployment, sockets: Iterable[SocketRow]) -> list[Listening]:
    """Return the ports on which hosts listen, in the order of hosts, without UDP sockets of unknown services."""
    known = names(deployment)
    kinds = {spec.name: spec.kind for spec in deployment.host_specs()}
    protocols: dict[tuple[str, str, int], list[str]] = {}
    for row in sockets:
        kind = kinds.get(row.host)
        if kind is None or (row.state != "LISTEN" and not (row.protocol == "udp" and (kind, row.local[1]) in known)):
            continue
        found = protocols.setdefault((row.host, row.local[0], row.local[1]), [])
        if row.protocol not in found:
            found.append(row.protocol)
    rows = [
        Listening(
            host=host,
            address=address,
            port=port,
            protocol="+".join(sorted(found)),
            service=known.get((kinds[host], port), ""),
        )
        for (host, address, port), found in protocols.items()
    ]
    order = list(kinds)
    return sorted(rows, key=lambda row: (order.index(row.host), row.address, row.port))
