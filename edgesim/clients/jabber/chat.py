"""One XMPP session of a Jabber client, based on slixmpp: sign-in, roster, presence, messages."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import ssl
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import slixmpp
from slixmpp.util import sasl

from edgesim.clients.common.stages import StageFailed
from edgesim.journal.keys import Key
from edgesim.node import Node
from edgesim.world import Entropy
from edgesim.xmpp.journalling import Scribe
from edgesim.xmpp.stream import StreamError, StreamParser

logging.getLogger("slixmpp").addHandler(logging.NullHandler())  # its errors are reported as events, not printed


AUTH = "LERR_JABBER_AUTH <17>"
CERTIFICATE = "LERR_JABBER_CERT <15>"
UNREACHABLE = "LERR_JABBER_UNREACHABLE <16>"
"""Jabber's own error names ("Troubleshoot Jabber Log in - Common Issues", Cisco 221845)."""
CLOSING_S = 2.0
"""How long the server may take to close its half of a stream."""
BEST_FIRST = ("chat", "available", "away", "xa", "dnd")


@sasl.sasl_mech(200)
class CiscoVtgToken(sasl.Mech):
    """SASL by one-time password: one message, ``userid=<bare JID>`` NUL ``token=<password>``."""

    name = "CISCO-VTG-TOKEN"
    required_credentials = {"username", "vtg_token"}  # noqa: RUF012 - slixmpp's form

    def process(self, challenge: bytes = b"") -> bytes:
        """Return the message."""
        user: bytes = self.credentials["username"]
        token: bytes = self.credentials["vtg_token"]
        return b"userid=" + user + b"\x00token=" + token


class Chat(slixmpp.ClientXMPP):
    """An XMPP session: connect with `open`, then presence, roster and messages.

    ``heard`` is called with the sender's bare JID and the text of every message. ``contacts`` is the roster: bare JID
    to subscription. ``presences`` is the presence of other sessions: bare JID, resource, availability.
    """

    def __init__(
        self,
        node: Node,
        jid: str,
        token: str,
        *,
        tls: ssl.SSLContext,
        entropy: Entropy,
        keys: tuple[Key, ...],
        heard: Callable[[str, str], None],
    ) -> None:
        self._ids = entropy
        self.node = node
        self.keys = keys
        self.heard = heard
        self._scribe = Scribe(node.journal, None)
        self._scribe.keys = keys
        self._reader = StreamParser()
        self.outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self.problem = ""
        self._negotiating = False
        self._server_name: str | None = None
        self._timeouts: dict[str, Callable[[], None]] = {}
        self.contacts: dict[str, str] = {}
        self.presences: dict[str, dict[str, str]] = {}
        digits = node.defaults.im.resource_digits
        resource = f"jabber_{entropy.randrange(10 ** (digits - 1), 10**digits)}"
        super().__init__(f"{jid}/{resource}", "", ssl_context=tls)
        self.loop = asyncio.get_running_loop()
        self.enable_direct_tls = False
        self.enable_plaintext = False
        self.del_event_handler("session_start", self._start_keepalive)  # the service reconnects
        self.credentials.update({"username": jid, "vtg_token": token})
        self.plugin["feature_mechanisms"].use_mechs = {"CISCO-VTG-TOKEN"}
        self.add_event_handler("session_start", self._started)
        self.add_event_handler("message", self._message)
        self.add_event_handler("presence_available", self._presence)
        self.add_event_handler("presence_unavailable", self._presence)
        for show in ("chat", "away", "xa", "dnd"):
            self.add_event_handler(f"presence_{show}", self._presence)
        self.add_event_handler("roster_update", self._roster)
        self.add_event_handler("failed_all_auth", lambda _: self._end(f"{AUTH}: not authorized"))
        self.add_event_handler("connection_failed", lambda error: self._end(f"{UNREACHABLE}: {error}"))
        self.add_event_handler("ssl_invalid_chain", self._tls_failed)
        self.add_event_handler("stream_error", lambda error: self._end(f"{UNREACHABLE}: {error['condition']}"))
        self.add_event_handler("disconnected", self._disconnected)

    def new_id(self) -> str:
        """Return an id in Jabber's own format."""
        return f"uid:{self._ids.token_hex(4)}:{self._ids.token_hex(4)}:{self._ids.token_hex(4)}"

    # ---- opening and closing

    async def open(self, host: str, port: int, within: float, server_name: str | None = None) -> None:
        """Connect, authenticate, bind, fetch the roster and send presence. Raises `StageFailed`.

        ``server_name`` is the TLS server name; None: the domain of the JID.
        """
        self._server_name = server_name
        self.connect(host, port)
        try:
            async with asyncio.timeout(within):
                problem = await self.outcome
        except TimeoutError:
            problem = f"LERR_CUP_TIMEOUT: no session after {within:g} s"
        if problem:
            await self.leave()
            raise StageFailed(problem)

    async def leave(self) -> None:
        """Close the stream cleanly, and release everything."""
        try:
            await self._stop_connecting()
            if self.transport is not None and not self.ended.is_set():
                async with asyncio.timeout(CLOSING_S):
                    await self.waiting_queue.join()
                    self.send_raw(self.stream_footer)
                    await self.ended.wait()
        except (TimeoutError, RuntimeError, slixmpp.xmlstream.xmlstream.NotConnectedError):
            pass  # the stream is gone
        finally:
            self.drop()

    async def _stop_connecting(self) -> None:
        attempt = self._current_connection_attempt
        self.cancel_connection_attempt()
        if attempt is not None:
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await attempt

    def drop(self) -> None:
        """Release everything at once."""
        self.cancel_connection_attempt()
        if self.transport is not None:
            self.abort()
        if self._run_out_filters is not None:
            self._run_out_filters.cancel()
        timeouts = dict(self._timeouts)
        for name in list(self.scheduled_events):
            self.cancel_schedule(name)
        for timeout in timeouts.values():
            timeout()

    def schedule(
        self,
        name: str,
        seconds: int,
        callback: Callable[..., None],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] = MappingProxyType({}),
        repeat: bool = False,
    ) -> None:
        """Schedule a callback; the timeout of a request fires at once if the stream is dropped."""
        super().schedule(name, seconds, callback, args, dict(kwargs), repeat)
        if not repeat:
            self._timeouts[name] = functools.partial(callback, *args, **kwargs)

    def cancel_schedule(self, name: str) -> None:
        """Cancel a scheduled callback."""
        self._timeouts.pop(name, None)
        super().cancel_schedule(name)

    async def _end_stream_wait(self, wait: int | float = 2, reason: str | None = None) -> None:
        with contextlib.suppress(RuntimeError):  # the server closed first
            await super()._end_stream_wait(wait, reason)

    def _end(self, problem: str) -> None:
        self.cancel_connection_attempt()
        self.problem = self.problem or problem
        if not self.outcome.done():
            self.outcome.set_result(problem)

    def exception(self, exception: Exception) -> None:
        """Handle an exception raised in a handler."""
        self._end(f"{UNREACHABLE}: {type(exception).__name__}: {exception}")

    async def _handle_stream_features(self, features: Any) -> bool | None:
        try:
            return await super()._handle_stream_features(features)
        except (slixmpp.exceptions.IqError, slixmpp.exceptions.IqTimeout) as error:  # bind or session
            self._end(f"{AUTH}: {error.condition}")
            return None

    async def _started(self, _: Any) -> None:
        try:
            await self.get_roster(timeout=self.node.defaults.client.xmpp_timeout_s)
        except (slixmpp.exceptions.IqError, slixmpp.exceptions.IqTimeout) as error:
            self._end(f"{AUTH}: no roster: {error.condition}")
            return
        self.send_presence()
        self._end("")

    async def start_tls(self) -> bool:
        """Negotiate TLS; the reason of a failure is known only after the connection has ended."""
        self._negotiating = True
        domain = self.default_domain
        if self._server_name is not None:
            self.default_domain = self._server_name  # the TLS context that slixmpp uses
        try:
            return await super().start_tls()
        finally:
            self.default_domain = domain
            self._negotiating = False
            if self.ended.is_set():
                self._end(f"{UNREACHABLE}: the stream ended")

    def _tls_failed(self, error: ssl.SSLError) -> None:
        if isinstance(error, ssl.SSLCertVerificationError):
            self._end(f"{CERTIFICATE}: {error.verify_message}")
        else:
            self._end(f"{AUTH}: TLS: {error}")

    def _disconnected(self, reason: Any) -> None:
        self.ended.set()
        if not self._negotiating:
            self._end(f"{UNREACHABLE}: the stream ended{f': {reason}' if reason else ''}")

    # ---- a session

    def say(self, to: str, text: str) -> None:
        """Send a one-to-one message."""
        self.send_message(mto=slixmpp.JID(to), mbody=text, mtype="chat")

    def send_space(self) -> None:
        """Send a space, which keeps the stream open and detects a lost peer."""
        if self.transport is not None:
            self.send_raw(" ")

    async def add_contact(self, jid: str, name: str) -> None:
        """Add a contact to the roster and subscribe to its presence. Raises `StageFailed`."""
        try:
            answer = self.update_roster(slixmpp.JID(jid), name=name, timeout=self.node.defaults.client.xmpp_timeout_s)
            if answer is not None:
                await answer
        except (slixmpp.exceptions.IqError, slixmpp.exceptions.IqTimeout) as error:
            raise StageFailed(f"{jid} cannot be a contact: {error.condition}") from error
        self.send_presence_subscription(jid)

    def presence_of(self, jid: str) -> str:
        """Return the availability of a user's most available session, ``unavailable`` if none is known."""
        said = self.presences.get(jid, {}).values()
        return next((show for show in BEST_FIRST if show in said), "unavailable")

    def _message(self, stanza: Any) -> None:
        if stanza["type"] in ("chat", "normal") and stanza["body"]:
            self.heard(str(stanza["from"].bare), str(stanza["body"]))

    def _presence(self, stanza: Any) -> None:
        sender = stanza["from"]
        sessions = self.presences.setdefault(str(sender.bare), {})
        if stanza["type"] == "unavailable":
            sessions.pop(str(sender.resource), None)
        else:
            sessions[str(sender.resource)] = str(stanza["type"])

    def _roster(self, iq: Any) -> None:
        for jid, item in iq["roster"]["items"].items():
            if item["subscription"] == "remove":
                self.contacts.pop(str(jid), None)
            else:
                self.contacts[str(jid)] = str(item["subscription"])

    # ---- input, octet for octet, for the journal

    def init_parser(self) -> None:
        """Start a new stream, also in the journal."""
        super().init_parser()
        self._reader = StreamParser()

    def data_received(self, data: bytes | str) -> None:
        """Handle octets of the stream."""
        data = data.encode() if isinstance(data, str) else data
        self._scribe.peer = self.address_of_peer()
        reader = self._reader
        reader.feed(data)
        try:
            while (read := reader.next()) is not None:
                self._scribe.received(read)
        except StreamError as error:
            self._scribe.malformed(error.condition, error.text, data)
        super().data_received(data)

    def address_of_peer(self) -> tuple[str, int] | None:
        """Return the address of the peer."""
        peer = self.transport.get_extra_info("peername") if self.transport is not None else None
        return (peer[0], peer[1]) if peer else None
