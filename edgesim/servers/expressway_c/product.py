"""Expressway-C as a whole: it holds the configuration, decides, and opens every connection across the firewall."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from edgesim.deployment import hosts
from edgesim.edge.allow_list import automatic_rules
from edgesim.edge.link_state import LinkState
from edgesim.edge.protection import Protection
from edgesim.edge.tunnel import Greeting
from edgesim.http import HttpClient
from edgesim.node import Node
from edgesim.servers.expressway_c.authentication import Authenticator
from edgesim.servers.expressway_c.cluster import ClusterDatabase
from edgesim.servers.expressway_c.connections import SourcePorts, has, uc_client
from edgesim.servers.expressway_c.credentials import Credentials
from edgesim.servers.expressway_c.discovery import IM_PRESENCE, UNIFIED_CM, Discovered, Discovery
from edgesim.servers.expressway_c.edge_config import EdgeConfigService
from edgesim.servers.expressway_c.http_proxy import HttpProxy, mra_domains
from edgesim.servers.expressway_c.media import MediaSide
from edgesim.servers.expressway_c.retries import Retries
from edgesim.servers.expressway_c.sip import SipSide
from edgesim.servers.expressway_c.tunnel import TunnelClients
from edgesim.servers.expressway_c.user_data import UserData
from edgesim.servers.expressway_c.xcp import XcpSide


class ExpresswayC:
    """An Expressway-C peer."""

    def __init__(self, node: Node) -> None:
        self.node = node
        spec = node.spec.spec
        assert isinstance(spec, hosts.ExpresswayC)
        self.release = spec.release
        self._works = spec.ip_protocol != "IPv6"
        ports = node.defaults.ports
        first, last = ports.http_source_first, ports.http_source_last
        self.source_ports = SourcePorts(first, last, node.host.entropy("source ports").randint(first, last))
        self._clients = self._make_clients()
        self._listeners: list[Callable[[Discovered], None]] = []
        self.discovery = Discovery(node, self._management_client, self._discovered)
        self.users = UserData(node, self._clients["users"], self._clusters, self.release)
        self.credentials = Credentials(node)
        self.cluster = ClusterDatabase(node, self.credentials)
        self.authenticator = Authenticator(node, self.credentials, self.users)
        self.edge_configuration = EdgeConfigService(
            node,
            self.authenticator,
            self.users,
            discovered=lambda: self.discovered,
            edges=self._edges,
            release=self.release,
        )
        self.proxy = HttpProxy(node, self.authenticator, self.edge_configuration, self._proxy_client)
        greeting = Greeting(
            fqdn=node.fqdn,
            domain=spec.domain,
            domains=mra_domains(node),
        )
        self.retries = Retries(node)
        self.tunnels = TunnelClients(
            node,
            greeting,
            self.proxy.handle,
            ports=self.source_ports,
            retries=self.retries,
            keys=self.authenticator.keys,
        )
        # "The Expressway does not automatically create exemptions" here: an administrator who enables it adds them.
        self.protection = Protection(
            node.host,
            node.journal,
            node.deployment,
            self.release,
            on=node.defaults.protection.intrusion_protection_on_c,
        )
        self.sip = SipSide(
            node,
            self.release,
            discovery=self.discovery,
            credentials=self.credentials,
            protection=self.protection,
            retries=self.retries,
        )
        self.xmpp = XcpSide(node, self.release, discovery=self.discovery, retries=self.retries)
        self.media = MediaSide(node)
        self.on_discovery(self.sip.rewrite)
        self.on_discovery(self.xmpp.dial_servers)

    # ---- lifecycle

    async def start(self) -> None:
        """Start dialling E and discovering the UC servers, without waiting. Without IPv4 there is no MRA."""
        if not self._works:
            return
        self._rewrite_allow_list()
        self.protection.start()
        await self.cluster.start()
        await self.tunnels.start()
        await self.sip.start()
        await self.xmpp.start()
        await self.media.start()
        self._discovering = self.node.host.spawn(self._discover(), name="discovery")

    async def ready(self) -> None:
        """Return once discovery has run, every tunnel is up, and the SIP and XMPP sides are ready."""
        await self.discovery.attempted.wait()
        await self.tunnels.ready()
        await self.sip.ready()
        await self.xmpp.ready()

    def links(self) -> tuple[LinkState, ...]:
        """Return every link that this C maintains: the traversal zone's, the tunnels, XCP to Es and to chat servers."""
        tunnels = (each.link_state for each in self.tunnels.links)
        routes = (each.link_state for each in (*self.xmpp.edges, *self.xmpp.servers.values()))
        return (*self.sip.zone.links(), *tunnels, *routes)

    def retry_links(self) -> int:
        """Retry every link that waits for its next attempt now; return how many."""
        return self.retries.now()

    async def stop(self) -> None:
        """Close every link."""
        if not self._works:
            return
        self.protection.stop()
        self._discovering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._discovering
        await self.media.stop()
        await self.xmpp.stop()
        await self.sip.stop()
        await self.tunnels.stop()
        await self.cluster.stop()
        for client in self._clients.values():
            await client.close()

    # ---- servers

    @property
    def discovered(self) -> Discovered:
        """The discovered UC servers: clusters, their nodes with addresses, release and security mode."""
        return self.discovery.discovered

    def on_discovery(self, listener: Callable[[Discovered], None]) -> None:
        """Call ``listener`` with the result whenever the list of servers is rewritten."""
        self._listeners.append(listener)

    async def refresh_servers(self) -> Discovered:
        """Discover all UC servers again (*Refresh servers*), which rewrites automatic rules and neighbour zones."""
        return await self.discovery.refresh()

    def restart_edge_configuration(self) -> None:
        """Restart the edge configuration service: it forgets which Unified CM nodes failed."""
        self.users.restart()

    async def _discover(self) -> None:
        await self.discovery.first()
        if self.node.defaults.edge.unreachable_at_start == "refused until restart":
            for source in self.discovery.sources:
                if source.product == UNIFIED_CM and source.state != "active":
                    self.users.mark_failed(source.publisher, float("inf"))
        await self.discovery.retry()

    def _discovered(self) -> None:
        self._rewrite_allow_list()
        for listener in self._listeners:
            listener(self.discovered)

    def _rewrite_allow_list(self) -> None:
        edge, number = self.node.defaults.edge, self.node.defaults.ports.number
        rules = automatic_rules(self.discovered.servers, edge.automatic_rules, dict(edge.rule_types), number)
        self.proxy.rewrite(rules)

    def _clusters(self) -> list[list[str]]:
        if self.discovery.rewriting:
            return []
        return [[node.name for node in cluster.usable] for cluster in self.discovered.unified_cm]

    def _edges(self) -> list[Greeting]:
        """Every E peer: from its greeting, or by the address that C is configured to dial."""
        return [link.last_edge or Greeting(fqdn=link.peer, domain="") for link in self.tunnels.links]

    # ---- clients

    def _make_clients(self) -> dict[str, HttpClient]:
        """Create the HTTP clients, which differ in whether they verify. From X14.2 on the TLS verify mode applies only
        to discovery, and to users' requests only if `EdgeConfigServer VerifyOriginServer` is Off.
        """
        node, mra = self.node, self.node.deployment.mra
        origin = has("proxy verifies servers", self.release) and mra.verify_origin_server
        verify = {
            "users": origin or mra.tls_verify_unified_cm,
            f"proxy to {UNIFIED_CM}": origin or mra.tls_verify_unified_cm,
            f"proxy to {IM_PRESENCE}": origin or mra.tls_verify_im_presence,
            "proxy": origin,
            UNIFIED_CM: mra.tls_verify_unified_cm,
            IM_PRESENCE: mra.tls_verify_im_presence,
        }
        return {
            purpose: uc_client(node, self.release, self.source_ports, verify=wanted)
            for purpose, wanted in verify.items()
        }

    def _management_client(self, product: str) -> HttpClient:
        return self._clients[product]

    def _proxy_client(self, host: str) -> HttpClient:
        """Return the client with which the proxy reaches a server, by the TLS verify mode of its cluster."""
        cluster = self.discovered.cluster_of(host)
        return self._clients["proxy" if cluster is None else f"proxy to {cluster.product}"]
