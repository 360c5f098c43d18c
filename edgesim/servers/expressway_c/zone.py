"""The traversal client: C's side of the Unified Communications traversal zone.

C dials TLS 7001 of every E peer and verifies that E's certificate has the peer address in its SAN; it authenticates by
a digest over OPTIONS, repeated to keep the zone up and report its capacity. Sources: "Expressway Administrator Guide
X14.3, Zones and Neighbors"; "Configure and Troubleshoot Collaboration Edge (MRA) Certificates" (Cisco 213872).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from enum import Enum, auto

from edgesim.edge import resource_usage
from edgesim.edge.link_state import LinkState
from edgesim.edge.resource_usage import ResourceUsage
from edgesim.journal import events
from edgesim.node import Node
from edgesim.pki import client_context
from edgesim.servers.expressway_c.retries import Retries
from edgesim.servers.expressway_c.tls import sends_chain, shown_as_client, tls_options
from edgesim.servers.expressway_c.zone_states import ACTIVE, CHECKING, FAILED, ConnectionState
from edgesim.sip import digest
from edgesim.sip.connection import Connection
from edgesim.sip.endpoint import SipEndpoint
from edgesim.sip.errors import SipError, SipTimeout
from edgesim.sip.message import Request, Response
from edgesim.sip.proxy import MAGIC

IDENTITY = "Peer's TLS certificate identity was unacceptable"
WRONG_NAME = (62, 64)
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""
CNONCE_OCTETS = 30


class ZoneFailed(Exception):
    """A peer cannot be used; the text is the detailed reason."""


class On(Enum):
    """The events of the connection to a peer."""

    PROVED = auto()
    """E answered OPTIONS with 200."""
    REFUSED = auto()
    """There is no connection, or E refused OPTIONS on it."""
    LOST = auto()
    """An active connection ended."""
    LOST_AGAIN = auto()
    """So did the next one, within the zone's retry interval."""


Happened = tuple[On, str]
"""An event, and the reason that the status page then shows."""


class Peer:
    """One E, by its configured address. ``connection`` is set while it is active."""

    def __init__(self, zone: TraversalClient, name: str) -> None:
        self.name = name
        self.connection: Connection | None = None
        self.state, self.reason = CHECKING, ""
        self.tried = asyncio.Event()
        self._zone = zone
        self._current: Connection | None = None
        """The connection in use, authenticated or not, until it ends."""
        self._report = False
        self._wake = asyncio.Event()
        self._why: Exception | None = None
        """The reason why the last connection ended."""
        self._address = name
        self._lost_at = float("-inf")

    @property
    def active(self) -> bool:
        """Whether requests can be sent on it."""
        return self.connection is not None and self.connection.open

    def connection_lost(self, connection: Connection, why: Exception | None) -> None:
        """Handle the loss of a connection, reported by the endpoint."""
        if connection is self._current:
            self._current, self._why = None, why
            self._wake.set()

    def report(self) -> None:
        """Report the remaining capacity to E now."""
        self._report = True
        self._wake.set()

    async def run(self) -> None:
        """Maintain the connection according to `TABLE`."""
        step: Step = Peer._bring_up
        while True:
            what, reason = await step(self)
            state, step = TABLE[self.state, what]
            if (state, reason) != (self.state, self.reason):
                self.state, self.reason = state, reason
                self._zone.changed()
            self.tried.set()

    async def _bring_up(self) -> Happened:
        """Dial and authenticate."""
        try:
            self._current = connection = await self._dial()
            connection.context = self
            try:
                await self._prove(connection)
                self.connection = connection
            except SipError as error:
                raise self._ended(error) from None
            finally:
                if self.connection is None:
                    connection.abort()
        except ZoneFailed as failure:
            return On.REFUSED, str(failure)
        return On.PROVED, ""

    async def _bring_up_later(self) -> Happened:
        """Wait for the zone's retry interval, then dial."""
        await self._zone.retries.wait(self, self._zone.texts.zone_retry_s)
        return await self._bring_up()

    async def _hold(self) -> Happened:
        """Hold the connection until it is lost."""
        connection = self.connection
        assert connection is not None
        try:
            await self._stay(connection)
        except ZoneFailed as failure:
            return On.REFUSED, str(failure)
        except SipError:
            pass  # it is lost
        finally:
            self.connection = None
            connection.abort()
        now = asyncio.get_running_loop().time()
        again, self._lost_at = now < self._lost_at + self._zone.texts.zone_retry_s, now
        return On.LOST_AGAIN if again else On.LOST, "connection lost"

    # ---- dialling

    async def _dial(self) -> Connection:
        zone, node = self._zone, self._zone.node
        texts, ports = zone.texts, node.defaults.ports
        try:
            self._address = (await node.resolver.lookup(self.name))[0]
        except (OSError, IndexError):
            raise ZoneFailed(f"{self.name} does not resolve") from None
        self._current, self._why = None, None
        try:
            return await zone.endpoint.connect(
                self._address,
                zone.settings.port,
                "tls",
                ssl=zone.context,
                server_hostname=self.name,
                local_address=node.host.address(),
                local_port_range=(ports.sip_source_first, ports.sip_source_last),
                connect_timeout=texts.zone_connect_timeout_s,
                handshake_timeout=texts.zone_tls_timeout_s,
            )
        except ssl.SSLCertVerificationError as error:
            detail = IDENTITY if error.verify_code in WRONG_NAME else error.verify_message
            self._negotiation_error(detail)
            raise ZoneFailed(detail) from None
        except ssl.SSLError as error:
            self._negotiation_error(error.reason or str(error))
            raise ZoneFailed(error.reason or str(error)) from None
        except OSError as error:
            raise ZoneFailed(_words(error)) from None

    def _negotiation_error(self, detail: str) -> None:
        node, port = self._zone.node, self._zone.settings.port
        text = (
            f'Event="Outbound TLS Negotiation Error" Service="SIP" Src-ip="{node.host.address()}" '
            f'Dst-ip="{self._address}" Dst-port="{port}" Detail="{detail}" Protocol="TLS" Common-name="{self.name}"'
        )
        node.journal.emit(events.Note(text=text), peer=(self._address, port))

    def _ended(self, error: SipError) -> ZoneFailed:
        """Return why a new connection ended before E answered."""
        if isinstance(self._why, ssl.SSLError):
            # In TLS 1.3 E refuses C's certificate only after C's side of the handshake has finished.
            self._negotiation_error(self._why.reason or str(self._why))
            return ZoneFailed(f"E refused the certificate: {self._why.reason or self._why}")
        if isinstance(error, SipTimeout):
            return ZoneFailed("no answer to OPTIONS")
        return ZoneFailed("E closed the connection before it answered OPTIONS")

    # ---- OPTIONS

    async def _stay(self, connection: Connection) -> None:
        """Keep the connection alive until it is lost. Raises `SipError` and `ZoneFailed`."""
        links = self._zone.texts
        loop = asyncio.get_running_loop()
        due = loop.time() + links.options_interval_s
        while self._current is connection:
            self._wake.clear()
            try:
                async with asyncio.timeout(min(due - loop.time(), links.probe_keepalive_s)):
                    await self._wake.wait()
            except TimeoutError:
                if loop.time() < due:
                    await self._probe(connection)
                    continue
            if self._report or loop.time() >= due:
                self._report = False
                due = loop.time() + links.options_interval_s
                await self._prove(connection)

    async def _probe(self, connection: Connection) -> None:
        """Send the TCP probe; after the last retry without response the connection counts as lost."""
        links = self._zone.texts
        for left in range(links.probe_retry_count, -1, -1):
            try:
                await connection.ping(links.probe_retry_s)
            except SipTimeout:
                if not left:
                    raise
            else:
                return

    async def _prove(self, connection: Connection) -> None:
        """Send OPTIONS and answer the challenge. Raises `SipError` and `ZoneFailed`."""
        zone = self._zone
        call_id, tag = f"{zone.entropy.token_hex(8)}@{connection.local[0]}", zone.entropy.token_hex(8)
        response = await self._options(connection, call_id, tag, 1, None)
        if response.status == 401:
            for challenge in response.authentication("WWW-Authenticate"):
                credentials = digest.answer(
                    challenge,
                    method="OPTIONS",
                    uri=self._uri(),
                    username=zone.settings.user,
                    password=zone.settings.password,
                    cnonce=zone.entropy.token_hex(CNONCE_OCTETS),
                    order=digest.EXPRESSWAY_ORDER,
                )
                response = await self._options(connection, call_id, tag, 2, credentials)
                break
        if response.status != 200:
            raise ZoneFailed(f"E answered {response.status} {response.reason}")

    def _uri(self) -> str:
        return f"sip:{self._address}:{self._zone.settings.port};transport=tls"

    async def _options(
        self, connection: Connection, call_id: str, tag: str, number: int, credentials: str | None
    ) -> Response:
        zone, draw = self._zone, self._zone.entropy
        address = connection.local[0]
        sent_by = f"{address}:{zone.node.defaults.ports.sip_tls}"
        headers = [
            ("Via", f"SIP/2.0/TLS {sent_by};branch={MAGIC}{draw.token_hex(16)}{draw.randrange(10**6, 10**7)};rport"),
            ("Call-ID", call_id),
            ("CSeq", f"{number} OPTIONS"),
            ("From", f"<sip:{address}>;tag={tag}"),
            ("To", f"<sip:{self._address}:{zone.settings.port}>"),
            ("Max-Forwards", "0"),
            ("User-Agent", zone.agent),
            *([("Authorization", credentials)] if credentials else []),
            ("Supported", resource_usage.SUPPORTED),
            ("Content-Type", resource_usage.CONTENT_TYPE),
        ]
        request = Request.build("OPTIONS", self._uri(), headers, resource_usage.build(zone.usage()))
        return await zone.endpoint.request(request, connection)


Step = Callable[[Peer], Awaitable[Happened]]

TABLE: dict[tuple[ConnectionState, On], tuple[ConnectionState, Step]] = {
    (CHECKING, On.PROVED): (ACTIVE, Peer._hold),
    (CHECKING, On.REFUSED): (FAILED, Peer._bring_up_later),
    (FAILED, On.PROVED): (ACTIVE, Peer._hold),
    (FAILED, On.REFUSED): (FAILED, Peer._bring_up_later),
    (ACTIVE, On.REFUSED): (FAILED, Peer._bring_up_later),
    (ACTIVE, On.LOST): (FAILED, Peer._bring_up),
    (ACTIVE, On.LOST_AGAIN): (FAILED, Peer._bring_up_later),
}
"""The next state and action for each event; a missing pair is a bug.

After a loss C redials at once; after a second one shortly afterwards it waits, as after a failure: if two Cs appear to
E with the same address, each new connection ends the other's.
"""


class TraversalClient:
    """The zone on C. ``usage`` returns the remaining capacity, ``on_change`` is called when a peer comes or goes."""

    def __init__(
        self,
        node: Node,
        endpoint: SipEndpoint,
        agent: str,
        usage: Callable[[], ResourceUsage],
        on_change: Callable[[], None],
        retries: Retries,
    ) -> None:
        self.node = node
        self.retries = retries
        self.endpoint = endpoint
        self.agent = agent
        self.usage = usage
        self.settings = node.deployment.traversal_zone
        self.texts = node.defaults.links
        self.entropy = node.host.entropy("traversal zone")
        self.context = client_context(
            node.trusts["trusted-ca"],
            identity=shown_as_client(node),
            send_chain=sends_chain(node, dialling=True),
            options=tls_options(node),
            keylog=node.keylog,
        )
        self.peers = tuple(Peer(self, name) for name in self.settings.peer_addresses)
        self._on_change = on_change
        self._entered = ("", "")
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start dialling."""
        for peer in self.peers:
            self._tasks.append(self.node.host.spawn(peer.run(), name=f"traversal zone to {peer.name}"))

    def links(self) -> tuple[LinkState, ...]:
        """Return the zone's connection to each E."""
        what = f"zone {self.settings.name}"
        return tuple(
            LinkState(
                what=what,
                peer=each.name,
                state=each.state.text(self.texts),
                stands=each.active,
                reason=each.reason,
                again_s=self.retries.due(each),
            )
            for each in self.peers
        )

    def stop(self) -> None:
        """Stop dialling; the endpoint closes the connections."""
        for task in self._tasks:
            task.cancel()

    def report(self) -> None:
        """Report the remaining capacity to every E now."""
        for peer in self.peers:
            peer.report()

    async def ready(self) -> None:
        """Return once the zone to every E is active."""
        for peer in self.peers:
            while not peer.active:
                peer.tried.clear()
                await peer.tried.wait()

    @property
    def state(self) -> tuple[str, str]:
        """The zone's state and reason: it is up while any peer is, and counts those that failed."""
        active = [peer for peer in self.peers if peer.active]
        failed = [peer for peer in self.peers if peer.state is not CHECKING and not peer.active]
        shown = active[0] if active else self.peers[0] if self.peers else None
        if shown is None:
            return (self.texts.failed, "no peer address")
        if len(self.peers) == 1:
            return (shown.state.text(self.texts), shown.reason or shown.name)
        state = shown.state.text(self.texts)
        if active and failed:
            state = self.texts.active_partly.format(active=len(active), connections=len(self.peers))
        reason = "; ".join(
            f"{peer.name}: {peer.state.text(self.texts)}{f' ({peer.reason})' if peer.reason else ''}"
            for peer in self.peers
            if peer.state is not CHECKING
        )
        return (state, reason)

    def changed(self) -> None:
        """Update the zone's state after a peer's has changed."""
        state = self.state
        if state != self._entered:
            self._entered = state
            self.node.journal.emit(events.ZoneState(zone=self.settings.name, state=state[0], reason=state[1]))
        self._on_change()


def _words(error: OSError) -> str:
    """Return in words why a connection could not be opened."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError):
        return "connection timed out"
    if isinstance(error, socket.gaierror):
        return "name not resolved"
    return error.strerror or str(error) or type(error).__name__
