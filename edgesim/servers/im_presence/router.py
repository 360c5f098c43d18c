"""The XCP Router between the nodes of one cluster and of its peer clusters.

A user's session, presence and roster are on the user's home node. Expressway-C gives a session to any node; once the
credentials show the user, that node hands the session over to the home node. Nodes send each other the stanzas for each
other's users. Routers use TCP 7400 with TLS both ways, each presenting ``cup-xmpp``, which clusters replicate as XMPP
trust certificates. Source: "Configuration and Administration of the IM and Presence Service", XMPP router-to-router
secure mode; the protocol itself is ours, see `edgesim.xmpp.xcp`.

One link connects two nodes: a node dials another only while no link to it is up, and both ends use the existing link.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from cryptography import x509

from edgesim.dns import DnsError
from edgesim.journal import events
from edgesim.node import Node
from edgesim.pki.names import matches, names_of
from edgesim.servers.im_presence.accounts import Account
from edgesim.servers.im_presence.sessions import ChatSession
from edgesim.xmpp.component_stream import component_of, realm_of
from edgesim.xmpp.jid import Jid
from edgesim.xmpp.link import XcpConnection
from edgesim.xmpp.session import Session
from edgesim.xmpp.xcp import XcpLink
from edgesim.xmpp.xml import Element


class OtherNodes(Protocol):
    """The router as seen by the chat service: users whose home is another node of the cluster, or of a peer cluster."""

    def elsewhere(self, user: Jid) -> bool:
        """Return whether an address belongs to a user of another node."""

    def deliver(self, stanza: Element, to: Jid) -> bool:
        """Send a stanza to a user of another node; return False if that node is unreachable."""


class NoOtherNodes:
    """The router of a single node."""

    def elsewhere(self, user: Jid) -> bool:
        return False

    def deliver(self, stanza: Element, to: Jid) -> bool:
        return False


class NodeLink(Protocol):
    """The sessions of a link to another node."""

    connection: XcpConnection

    def take(self, handed: HandedOver, stream: Session, *, client: str, data: bytes) -> None:
        """Open a session on the home node for a client of this node; ``data`` are its first octets."""

    def drop(self, session: str) -> None:
        """End a session on the home node."""


class HandedOver:
    """A session handed over to its user's home node: one route of a link, with the client at this end."""

    def __init__(self, chat: ChatSession, link: NodeLink, account: Account, done: Callable[[HandedOver], None]) -> None:
        self.chat = chat
        self.link = link
        self.account = account
        self.id = ""
        self._done = done

    def passed(self, data: bytes) -> None:
        """Forward octets of the client's stream."""
        self.link.connection.send(self.id, data)

    def after_written(self, then: Callable[[], None]) -> None:
        """Call ``then`` once nothing waits for the home node, or the session has ended."""
        self.link.connection.after_written(self.id, then)

    def arrived(self, data: bytes, *, restart: bool) -> None:
        """Handle octets of the home node."""
        if restart:
            self.chat.carrier.identified(self.account.jid)
        self.chat.downward(data, restart=restart)

    def closed(self, condition: str | None = None) -> None:
        """The home node ended the session or, with ``condition``, the link was lost."""
        self._done(self)
        if condition is None:
            self.chat.closed_behind()
        else:
            self.chat.close(condition, "the home node is gone")

    def close(self) -> None:
        """The client has gone."""
        self._done(self)
        self.link.drop(self.id)


class Router:
    """The links to other nodes. ``homes`` is the home node of each user of this and of peer clusters.

    ``link`` returns a link's two halves for an `XcpLink` of ours; ``on_up`` is called when a link to a node is up.
    """

    def __init__(
        self,
        node: Node,
        peers: Mapping[str, str],
        homes: Mapping[Jid, str],
        *,
        tls: Callable[[], ssl.SSLContext],
        link: Callable[[XcpLink], NodeLink],
        on_up: Callable[[str], None],
    ) -> None:
        self.node = node
        self.homes = homes
        self._peers = peers
        self._by_realm = {realm_of(fqdn): name for name, fqdn in peers.items()}
        self._tls = tls
        self._link = link
        self._on_up = on_up
        self._links: dict[str, list[NodeLink]] = {name: [] for name in peers}
        self._handed: dict[int, HandedOver] = {}
        self._tasks: list[asyncio.Task[None]] = []

    # ---- lifecycle

    def start(self) -> None:
        """Start dialling the other nodes, without waiting."""
        for name in self._peers:
            self._tasks.append(self.node.host.spawn(self._keep(name), name=f"XCP router: {name}"))

    def stop(self) -> None:
        """Stop dialling. The owner closes the links."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    async def _keep(self, name: str) -> None:
        while True:
            if self._way(name) is None:
                try:
                    await self._dial(name)
                except (OSError, DnsError) as error:
                    reason = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else str(error)
                    detail = reason or type(error).__name__
                    failed = events.XcpLink(state="failed", component=component_of(self._peers[name]), detail=detail)
                    self.node.journal.emit(failed, peer=name)
            await asyncio.sleep(self.node.defaults.links.xcp_retry_s)

    async def _dial(self, name: str) -> None:
        node, fqdn = self.node, self._peers[name]
        addresses = await node.resolver.lookup(fqdn)
        link = XcpLink.dial(
            component=component_of(node.fqdn), realm=realm_of(fqdn), secret=node.deployment.xcp_link.secret
        )
        carriers = self._link(link)
        async with asyncio.timeout(node.defaults.links.connect_timeout_s):
            await asyncio.get_running_loop().create_connection(
                lambda: carriers.connection,
                addresses[0],
                node.defaults.ports.im_presence_xmpp,
                ssl=self._tls(),
                server_hostname=fqdn,
            )

    # ---- links

    def peer_of(self, link: XcpConnection) -> str | None:
        """Return the node at the other end of a link, by the link's names; None for an Expressway-C."""
        return self._by_realm.get(link.other_realm)

    def is_shown(self, name: str, presented: Sequence[bytes]) -> bool:
        """Return whether the certificate that the peer presented, in DER, is that of a node."""
        if not presented:
            return False
        names = names_of(x509.load_der_x509_certificate(presented[0]))
        return any(matches(self._peers[name], each) for each in names)

    def up(self, name: str, link: NodeLink) -> None:
        """Add a link that is up."""
        self._links[name].append(link)
        if len(self._links[name]) == 1:
            self._on_up(name)

    def down(self, name: str, link: NodeLink) -> None:
        """Remove a link."""
        if link in self._links[name]:
            self._links[name].remove(link)

    def _way(self, name: str) -> NodeLink | None:
        return next((each for each in self._links.get(name, ()) if each.connection.up), None)

    # ---- users of other nodes

    def elsewhere(self, user: Jid) -> bool:
        """Return whether an address belongs to a user of another node."""
        return self.homes.get(user.bare, self.node.name) != self.node.name

    def deliver(self, stanza: Element, to: Jid) -> bool:
        """Send a stanza to a user of another node; return False if that node is unreachable."""
        link = self._way(self.homes.get(to.bare, "")) if self.elsewhere(to) else None
        return link is not None and link.connection.pass_on(stanza)

    def hand_over(self, chat: ChatSession, account: Account, request: Element) -> bool:
        """Hand a session over to its user's home node, which checks ``request``; return False without a link to it."""
        link = self._way(account.node or "")
        if link is None:
            return False
        handed = HandedOver(chat, link, account, self._forget)
        stream = chat.session
        link.take(handed, stream, client=chat.carrier.origin, data=request.encode())
        self._handed[id(chat)] = handed
        stream.hand_over()
        return True

    def handed_over(self, chat: ChatSession) -> HandedOver | None:
        """Return the route of a session that was handed over."""
        return self._handed.get(id(chat))

    def _forget(self, handed: HandedOver) -> None:
        self._handed.pop(id(handed.chat), None)
