"""The neighbour zones that C creates automatically for each discovered Unified CM node, and their search rules.

Every node has ``CEtcp-<node>`` (TCP 5060), and in a mixed-mode cluster ``CEtls-<node>`` (TLS 5061). Each has one search
rule of the same name, which cannot be edited. Sources: "MRA Deployment Guide X12.6, Install MRA"; "Expressway IP Port
Usage Configuration Guide X15.0"; for the keep-alive "How Phone Services Failover works for Jabber 14 over MRA" (Cisco
217244).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto

from edgesim.deployment import Product, Release, closed
from edgesim.deployment.releases import ReleaseError
from edgesim.journal import events
from edgesim.node import Node
from edgesim.pki import client_context
from edgesim.servers.expressway_c.discovery import Cluster, Discovered, ServerNode
from edgesim.servers.expressway_c.tls import sends_chain, shown_as_client, tls_options
from edgesim.servers.expressway_c.zone import IDENTITY, WRONG_NAME
from edgesim.servers.expressway_c.zone_states import ACTIVE, CHECKING, FAILED, ConnectionState
from edgesim.sip.addresses import SipUri
from edgesim.sip.connection import Connection
from edgesim.sip.endpoint import SipEndpoint
from edgesim.sip.errors import SipError
from edgesim.sip.proxy import Hop
from edgesim.sip.text import comparable_host
from edgesim.sip.transports import TransportName

LONG_NAME = 50
"""For node names longer than this, in characters, the search rule's pattern is a regular expression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRule:
    """A search rule as listed on C."""

    name: str
    pattern_type: str
    pattern: str
    target: str
    priority: int = 45
    editable: bool = False


class On(Enum):
    """The events of a neighbour zone's connection."""

    OPENED = auto()
    NOT_OPENED = auto()
    SILENT = auto()
    """A STUN keep-alive got no response."""
    REFUSED = auto()
    """The peer ended it with a TLS alert; in TLS 1.3 also how Unified CM refuses C's certificate."""
    ENDED = auto()


class Neighbour:
    """One neighbour zone. ``hop`` is C's side of it."""

    def __init__(
        self, neighbours: Neighbours, node: ServerNode, cluster: Cluster, transport: TransportName, side: Hop
    ) -> None:
        self.name = f"{'CEtls' if transport == 'tls' else 'CEtcp'}-{node.name}"
        self.node = node
        self.cluster = cluster
        self.transport: TransportName = transport
        self.hop = replace(side, zone=self.name, fills_rport=False)
        self.state, self.reason = CHECKING, ""
        self.connection: Connection | None = None
        self._neighbours = neighbours
        self._dialling: asyncio.Task[Connection] | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        """Whether the zone has an open connection."""
        return self.connection is not None and self.connection.open

    @property
    def state_text(self) -> str:
        """The state as shown on the status page."""
        return self.state.text(self._neighbours.node.defaults.links, self.transport)

    async def connect(self) -> Connection:
        """Return the connection, opening it if needed; concurrent callers share the attempt. Raises `OSError`."""
        if self.connection is not None and self.connection.open:
            return self.connection
        self.try_again()
        assert self._dialling is not None
        return await asyncio.shield(self._dialling)

    def _dialled(self, task: asyncio.Task[Connection]) -> None:
        self._dialling = None
        if not task.cancelled():
            task.exception()  # every waiter gets the exception too

    async def _dial(self) -> Connection:
        """Open the connection. Raises `OSError`."""
        try:
            self.connection = await self._opened()
        except ssl.SSLCertVerificationError as error:
            detail = IDENTITY if error.verify_code in WRONG_NAME else error.verify_message
            self._apply(On.NOT_OPENED, f"Failed to establish SSL connection: {detail}")
            raise
        except ssl.SSLError as error:
            self._apply(On.NOT_OPENED, f"Failed to establish SSL connection: {error.reason}")
            raise
        except _Unusable as error:
            self._apply(On.NOT_OPENED, str(error))
            raise
        except OSError as error:
            refused = isinstance(error, ConnectionRefusedError)
            self._apply(On.NOT_OPENED, "connection refused" if refused else error.strerror or "timed out")
            raise
        self.connection.context = self
        self._apply(On.OPENED, "")
        return self.connection

    async def _opened(self) -> Connection:
        """Return a new connection to the node. Raises `OSError`."""
        node = self._neighbours.node
        sip, ports = node.defaults.sip, node.defaults.ports
        tls = self.transport == "tls"
        if self.node.problem:
            raise _Unusable(f"{self.node.name} {self.node.problem}")
        try:
            address = self.node.address or (await node.resolver.lookup(self.node.name))[0]
        except (OSError, IndexError) as error:
            raise _Unusable(f"{self.node.name} does not resolve") from error
        return await self._neighbours.endpoint.connect(
            address,
            self.cluster.secure_sip_port or ports.sip_tls if tls else self.cluster.sip_port or ports.sip,
            self.transport,
            ssl=self._neighbours.context if tls else None,
            server_hostname=self.node.name if tls else None,
            local_address=node.host.address(),
            local_port_range=(ports.sip_source_first, ports.sip_source_last),
            connect_timeout=sip.connect_timeout_s,
            handshake_timeout=sip.tls_handshake_timeout_s,
        )

    def _keep(self) -> None:
        """Start keep-alives on the connection, if C sends them to this cluster."""
        if self.connection is not None and self._neighbours.keeps_alive(self.cluster):
            keeping = self._keep_alive(self.connection)
            self._keeper = self._neighbours.node.host.spawn(keeping, name=f"STUN keep-alive of {self.name}")

    async def _keep_alive(self, connection: Connection) -> None:
        """Send a STUN keep-alive every 30 s; a connection without response is closed."""
        sip = self._neighbours.node.defaults.sip
        while connection.open:
            await asyncio.sleep(sip.stun_interval_s)
            try:
                problem: object = (await connection.stun(sip.stun_timeout_s)).error
            except SipError as error:
                problem = error
            if problem is not None:
                if connection.open:
                    self._apply(On.SILENT, f"STUN keep-alive: {problem}")
                connection.close()
                return

    def try_again(self) -> None:
        """Start opening the connection, unless that is in progress."""
        if self._dialling is None:
            self._dialling = self._neighbours.node.host.spawn(self._dial(), name=f"dial {self.name}")
            self._dialling.add_done_callback(self._dialled)

    def lost(self, connection: Connection, why: Exception | None) -> None:
        """Handle the loss of a connection, reported by the endpoint."""
        if self.connection is not connection:
            return
        self.connection = None
        if self._keeper is not None:
            self._keeper.cancel()
            self._keeper = None
        if isinstance(why, ssl.SSLError):
            self._apply(On.REFUSED, f"Failed to establish SSL connection: {why.reason}")
        else:
            self._apply(On.ENDED, "connection lost")

    def _apply(self, what: On, reason: str) -> None:
        """Apply the table, which raises for a missing pair, and journal the state when it changes."""
        entry = TABLE[self.state, what]
        if entry is None:  # IGNORED
            return
        state, then = entry
        if (state, reason) != (self.state, self.reason):
            self.state, self.reason = state, reason
            self._neighbours.node.journal.emit(events.ZoneState(zone=self.name, state=self.state_text, reason=reason))
        if then is not None:
            then(self)

    def close(self) -> None:
        """Close the connection."""
        for task in (self._dialling, self._keeper):
            if task is not None:
                task.cancel()
        if self.connection is not None:
            self.connection.close()


Action = Callable[[Neighbour], None]
Entry = tuple[ConnectionState, Action | None]
IGNORED: Entry | None = None

TABLE: dict[tuple[ConnectionState, On], Entry | None] = {
    (CHECKING, On.OPENED): (ACTIVE, Neighbour._keep),
    (CHECKING, On.NOT_OPENED): (FAILED, None),
    (ACTIVE, On.OPENED): (ACTIVE, Neighbour._keep),
    (ACTIVE, On.NOT_OPENED): (FAILED, None),
    (ACTIVE, On.SILENT): (FAILED, None),
    (ACTIVE, On.REFUSED): (FAILED, None),
    (ACTIVE, On.ENDED): (FAILED, None),
    (FAILED, On.OPENED): (ACTIVE, Neighbour._keep),
    (FAILED, On.NOT_OPENED): (FAILED, None),
    (FAILED, On.REFUSED): (FAILED, None),
    (FAILED, On.ENDED): IGNORED,
}
"""The next state and action for each event; a missing pair is a bug.

A zone is dialled again while the previous connection closes, so it may open or fail while still active. A failed zone
keeps its reason when the connection ends; `Neighbours.keep` and each request decide when it is tried again.
"""


class _Unusable(OSError):
    """The node cannot be dialled; the text is the detailed reason."""


class Neighbours:
    """All neighbour zones of a C. ``sides`` are C's hops by transport."""

    def __init__(self, node: Node, endpoint: SipEndpoint, sides: dict[TransportName, Hop], release: Release) -> None:
        self.node = node
        self.endpoint = endpoint
        self.zones: dict[str, Neighbour] = {}
        """The zones by name, in the order of discovery."""
        self.context = client_context(
            node.trusts["trusted-ca"] if node.deployment.mra.tls_verify_unified_cm else None,
            identity=shown_as_client(node),
            send_chain=sends_chain(node, dialling=True),
            options=tls_options(node),
            keylog=node.keylog,
        )
        self._sides = sides
        self._release = release
        self._hosts: dict[str, dict[str, Neighbour]] = {}

    # ---- creating

    def rewrite(self, discovered: Discovered) -> None:
        """Create the zones for the discovered servers; unchanged ones keep their connections."""
        wanted: dict[str, Neighbour] = {}
        for cluster in discovered.unified_cm:
            transports: tuple[TransportName, ...] = ("tcp", "tls") if cluster.mixed_mode else ("tcp",)
            for node in cluster.nodes:
                for transport in transports:
                    made = Neighbour(self, node, cluster, transport, self._sides[transport])
                    old = self.zones.get(made.name)
                    if old is not None and old.node == node:
                        old.cluster = cluster
                        made = old
                    wanted[made.name] = made
        for name, zone in self.zones.items():
            if wanted.get(name) is not zone:
                zone.close()
        self.zones = wanted
        self._hosts = {}
        for zone in wanted.values():
            for host in zone.node.names:
                self._hosts.setdefault(comparable_host(host), {}).setdefault(zone.transport, zone)

    async def keep(self) -> None:
        """Retry failed zones periodically."""
        while True:
            await asyncio.sleep(self.node.defaults.links.zone_retry_s)
            await self.connect_all()

    async def connect_all(self) -> None:
        """Try to open every zone's connection; a failure becomes the zone's state."""
        tries = [
            self.node.host.spawn(self._try(zone), name=f"first try of {zone.name}") for zone in self.zones.values()
        ]
        for each in tries:
            await each

    async def _try(self, zone: Neighbour) -> None:
        with contextlib.suppress(OSError):
            await zone.connect()

    def close(self) -> None:
        """Close all zones."""
        for zone in self.zones.values():
            zone.close()

    # ---- lookup

    def find(self, uri: SipUri) -> Neighbour | None:
        """Return the zone for a Request-URI's host: over TLS if the URI asks for it, else over TCP."""
        zones = self._hosts.get(comparable_host(uri.host))
        if zones is None:
            return None
        secure = uri.transport == "tls" or uri.port == self.node.defaults.ports.sip_tls
        return zones.get("tls" if secure else "tcp") or next(iter(zones.values()))

    def of_host(self, host: str) -> Neighbour | None:
        """Return a zone of the Unified CM node with this name or address, preferably a connected one."""
        zones = list(self._hosts.get(comparable_host(host), {}).values())
        return next((zone for zone in zones if zone.open), zones[0] if zones else None)

    def of_address(self, address: str, transport: str) -> Neighbour | None:
        """Return the zone of a Unified CM node that connected to C."""
        return self._hosts.get(address, {}).get(transport)

    def keeps_alive(self, cluster: Cluster) -> bool:
        """Return whether C sends STUN keep-alives to a cluster: both releases support them, and the setting is on."""
        try:
            version = Release.parse(cluster.version, Product.UNIFIED_CM)
        except ReleaseError:
            return False
        releases = {Product.EXPRESSWAY: self._release, Product.UNIFIED_CM: version}
        return self.node.deployment.mra.stun_keepalive and not closed("stun keep-alive", releases)

    def search_rules(self) -> list[SearchRule]:
        """Return the rules, one per zone, with its name."""
        rules = []
        for zone in self.zones.values():
            long = len(zone.node.name) > LONG_NAME
            rules.append(
                SearchRule(
                    name=zone.name,
                    pattern_type="Regex" if long else "Suffix",
                    pattern=f".*{re.escape(zone.node.name)}" if long else zone.node.name,
                    target=zone.name,
                )
            )
        return rules
