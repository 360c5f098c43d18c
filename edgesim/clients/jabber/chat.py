"""The chat service of a Jabber client: SOAP login at IM and Presence, then XMPP by slixmpp."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any

import slixmpp
from slixmpp.util import sasl

from edgesim.clients.jabber.access import Access
from edgesim.clients.jabber.stages import StageFailed
from edgesim.node import Node
from edgesim.world import Entropy
from edgesim.xmpp import soap
from edgesim.xmpp.journalling import Scribe
from edgesim.xmpp.stream import StreamError, StreamParser

logging.getLogger("slixmpp").addHandler(logging.NullHandler())  # its errors are events here, not lines on a screen

SERVICE_VERSION = "v80"
"""The SOAP interface that Jabber 14 uses ("Troubleshoot Jabber Log in - Common Issues", Cisco 221845)."""


@sasl.sasl_mech(200)
class CiscoVtgToken(sasl.Mech):
    """SASL by one-time password: one message, ``userid=<bare JID>`` NUL ``token=<password>``."""

    name = "CISCO-VTG-TOKEN"
    required_credentials = {"username", "vtg_token"}  # noqa: RUF012 - slixmpp's own form

    def process(self, challenge: bytes = b"") -> bytes:
        """Return the message."""
        user: bytes = self.credentials["username"]
        token: bytes = self.credentials["vtg_token"]
        return b"userid=" + user + b"\x00token=" + token


async def soap_login(access: Access, server: str, user: str, password: str, client_type: str) -> tuple[str, str]:
    """Log in at IM and Presence by SOAP; return the presence domain and a one-time password. Raises `StageFailed`."""
    url = f"https://{server}:8443{soap.SERVICE}/{SERVICE_VERSION}"
    login = soap.login_request(user, password, client_type=client_type)
    logged_in = await _call(access, url, login, soap.ACTION_LOGIN)
    if not isinstance(logged_in, soap.LoggedIn):
        raise StageFailed(f"LERR_CUP_AUTH: {getattr(logged_in, 'text', 'no session key')}")
    config = await _call(access, url, soap.get_all_config_request(logged_in.session_key), soap.ACTION_GET_ALL_CONFIG)
    if not isinstance(config, soap.AllConfig) or not config.presence_domain:
        raise StageFailed(f"LERR_CUP_INTERNAL_ERROR: {getattr(config, 'text', 'no presence domain')}")
    once = await _call(access, url, soap.get_onetime_password_request(logged_in.session_key), None)
    if not isinstance(once, soap.OnetimePassword):
        raise StageFailed(f"LERR_CUP_INTERNAL_ERROR: {getattr(once, 'text', 'no one-time password')}")
    return config.presence_domain, once.password


async def _call(access: Access, url: str, body: bytes, action: str | None) -> soap.SoapResponse:
    headers = [("Content-Type", soap.CONTENT_TYPE)]
    if action is not None:
        headers.append(("SOAPAction", action))
    response = await access.request("POST", url, headers=headers, body=body)
    if response.status != 200:
        raise StageFailed(f"LERR_CUP_UNREACHABLE: {response.status} {response.phrase}")
    try:
        return soap.parse_response(response.body)
    except soap.SoapError as error:
        raise StageFailed(f"LERR_CUP_INTERNAL_ERROR: {error}") from error


class Chat(slixmpp.ClientXMPP):
    """An XMPP session: connect by `open`, then presence, roster and messages.

    ``heard`` is called with the sender's bare JID and the text of every message.
    """

    def __init__(
        self,
        node: Node,
        jid: str,
        token: str,
        *,
        tls: ssl.SSLContext,
        entropy: Entropy,
        keys: tuple[str, ...],
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
        self._address: tuple[str, int] = ("", 0)
        resource = f"jabber_{entropy.randrange(1000, 10000)}"
        super().__init__(f"{jid}/{resource}", "", ssl_context=tls)
        self.loop = asyncio.get_running_loop()
        self.enable_direct_tls = False
        self.enable_plaintext = False
        self.whitespace_keepalive = False
        self.credentials.update({"username": jid, "vtg_token": token})
        self.plugin["feature_mechanisms"].use_mechs = {"CISCO-VTG-TOKEN"}
        self.add_event_handler("session_start", self._started)
        self.add_event_handler("message", self._message)
        self.add_event_handler("failed_all_auth", lambda _: self._end("LERR_JABBER_AUTH: not authorized"))
        self.add_event_handler("connection_failed", lambda error: self._end(f"LERR_JABBER_UNREACHABLE: {error}"))
        self.add_event_handler("ssl_invalid_chain", lambda error: self._end(f"LERR_JABBER_CERT: {error}"))
        self.add_event_handler("disconnected", self._disconnected)

    def new_id(self) -> str:
        """Return an id in the form of Jabber's own."""
        return f"uid:{self._ids.token_hex(4)}:{self._ids.token_hex(4)}:{self._ids.token_hex(4)}"

    async def open(self, host: str, port: int, within: float) -> None:
        """Connect, authenticate, bind, fetch the roster and send presence. Raises `StageFailed`."""
        self._address = (host, port)
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
        """Close the stream in good order."""
        self.cancel_connection_attempt()
        if self.transport is not None and not self.ended.is_set():
            self.disconnect(wait=2.0)
            try:
                async with asyncio.timeout(4.0):
                    await self.ended.wait()
            except TimeoutError:
                self.abort()
        filters = getattr(self, "_run_out_filters", None)
        if filters is not None:
            filters.cancel()

    def say(self, to: str, text: str) -> None:
        """Send a one-to-one message."""
        self.send_message(mto=slixmpp.JID(to), mbody=text, mtype="chat")

    def _end(self, problem: str) -> None:
        self.cancel_connection_attempt()
        if not self.outcome.done():
            self.outcome.set_result(problem)

    async def _started(self, _: Any) -> None:
        try:
            await self.get_roster(timeout=self.node.defaults.client.xmpp_timeout_s)
        except (slixmpp.exceptions.IqError, slixmpp.exceptions.IqTimeout) as error:
            self._end(f"LERR_JABBER_AUTH: no roster: {error}")
            return
        self.send_presence()
        self._end("")

    def _message(self, stanza: Any) -> None:
        if stanza["type"] in ("chat", "normal") and stanza["body"]:
            self.heard(str(stanza["from"].bare), str(stanza["body"]))

    def _disconnected(self, reason: Any) -> None:
        self.ended.set()
        self._end(f"LERR_JABBER_UNREACHABLE: the stream ended{f': {reason}' if reason else ''}")

    # ---- what arrived, octet for octet, for the journal

    def init_parser(self) -> None:
        """Begin a new stream, also for the journal."""
        super().init_parser()
        self._reader = StreamParser()

    def data_received(self, data: bytes | str) -> None:
        """Take octets of the stream."""
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
        """Return where the connection leads."""
        peer = self.transport.get_extra_info("peername") if self.transport is not None else None
        return (peer[0], peer[1]) if peer else None
