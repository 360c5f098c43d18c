"""Expressway-E's part of a client's XMPP connection: stream and TLS end here, the rest goes over the XCP link.

The edge opens the stream, demands TLS, and reads the client's second stream header; then it requests a session behind
(`SessionWanted`), forwards each complete element unchanged (`Passed`) and the server's octets to the client
(`EdgeStream.downward`). Input that is not well-formed XMPP ends here with a stream error and never reaches the inside.
If no session can be had, `EdgeStream.unavailable` writes a header and features without mechanisms; the owner closes the
connection after a while. A minimal edge server, with `edgesim.xmpp.connection.ClientConnection` for the client and
`edgesim.xmpp.link.XcpConnection` for the link to C::

    def on_client(client: ClientConnection[EdgeStream], event: SessionEvent) -> None:
        match event:
            case SessionWanted() if link.up:
                session = link.open(client.client, event.domain, event.stream_id, data=event.data)
                clients[session] = client
            case SessionWanted():
                client.stream.unavailable()             # then client.close() 10 s later
            case Passed():
                session = session_of[client]
                link.send(session, event.data, keys=client.scribe.keys)
                client.wait_for(link, session)          # a fast sender waits for its own session's window
            case Ended():
                link.close_session(session_of.pop(client), event.detail)

    def on_link(link: XcpConnection, event: XcpEvent) -> None:
        match event:
            case DataArrived():
                client = clients[event.session]
                client.downward(event.data, restart=event.restart)
                if event.restart:
                    client.established()                # signed in: no longer disconnected for being slow
                client.after_written(lambda: link.consumed(event.session, event.octets))
            case SessionClosed():
                clients.pop(event.session).closed_behind()  # or unavailable(), if the session never began
            case LinkDown():
                ...                                     # every client: close("remote-connection-failed")
"""

from __future__ import annotations

from edgesim.xmpp.server_stream import Input, Phase, ServerStream, Table, Verb
from edgesim.xmpp.session_events import SessionWanted
from edgesim.xmpp.stream import StreamEvent, StreamOpened, features
from edgesim.xmpp.xml import Element


class EdgeStream(ServerStream):
    """One client's connection at the edge. ``domain`` is used to answer a header without ``to``."""

    def unavailable(self) -> None:
        """Offer the client no SASL mechanisms."""
        if self._asked(Verb.UNAVAILABLE):
            self._write_header()
            self._write(features())

    def _step(self, read: StreamEvent) -> None:
        self._follow(TABLE, read)

    def _want_session(self, header: StreamOpened) -> None:
        self._open(header)
        self._events.append(SessionWanted(domain=self.domain, stream_id=self.stream_id, data=header.raw))

    def _temporary_failure(self, _: Element) -> None:
        self._refuse_sasl("temporary-auth-failure")


TABLE: Table[EdgeStream] = Table(
    headers={
        Phase.NEW: (EdgeStream._offer_tls, Phase.TLS_OFFERED),
        Phase.SECURE: (EdgeStream._want_session, Phase.ASKED),
    },
    elements={
        (Phase.TLS_OFFERED, Input.STARTTLS): (EdgeStream._proceed, Phase.TLS),
        (Phase.UNAVAILABLE, Input.AUTH): (EdgeStream._temporary_failure, Phase.CLOSED),
    },
    refused={
        Input.OTHER: "not-authorized",
        Input.BIND: "not-authorized",
        Input.STANZA: "not-authorized",
        Input.MANAGEMENT: "not-authorized",
    },
)
