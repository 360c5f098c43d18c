"""The carriers of a node's sessions: connections of inside clients on 5222, and routes of XCP links on 7400.

An XCP link connects the node to an Expressway-C, or to another node (see `edgesim.servers.im_presence.router`): then
sessions and stanzas go both ways on it.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

from edgesim.journal import Recorder
from edgesim.servers.im_presence.chat import Chat
from edgesim.servers.im_presence.router import HandedOver, Router
from edgesim.servers.im_presence.sessions import ChatSession
from edgesim.world import Host
from edgesim.xmpp.connection import ClientConnection
from edgesim.xmpp.jid import Jid
from edgesim.xmpp.journalling import Scribe
from edgesim.xmpp.link import XcpConnection
from edgesim.xmpp.session import Session
from edgesim.xmpp.session_events import Decoded, Ended, SessionEvent
from edgesim.xmpp.stream import OWN_DOING, client_header
from edgesim.xmpp.xcp import XcpLink
from edgesim.xmpp.xcp_events import (
    DataArrived,
    LinkDown,
    LinkUp,
    MechanismsAsked,
    SessionClosed,
    SessionOpened,
    StanzaArrived,
    XcpEvent,
)


class DirectCarrier:
    """A client's own connection."""

    def __init__(self, chat: Chat, host: Host, recorder: Recorder, tls: ssl.SSLContext) -> None:
        self._chat = chat
        session = chat.session()
        self.connection = ClientConnection(
            session,
            host=host,
            recorder=recorder,
            tls=tls,
            on_event=self._on_event,
            patience=chat.patience,
            limits=chat.pace,
            idle=chat.idle,
        )
        self._session = chat.join(session, self)

    @property
    def origin(self) -> str:
        """The client's ``address:port``."""
        return self.connection.client

    @property
    def waiting(self) -> int:
        return self.connection.unsent

    def after_written(self, then: Callable[[], None]) -> None:
        self.connection.after_written(then)

    def flush(self) -> None:
        self.connection.flush()

    def identified(self, jid: Jid) -> None:
        self.connection.established(jid)

    def _on_event(self, connection: ClientConnection[Session], event: SessionEvent) -> None:
        self._chat.handle(self._session, event)
        handed = self._chat.handed_over(self._session)
        if handed is not None:
            connection.wait_for(handed.link.connection, handed.id)


class RoutedCarrier:
    """One session of an XCP link."""

    def __init__(
        self,
        chat: Chat,
        connection: XcpConnection,
        opened: SessionOpened,
        recorder: Recorder,
        *,
        on_done: Callable[[str], None],
    ) -> None:
        self.origin = opened.client
        self._chat = chat
        self._connection = connection
        self._id = opened.session
        self._on_done = on_done
        self._scribe = Scribe(recorder, connection.peer)
        self._stream = chat.session(stream_id=opened.stream_id, domain=opened.domain, secure=True)
        if opened.resumed:  # the other node handled the header and offered the mechanisms
            self._stream.feed(client_header(opened.domain))
            while self._stream.next_event() is not None:
                pass
            self._stream.data_to_send()
        self._session: ChatSession = chat.join(self._stream, self)
        self._busy = False

    @property
    def waiting(self) -> int:
        return self._connection.waiting(self._id)

    def after_written(self, then: Callable[[], None]) -> None:
        self._connection.after_written(self._id, then)

    def arrived(self, data: bytes, then: Callable[[], None]) -> None:
        """Handle octets of the client's stream; ``then`` is called once they, and the responses to them, were
        forwarded.
        """
        self._stream.feed(data)
        self.flush()
        handed = self._chat.handed_over(self._session)
        if handed is not None:
            handed.after_written(then)
        else:
            self.after_written(then)

    def closed(self, reason: str) -> None:
        """The session ended on the other side."""
        self._stream.close()
        self._stream.data_to_send()
        self._chat.handle(self._session, Ended(detail=reason or "closed at the edge"))

    def flush(self) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            while (event := self._stream.next_event()) is not None:
                self._dispatch(event)
        finally:
            self._busy = False
        data, restart = self._stream.data_to_send(), self._stream.restarted
        self._stream.restarted = False
        if self._stream.closed:
            self._on_done(self._id)
            self._connection.close_session(self._id, "stream closed", last=data, restart=restart)
        elif data:
            self._connection.send(self._id, data, restart=restart)

    def identified(self, jid: Jid) -> None:
        self._scribe.identify(jid)

    def _dispatch(self, event: SessionEvent) -> None:
        if isinstance(event, Decoded):
            self._scribe.received(event.event)
            return
        if isinstance(event, Ended) and event.condition is not None and event.condition not in OWN_DOING:
            self._scribe.malformed(event.condition, event.detail)
        self._chat.handle(self._session, event)


class LinkCarriers:
    """The sessions of one XCP link."""

    def __init__(
        self,
        chat: Chat,
        link: XcpLink,
        recorder: Recorder,
        *,
        router: Router,
        on_lost: Callable[[XcpConnection], None],
        keepalive: float,
        patience: float,
    ) -> None:
        self._chat = chat
        self._recorder = recorder
        self._router = router
        self._on_lost = on_lost
        self._routed: dict[str, RoutedCarrier] = {}
        self._handed: dict[str, HandedOver] = {}
        self._node: str | None = None
        self.connection = XcpConnection(
            link,
            recorder=recorder,
            on_event=self._on_event,
            keepalive=keepalive,
            patience=patience,
            journal_data=False,
        )

    def take(self, handed: HandedOver, stream: Session, *, client: str, data: bytes) -> None:
        """Open a session on the home node for a client of this node; ``data`` are its first octets."""
        handed.id = self.connection.open(client, stream.domain, stream.stream_id, resumed=True, data=data)
        self._handed[handed.id] = handed

    def drop(self, session: str) -> None:
        """End a session on the home node."""
        if self._handed.pop(session, None) is not None:
            self.connection.close_session(session, "closed by the client")

    def _on_event(self, connection: XcpConnection, event: XcpEvent) -> None:
        match event:
            case LinkUp():
                self._identify(connection)
            case StanzaArrived() if self._node is not None:
                self._chat.arrived(event.stanza, from_node=self._node)
            case MechanismsAsked():
                connection.answer(event.query, self._chat.mechanisms, self._chat.hostnames)
            case SessionOpened() if event.resumed and self._node is None:
                connection.close_session(event.session, "not-authorized")
            case SessionOpened():
                self._routed[event.session] = RoutedCarrier(
                    self._chat, connection, event, self._recorder, on_done=self._forget
                )
            case DataArrived():
                routed, handed = self._routed.get(event.session), self._handed.get(event.session)

                def gone_on() -> None:
                    connection.consumed(event.session, event.octets)

                if routed is not None:
                    routed.arrived(event.data, gone_on)
                elif handed is not None:
                    handed.arrived(event.data, restart=event.restart)
                    handed.chat.carrier.after_written(gone_on)
            case SessionClosed() if event.session in self._handed:
                self._handed.pop(event.session).closed()
            case SessionClosed():
                routed = self._routed.pop(event.session, None)
                if routed is not None:
                    routed.closed(event.reason)
            case LinkDown():
                for routed in tuple(self._routed.values()):
                    routed.closed("XCP link lost")
                self._routed.clear()
                for handed in tuple(self._handed.values()):
                    handed.closed("remote-connection-failed")
                self._handed.clear()
                if self._node is not None:
                    self._router.down(self._node, self)
                self._on_lost(connection)

    def _identify(self, connection: XcpConnection) -> None:
        """Identify the peer as the node that it claims to be, if its certificate has that node's name."""
        node = self._router.peer_of(connection)
        if node is not None and self._router.is_shown(node, connection.presented()):
            self._node = node
            self._router.up(node, self)

    def _forget(self, session: str) -> None:
        self._routed.pop(session, None)
