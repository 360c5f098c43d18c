"""Sign-in to the edge: `get_edge_config`, its cookie, and files fetched through the proxy.

Sources: "Preferred Architecture for Cisco Collaboration 12.x Enterprise On-Premises", Collaboration Edge;
"Collaboration Edge TC-based Endpoints Configuration Example" (Cisco 211304).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from edgesim.clients.common.access import Access
from edgesim.clients.common.edge_hosts import Edge
from edgesim.clients.common.stages import StageFailed
from edgesim.dns import DnsError
from edgesim.edge import cookie, edge_config
from edgesim.edge.edge_config import EdgeConfig
from edgesim.http import Response
from edgesim.node import Node
from edgesim.pki.policy import is_address


class EdgeSignIn:
    """A sign-in to the edge of a domain. ``resource`` follows the domain in the URL of the request."""

    def __init__(self, access: Access, domain: str, resource: str) -> None:
        self.access = access
        self.domain = domain
        self.resource = resource
        self.config: EdgeConfig | None = None
        self._targets: tuple[str, ...] = ()

    async def begin(self, targets: Sequence[tuple[str, int]]) -> str:
        """Request the edge configuration from each Expressway-E in turn; return the one that answered.

        A refusal by one counts for all. Raises `StageFailed`.
        """
        self._targets = tuple(dict.fromkeys(host for host, _ in targets))
        form = self.access.node.defaults.client.sni
        self.access.edge = Edge(domain=self.domain, hosts=list(targets), form=form, known=self._targets)
        return await self._ask(targets)

    async def renew(self) -> None:
        """Fetch the edge configuration, and with it the cookie, again. Raises `StageFailed`."""
        edge = self.access.edge
        assert edge is not None
        await self._ask(tuple(edge.hosts))

    async def _ask(self, hosts: Sequence[tuple[str, int]]) -> str:
        reasons: list[str] = []
        for host, port in hosts:
            try:
                response = await self.access.control(self.resource, host, port)
            except StageFailed as error:
                reasons.append(f"{host}: {error}")
                continue
            if response.status >= 500 and (host, port) != hosts[-1]:
                reasons.append(f"{host}: {response.status} {response.phrase}")
                continue
            self.config = self._checked(response, host)
            await self._learn(self.config, host)
            edge = self.access.edge
            assert edge is not None
            servers = [(server.address, server.port) for server in self.config.http if server.address]
            others = (one for one in servers if host not in (one[0], edge.name_of(one[0])))
            edge.hosts = [(host, port), *others]
            return host
        raise StageFailed("; ".join(reasons) or "no Expressway-E is known")

    async def _learn(self, config: EdgeConfig, host: str) -> None:
        """Record the names in the edge configuration, and the name behind each address."""
        edge = self.access.edge
        assert edge is not None
        edge.signed_in = edge.cookie_host(host)
        given = {one.address: None for one in (*config.http, *config.sip, *config.xmpp) if one.address}
        addresses = [one for one in given if is_address(one)]
        edge.known = tuple(dict.fromkeys((*self._targets, *(one for one in given if not is_address(one)))))
        names = dict.fromkeys(addresses, "")
        if self.access.node.defaults.client.address_names == "signed in":
            names = dict.fromkeys(addresses, edge.signed_in)
        for target in dict.fromkeys((edge.signed_in, *self._targets)):
            if all(names.values()):
                break
            for address in await self._addresses(target):
                if names.get(address) == "":
                    names[address] = target
        edge.names = names

    async def _addresses(self, name: str) -> tuple[str, ...]:
        try:
            return tuple(await self.access.node.resolver.lookup(name))
        except DnsError:
            return ()

    def server_name(self, host: str) -> str:
        """Return the TLS server name for an edge server."""
        edge = self.access.edge
        return host if edge is None else edge.server_name(host)

    def _checked(self, response: Response, host: str) -> EdgeConfig:
        if response.status != 200:
            realm = response.headers.get("WWW-Authenticate") or response.headers.get("Server") or ""
            raise StageFailed(f"get_edge_config: {response.status} {response.phrase} {realm}".rstrip())
        try:
            edge = self.access.edge
            self.access.edge_cookie(host if edge is None else edge.cookie_host(host))
            return edge_config.parse(response.body)
        except cookie.EdgeCookieUnusable as error:
            raise StageFailed(f"{error} {cookie.EDGE_CONFIG_FAILED}") from error
        except edge_config.EdgeConfigError as error:
            raise StageFailed(f"{cookie.EDGE_CONFIG_FAILED} ({error})") from error

    def cookie_expires(self) -> float | None:
        """Return when the edge's cookie expires: Unix time in seconds by this host's clock; None without one."""
        edge = self.access.edge
        if edge is None or not edge.hosts:
            return None
        try:
            return self.access.edge_cookie(edge.cookie_host(edge.hosts[0][0])).expires
        except cookie.EdgeCookieUnusable:
            return None


async def keep_signed_in(
    node: Node, expires: Callable[[], float | None], renew: Callable[[], Awaitable[None]], report: Callable[[str], None]
) -> None:
    """Sign in to the edge again before its cookie expires; ``report`` is called with the reason of each failure, and an
    empty text after each success.
    """
    client = node.defaults.client
    while True:
        at = expires()
        left = at - node.host.clock.time() if at is not None else 0.0
        await asyncio.sleep(max(left - client.edge_refresh_before_s, client.phone_retry_s))
        try:
            await renew()
        except StageFailed as error:
            report(str(error))
        else:
            report("")


async def fetch_file(access: Access, hosts: Sequence[str], name: str) -> Response:
    """GET a file over HTTPS from the first server that returns it. Raises `StageFailed`."""
    reasons: list[str] = []
    port = access.node.defaults.ports.configuration_https
    for host in dict.fromkeys(hosts):
        try:
            response = await access.get(f"https://{host}:{port}/{name}")
            if response.status == 200:
                return response
            raise StageFailed(f"{response.status} {response.phrase}")
        except StageFailed as error:
            reasons.append(f"{host}: {error}" if len(hosts) > 1 else str(error))
    raise StageFailed("; ".join(reasons) or "no TFTP server is known")
