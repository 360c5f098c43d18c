"""The Web Proxy for Cisco Meeting Server on an Expressway-E, as far as MRA is concerned: who gets a domain.

Browsers connect to TCP 443 for the guest account client URI; `edgesim.servers.expressway_e.claims` decides whether it
belongs to the Web Proxy or to MRA. A lab has no Meeting Server: requests that the Web Proxy accepts get 502 for lack of
a next hop; those for a domain that MRA claimed first are refused like a domain that E does not accept.
"""

from __future__ import annotations

from edgesim.deployment.hosts import ExpresswayE
from edgesim.http import Headers, HttpLimits, HttpServer, Request, Response
from edgesim.node import Node
from edgesim.pki import server_context
from edgesim.servers.expressway_e.claims import WEB_PROXY, Claims


class WebProxy:
    """The Web Proxy's port, closed until it is configured."""

    def __init__(self, node: Node, claims: Claims) -> None:
        self.node = node
        self.claims = claims
        self._listens = False
        self._server = HttpServer(
            node.journal,
            self.handle,
            limits=HttpLimits(idle=node.defaults.edge.client_idle_s, message=node.defaults.edge.message_s),
            name="web proxy",
        )

    async def start(self) -> None:
        """Listen on the outer interface, if configured. Raises `OSError`."""
        node, spec = self.node, self.node.spec.spec
        assert isinstance(spec, ExpresswayE)
        if self.claims.guest_account_client_uri is not None and not self._listens:
            self._listens = True
            sends_chain = node.deployment.certificate(node.name, "server").sends == "chain"
            context = server_context(
                node.identities["server"], send_chain=sends_chain, options=node.tls_options(), keylog=node.keylog
            )
            await self._server.listen(spec.outer, node.defaults.ports.web_proxy, context)

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        await self._server.close()

    async def handle(self, request: Request) -> Response:
        """Answer a browser: 404 for another host, a refusal if MRA was first, else 502 for lack of a next hop."""
        edge = self.node.defaults.edge
        host = (request.headers.get("Host") or "").partition(":")[0].lower()
        if host != self.claims.guest_account_client_uri:
            return self._answer(404)
        if self.claims.owner(host) != WEB_PROXY:
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
