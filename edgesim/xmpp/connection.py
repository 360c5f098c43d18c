"""A client's XMPP connection over asyncio: runs a stream, upgrades to TLS, applies flow control, writes the journal."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from edgesim.deployment.defaults import ImDefaults
from edgesim.journal import Recorder
from edgesim.world import Host
from edgesim.world.pace import Pace, PaceLimits
from edgesim.xmpp.jid import Jid
from edgesim.xmpp.journalling import Scribe
from edgesim.xmpp.link import XcpConnection
from edgesim.xmpp.server_stream import ServerStream
from edgesim.xmpp.session_events import Decoded, Ended, SessionEvent, StartTls
from edgesim.xmpp.stream import OWN_DOING

log = logging.getLogger(__name__)
UNSENT = 1_048_576
"""The most octets that may wait for a client that does not read; beyond, it is disconnected."""
CONGESTED = 65_536
"""When this many octets wait for a client, it is no longer read, and no more is fetched for it."""
BURST = 32
"""How many events of one client are handled per turn."""


S = TypeVar("S", bound=ServerStream)


def pace_of(im: ImDefaults) -> PaceLimits:
    """Return the pace of a client's stream."""
    return PaceLimits(
        congested=CONGESTED,
        message_time=im.stanza_s,
        unread_time=im.unread_s,
        rate=im.client_octets_per_s,
        burst=im.client_octets_burst,
    )


class ClientConnection(asyncio.Protocol, Generic[S]):
    """One accepted connection on 5222.

    ``on_event`` gets every event except `Decoded` and `StartTls`, which are handled here, and exactly one `Ended`.
    Every method writes the output that it causes; after calling the stream itself outside ``on_event``, call `flush`.
    ``limits`` bound the pace: while a client does not read, it is not read either, and it is disconnected after a time;
    a partial element must be completed in time. ``patience`` limits the time from connecting to `established`, in
    seconds.
    """

    def __init__(
        self,
        stream: S,
        *,
        host: Host,
        recorder: Recorder,
        tls: ssl.SSLContext,
        on_event: Callable[[ClientConnection[S], SessionEvent], None],
        limits: PaceLimits,
        patience: float,
        idle: float | None = None,
    ) -> None:
        self.stream = stream
        self.host = host
        self.peer: tuple[str, int] | None = None
        self._port = 0
        self.scribe = Scribe(recorder, None)
        self._tls = tls
        self._on_event = on_event
        self._patience = patience
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._upgrade: asyncio.Task[None] | None = None
        self._secure = False
        self._early = bytearray()
        self._ended = False
        self._busy = False
        self._events = 0
        self._after: list[Callable[[], None]] = []
        self._idle = idle
        self._pace = Pace(limits, asyncio.get_running_loop(), host.context(), go_on=self._go_on, end=self._out_of_time)

    # ---- called by the server

    @property
    def unsent(self) -> int:
        """The octets that wait for the client."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def wait_for(self, link: XcpConnection, session: str) -> None:
        """Stop reading from the client while octets of its session wait for a link."""
        if link.waiting(session):
            self._pace.hold(link)
            link.after_written(session, lambda: self._pace.release(link))

    def after_written(self, then: Callable[[], None]) -> None:
        """Call ``then`` once the client has caught up (or is gone), or at once if it has not fallen behind."""
        if self._pace.congested:
            self._after.append(then)
        else:
            then()

    @property
    def client(self) -> str:
        """The client's ``address:port``."""
        return f"{self.peer[0]}:{self.peer[1]}" if self.peer else ""

    def established(self, jid: Jid | None = None) -> None:
        """Mark the client as authenticated (as ``jid``, if known), which ends the time limit for getting there."""
        if jid is not None:
            self.scribe.identify(jid)
        if self.peer is not None:
            self.host.proved(self._port, self.peer)
        self._stop_timer()
        self._pace.idle = self._idle

    def downward(self, data: bytes, *, restart: bool = False) -> None:
        """Pass octets of the server behind to the client; with ``restart`` the client opens a new stream after them."""
        self.stream.downward(data, restart=restart)
        self.flush()

    def closed_behind(self) -> None:
        """Report that the session behind has ended."""
        self.stream.closed_behind()
        self.flush()

    def close(self, condition: str | None = None, text: str = "") -> None:
        """End the stream, with a stream error if ``condition`` is given."""
        self.stream.close(condition, text)
        self.flush()

    def flush(self) -> None:
        """Handle the stream's events and write its output."""
        if self._busy or self._transport is None:
            return
        self._busy = True
        try:
            while self.stream.closed or not self._pace.held:
                if (event := self.stream.next_event()) is None:
                    break
                self._dispatch(event)
                self._events += 1
                if self._events % BURST == 0:
                    self._pace.turn_over()
        finally:
            self._busy = False
        self._write()

    def abort(self) -> None:
        """Drop the connection immediately."""
        if self._transport is not None:
            self._transport.abort()

    # ---- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports do not derive from asyncio's
        if self.peer is None:
            peer = transport.get_extra_info("peername")
            self.peer = (str(peer[0]), int(peer[1])) if peer else None
            own = transport.get_extra_info("sockname")
            self._port = int(own[1]) if own else 0
            self.scribe.peer = self.peer
            self._timer = asyncio.get_running_loop().call_later(self._patience, self._too_slow)
        self._pace.start(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._upgrade is not None and not self._secure:
            self._early += data  # decrypted, but the handshake's awaiter has not run yet
            return
        self._pace.spend(len(data))
        self.stream.feed(data)
        self._go_on()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._transport = None
        self._pace.stop()
        self._written()
        self._end(Ended(detail="connection lost"))

    def pause_writing(self) -> None:
        self._pace.pause_writing(shared=False)

    def resume_writing(self) -> None:
        self._pace.resume_writing()
        self._written()

    # ---- pace

    def _go_on(self) -> None:
        before = self._events
        self.flush()
        self._pace.spend(0, self._events - before)
        self._pace.took(self._events - before, partial=self.stream.partial)

    def _written(self) -> None:
        after, self._after = self._after, []
        for then in after:
            then()

    def _out_of_time(self, why: str) -> None:
        if why == "unread":
            self.scribe.malformed("resource-constraint", "the client does not read")
            self.abort()
        elif why == "idle":
            self.close("connection-timeout", "nothing was heard for too long")
        else:
            self.close("connection-timeout", "an element did not arrive in time")

    # ---- helpers

    def _dispatch(self, event: SessionEvent) -> None:
        if isinstance(event, Decoded):
            self.scribe.received(event.event)
        elif isinstance(event, StartTls):
            self._start_tls()
        elif isinstance(event, Ended):
            if event.condition is not None and event.condition not in OWN_DOING:
                self.scribe.malformed(event.condition, event.detail)
            self._end(event)
        else:
            self._on_event(self, event)

    def _end(self, event: Ended) -> None:
        if not self._ended:
            self._ended = True
            self._on_event(self, event)

    def _write(self) -> None:
        transport = self._transport
        data = self.stream.data_to_send()
        if transport is None or transport.is_closing():
            return
        if data:
            transport.write(data)
            if transport.get_write_buffer_size() > UNSENT:
                self.scribe.malformed("resource-constraint", "the client does not read")
                transport.abort()
                return
        if self.stream.closed:
            transport.close()
            self._pace.closing()

    def _start_tls(self) -> None:
        assert self._transport is not None
        self._transport.pause_reading()  # no more cleartext is read
        self._upgrade = self.host.spawn(self._handshake(), name="xmpp starttls")

    async def _handshake(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        try:
            secured: Any = await asyncio.get_running_loop().start_tls(transport, self, self._tls, server_side=True)
        except (ssl.SSLError, OSError) as error:
            log.info("TLS with %s failed: %s", self.client, error)
            transport.abort()
            self._stop_timer()
            self._end(Ended(detail=f"TLS failed: {error}"))
            return
        if secured is None or self._ended:
            return
        self._transport = secured
        self._pace.start(secured)
        self._secure = True
        self.stream.secured()
        self.stream.feed(bytes(self._early))
        self._early.clear()
        self.flush()

    def _too_slow(self) -> None:
        self._timer = None
        self.stream.close("connection-timeout", "not authenticated in time")
        if self._upgrade is not None and not self._upgrade.done():
            self.abort()
        else:
            self.flush()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
