"""An IM and Presence node: its services, ports and certificates.

Tomcat (SOAP, the single sign-on probe, AXL) presents the certificate ``tomcat`` on 8443; XMPP presents ``cup-xmpp``, to
inside clients on 5222 (STARTTLS) and to Expressway-C on 7400, where it also requires C's certificate and trusts only
what is in both ``cup-xmpp-trust`` and ``tomcat-trust``. Source: "MRA Deployment Guide X15.0, MRA Requirements and
Prerequisites" for the trust relations.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

from edgesim.deployment.hosts import ImPresenceCluster, ImPresenceNode
from edgesim.edge import axl_messages as messages
from edgesim.http import HttpServer
from edgesim.node import Node
from edgesim.pki import TrustStore, client_context, server_context
from edgesim.servers.im_presence.accounts import Account, Accounts
from edgesim.servers.im_presence.carriers import DirectCarrier, LinkCarriers
from edgesim.servers.im_presence.chat import Chat
from edgesim.servers.im_presence.messages import Messages
from edgesim.servers.im_presence.presence import Presence
from edgesim.servers.im_presence.roster import Rosters
from edgesim.servers.im_presence.router import Router
from edgesim.servers.im_presence.sessions import Sessions
from edgesim.servers.im_presence.soap_service import SoapService
from edgesim.servers.im_presence.tickets import Tickets
from edgesim.servers.im_presence.web import Axl, SingleSignOn, Web
from edgesim.xmpp.component_stream import realm_of
from edgesim.xmpp.connection import ClientConnection, pace_of
from edgesim.xmpp.link import XcpConnection
from edgesim.xmpp.session import Session
from edgesim.xmpp.xcp import XcpLink

TOMCAT, CUP_XMPP = "tomcat", "cup-xmpp"
TOMCAT_TRUST, CUP_XMPP_TRUST = "tomcat-trust", "cup-xmpp-trust"
XMPP_ROUTERS = "xmpp-routers"


class ImPresence:
    """The services of one node. Built by its host's factory; `start` opens every port or raises `OSError`.

    ``chat.sessions`` are the bound sessions; ``soap.tokens`` can be set to accept access tokens.
    """

    def __init__(self, node: Node) -> None:
        spec = node.spec.spec
        assert isinstance(spec, ImPresenceNode)
        self.node = node
        self.machine = spec
        self.cluster = node.deployment.im_presence_cluster_of(node.name)
        self.is_publisher = self.cluster.publisher.name == node.name
        self.accounts = Accounts.of(node.deployment, self.cluster)
        peers = [node.deployment.im_presence_cluster(name) for name in self.cluster.peers]
        self.peers = tuple(Accounts.of(node.deployment, each) for each in peers)
        self.router = self._router(peers)
        self.tickets = Tickets(
            node.host.entropy("soap tickets"),
            lambda: asyncio.get_running_loop().time(),
            key_lifetime=node.defaults.im.session_key_lifetime_s,
            password_lifetime=node.defaults.im.one_time_password_s,
        )
        self.rosters = Rosters(node.host.disk)
        self.chat = self._chat()
        self.soap = SoapService(
            node.journal,
            self.accounts,
            self.tickets,
            self._configuration,
            failure_element=node.defaults.im.failed_login_element,
            bad_credentials=node.defaults.im.bad_credentials,
            unassigned_status=node.defaults.im.unassigned_status,
        )
        self._web = self._tomcat()
        self._link_ids = node.host.entropy("xcp streams")
        self._listeners: list[asyncio.AbstractServer] = []
        self._links: dict[XcpConnection, None] = {}

    # ---- lifecycle

    async def start(self) -> None:
        """Open the ports. Raises `OSError` if one is taken."""
        await self._start_tomcat()
        await self._start_router()

    async def stop(self) -> None:
        """Close everything: sessions and links get a shutdown error."""
        self._stop_router()
        await self._web.close()

    async def restart(self, services: Sequence[str]) -> None:
        """Stop services and start them again, with the certificates uploaded for them. Raises `OSError`."""
        if "Cisco Tomcat" in services:
            await self._web.close()
            await self._start_tomcat()
        if "Cisco XCP Router" in services:
            self._stop_router()
            await self._start_router()

    async def _start_tomcat(self) -> None:
        context = self._context(TOMCAT, "soap")
        await self._web.listen(self.machine.address, self.node.defaults.ports.soap, ssl=context)

    async def _start_router(self) -> None:
        node, ports, address = self.node, self.node.defaults.ports, self.machine.address
        loop, needs = asyncio.get_running_loop(), self._needs("im_presence_xmpp")
        clear = self._context(CUP_XMPP, "im_presence_client")
        self._listeners.append(await loop.create_server(lambda: self._client(clear), address, ports.im_presence_client))
        mutual = server_context(
            node.installed.identity(CUP_XMPP, needs),
            trust=self._link_trust(),
            require_client=True,
            send_chain=self._sends_chain(CUP_XMPP),
            options=self.node.tls_options(),
            keylog=node.keylog,
        )
        self._listeners.append(await loop.create_server(self._link, address, ports.im_presence_xmpp, ssl=mutual))
        self.router.start()

    def _stop_router(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        self.router.stop()
        self.chat.shut_down()
        for link in tuple(self._links):
            link.close("system-shutdown")

    def _needs(self, port: str) -> tuple[str, ...]:
        """Return the services that must all be restarted before an uploaded certificate takes effect on a port."""
        return dict(self.node.defaults.tls.restarted_for_im_presence).get(port, ())

    # ---- XMPP and XCP

    def _client(self, tls: ssl.SSLContext) -> ClientConnection[Session]:
        return DirectCarrier(self.chat, self.node.host, self.node.journal, tls).connection

    def _link(self) -> XcpConnection:
        link = XcpLink.accept(
            realm=realm_of(self.node.fqdn),
            secret=self.node.deployment.xcp_link.secret,
            stream_id=self._link_ids.token_hex(6).upper(),
        )
        return self._carriers(link).connection

    def _carriers(self, link: XcpLink) -> LinkCarriers:
        """Return the two halves of an XCP link, accepted or dialled by the router."""
        defaults = self.node.defaults.links
        carriers = LinkCarriers(
            self.chat,
            link,
            self.node.journal,
            router=self.router,
            on_lost=self._link_lost,
            keepalive=defaults.xcp_keepalive_s,
            patience=defaults.xcp_patience_s,
        )
        self._links[carriers.connection] = None
        return carriers

    def _link_lost(self, connection: XcpConnection) -> None:
        self._links.pop(connection, None)

    # ---- construction

    def _router(self, peers: Sequence[ImPresenceCluster]) -> Router:
        others = {each.name: each.fqdn for cluster in (self.cluster, *peers) for each in cluster.nodes}
        others.pop(self.node.name)
        homes = {each.jid: each.node for accounts in (*self.peers, self.accounts) for each in accounts if each.node}
        return Router(
            self.node,
            others,
            homes,
            tls=self._router_context,
            link=self._carriers,
            on_up=lambda name: self.chat.presence.link_up(lambda user: homes.get(user.bare) == name),
        )

    def _router_context(self) -> ssl.SSLContext:
        return client_context(
            self._link_trust(),
            identity=self.node.installed.identity(CUP_XMPP, self._needs("im_presence_xmpp")),
            send_chain=self._sends_chain(CUP_XMPP),
            options=self.node.tls_options(),
            keylog=self.node.keylog,
        )

    def _chat(self) -> Chat:
        node, domains, defaults = self.node, self.cluster.presence_domains, self.node.defaults.im
        sessions = Sessions()
        return Chat(
            node.journal,
            self.accounts,
            self.tickets,
            sessions,
            Presence(
                self.accounts,
                sessions,
                self.rosters,
                node.host.entropy("roster pushes"),
                auto_approve=defaults.auto_approve,
                elsewhere=self.router,
            ),
            Messages(self.accounts, sessions, domains, offline=defaults.offline_message, elsewhere=self.router),
            node.host.entropy("xmpp"),
            domain=domains[0],
            router=self.router,
            peers=self.peers,
            conflict=defaults.resource_conflict,
            resource_digits=defaults.resource_digits,
            stream_management=defaults.stream_management,
            patience=defaults.handshake_patience_s,
            pace=pace_of(defaults),
            idle=defaults.client_idle_s,
        )

    def _configuration(self, account: Account) -> tuple[dict[str, str], dict[str, str]]:
        """Return the configuration for get-all-config: clients read ``Presence.Domain``."""
        home = next((each for each in self.cluster.nodes if each.name == account.node), self.machine)
        backups = (
            [each.fqdn for each in self.cluster.nodes if each.name != home.name] if self.cluster.redundancy else []
        )
        system = {"Presence.Domain": account.jid.domain}
        return system, {"XMPP.Primary": home.fqdn} | ({"XMPP.Secondary": backups[0]} if backups else {})

    def _tomcat(self) -> HttpServer:
        node, release = self.node, self.cluster.release
        short = ".".join(str(part) for part in release.key[:3])
        probe = SingleSignOn(root=node.defaults.oauth.probe_root, version=short)
        service: Axl | None = None
        if self.is_publisher and self.machine.axl:
            nodes = tuple(
                messages.ProcessNode(
                    name=each.fqdn,
                    description=each.name,
                    usage="Subscriber" if position else "Publisher",
                    role="CUCM IM and Presence",
                    uuid=f"{{{node.deployment.pkid('processnode', each.name).upper()}}}",
                )
                for position, each in enumerate(self.cluster.nodes)
            )
            build = release.text if "-" in release.text else f"{short}.10000-1"
            service = Axl(node.journal, self.cluster.axl_account, release=build, nodes=nodes)
        web = Web(self.soap, probe, service)
        return HttpServer(node.journal, web.handle, keys=web.keys, host=node.host, name="tomcat")

    def _context(self, service: str, port: str) -> ssl.SSLContext:
        return server_context(
            self.node.installed.identity(service, self._needs(port)),
            send_chain=self._sends_chain(service),
            options=self.node.tls_options(),
            keylog=self.node.keylog,
        )

    def _link_trust(self) -> TrustStore:
        """Return the trust store for Expressway-C and other nodes: the certificates in both stores, unless the
        deployment says otherwise, and those of the nodes themselves.
        """
        installed, needs = self.node.installed, self._needs("im_presence_xmpp")
        cup, tomcat = installed.trust(CUP_XMPP_TRUST, needs), installed.trust(TOMCAT_TRUST, needs)
        both = self.node.defaults.tls.im_presence_link_trust == "both stores"
        held = tuple(one for one in cup if not both or one in tomcat)
        routers = self.node.trusts.get(XMPP_ROUTERS, ())
        more = tuple(one for one in routers if one not in cup)
        return TrustStore.of(f"{CUP_XMPP_TRUST} and {TOMCAT_TRUST}" if both else CUP_XMPP_TRUST, *held, *more)

    def _sends_chain(self, service: str) -> bool:
        return self.node.deployment.certificate(self.node.name, service).sends == "chain"
