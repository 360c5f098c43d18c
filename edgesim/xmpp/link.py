"""An XCP link over asyncio: runs an `XcpLink`, keeps it alive, writes the journal. See `edgesim.xmpp.xcp`.

The dialler::

    link = XcpLink.dial(component=component_of(node.fqdn), realm=realm_of(peer_name), secret=secret)
    connection = XcpConnection(link, recorder=node.journal, on_event=self._from_e)
    await loop.create_connection(lambda: connection, address, 7400, ssl=context, server_hostname=peer_name)

and the acceptor passes ``loop.create_server`` a factory that makes the same from `XcpLink.accept`. ``on_event`` gets
`LinkUp` after the handshake and exactly one `LinkDown` at the end.

Every method writes the output that it causes: at once, or, if called from ``on_event``, after all received input is
handled. Data sent for one session arrives in the order of the calls, queued or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, KeysView
from typing import cast

from edgesim.journal import Recorder, events
from edgesim.journal.keys import Key
from edgesim.pki import peer_certificates
from edgesim.xmpp.journalling import brief, claimed_in, keys_of, route_secrets
from edgesim.xmpp.stream import OWN_DOING
from edgesim.xmpp.xcp import XcpLink
from edgesim.xmpp.xcp_events import DataArrived, LinkDown, LinkUp, SessionClosed, SessionOpened, Writable, XcpEvent
from edgesim.xmpp.xml import Element

FULL = 262_144
"""When this many octets wait for the peer, sessions wait too, each for its turn."""
UNSENT = 8_388_608
"""The most octets that may wait for the peer; beyond, the link is dropped."""


class _Leg:
    """The state of one session of the link, and its waiting callbacks."""

    __slots__ = ("after", "domain", "keys")

    def __init__(self, domain: str, keys: tuple[Key, ...] = ()) -> None:
        self.domain = domain
        self.keys = keys
        self.after: list[Callable[[], None]] = []

    def written(self) -> None:
        """Run the waiting callbacks."""
        after, self.after = self.after, []
        for then in after:
            then()


class XcpConnection(asyncio.Protocol):
    """One end of a link on a transport. With ``journal_data`` False, whoever decodes routed octets next journals them.

    ``keepalive`` is the interval of pings; ``patience`` limits the time from connecting to the end of the handshake,
    and from a ping to any octet of the peer; all in seconds.
    """

    def __init__(
        self,
        link: XcpLink,
        *,
        recorder: Recorder,
        on_event: Callable[[XcpConnection, XcpEvent], None],
        keepalive: float,
        patience: float,
        journal_data: bool = True,
    ) -> None:
        self.peer: tuple[str, int] | None = None
        self._link = link
        self._recorder = recorder
        self._on_event = on_event
        self._keepalive = keepalive
        self._patience = patience
        self._journal_data = journal_data
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._legs: dict[str, _Leg] = {}
        self._busy = False
        self._ended = False

    # ---- state

    @property
    def up(self) -> bool:
        """Whether sessions can be opened."""
        return self._link.up and self._transport is not None

    @property
    def unsent(self) -> int:
        """The octets that wait for the peer, without those of sessions that wait for their own window."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    @property
    def other_realm(self) -> str:
        """The peer's realm, as used in the names of the link."""
        return self._link.other_realm

    @property
    def sessions_open(self) -> KeysView[str]:
        """The open sessions, in the order of opening."""
        return self._link.sessions_open

    def presented(self) -> tuple[bytes, ...]:
        """Return the peer's certificate and those sent with it, in DER; empty without TLS."""
        transport = self._transport
        return peer_certificates(transport.get_extra_info("ssl_object")) if transport is not None else ()

    def keys(self, session: str) -> tuple[Key, ...]:
        """Return the correlation keys of a session's user, once an ``<auth>`` or `send` has shown them."""
        leg = self._legs.get(session)
        return leg.keys if leg is not None else ()

    def waiting(self, session: str) -> int:
        """Return how many octets of a session wait here."""
        return self._link.waiting(session)

    # ---- sessions

    def open(self, client: str, domain: str, stream_id: str, *, resumed: bool = False, data: bytes = b"") -> str:
        """Open a client's session and return its id; ``data`` are its first octets.

        With ``resumed`` the session starts at the client's ``<auth>``. Raises `OutOfOrder` unless the link is up.
        """
        session = self._link.open(client, domain, stream_id, resumed=resumed)
        self._legs[session] = _Leg(domain)
        if data:
            self._link.send(session, data)
        self._push()
        return session

    def send(
        self,
        session: str,
        data: bytes,
        *,
        restart: bool = False,
        keys: tuple[Key, ...] | None = None,
        then: Callable[[], None] | None = None,
    ) -> None:
        """Send octets of a session; ignored if it has ended.

        ``restart``: the client opens a new stream after them. ``keys`` identify the session's user, if another leg has
        shown it. ``then`` is called as by `after_written`.
        """
        leg = self._legs.get(session)
        if leg is not None and keys is not None:
            leg.keys = keys
        self._link.send(session, data, restart=restart)
        self._flush()
        if then is not None:
            self.after_written(session, then)

    def after_written(self, session: str, then: Callable[[], None]) -> None:
        """Call ``then`` once nothing of a session waits here or the session has ended; at once if that is so now."""
        leg = self._legs.get(session)
        if leg is not None and self._link.waiting(session):
            leg.after.append(then)
        else:
            then()

    def consumed(self, session: str, octets: int) -> None:
        """Report that octets of a session were forwarded."""
        self._link.consumed(session, octets)
        self._push()

    def close_session(self, session: str, reason: str = "", *, last: bytes = b"", restart: bool = False) -> None:
        """End a session after its ``last`` octets, which are lost if the peer's window has no room for them."""
        leg = self._legs.pop(session, None)
        if last:
            self._link.send(session, last, restart=restart)
        self._link.close_session(session, reason)
        if leg is not None:
            leg.written()
        self._flush()

    # ---- queries, stanzas, the link

    def ask(self, domain: str) -> str:
        """Query the peer for the SASL mechanisms of a domain; return the query's id. Raises `OutOfOrder`."""
        query = self._link.ask(domain)
        self._push()
        return query

    def answer(self, query: str, mechanisms: tuple[str, ...], hostnames: tuple[str, ...] = ()) -> None:
        """Answer a query; ignored if it is not open."""
        self._link.answer(query, mechanisms, hostnames)
        self._push()

    def refuse(self, query: str, condition: str = "item-not-found") -> None:
        """Refuse a query; ignored if it is not open."""
        self._link.refuse(query, condition)
        self._push()

    def pass_on(self, stanza: Element) -> bool:
        """Send the peer a stanza for one of its users; return False if the link is down or full."""
        if not self.up or self.unsent > self._link.limits.unsent:
            return False
        self._link.pass_on(stanza)
        self._push()
        return True

    def close(self, condition: str | None = None, text: str = "") -> None:
        """Close the link cleanly."""
        self._link.close(condition, text)
        self._flush()

    def abort(self) -> None:
        """Drop the connection immediately."""
        if self._transport is not None:
            self._transport.abort()

    # ---- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports do not derive from asyncio's
        peer = transport.get_extra_info("peername")
        self.peer = (str(peer[0]), int(peer[1])) if peer else None
        self._transport.set_write_buffer_limits(high=FULL)
        self._arm(self._patience, self._gone)
        self._write()

    def data_received(self, data: bytes) -> None:
        if self._link.up:
            self._arm(self._keepalive, self._ping)
        self._link.feed(data)
        self._flush()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._lost("connection lost")

    def pause_writing(self) -> None:
        self._link.cork()

    def resume_writing(self) -> None:
        more = self._link.uncork(FULL)
        self._flush()
        if more and self._transport is not None and self._transport.get_write_buffer_size() <= FULL:
            asyncio.get_running_loop().call_soon(self.resume_writing)

    # ---- helpers

    def _flush(self) -> None:
        """Handle the link's events and write its output."""
        if self._busy:
            return
        self._busy = True
        try:
            while (event := self._link.next_event()) is not None:
                self._dispatch(event)
        finally:
            self._busy = False
        self._write()

    def _push(self) -> None:
        """Write the output that the last events caused."""
        if not self._busy:
            self._write()

    def _dispatch(self, event: XcpEvent) -> None:
        match event:
            case LinkDown():
                self._end(event)
            case Writable():
                if (leg := self._legs.get(event.session)) is not None:
                    leg.written()
            case LinkUp():
                self._arm(self._keepalive, self._ping)
                self._recorder.emit(events.XcpLink(state="up", component=event.component), peer=self.peer)
                self._on_event(self, event)
            case SessionOpened():
                self._legs[event.session] = _Leg(event.domain)
                self._record(event.session, "open", f"{event.client} {event.domain}", event.raw)
                self._on_event(self, event)
            case DataArrived():
                leg = self._legs[event.session]
                if (jid := claimed_in(event.data, leg.domain)) is not None:
                    leg.keys = keys_of(jid)
                if self._journal_data:
                    self._record(event.session, "data", brief(event.data), event.raw)
                self._on_event(self, event)
            case SessionClosed():
                self._record(event.session, "close", event.reason, event.raw)
                gone = self._legs.pop(event.session, None)
                self._on_event(self, event)
                if gone is not None:
                    gone.written()
            case _:
                self._on_event(self, event)

    def _record(self, session: str, action: str, content: str, raw: bytes) -> None:
        event = events.XcpRoute(session=session, action=action, content=content)
        keys, secrets = self.keys(session), route_secrets(raw)
        self._recorder.received(event, peer=self.peer, payload=raw, keys=keys, secrets=secrets)

    def _lost(self, detail: str) -> None:
        self._link.close()
        self._link.data_to_send()  # no transport accepts it
        self._end(LinkDown(detail=detail))

    def _end(self, event: LinkDown) -> None:
        if self._ended:
            return
        self._ended = True
        self._disarm()
        condition = event.condition
        if condition is not None and condition not in OWN_DOING and "other side" not in event.detail:
            broken = events.Malformed(
                protocol="xcp", reason=event.detail or condition, answer=f"stream error {condition}"
            )
            self._recorder.received(broken, peer=self.peer)
        detail = " ".join(part for part in (event.condition, event.detail) if part)
        self._recorder.emit(events.XcpLink(state="down", component=self._link.component, detail=detail), peer=self.peer)
        legs, self._legs = self._legs, {}
        self._on_event(self, event)
        for leg in legs.values():
            leg.written()

    def _write(self) -> None:
        transport = self._transport
        data = self._link.data_to_send()
        if transport is None or transport.is_closing():
            return
        if data:
            transport.write(data)
            if transport.get_write_buffer_size() > UNSENT:
                transport.abort()
                return
        if self._link.closed:
            transport.close()

    def _ping(self) -> None:
        self._link.ping()
        self._arm(self._patience, self._gone)
        self._write()

    def _gone(self) -> None:
        self._timer = None
        self._lost("no sign of life")
        self.abort()

    def _arm(self, seconds: float, action: Callable[[], None]) -> None:
        self._disarm()
        self._timer = asyncio.get_running_loop().call_later(seconds, action)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
