"""The rate limit of new connections to Expressway-E: System > Protection > Rate limits, from X14.2 on.

Source: "Expressway Administrator Guide X15.5, Network and System Settings".
"""

from __future__ import annotations

from edgesim.deployment import Release
from edgesim.deployment.features import CONNECTION_RATE_SINCE
from edgesim.node import Node


def limit_rates(node: Node, release: Release) -> None:
    """Apply the limits to the SIP and HTTPS ports, if this release has them."""
    settings = node.defaults.protection
    if settings.connection_rate_mode == "off" or release < CONNECTION_RATE_SINCE:
        return
    for ports in (settings.rated_sip_ports, settings.rated_edge_ports):
        node.host.world.admission.throttle(
            node.name,
            tuple(map(node.defaults.ports.number, ports)),
            per_second=settings.connection_rate,
            burst=settings.connection_burst,
            each_address=settings.connection_rate_scope == "each address",
        )
