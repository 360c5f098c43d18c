"""The name server of one view of the lab's DNS."""

from __future__ import annotations

from edgesim.deployment import base
from edgesim.dns import DnsLimits, DnsServer, Views, served
from edgesim.node import Node


class NameServer:
    """Serves the deployment's records, as seen inside or outside, on this host's address.

    Scenarios inject failures with ``service.views`` (`edgesim.dns.Failure`).
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        deployment = node.deployment
        self.view: base.View = "inside" if deployment.dns.inside.name == node.name else "outside"
        defaults = node.defaults.dns
        self.server = DnsServer(
            node.journal,
            [served(deployment, self.view)],
            limits=DnsLimits(udp_plain=defaults.udp_size_bytes, udp_edns=defaults.udp_edns_bytes),
        )

    @property
    def views(self) -> Views:
        """The server's views, for injecting failures."""
        return self.server.views

    async def start(self) -> None:
        """Listen on UDP and TCP."""
        port = self.node.defaults.ports.dns
        await self.server.listen(self.node.spec.address, port, view=self.view)

    async def stop(self) -> None:
        """Stop listening."""
        await self.server.close()
