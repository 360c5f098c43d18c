"""An XCP link over asyncio: runs an `XcpLink`, keeps it alive, writes the journal. See `edgesim.xmpp.xcp`.

The dialler::

    link = XcpLink.dial(component=component_of(node.fqdn), realm=realm_of(peer_name), secret=secret)
    connection = XcpConnection(link, host=node.host, recorder=node.journal, on_event=self._from_e)
    await loop.create_connection(lambda: connection, address, 7400, ssl=context, server_hostname=peer_name)

and the acceptor gives ``loop.create_server`` a factory that makes the same from `XcpLink.accept`. ``on_event`` hears of
`LinkUp` once the handshake is done and of exactly one `LinkDown` at the end. Call `XcpConnection.flush` after any call
on ``connection.link`` from elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from edgesim.journal import Recorder, events
from edgesim.pki import peer_certificates
from edgesim.world import Host
from edgesim.xmpp.journalling import brief, claimed_in, keys_of, route_secrets
from edgesim.xmpp.stream import OWN_DOING
from edgesim.xmpp.xcp import DataArrived, LinkDown, LinkUp, SessionClosed, SessionOpened, Writable, XcpEvent, XcpLink

KEEPALIVE = 30.0
"""Seconds between pings."""
PATIENCE = 10.0
"""Seconds from connecting to the handshake's end, and from a ping to any octet of the other side."""
FULL = 262_144
"""Octets that may wait for the other side before sessions wait too, each for its turn."""
UNSENT = 8_388_608
"""Octets that may wait for the other side; beyond, the link is dropped."""


class XcpConnection(asyncio.Protocol):
    """One end of a link on a transport. ``journal_data`` False leaves routed octets to whoever decodes them next."""

    def __init__(
        self,
        link: XcpLink,
        *,
        host: Host,
        recorder: Recorder,
        on_event: Callable[[XcpConnection, XcpEvent], None],
        keepalive: float = KEEPALIVE,
        patience: float = PATIENCE,
        journal_data: bool = True,
    ) -> None:
        self.link = link
        self.host = host
        self.peer: tuple[str, int] | None = None
        self._recorder = recorder
        self._on_event = on_event
        self._keepalive = keepalive
        self._patience = patience
        self._journal_data = journal_data
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._domains: dict[str, str] = {}
        self._keys: dict[str, tuple[str, ...]] = {}
        self._after: dict[str, list[Callable[[], None]]] = {}
        self._busy = False
        self._ended = False

    # ---- for the owner

    @property
    def up(self) -> bool:
        """Whether sessions can be opened."""
        return self.link.up and self._transport is not None

    @property
    def unsent(self) -> int:
        """Octets that wait for the other side."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def presented(self) -> tuple[bytes, ...]:
        """Return the other side's certificate, in DER, and what it sent along; nothing without TLS."""
        transport = self._transport
        return peer_certificates(transport.get_extra_info("ssl_object")) if transport is not None else ()

    def flush(self) -> None:
        """Deal with what the link has to tell and write what it has to send."""
        if self._busy:
            return
        self._busy = True
        try:
            while (event := self.link.next_event()) is not None:
                self._dispatch(event)
        finally:
            self._busy = False
        self._write()

    def close(self, condition: str | None = None, text: str = "") -> None:
        """End the link in good order."""
        self.link.close(condition, text)
        self.flush()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def keys(self, session: str) -> tuple[str, ...]:
        """Return the correlation keys of a session's user, once an ``<auth>`` has shown them."""
        return self._keys.get(session, ())

    def know(self, session: str, keys: tuple[str, ...]) -> None:
        """Say whose a session is, where another leg has shown it."""
        if session in self.link.sessions_open:
            self._keys[session] = keys

    def close_session(self, session: str, reason: str = "") -> None:
        """End a session."""
        self._domains.pop(session, None)
        self._keys.pop(session, None)
        self.link.close_session(session, reason)
        self._written(session)
        self.flush()

    def consumed(self, session: str, octets: int) -> None:
        """Say that octets of a session have gone on."""
        self.link.consumed(session, octets)
        self.flush()

    def after_written(self, session: str, then: Callable[[], None]) -> None:
        """Call ``then`` once nothing of a session waits here: at once, or when it was written or the session ended."""
        if self.link.waiting(session):
            self._after.setdefault(session, []).append(then)
        else:
            then()

    def _written(self, session: str) -> None:
        for then in self._after.pop(session, ()):
            then()

    # ---- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
        peer = transport.get_extra_info("peername")
        self.peer = (str(peer[0]), int(peer[1])) if peer else None
        self._transport.set_write_buffer_limits(high=FULL)
        self._arm(self._patience, self._gone)
        self._write()

    def data_received(self, data: bytes) -> None:
        if self.link.up:
            self._arm(self._keepalive, self._ping)
        self.link.feed(data)
        self.flush()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._end(LinkDown(detail="connection lost"))

    def pause_writing(self) -> None:
        self.link.cork()

    def resume_writing(self) -> None:
        more = self.link.uncork(FULL)
        self.flush()
        if more and self._transport is not None and self._transport.get_write_buffer_size() <= FULL:
            asyncio.get_running_loop().call_soon(self.resume_writing)

    # ---- small parts

    def _dispatch(self, event: XcpEvent) -> None:
        if isinstance(event, LinkDown):
            self._end(event)
            return
        if isinstance(event, Writable):
            self._written(event.session)
            return
        if isinstance(event, LinkUp):
            self._arm(self._keepalive, self._ping)
            self._recorder.emit(events.XcpLink(state="up", component=event.component), peer=self.peer)
        self._record(event)
        self._on_event(self, event)
        if isinstance(event, SessionClosed):
            self._written(event.session)

    def _record(self, event: XcpEvent) -> None:
        if isinstance(event, SessionOpened):
            self._domains[event.session] = event.domain
            self._route(event.session, "open", f"{event.client} {event.domain}", event.raw)
        elif isinstance(event, DataArrived):
            jid = claimed_in(event.data, self._domains.get(event.session))
            if jid is not None:
                self._keys[event.session] = keys_of(jid)
            if self._journal_data:
                self._route(event.session, "data", brief(event.data), event.raw)
        elif isinstance(event, SessionClosed):
            self._route(event.session, "close", event.reason, event.raw)
            self._domains.pop(event.session, None)
            self._keys.pop(event.session, None)

    def _route(self, session: str, action: str, content: str, raw: bytes) -> None:
        event = events.XcpRoute(session=session, action=action, content=content)
        keys, secrets = self.keys(session), route_secrets(raw)
        self._recorder.received(event, peer=self.peer, payload=raw, keys=keys, secrets=secrets)

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
        self._recorder.emit(events.XcpLink(state="down", component=self.link.component, detail=detail), peer=self.peer)
        self._domains.clear()
        self._keys.clear()
        self._on_event(self, event)
        for session in tuple(self._after):
            self._written(session)

    def _write(self) -> None:
        transport = self._transport
        data = self.link.data_to_send()
        if transport is None or transport.is_closing():
            return
        if data:
            transport.write(data)
            if transport.get_write_buffer_size() > UNSENT:
                transport.abort()
                return
        if self.link.closed:
            transport.close()

    def _ping(self) -> None:
        self.link.ping()
        self._arm(self._patience, self._gone)
        self._write()

    def _gone(self) -> None:
        self._timer = None
        self._end(LinkDown(detail="no sign of life"))
        self.abort()

    def _arm(self, seconds: float, action: Callable[[], None]) -> None:
        self._disarm()
        self._timer = asyncio.get_running_loop().call_later(seconds, action)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
