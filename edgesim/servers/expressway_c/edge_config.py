"""Expressway-C's edge configuration service, which answers ``get_edge_config``.

The response tells an authenticated client which services the inside DNS has for the domain of the request, and where at
the edge SIP, XMPP and HTTPS are: by FQDN, from X14.1 on by address. Sources: "Collaboration Edge TC-based Endpoints
Configuration Example" (Cisco 211304), "Configure MRA through Expressway/VCS in a Multi-Domain Deployment" (Cisco
117811).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from edgesim.deployment import Product, Release
from edgesim.edge.descriptor import is_domain
from edgesim.edge.edge_config import (
    DEFAULT_SERVICES,
    EdgeConfig,
    EdgeConfigError,
    EdgeServer,
    Service,
    ServiceServer,
    build,
    requested_services,
)
from edgesim.edge.tunnel import Greeting
from edgesim.http import Headers, Request, Response
from edgesim.node import Node
from edgesim.servers.expressway_c.answers import refused
from edgesim.servers.expressway_c.authentication import Authenticator
from edgesim.servers.expressway_c.connections import has
from edgesim.servers.expressway_c.discovery import Discovered
from edgesim.servers.expressway_c.user_data import Account, UserData

UDS = "_cisco-uds"
SERVICES = frozenset(DEFAULT_SERVICES)


class EdgeConfigService:
    """Answers ``get_edge_config``. ``edges`` are all E peers, with what their greetings have told."""

    def __init__(
        self,
        node: Node,
        authenticator: Authenticator,
        users: UserData,
        *,
        discovered: Callable[[], Discovered],
        edges: Callable[[], Sequence[Greeting]],
        release: Release,
    ) -> None:
        self.node = node
        self._authenticator = authenticator
        self._users = users
        self._discovered = discovered
        self._edges = edges
        # From X12.5 on _cisco-uds need not resolve inside: the discovered nodes replace it, if known by FQDN.
        self._nodes_stand_in = has("no inside srv of the edge domain", release)
        edge = node.defaults.edge
        by_address = release >= Release.parse(edge.addressed_from, Product.EXPRESSWAY)
        self._addressed = frozenset(edge.addressed_servers if by_address else ())

    async def handle(self, request: Request, domain: str, edge: Greeting) -> Response:
        """Answer a request for ``domain`` that came through ``edge``."""
        defaults = self.node.defaults.edge
        if request.method != "GET":
            answer = refused(self.node, 405, server=defaults.server_of_configuration)
            return replace(answer, headers=answer.headers.added("Allow", "GET"))
        try:
            names = requested_services(request.query)
        except EdgeConfigError as error:
            return refused(self.node, 400, server=defaults.server_of_configuration, cause=str(error))
        verdict = await self._authenticator.sign_in(request)
        credentials = self._authenticator.credentials
        account = credentials.account(verdict.user) if verdict.refusal is None else None
        if verdict.refusal is not None or account is None:
            return verdict.refusal or refused(self.node, 500)
        body = build(await self._configuration(account, names, domain, edge))
        headers = [
            *((name, value) for name, value in defaults.configuration_headers if name != "Age"),
            ("Date", self.node.host.clock.http_date()),
            ("Set-Cookie", credentials.issue(verdict.user, edge.domain)),
            ("Transfer-Encoding", "chunked"),
        ]
        return Response(status=200, headers=Headers(headers), body=body)

    async def _configuration(self, account: Account, names: Sequence[str], domain: str, edge: Greeting) -> EdgeConfig:
        ports = self.node.defaults.ports
        peers = [edge, *(one for one in self._edges() if one.fqdn != edge.fqdn)]
        if self.node.defaults.edge.servers == "answering":
            peers = peers[:1]
        uds = account.home.host if account.served else ""
        return EdgeConfig(
            services=tuple([await self._service(name, domain) for name in names]),
            tftp=self._tftp(account),
            sip=self._servers("sip", peers, ports.edge_sip),
            routes=self._routes(edge),
            xmpp=self._servers("xmpp", peers, ports.edge_xmpp),
            http=self._servers("http", peers, ports.edge_https),
            turn=self._servers(
                "turn", peers[:1] if self.node.defaults.edge.turn_server == "filled" else (), ports.turn
            ),
            user_uds=(EdgeServer(address=uds, port=account.home.port),),
        )

    def _servers(self, element: str, peers: Sequence[Greeting], port: int) -> tuple[EdgeServer, ...]:
        """Return the servers of one element; a peer that has not sent its address is given by FQDN."""
        addressed = element in self._addressed
        return tuple(EdgeServer(address=(addressed and one.address) or one.fqdn, port=port) for one in peers)

    async def _service(self, name: str, domain: str) -> Service:
        if name in SERVICES:
            answer = await self.node.resolver.query(f"{name}._tcp.{domain}", "SRV")
            servers = tuple(
                ServiceServer(priority=srv.priority, weight=srv.weight, port=srv.port, address=srv.target)
                for srv in (answer.services if answer else ())
                if srv.target and (name != UDS or self._users.usable(srv.target))
            )
            if not servers and name == UDS and self._nodes_stand_in:
                servers = self._nodes()
            if servers:
                return Service(name=name, servers=servers)
        return Service(name=name, error=self.node.defaults.edge.service_error)

    def _nodes(self) -> tuple[ServiceServer, ...]:
        dns, port = self.node.defaults.dns, self.node.defaults.ports.uds
        return tuple(
            ServiceServer(priority=dns.srv_priority, weight=dns.srv_weight, port=port, address=node.name)
            for cluster in self._discovered().unified_cm
            for node in cluster.usable
            if "." in node.name and is_domain(node.name) and self._users.usable(node.name)
        )

    def _tftp(self, account: Account) -> tuple[str, ...]:
        if not account.served:
            return ("", "")  # as captured for a user without UC service profile
        cluster = self._discovered().cluster_of(account.home.host)
        return cluster.tftp if cluster else ()

    def _routes(self, edge: Greeting) -> tuple[str, ...]:
        """The client's SIP Route: this C by address, and the number of the UC traversal zone on E."""
        deployment, defaults = self.node.deployment, self.node.defaults
        addresses = [self.node.host.address()]
        if defaults.edge.route_address == "expressway_e inner":
            addresses = [one.inner_address for one in deployment.expressway_e if one.fqdn == edge.fqdn] or addresses
        elif defaults.edge.routes == "every peer":
            addresses += [one.address for one in deployment.expressway_c if one.address != addresses[0]]
        parameters = f"transport=tls;zone-id={deployment.traversal_zone.index_on_e};directed;lr"
        return tuple(f"<sip:{address}:{defaults.ports.sip_tls};{parameters}>" for address in addresses)
