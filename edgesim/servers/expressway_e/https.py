"""Expressway-E's HTTPS proxy, port 8443: refuses requests itself, or forwards them through the tunnel to a C.

E knows no users or servers. It refuses URLs that are not the edge's (404), domains that C did not enable or that the
Web Proxy claimed first (403), and proxied requests without any credentials (401); C decides on the rest. If no C can be
reached, the client gets ``502 Next Hop Connection Failed``; if C answers too late, ``504 Next Hop Timeout``. C reports
failures behind it. Sources: "Configure MRA through Expressway/VCS in a Multi-Domain Deployment" (Cisco 117811) for the
403; "MRA Deployment Guide X12.5, Troubleshooting" for 404 and 502.
"""

from __future__ import annotations

import ssl
from email.utils import parsedate_to_datetime
from functools import partial

from edgesim.deployment.hosts import ExpresswayE
from edgesim.edge import edge_config
from edgesim.edge.descriptor import Descriptor, DescriptorError, EdgeDomain, decoded_target, split_target
from edgesim.edge.forwarding import Hop, at_first_hop, connection_after, to_client
from edgesim.edge.protection import Category, Protection
from edgesim.edge.tunnel import LOOPBACK
from edgesim.http import (
    Headers,
    HttpError,
    HttpLimits,
    HttpReset,
    HttpServer,
    HttpTimedOut,
    Request,
    Response,
    cause_text,
)
from edgesim.journal import events
from edgesim.journal.keys import Key, tracking_key, user_key
from edgesim.node import Node
from edgesim.pki import server_context
from edgesim.servers.expressway_e.claims import WEB_PROXY, Claims
from edgesim.servers.expressway_e.tunnel import Tunnel, TunnelServer

CONTROL_RESOURCES = (edge_config.RESOURCE,)
"""The resources that may follow an edge domain in a URL; E forwards these to C."""
"""The maximum length of a user id in the journal."""
COOKIES_KEPT = 50_000
"""For how many edge cookies E remembers the C that issued them."""


class EdgeProxy:
    """The HTTPS side of an Expressway-E."""

    def __init__(self, node: Node, tunnels: TunnelServer, claims: Claims, protection: Protection) -> None:
        self.node = node
        self.tunnels = tunnels
        self.protection = protection
        self._uuids = node.host.entropy("http tracking")
        self._hop = Hop(scheme="https", uuid=node.deployment.pkid("expressway", node.name))
        self._turn = 0
        self._homes: dict[str, str] = {}
        self.claims = claims
        self._server = HttpServer(
            node.journal,
            self.handle,
            limits=HttpLimits(
                idle=node.defaults.edge.client_idle_s,
                message=node.defaults.edge.message_s,
                requests=node.defaults.edge.client_requests_burst,
                per_second=node.defaults.edge.client_requests_per_s,
            ),
            refusal=self._refusal,
            decode=decoded_target,
            on_violation=partial(protection.count, Category.HTTP_PROTOCOL),
            keys=_tracking,
            identify=self._uuids.uuid,
            name="https proxy",
        )

    async def start(self) -> None:
        """Listen on the outer interface. Raises `OSError`."""
        spec = self.node.spec.spec
        assert isinstance(spec, ExpresswayE)
        await self._server.listen(spec.outer, self.node.defaults.ports.edge_https, self.context())

    def context(self) -> ssl.SSLContext:
        """Return the TLS context of the HTTPS port."""
        node = self.node
        # Activation-code onboarding makes E ask every client for a certificate, without requiring one. This is the only
        # use of its trust list (MRA Deployment Guide X15.0, "MRA Requirements and Prerequisites").
        onboarding = node.deployment.mra.access.activation_code_onboarding
        return server_context(
            node.identities["server"],
            trust=node.trusts["activation-code"] if onboarding else None,
            ask_client=onboarding,
            send_chain=node.deployment.certificate(node.name, "server").sends == "chain",
            options=node.tls_options(),
            keylog=node.keylog,
        )

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        await self._server.close()

    # ---- requests

    async def handle(self, request: Request) -> Response:
        """Answer a client's request."""
        try:
            first, rest = split_target(request.target)
        except DescriptorError:
            self.protection.count(Category.HTTP_RESOURCE, request.peer)
            return self._own(404)
        refusal = self._check(request, first, rest)
        if refusal is not None:
            if category := _CATEGORIES.get(refusal.status):
                self.protection.count(category, request.peer)
            return refusal
        for tunnel in self._choose(request):
            if tunnel.skewed and isinstance(first, Descriptor):
                return self._own(403)
            answer = await self._forward(request, tunnel, own=isinstance(first, EdgeDomain))
            if answer is not None:
                return answer
        return self.unreachable(request)

    def _check(self, request: Request, first: EdgeDomain | Descriptor, rest: str) -> Response | None:
        """Return E's own refusal, or None if the request is for C."""
        known, domain = self.tunnels.domains, first.domain.lower()
        if known and domain not in known:
            return self._own(403)
        if self.claims.owner(domain) == WEB_PROXY:
            return self._own(self.node.defaults.edge.second_service_status)
        if isinstance(first, EdgeDomain):
            resource = rest.partition("?")[0].strip("/")
            return None if resource in CONTROL_RESOURCES else self._own(404)
        edge = self.node.defaults.edge
        shown = request.headers.get("Authorization") or request.headers.get(edge.edge_auth_header or "Authorization")
        return None if shown or request.cookie(edge.cookie_name) else self._unauthenticated()

    def _choose(self, request: Request) -> list[Tunnel]:
        """Return the tunnels to try: each live C in turn, first the one that issued the request's cookie."""
        live = self.tunnels.live
        if not live:
            return []
        first = self._turn % len(live)
        home = self._homes.get(request.cookie(self.node.defaults.edge.cookie_name) or "")
        if home is None:
            self._turn += 1
        turned = live[first:] + live[:first]
        return sorted(turned, key=lambda tunnel: tunnel.name != home)

    async def _forward(self, request: Request, tunnel: Tunnel, *, own: bool) -> Response | None:
        """Return C's response, or the refusal that follows from a failure; None if another C may be asked.

        ``own`` means that the response is C's own, not that of a server behind it: only then does it say anything about
        C.
        """
        edge = self.node.defaults.edge
        try:
            answer = await tunnel.client.request(
                request.method,
                f"http://{LOOPBACK}:{self.tunnels.port}{request.target}",
                headers=at_first_hop(request, tracking=request.id, hop=self._hop),
                body=request.body,
                timeout=edge.next_hop_timeout_s,
                keys=_user_keys(request),
                absolute=f"http://{tunnel.control}:{self.tunnels.port}"
                if edge.inner_request == "absolute form"
                else "",
            )
        except (HttpError, ValueError) as error:
            note = f"{request.method} {decoded_target(request.target)}: {error}"
            self.node.journal.emit(events.Note(text=note), keys=(*_tracking(request), *_user_keys(request)))
            if isinstance(error, HttpTimedOut):
                return self._failed(request, edge.upstream_timeout_status, edge.upstream_timeout_reason)
            # A tunnel that breaks may have delivered the request: only an idempotent one is repeated (RFC 9110, section
            # 9.2.2).
            broken = isinstance(error, HttpReset) and request.method in REPEATABLE
            return None if broken else self.unreachable(request)
        if own and answer.headers.get("Server") == edge.server_of_configuration:
            self._compare_clocks(tunnel, answer)
            if tunnel.skewed:
                return self._own(403)
            self._remember(tunnel, answer)
        self._note_outcome(request, answer)
        keep_alive = "close" not in answer.headers.tokens("Connection")
        return Response(
            status=answer.status,
            reason=answer.reason,
            headers=to_client(answer, keep_alive=keep_alive and "close" not in request.headers.tokens("Connection")),
            body=answer.body,
        )

    def _note_outcome(self, request: Request, answer: Response) -> None:
        """Count an authentication that C refused; valid credentials prove the client's address.

        A 401 of the server behind, which has another realm, does not count ("MRA Deployment Guide X12.5").
        """
        edge = self.node.defaults.edge
        shown = request.headers.get("Authorization") or request.cookie(edge.cookie_name)
        of_edge = f'realm="{edge.realm}"' in (answer.headers.get("WWW-Authenticate") or "")
        if answer.status == 401 and of_edge:
            if shown or self.node.defaults.protection.http_challenges_count:
                self.protection.count(Category.HTTP_AUTHORIZATION, request.peer)
        elif shown and answer.status < 400 and request.peer is not None:
            self.node.host.proved(self.node.defaults.ports.edge_https, request.peer)

    def _compare_clocks(self, tunnel: Tunnel, answer: Response) -> None:
        """E refuses if the clocks of C and E differ (MRA Deployment Guide X12.5, Troubleshooting: check NTP)."""
        try:
            theirs = parsedate_to_datetime(answer.headers.get("Date") or "").timestamp()
        except ValueError:
            return
        apart = abs(theirs - int(self.node.host.clock.time()))  # Date has whole seconds
        tunnel.skewed = apart > self.node.defaults.edge.clock_tolerance_s

    def _remember(self, tunnel: Tunnel, answer: Response) -> None:
        name = self.node.defaults.edge.cookie_name
        for line in answer.headers.get_all("Set-Cookie"):
            key, _, value = line.partition(";")[0].partition("=")
            if key == name:
                self._homes[value] = tunnel.name
                while len(self._homes) > COOKIES_KEPT:
                    del self._homes[next(iter(self._homes))]

    # ---- E's own responses

    def _own(self, status: int, *more: tuple[str, str], body: bytes = b"") -> Response:
        """Return a refusal of E's own, with header lines in the captured order."""
        headers = [
            ("Date", self.node.host.clock.http_date()),
            ("Connection", "close"),
            ("Server", self.node.defaults.edge.server_of_e),
            *more,
            *((("Content-Type", "text/plain"),) if body else ()),
            ("Content-Length", str(len(body))),
        ]
        return Response(status=status, headers=Headers(headers), body=body)

    def _failed(self, request: Request, status: int, reason: str) -> Response:
        """Return E's response after the next hop failed, in the form of its proxy software."""
        edge = self.node.defaults.edge
        headers = [
            ("Date", self.node.host.clock.http_date()),
            ("Connection", connection_after(request)),
            ("Server", edge.server_of_e),
            ("Cache-Control", "no-store"),
            ("Content-Length", "0"),
        ]
        if edge.retry_after_s is not None:
            headers.append(("Retry-After", str(edge.retry_after_s)))
        return Response(status=status, reason=reason, headers=Headers(headers))

    def unreachable(self, request: Request) -> Response:
        """Return E's response if no C can be reached."""
        edge = self.node.defaults.edge
        return self._failed(request, edge.upstream_failure_status, edge.upstream_failure_reason)

    def _unauthenticated(self) -> Response:
        edge = self.node.defaults.edge
        if edge.unauthenticated_status != 401:
            return self._own(edge.unauthenticated_status)
        return self._own(401, ("WWW-Authenticate", f'Basic realm="{edge.realm}"'))

    def _refusal(self, status: int, cause: str) -> Response:
        return self._own(status, body=cause_text(cause))


def _tracking(request: Request) -> tuple[Key, ...]:
    """Return the key of the request's TrackingID, which it has from the time it is journalled."""
    return (tracking_key(request.id),)


_CATEGORIES = {401: Category.HTTP_AUTHORIZATION, 404: Category.HTTP_RESOURCE}
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


def _user_keys(request: Request) -> tuple[Key, ...]:
    credentials = request.basic()
    return (user_key(credentials.user),) if credentials else ()
