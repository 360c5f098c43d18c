"""Expressway-E's XMPP side: clients on 5222 outside, and the XCP link on 7400 inside, dialled by Expressway-C.

A client's stream and TLS end here; each complete element is forwarded over the link, and authentication happens behind
it. XCP is always on the internal interface ("MRA Deployment Guide X15.0, MRA Requirements and Prerequisites").
"""

from __future__ import annotations

import asyncio
import ssl

from edgesim.deployment import Product, closed, hosts
from edgesim.edge.protection import Category, Protection
from edgesim.node import Node
from edgesim.pki import server_context
from edgesim.xmpp.component_stream import realm_of
from edgesim.xmpp.connection import ClientConnection, pace_of
from edgesim.xmpp.front import EdgeStream
from edgesim.xmpp.link import XcpConnection
from edgesim.xmpp.server_stream import Phase
from edgesim.xmpp.session_events import Ended, Passed, SessionEvent, SessionWanted
from edgesim.xmpp.stream import OWN_DOING
from edgesim.xmpp.xcp import XcpLink
from edgesim.xmpp.xcp_events import DataArrived, LinkDown, LinkUp, SessionClosed, XcpEvent
from edgesim.xmpp.xml import SASL

SASL_FAILURE = f"<failure xmlns='{SASL}'".encode()


class _Client:
    """A client's connection, and its session behind, if any."""

    connection: ClientConnection[EdgeStream]

    def __init__(self) -> None:
        self.link: XcpConnection | None = None
        self.session = ""
        self.patience: asyncio.TimerHandle | None = None
        self.authenticated = False


class XmppSide:
    """The XMPP services of an Expressway-E."""

    def __init__(self, node: Node, protection: Protection) -> None:
        self.node = node
        self.protection = protection
        spec = self.node.spec.spec
        assert isinstance(spec, hosts.ExpresswayE)
        self.spec = spec
        self.changed = asyncio.Event()
        self._ids = self.node.host.entropy("xmpp streams")
        self._listeners: list[asyncio.AbstractServer] = []
        self._clients: dict[ClientConnection[EdgeStream], _Client] = {}
        self._links: dict[XcpConnection, dict[str, _Client]] = {}
        self._turn = 0

    # ---- lifecycle

    async def start(self) -> None:
        """Listen for clients and for C. Raises `OSError` if a port is taken."""
        node, loop = self.node, asyncio.get_running_loop()
        identity, ports = node.identities["server"], node.defaults.ports
        chain = node.deployment.certificate(node.name, "server").sends == "chain"
        options = node.tls_options()
        mutual: ssl.SSLContext | None = server_context(
            identity,
            trust=node.trusts["trusted-ca"],
            require_client=True,
            send_chain=chain,
            options=options,
            keylog=node.keylog,
        )
        self._tls = server_context(identity, send_chain=chain, options=options, keylog=node.keylog)
        self._listeners.append(await loop.create_server(self._accept_client, self.spec.outer, ports.edge_xmpp))
        port = node.deployment.xcp_link.port
        if closed("xcp over tls", {Product.EXPRESSWAY: self.spec.release}):
            mutual = None
        self._listeners.append(await loop.create_server(self._accept_link, self.spec.inner_address, port, ssl=mutual))

    async def ready(self) -> None:
        """Return once a C has dialled its XCP link; at once if chat is off."""
        if not any(each.im_and_presence for each in self.node.deployment.domains.enabled):
            return
        while not self._live():
            self.changed.clear()
            await self.changed.wait()

    async def stop(self) -> None:
        """Close every stream and link."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for client in tuple(self._clients.values()):
            client.connection.close("system-shutdown")
        for link in tuple(self._links):
            link.close("system-shutdown")

    def leaks(self) -> list[str]:
        """Return what is still open, for the check after a scenario."""
        return [f"an XMPP stream from {client.connection.client}" for client in self._clients.values()]

    # ---- clients

    def _accept_client(self) -> ClientConnection[EdgeStream]:
        domain = self.node.deployment.domains.edge
        client = _Client()
        client.connection = ClientConnection(
            EdgeStream(domain=domain, stream_id=self._ids.token_hex(6).upper()),
            host=self.node.host,
            recorder=self.node.journal,
            tls=self._tls,
            on_event=self._from_client,
            patience=self.node.defaults.im.handshake_patience_s,
            limits=pace_of(self.node.defaults.im),
            idle=self.node.defaults.im.client_idle_s,
        )
        self._clients[client.connection] = client
        return client.connection

    def _from_client(self, connection: ClientConnection[EdgeStream], event: SessionEvent) -> None:
        client = self._clients.get(connection)
        if client is None:
            return
        match event:
            case SessionWanted():
                self._open_session(client, event)
            case Passed() if client.link is not None:
                client.link.send(client.session, event.data, keys=connection.scribe.keys)
                connection.wait_for(client.link, client.session)  # a fast sender waits for its own session's window
            case Ended():
                if event.condition is not None and event.condition not in OWN_DOING:
                    self.protection.count(Category.XMPP_PROTOCOL, connection.peer)
                self._forget(client, event.detail or "closed by the client")

    def _open_session(self, client: _Client, wanted: SessionWanted) -> None:
        links = self._live()
        if not links:
            self._refuse(client)
            return
        link = links[self._turn % len(links)]
        self._turn += 1
        client.link = link
        client.session = link.open(client.connection.client, wanted.domain, wanted.stream_id, data=wanted.data)
        self._links[link][client.session] = client

    def _closed_behind(self, client: _Client) -> None:
        """The session behind ended; if it never began, there was no server to authenticate with."""
        if client.connection.stream.phase is Phase.ASKED:
            self._refuse(client)
        else:
            client.connection.closed_behind()

    def _refuse(self, client: _Client) -> None:
        """Offer a stream without mechanisms, and close it after a while."""
        client.connection.stream.unavailable()
        client.connection.flush()
        seconds = self.node.defaults.im.no_mechanisms_close_s
        client.patience = asyncio.get_running_loop().call_later(seconds, client.connection.close)

    def _forget(self, client: _Client, reason: str) -> None:
        self._clients.pop(client.connection, None)
        if client.patience is not None:
            client.patience.cancel()
        link, client.link = client.link, None
        if link is not None and self._links.get(link, {}).pop(client.session, None) is not None:
            link.close_session(client.session, reason)

    # ---- links

    def _live(self) -> list[XcpConnection]:
        return [link for link in self._links if link.up]

    def _accept_link(self) -> XcpConnection:
        link = XcpLink.accept(
            realm=realm_of(self.node.fqdn),
            also=(realm_of(self.spec.inner_fqdn),),
            secret=self.node.deployment.xcp_link.secret,
            stream_id=self._ids.token_hex(6).upper(),
        )
        defaults = self.node.defaults.links
        connection = XcpConnection(
            link,
            recorder=self.node.journal,
            on_event=self._from_link,
            keepalive=defaults.xcp_keepalive_s,
            patience=defaults.xcp_patience_s,
        )
        self._links[connection] = {}
        return connection

    def _from_link(self, connection: XcpConnection, event: XcpEvent) -> None:
        match event:
            case LinkUp():
                self.changed.set()
            case DataArrived():
                client = self._links[connection].get(event.session)
                if client is not None:
                    if event.restart:  # authenticated: the time limit for it no longer applies
                        self._authenticated(client)
                    elif not client.authenticated and SASL_FAILURE in event.data:
                        self._refused(client)
                    client.connection.downward(event.data, restart=event.restart)
                    # Only room at the client gives credit, so C, and the sender behind it, wait for the client.
                    client.connection.after_written(lambda: connection.consumed(event.session, event.octets))
            case SessionClosed():
                client = self._links[connection].pop(event.session, None)
                if client is not None:
                    client.link = None
                    self._closed_behind(client)
            case LinkDown():
                for client in tuple(self._links.pop(connection, {}).values()):
                    client.connection.close("remote-connection-failed", "the XCP link is down")
                self.changed.set()

    def _authenticated(self, client: _Client) -> None:
        client.authenticated = True
        client.connection.established()

    def _refused(self, client: _Client) -> None:
        """IM and Presence refused a name, password or token."""
        if self.node.defaults.protection.xmpp_authentication_failure:
            self.protection.count(Category.XMPP_PROTOCOL, client.connection.peer)
