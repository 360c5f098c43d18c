"""The traversal server: E's side of the Unified Communications traversal zone, TLS port 7001 on every interface.

C always dials. E requires the configured *TLS verify subject name* in the SAN of C's certificate (the common name does
not count), then a digest over every OPTIONS, with which C keeps the zone up and reports its capacity. Before that
nothing else is accepted. Sources: "Expressway Administrator Guide X14.3, Zones and Neighbors"; "MRA Deployment Guide
X12.5, Troubleshooting"; "Configure and Troubleshoot Collaboration Edge (MRA) Certificates" (Cisco 213872).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from edgesim.edge import resource_usage
from edgesim.edge.resource_usage import ResourceUsage, ResourceUsageError
from edgesim.journal import events
from edgesim.node import Node
from edgesim.pki import check_names
from edgesim.sip.answering import Answers
from edgesim.sip.connection import Connection
from edgesim.sip.digest import KEY_OCTETS, DigestCredentials, DigestResult, Nonces, secret_hash
from edgesim.sip.errors import SipProtocolError
from edgesim.sip.message import Request, Response

IDENTITY = "Peer's TLS certificate identity was unacceptable"


@dataclass(slots=True, eq=False)
class TraversalLink:
    """One connection of a C. ``heard`` is the loop's time of its last octets; ``usage`` is its last report.

    ``moved`` is the net number of registrations that E has moved to this C since then.
    """

    connection: Connection
    heard: float
    authenticated: bool = False
    usage: ResourceUsage | None = None
    moved: int = 0

    @property
    def address(self) -> str:
        """C's address as seen by E."""
        return self.connection.peer[0]

    @property
    def active(self) -> bool:
        """Whether requests can be sent on it."""
        return self.authenticated and self.connection.open

    @property
    def accepts(self) -> bool:
        """Whether C accepts registrations: one that is full, or in maintenance mode, does not."""
        return self.usage is None or self.usage.registrations > 0


class TraversalServer:
    """The zone on E. ``changed`` is called whenever a link comes or goes."""

    def __init__(self, node: Node, answers: Answers, changed: Callable[[], None]) -> None:
        self.node = node
        self.settings = node.deployment.traversal_zone
        self.links: dict[str, TraversalLink] = {}
        """The active link of each C, by address, in the order in which they came up."""
        self._answers = answers
        self._changed = changed
        self._texts = node.defaults.links
        entropy = node.host.entropy("traversal zone nonces")
        key = node.host.disk.setdefault("zone nonce key", entropy.randbytes(KEY_OCTETS))
        sip = node.defaults.sip
        self._nonces = Nonces(
            entropy, key=key, lifetime=sip.nonce_lifetime_s, uses=sip.nonce_uses, octets=sip.nonce_octets
        )
        password = self.settings.server_password
        self._realm = node.defaults.sip.zone_realm.format(fqdn=node.fqdn, zone=self.settings.name)
        self._ha1 = secret_hash(self.settings.user, self._realm, password)
        self._loop = asyncio.get_running_loop()
        self._watches: dict[Connection, asyncio.TimerHandle] = {}
        self._entered = (self._texts.failed, "no connection")

    @property
    def silence(self) -> float:
        """Seconds after which a silent C counts as gone: its probe and all retries are missing."""
        return self._texts.probe_keepalive_s + self._texts.probe_retry_count * self._texts.probe_retry_s + 1.0

    def live(self) -> list[TraversalLink]:
        """Return the usable links, oldest first."""
        return [link for link in self.links.values() if link.active]

    def at(self, address: str) -> TraversalLink | None:
        """Return the active link to the C with this address."""
        link = self.links.get(address)
        return link if link is not None and link.active else None

    # ---- connections

    def accept(self, connection: Connection) -> None:
        """Accept a connection on the zone's port, or close it if C's certificate lacks the required name."""
        wanted = self.settings.tls_verify_subject_name
        limit = self.node.defaults.tls.san_limit_characters
        check = check_names(connection.peer_certificate, wanted, limit=limit)
        if not check:
            self._negotiation_error(connection.peer, connection.local, IDENTITY)
            self._show(f"{IDENTITY}: {check.explain()}")
            connection.close()
            return
        link = TraversalLink(connection, self._loop.time())
        connection.context = link
        connection.allow_silence(None)  # C's probes are counted below
        self._watch(link)

    def refused(self, peer: tuple[str, int], local: tuple[str, int], detail: str) -> None:
        """A handshake failed on the zone's port: one side refused the other's certificate."""
        self._negotiation_error(peer, local, detail)
        self._show(detail)

    def lost(self, link: TraversalLink) -> None:
        """A connection ended."""
        watch = self._watches.pop(link.connection, None)
        if watch is not None:
            watch.cancel()
        if self.links.get(link.address) is link:
            del self.links[link.address]
            self._show()
            self._changed()

    def close(self) -> None:
        """Cancel all timers."""
        for watch in self._watches.values():
            watch.cancel()
        self._watches.clear()

    def _watch(self, link: TraversalLink) -> None:
        due = link.heard + self.silence
        self._watches[link.connection] = self._loop.call_at(due, self._check, link, context=self.node.host.context())

    def _check(self, link: TraversalLink) -> None:
        if link.heard + self.silence <= self._loop.time():
            del self._watches[link.connection]
            self._note(link.connection.peer, f"{self.settings.name}: no sign of {link.address} for {self.silence:g} s")
            link.connection.abort()
        else:
            self._watch(link)

    # ---- OPTIONS

    def options(self, request: Request, link: TraversalLink) -> Response:
        """Answer C's OPTIONS: with a challenge, or with 200 after a correct digest."""
        verdict = self._verdict(request)
        if verdict is None:
            return self._challenge(request)
        if verdict is not DigestResult.GRANTED:
            self._refused(link)
            return self._challenge(request)
        try:
            link.usage = resource_usage.parse(request.body) if request.body else None
            link.moved = 0
        except ResourceUsageError as error:
            raise SipProtocolError(str(error)) from None
        if not link.authenticated:
            link.authenticated = link.connection.shared = True
            old = self.links.pop(link.address, None)
            self.links[link.address] = link
            if old is not None:
                old.connection.abort()
            self._show()
            self._changed()
        return self._answers.make(request, 200, ("Supported", resource_usage.SUPPORTED))

    def _verdict(self, request: Request) -> DigestResult | None:
        """Check the credentials of a request; None if it has none for this realm."""
        for header in request.authentication("Authorization"):
            if header.scheme.lower() != "digest" or header.get("realm") != self._realm:
                continue
            credentials = DigestCredentials.of(header)
            if credentials.username != self.settings.user:
                return DigestResult.WRONG
            verdict = self._nonces.check(credentials, self._loop.time())
            if verdict in (DigestResult.STALE, DigestResult.UNKNOWN_NONCE):
                return None
            return credentials.check(request.method, self._ha1) if verdict is DigestResult.GRANTED else verdict
        return None

    def _challenge(self, request: Request) -> Response:
        challenge = self._nonces.challenge(self._realm, self._loop.time())
        return self._answers.make(request, 401, ("WWW-Authenticate", challenge))

    def _refused(self, link: TraversalLink) -> None:
        address, port = link.connection.peer
        detail = "Incorrect authentication credential for user"
        self.node.journal.emit(
            events.Authentication(user=self.settings.user, how="digest", granted=False, detail=self.settings.name),
            peer=link.connection.peer,
        )
        self._note(
            link.connection.peer,
            f'Event="Authentication Failed" Service="SIP" Src-ip="{address}" Src-port="{port}" Detail="{detail}" '
            'Protocol="TLS" Method="OPTIONS" Level="1"',
        )
        self._show(detail)

    # ---- the journal

    def _show(self, why: str = "no connection") -> None:
        """Journal the zone's state when it changes: up until the last link is gone, then the reason."""
        entered = (self._texts.active, ", ".join(self.links)) if self.links else (self._texts.failed, why)
        if entered != self._entered:
            self._entered = entered
            self.node.journal.emit(events.ZoneState(zone=self.settings.name, state=entered[0], reason=entered[1]))

    @property
    def state(self) -> tuple[str, str]:
        """The zone's state and reason, as shown on the status page."""
        return self._entered

    def _negotiation_error(self, peer: tuple[str, int], local: tuple[str, int], detail: str) -> None:
        self._note(
            peer,
            f'Event="Inbound TLS Negotiation Error" Service="SIP" Src-ip="{peer[0]}" Src-port="{peer[1]}" '
            f'Dst-ip="{local[0]}" Dst-port="{local[1]}" Detail="{detail}" Protocol="TLS" Level="1"',
        )

    def _note(self, peer: tuple[str, int], text: str) -> None:
        self.node.journal.emit(events.Note(text=text), peer=peer)
