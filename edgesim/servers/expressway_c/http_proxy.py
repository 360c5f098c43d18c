"""Expressway-C's HTTP proxy, which the tunnel reaches as ``127.0.0.1:8443``.

It passes ``get_edge_config`` to the edge configuration service. A wrapped inside URL is forwarded if the request is
authenticated and the allow list permits it, over a separate connection from a source port of 30000 to 35999. The inside
server's responses pass, its own 401 included; if the server cannot be reached or (from X14.2 on) its certificate not be
verified, C answers instead, by the kind of failure (`defaults.edge.server_failures`). Sources: "Understand MRA
Certificate Requirements and Apache Traffic Server History" (Cisco 225476), "MRA Deployment Guide X12.6, Configure MRA",
"Expressway IP Port Usage Configuration Guide"; for its log lines "Understand Origin Server Verification and Expressway
Traffic Server Certificates" (Cisco 218018).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence

from edgesim.edge import edge_config
from edgesim.edge.allow_list import AllowList, Rule, permit_line
from edgesim.edge.allow_list import rule as own_rule
from edgesim.edge.descriptor import Descriptor, DescriptorError, decoded_target, split_target
from edgesim.edge.forwarding import Hop, at_second_hop, from_server
from edgesim.edge.tunnel import LOOPBACK
from edgesim.http import Headers, HttpClient, HttpError, HttpTlsFailed, Request, Response
from edgesim.journal import events
from edgesim.journal.keys import Key, tracking_key, user_key
from edgesim.node import Node
from edgesim.pki.openssl import verify_depth
from edgesim.servers.expressway_c.answers import failed, refused
from edgesim.servers.expressway_c.authentication import SHOWN, Authenticator
from edgesim.servers.expressway_c.edge_config import EdgeConfigService
from edgesim.servers.expressway_c.locating import locate
from edgesim.servers.expressway_c.tunnel import TunnelClient
from edgesim.servers.expressway_c.zone import WRONG_NAME


def own_rules(node: Node) -> tuple[Rule, ...]:
    """Return the administrator's rules."""
    kind = dict(node.defaults.edge.rule_types)["own"]
    return tuple(
        own_rule(each.url, methods=each.methods, match=each.match, description=each.description, type=kind)
        for each in node.deployment.mra.allow_list
    )


def mra_domains(node: Node) -> tuple[str, ...]:
    """Return the domains enabled for MRA; enabling chat implies registrations, federation alone does not count."""
    enabled = node.deployment.domains.enabled
    return tuple(each.name for each in enabled if each.unified_cm_registrations or each.im_and_presence)


class HttpProxy:
    """The proxy of one C. Discovery replaces ``allow_list``; ``client_for`` returns the client towards a server, by
    name or address.
    """

    def __init__(
        self,
        node: Node,
        authenticator: Authenticator,
        edge_configuration: EdgeConfigService,
        client_for: Callable[[str], HttpClient],
    ) -> None:
        self.node = node
        self.allow_list = AllowList()
        self._authenticator = authenticator
        self._edge_configuration = edge_configuration
        self._client_for = client_for
        self._hop = Hop(scheme="http", uuid=node.deployment.pkid("expressway", node.name))
        self._domains = frozenset(name.lower() for name in mra_domains(node))

    def rewrite(self, automatic: Sequence[Rule]) -> None:
        """Activate the automatic rules, followed by the administrator's."""
        self.allow_list = AllowList((*automatic, *own_rules(self.node)))

    async def handle(self, request: Request, link: TunnelClient) -> Response:
        """Answer a request that came through the tunnel of ``link``."""
        edge = link.edge
        if edge is None:
            return refused(self.node, 503)
        try:
            first, rest = split_target(request.target)
        except DescriptorError:
            return refused(self.node, 404)
        if first.domain.lower() not in self._domains:
            return refused(self.node, 403)
        if isinstance(first, Descriptor):
            return await self._proxy(request, first, rest)
        if rest.partition("?")[0].strip("/") == edge_config.RESOURCE:
            return await self._edge_configuration.handle(request, first.domain, edge)
        return refused(self.node, 404)

    async def _proxy(self, request: Request, target: Descriptor, rest: str) -> Response:
        verdict = await self._authenticator.check(request)
        if verdict.refusal is not None:
            return verdict.refusal
        keys = (user_key(verdict.user),)
        decision = self.allow_list.decide(request.method, target.scheme, target.host, target.port, rest or "/")
        if decision.rule is None:
            self._note(request, f"allow list: {decision.reason}", keys)
            return refused(self.node, self.node.defaults.edge.allow_list_status)
        line = permit_line(
            decision.rule,
            user=verdict.user[:SHOWN],
            method=request.method,
            port=target.port,
            target=rest or "/",
            deployment=self.node.defaults.edge.deployment_number,
        )
        self.node.journal.emit(events.Note(text=line), keys=self._keys(request, keys))
        return await self._forward(request, target, rest or "/", keys)

    async def _forward(self, request: Request, target: Descriptor, rest: str, keys: tuple[Key, ...]) -> Response:
        edge = self.node.defaults.edge
        headers = at_second_hop(
            request,
            host=f"{target.host}:{target.port}",
            hop=self._hop,
            previous=LOOPBACK,
            cookie=edge.cookie_name if edge.edge_cookie_stripped else None,
        )
        if edge.edge_auth_header:
            headers = headers.without(edge.edge_auth_header)
        try:
            answer = await self._exchange(request, target, rest, headers, keys)
        except (HttpError, ValueError) as error:
            if isinstance(error, HttpTlsFailed):
                await self._report_tls(request, target.host, error, keys)
            else:
                self._note(request, str(error), keys)
            return failed(self.node, request, error)
        return Response(
            status=answer.status,
            reason=answer.reason,
            headers=from_server(answer, head=request.method == "HEAD"),
            body=answer.body,
        )

    async def _exchange(
        self, request: Request, target: Descriptor, rest: str, headers: Headers, keys: tuple[Key, ...]
    ) -> Response:
        """Send a request to a server; once more after a certificate is refused on either side. Raises `HttpError`."""
        edge = self.node.defaults.edge
        client = self._client_for(target.host)
        for left in reversed(range(edge.server_tls_attempts)):
            try:
                return await client.request(
                    request.method,
                    target.url(rest if rest[0] == "/" else "/" + rest),
                    headers=headers,
                    body=request.body,
                    timeout=edge.proxy_timeout_s,
                    keys=keys,
                )
            except HttpTlsFailed:
                if not left:
                    raise
                await asyncio.sleep(edge.server_tls_pause_s)
        raise AssertionError("at least one attempt is made")

    async def _report_tls(self, request: Request, host: str, error: HttpTlsFailed, keys: tuple[Key, ...]) -> None:
        """Log why TLS with a server failed, as the traffic server does: first what C itself refused."""
        cause = error.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            address = (await locate(self.node, host)).address or host
            where = f"server={host}({address})"
            if cause.verify_code in WRONG_NAME:
                warning = f"SNI ({host}) not in certificate. Action=Terminate {where}"
            else:
                problem = cause.verify_message.replace("self-signed", "self signed")  # OpenSSL 1.1's spelling
                warning = (
                    f"Core server certificate verification failed for ({host}). Action=Terminate "
                    f"Error={problem} {where} depth={verify_depth(cause)}"
                )
            self.node.journal.emit(events.Note(text=f"WARNING: {warning}"), keys=self._keys(request, keys))
        self._note(request, f"SSL connection failed for '{host}':{error}", keys)

    def _note(self, request: Request, text: str, keys: tuple[Key, ...]) -> None:
        note = f"{request.method} {decoded_target(request.target)}: {text}"
        self.node.journal.emit(events.Note(text=note), keys=self._keys(request, keys))

    def _keys(self, request: Request, keys: tuple[Key, ...]) -> tuple[Key, ...]:
        tracking = request.headers.get("TrackingID")
        return (*keys, tracking_key(tracking)) if tracking else keys
