"""The Web Proxy for Cisco Meeting Server on an Expressway-E, as far as it meets MRA: whose a domain is.

Browsers come to TCP 443 for the guest account client URI. Where that is also a domain enabled for Unified CM
registrations, the service that was configured first works and the other fails ("MRA Deployment Guide X15.0, MRA
Requirements and Prerequisites"). Meeting Server itself is no part of a lab: what the Web Proxy takes meets a next hop
that is not there, 502; what it does not take because MRA was first is refused like a domain that E does not accept.
"""

from __future__ import annotations

from edgesim.deployment.hosts import ExpresswayE
from edgesim.http import Headers, HttpLimits, HttpServer, Request, Response
from edgesim.node import Node
from edgesim.pki import server_context


def taken_by_web_proxy(node: Node) -> str | None:
    """Return the MRA domain, in lower case, that the Web Proxy took first; None where there is none."""
    settings, contested = node.deployment.cms_web_proxy, node.deployment.contested_domain
    return contested.lower() if contested and settings and settings.configured == "before MRA" else None


class WebProxy:
    """The Web Proxy's port; without one configured it is closed."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.settings = node.deployment.cms_web_proxy
        self._server = HttpServer(
            node.journal,
            self.handle,
            limits=HttpLimits(idle=node.defaults.edge.client_idle_s, message=node.defaults.edge.message_s),
            name="web proxy",
        )

    async def start(self) -> None:
        """Listen on the outer interface. Raises `OSError`."""
        node, spec = self.node, self.node.spec.spec
        assert isinstance(spec, ExpresswayE)
        if self.settings is not None:
            sends_chain = node.deployment.certificate(node.name, "server").sends == "chain"
            context = server_context(node.identities["server"], send_chain=sends_chain, keylog=node.keylog)
            await self._server.listen(spec.outer, node.defaults.ports.web_proxy, context)

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        await self._server.close()

    async def handle(self, request: Request) -> Response:
        """Answer a browser: 404 for another host, a refusal where MRA was first, else 502 for want of a next hop."""
        assert self.settings is not None
        edge = self.node.defaults.edge
        host = (request.headers.get("Host") or "").partition(":")[0].lower()
        if host != self.settings.guest_account_client_uri.lower():
            return self._answer(404)
        if self.node.deployment.contested_domain and not taken_by_web_proxy(self.node):
            return self._answer(edge.second_service_status)
        return self._answer(edge.upstream_failure_status, edge.upstream_failure_reason)

    def _answer(self, status: int, reason: str | None = None) -> Response:
        headers = Headers(
            [
                ("Date", self.node.host.clock.http_date()),
                ("Connection", "close"),
                ("Server", self.node.defaults.edge.server_of_e),
                ("Content-Length", "0"),
            ]
        )
        return Response(status=status, reason=reason, headers=headers)
