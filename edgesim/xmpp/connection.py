"""A client's XMPP connection over asyncio: runs a stream, upgrades to TLS, keeps the pace, writes the journal."""

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
"""Octets that may wait for a client that does not read; beyond, it is disconnected."""
CONGESTED = 65_536
"""Octets that may wait for a client before it is not read, and before more for it waits on its way here."""
BURST = 32
"""Events of one client that are dealt with in a turn."""


S = TypeVar("S", bound=ServerStream)


def pace_of(im: ImDefaults) -> PaceLimits:
    """Return the pace of one client's stream."""
    return PaceLimits(
        congested=CONGESTED,
        message_time=im.stanza_s,
        unread_time=im.unread_s,
        rate=im.client_octets_per_s,
        burst=im.client_octets_burst,
    )


class ClientConnection(asyncio.Protocol, Generic[S]):
    """One accepted connection on 5222.

    ``on_event`` hears of each event but `Decoded` and `StartTls`, which are dealt with here, and of exactly one
    `Ended`. Every verb writes what it has to write; whoever asks something of the stream itself outside ``on_event``
    calls `flush`. ``limits`` bound the pace: a client that does not read is not read, and disconnected in time; half an
    element must become a whole one in time. ``patience`` is how long, in seconds, it may take from connecting to
    `established`.
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

    # ---- for the server

    @property
    def unsent(self) -> int:
        """Octets that wait for the client."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def wait_for(self, link: XcpConnection, session: str) -> None:
        """Read no more from the client while octets of its session wait for a link."""
        if link.waiting(session):
            self._pace.hold(link)
            link.after_written(session, lambda: self._pace.release(link))

    def after_written(self, then: Callable[[], None]) -> None:
        """Call ``then`` once the client keeps up: at once, or when it has caught up or is gone."""
        if self._pace.congested:
            self._after.append(then)
        else:
            then()

    @property
    def client(self) -> str:
        """The client's ``address:port``."""
        return f"{self.peer[0]}:{self.peer[1]}" if self.peer else ""

    def established(self, jid: Jid | None = None) -> None:
        """Say that the client is who it claims to be (``jid``, where known): its time to get so far no longer runs."""
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
        """Say that the session behind is gone."""
        self.stream.closed_behind()
        self.flush()

    def close(self, condition: str | None = None, text: str = "") -> None:
        """End the stream, with a stream error if ``condition`` is given."""
        self.stream.close(condition, text)
        self.flush()

    def flush(self) -> None:
        """Handle the events of the stream and write what it has to send."""
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
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # ---- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is not a subclass
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
            self._early += data  # deciphered, but the handshake's awaiter has not run yet
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

    # ---- small parts

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
        self._transport.pause_reading()  # so that nothing in the clear comes any more
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
