"""Expressway-C's XMPP side: XCP links to every E and every IM and Presence node, and the sessions between them.

From X8.8 on C needs E's name and address in forward and reverse DNS, and verifies E's certificate by that name. Several
IM and Presence clusters are used round robin ("MRA Deployment Guide X15.0, MRA Requirements and Prerequisites").
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from edgesim.deployment import Release
from edgesim.dns import DnsError
from edgesim.edge.link_state import LinkState
from edgesim.journal import events
from edgesim.node import Node
from edgesim.pki import client_context
from edgesim.servers.expressway_c.connections import has
from edgesim.servers.expressway_c.discovery import Discovered, Discovery
from edgesim.servers.expressway_c.retries import Retries
from edgesim.servers.expressway_c.tls import sends_chain, shown_as_client, tls_options
from edgesim.servers.expressway_c.zone import WRONG_NAME
from edgesim.xmpp.component_stream import component_of, realm_of
from edgesim.xmpp.link import XcpConnection
from edgesim.xmpp.xcp import XcpLink
from edgesim.xmpp.xcp_events import (
    DataArrived,
    LinkDown,
    LinkUp,
    MechanismsAnswered,
    MechanismsAsked,
    QueryFailed,
    SessionClosed,
    SessionOpened,
    XcpEvent,
)


class Dialled:
    """A link that C maintains to one peer, redialling it when it ends."""

    def __init__(
        self,
        side: XcpSide,
        peer: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        both_ways: bool,
        on_event: Callable[[XcpConnection, XcpEvent], None],
    ) -> None:
        self.side = side
        self.peer = peer
        self.port = port
        self.connection: XcpConnection | None = None
        self.attempted = asyncio.Event()
        self.up = asyncio.Event()
        self._tls = tls
        self._both_ways = both_ways
        self._on_event = on_event
        self._down = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._problem = ""

    def begin(self) -> None:
        """Start maintaining the link."""
        self._task = self.side.node.host.spawn(self.run(), name=f"XCP to {self.peer}")

    def end(self) -> None:
        """Close the link and stop dialling."""
        if self._task is not None:
            self._task.cancel()
        if self.connection is not None:
            self.connection.close("system-shutdown")

    async def run(self) -> None:
        """Maintain the link until cancelled."""
        while True:
            try:
                await self._dial()
            except (OSError, DnsError) as error:
                reason = self._verdict(error) if isinstance(error, ssl.SSLCertVerificationError) else str(error)
                if isinstance(error, TimeoutError):
                    reason = reason or "timed out"
                self._problem = reason or type(error).__name__
                self._report("failed", self._problem)
            else:
                await self._down.wait()
            self.attempted.set()
            await self.side.retries.wait(self, self.side.node.defaults.links.xcp_retry_s)

    @property
    def link_state(self) -> LinkState:
        """The present state of the link."""
        up = self.connection is not None and self.connection.up
        reason, due = "" if up else self._problem, self.side.retries.due(self)
        state = "up" if up else "down"
        return LinkState(what="XCP", peer=self.peer, state=state, stands=up, reason=reason, again_s=due)

    async def _dial(self) -> None:
        node = self.side.node
        addresses = tuple(await node.resolver.lookup(self.peer))
        if self._both_ways:
            await self._reverse(addresses[0])
        link = XcpLink.dial(
            component=component_of(node.fqdn), realm=realm_of(self.peer), secret=node.deployment.xcp_link.secret
        )
        defaults = node.defaults.links
        self._down.clear()
        connection = XcpConnection(
            link,
            recorder=node.journal,
            on_event=self._heard,
            keepalive=defaults.xcp_keepalive_s,
            patience=defaults.xcp_patience_s,
        )
        async with asyncio.timeout(defaults.connect_timeout_s):
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                addresses[0],
                self.port,
                ssl=self._tls,
                server_hostname=self.peer if self._tls is not None else None,
            )
        self.connection = connection

    async def _reverse(self, address: str) -> None:
        """Check that reverse DNS returns the name by which the certificate is verified. Raises `OSError`."""
        texts = self.side.node.defaults.links
        try:
            names = await self.side.node.resolver.reverse(address)
        except DnsError as error:
            raise OSError(texts.cvs_lookup_failed.format(address=address)) from error
        if self.peer.lower() not in (name.lower() for name in names):
            raise OSError(texts.cvs_refused.format(host=names[0], why=texts.cvs_wrong_name))

    def _verdict(self, error: ssl.SSLCertVerificationError) -> str:
        texts = self.side.node.defaults.links
        wrong_name = error.verify_code in WRONG_NAME
        return texts.cvs_refused.format(
            host=self.peer, why=texts.cvs_wrong_name if wrong_name else error.verify_message
        )

    def _heard(self, connection: XcpConnection, event: XcpEvent) -> None:
        if isinstance(event, LinkUp):
            self.up.set()
            self.attempted.set()
        elif isinstance(event, LinkDown):
            self.up.clear()
            self._problem = event.detail or "closed"
            self._down.set()
        self._on_event(connection, event)

    def _report(self, state: str, detail: str) -> None:
        event = events.XcpLink(state=state, component=component_of(self.peer), detail=detail)
        self.side.node.journal.emit(event, peer=self.peer)


Leg = tuple[XcpConnection, str]
"""One end of a relayed session: the link, and the session's id on it."""
Query = tuple[XcpConnection, str]
"""A query on one of the links that it crosses."""


class XcpSide:
    """The XCP links of an Expressway-C, and the sessions relayed between them."""

    def __init__(self, node: Node, release: Release, *, discovery: Discovery, retries: Retries) -> None:
        self.node = node
        self.retries = retries
        self._release = release
        self._discovery = discovery
        self.edges: list[Dialled] = []
        self.servers: dict[str, Dialled] = {}
        self.tls: ssl.SSLContext
        self.tls_inside: ssl.SSLContext
        self._across: dict[Leg, Leg] = {}
        self._queries: dict[Query, Query] = {}
        self._turn = 0

    # ---- lifecycle

    async def start(self) -> None:
        """Start dialling, without waiting."""
        node = self.node
        link = node.deployment.xcp_link
        self.tls = self._context(verify=link.enable_cvs, names=link.verify_hostname)
        self.tls_inside = self._context(verify=node.deployment.mra.tls_verify_im_presence)
        for peer in node.deployment.traversal_zone.peer_addresses:
            port = node.deployment.xcp_link.port
            # Before X8.8 this link has no TLS, and addresses are not checked.
            modern = has("xcp over tls", self._release)
            tls = self.tls if modern else None
            edge = Dialled(self, peer, port, tls=tls, both_ways=modern and link.looks_back, on_event=self._from_edge)
            self.edges.append(edge)
            edge.begin()

    def _context(self, *, verify: bool, names: bool = True) -> ssl.SSLContext:
        node = self.node
        return client_context(
            node.trusts["trusted-ca"] if verify else None,
            check_hostname=names,
            identity=shown_as_client(node),
            send_chain=sends_chain(node, dialling=True),
            options=tls_options(node),
            keylog=node.keylog,
        )

    async def ready(self) -> None:
        """Return once every link to an E is up and every discovered IM and Presence node was tried."""
        if not any(each.im_and_presence for each in self.node.deployment.domains.enabled):
            return
        for edge in self.edges:
            await edge.up.wait()
        for server in tuple(self.servers.values()):
            await server.attempted.wait()

    async def stop(self) -> None:
        """Close the links permanently."""
        for dialled in (*self.edges, *self.servers.values()):
            dialled.end()

    def dial_servers(self, discovered: Discovered) -> None:
        """Begin to dial the IM and Presence nodes that were found, but those that are dialled already."""
        for cluster in discovered.im_presence:
            for server in cluster.usable:
                if server.name not in self.servers:
                    port = self.node.defaults.ports.im_presence_xmpp
                    dialled = Dialled(
                        self, server.name, port, tls=self.tls_inside, both_ways=False, on_event=self._from_server
                    )
                    self.servers[server.name] = dialled
                    dialled.begin()

    # ---- relaying

    def _server(self) -> XcpConnection | None:
        """Return the link for a new session: from the clusters in turn, the first node that is up."""
        candidates = []
        for cluster in self._discovery.discovered.im_presence:
            up = next((link for node in cluster.nodes if (link := self._link_to(node.name)) is not None), None)
            if up is not None:
                candidates.append(up)
        if not candidates:
            return None
        self._turn += 1
        return candidates[(self._turn - 1) % len(candidates)]

    def _link_to(self, name: str) -> XcpConnection | None:
        dialled = self.servers.get(name)
        link = dialled.connection if dialled is not None else None
        return link if link is not None and link.up else None

    def _from_edge(self, edge: XcpConnection, event: XcpEvent) -> None:
        match event:
            case SessionOpened():
                server = self._server()
                if server is None:
                    edge.close_session(event.session, "recipient-unavailable")
                    return
                session = server.open(event.client, event.domain, event.stream_id)
                self._across[edge, event.session] = (server, session)
                self._across[server, session] = (edge, event.session)
            case MechanismsAsked():
                self._ask(edge, event)
            case _:
                self._relay(edge, event)

    def _from_server(self, server: XcpConnection, event: XcpEvent) -> None:
        match event:
            case MechanismsAnswered() if (asked := self._queries.pop((server, event.query), None)) is not None:
                edge, query = asked
                edge.answer(query, event.mechanisms, event.hostnames)
            case QueryFailed() if (asked := self._queries.pop((server, event.query), None)) is not None:
                edge, query = asked
                edge.refuse(query, event.condition)
            case LinkDown():
                for question in [one for one in self._queries if one[0] is server]:
                    edge, query = self._queries.pop(question)
                    edge.refuse(query, "recipient-unavailable")
                self._relay(server, event)
            case _:
                self._relay(server, event)

    def _ask(self, edge: XcpConnection, event: MechanismsAsked) -> None:
        server = self._server()
        if server is None:
            self.node.journal.emit(events.Note(text="Failed to query auth component for SASL mechanisms"))
            edge.refuse(event.query, "item-not-found")
        else:
            self._queries[server, server.ask(event.domain)] = (edge, event.query)

    def _relay(self, link: XcpConnection, event: XcpEvent) -> None:
        """Relay a session's events; a lost link ends its sessions on the other side."""
        match event:
            case DataArrived():
                other = self._across.get((link, event.session))
                if other is not None:
                    onward, session = other
                    onward.send(
                        session,
                        event.data,
                        restart=event.restart,
                        keys=link.keys(event.session),
                        # Only forwarded octets give credit: a slow receiver slows only its sender.
                        then=lambda: link.consumed(event.session, event.octets),
                    )
            case SessionClosed():
                other = self._across.pop((link, event.session), None)
                if other is not None:
                    self._end(other, event.reason)
            case LinkDown():
                for leg in [leg for leg in self._across if leg[0] is link]:
                    self._end(self._across.pop(leg), "remote-server-not-found")

    def _end(self, leg: Leg, reason: str) -> None:
        """End the other half of a session."""
        self._across.pop(leg, None)
        onward, session = leg
        onward.close_session(session, reason)
