"""The CallManager service's SIP side for lines: ports 5060 (TCP and UDP) and, in mixed mode, 5061 (mutual TLS).

It registers devices and answers the other requests of devices and Expressways: OPTIONS and alarm REFERs; it refuses the
rest. Header order and values of the responses are those of public captures.

Sources: "Cisco Jabber and SIP OAuth Mode" (Cisco 215572); "Troubleshoot Extension Mobility Cross Cluster" (Cisco
214535); "Collaboration Edge TC-based Endpoints Configuration Example" (Cisco 211304); RFC 3261; RFC 3581; RFC 7989.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import Literal

from edgesim.journal import Event, Recorder, events
from edgesim.journal.keys import call_id_key, device_key, user_key
from edgesim.pki import check_names
from edgesim.servers.unified_cm import remotecc, vias
from edgesim.servers.unified_cm.database import Database, Phone
from edgesim.servers.unified_cm.registrar import Binding, Granted, Leg, Listed, Policy, Refusal, Registrar
from edgesim.servers.unified_cm.registration import Contact, Registration
from edgesim.sip.addresses import NameAddr, SipUri
from edgesim.sip.admission import check_uri
from edgesim.sip.connection import Connection
from edgesim.sip.digest import KEY_OCTETS, DigestCredentials, DigestResult, Nonces, secret_hash
from edgesim.sip.errors import SipProtocolError
from edgesim.sip.message import Request, Response
from edgesim.sip.proxy import ADAPTIVE
from edgesim.sip.text import comparable_host, quote
from edgesim.sip.values import Authentication
from edgesim.world import Entropy, Host

ALLOW = "INVITE, OPTIONS, INFO, BYE, CANCEL, ACK, PRACK, UPDATE, REFER, SUBSCRIBE, NOTIFY"
"""The methods that Unified CM allows (as in its responses to INVITE)."""
LINE_METHODS = ("REGISTER", "OPTIONS", "REFER", "ACK", "CANCEL", "BYE")
KNOWN_METHODS = (*LINE_METHODS, "INVITE", "INFO", "PRACK", "UPDATE", "SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH")
UNDERSTOOD = ("path", "gruu", "norefersub")
"""The option tags that a request may require."""
URIS_REMEMBERED = 1024
NONCE_OCTETS = 16
SCHEMES = ("sip", "sips")
NEW = "x-cisco-newreg"

_SESSION = re.compile(r"[0-9a-f]{32}(?=$|[;\s])")


@dataclass(frozen=True, slots=True, kw_only=True)
class SipSettings:
    """The service's identity and settings.

    ``server`` is the value of Server; ``sis`` the version in ``X-cisco-sis-``; ``adaptive`` whether it confirms
    adaptive routing and STUN keep-alives to clients that announce them; ``names`` the hosts that a Request-URI may
    name; ``mismatch_closes`` whether a certificate without the profile's name closes the connection or gets a 403;
    ``trying`` whether a 100 precedes the response to a REGISTER; ``fills_rport`` whether a requested ``rport`` is
    filled in, ``joins_vias`` whether a response has all Vias on one line; ``shows_expires`` which Contacts of a 200
    have an expires parameter; ``nonce_lifetime`` (seconds), ``nonce_uses`` and ``says_stale`` concern challenges;
    ``san_limit`` is how many characters of a peer's SAN count.
    """

    server: str
    sis: str
    adaptive: bool
    realm: str
    name: str
    names: frozenset[str]
    mismatch_closes: bool
    fills_rport: bool
    joins_vias: bool
    shows_expires: Literal["always", "as asked", "to standard clients"]
    nonce_lifetime: float
    nonce_uses: int
    says_stale: bool
    san_limit: int
    trying: bool = True


class LineService:
    """The service on one node. Pass `on_request` to a stateful `edgesim.sip` endpoint."""

    def __init__(
        self,
        host: Host,
        journal: Recorder,
        database: Database,
        policy: Policy,
        settings: SipSettings,
        legs: dict[int, Leg],
    ) -> None:
        self.registrar = Registrar(database, policy, show=self._show)
        self._host = host
        self._journal = journal
        self._database = database
        self._settings = settings
        self._legs = legs
        self._tags = host.entropy("SIP tags")
        self._sessions = host.entropy("SIP session ids")
        entropy = host.entropy("SIP nonces")
        self._nonces = Nonces(
            entropy,
            key=host.disk.setdefault("sip nonce key", entropy.randbytes(KEY_OCTETS)),
            octets=NONCE_OCTETS,
            lifetime=settings.nonce_lifetime,
            uses=settings.nonce_uses,
            uncounted_uses=settings.nonce_uses,
        )
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._own: set[str] = set()
        self._date = (0, "")
        self._supported = f"X-cisco-srtp-fallback,X-cisco-sis-{settings.sis}"

    def close(self) -> None:
        """Cancel the timer; registrations end with the service."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _show(self, address: str) -> str:
        """Return the lab's name for an address, or the address if it is not in the lab."""
        known = self._host.world.host_at(address)
        return known.name if known is not None else address

    # ---- requests

    def on_request(self, request: Request, connection: Connection) -> None:
        """Answer a request. Raises `SipProtocolError`, which the endpoint answers."""
        if request.method == "ACK":
            return
        if self._settings.fills_rport:
            vias.fill_source(request, connection.peer)
        else:
            vias.note_source(request, connection.peer[0])
        refusal = self._unfit(request)
        if refusal is not None:
            connection.send(refusal)
        elif request.method == "REGISTER":
            self._register(request, connection)
        else:
            connection.send(self._other(request, connection))

    def _unfit(self, request: Request) -> Response | None:
        """Return the refusal of a request that fails the checks common to all methods (RFC 3261, 8.2)."""
        method = request.method
        fault = check_uri(request.uri, SCHEMES) if request.uri not in self._own else None
        if fault == 400:
            raise SipProtocolError("malformed Request-URI")
        if method not in KNOWN_METHODS:
            return self._answer(request, 501)
        if method not in LINE_METHODS:
            return self._answer(request, 405, ("Allow", ALLOW))
        if fault is not None:
            return self._answer(request, fault)
        if request.uri not in self._own:
            if comparable_host(SipUri.parse(request.uri).host) not in self._settings.names:
                return self._answer(request, 404)
            if len(self._own) < URIS_REMEMBERED:
                self._own.add(request.uri)
        if "Require" in request:
            unknown = [name for name in request.values("Require") if name.lower() not in UNDERSTOOD]
            if unknown:
                return self._answer(request, 420, ("Unsupported", ",".join(unknown)))
        return None

    def _other(self, request: Request, connection: Connection) -> Response:
        if request.method == "OPTIONS":
            return self._answer(
                request, 200, ("Allow", ALLOW), ("Accept", "application/sdp"), ("Supported", self._supported)
            )
        if request.method == "REFER":
            return self._accepted(request, connection)
        return self._answer(request, 481)

    def _answer(
        self, request: Request, status: int, *headers: tuple[str, str], reason: str | None = None, body: bytes = b""
    ) -> Response:
        return request.response(
            status,
            reason,
            to_tag=str(self._tags.randrange(1, 2**31)),
            layout=(
                self._via(request),
                "From",
                "To",
                ("Date", self._today()),
                "Call-ID",
                ("Server", self._settings.server),
                "CSeq",
                *headers,
            ),
            body=body,
        )

    def _accepted(self, request: Request, connection: Connection) -> Response:
        """Return the response to a phone's alarm, which has a Contact and no Server (Cisco 214535)."""
        address, port = connection.local
        contact = f"<sip:{address}:{port};transport={connection.transport.lower()}>"
        return request.response(
            202,
            to_tag=str(self._tags.randrange(1, 2**31)),
            layout=(
                self._via(request),
                "From",
                "To",
                ("Date", self._today()),
                "Call-ID",
                "CSeq",
                ("Contact", contact),
            ),
        )

    def _via(self, request: Request) -> str | tuple[str, str]:
        return vias.joined(request) if self._settings.joins_vias else "Via"

    def _today(self) -> str:
        """Return the value of Date, computed once a second."""
        clock = self._host.clock
        second = clock.now_ns() // 1_000_000_000
        if self._date[0] != second:
            self._date = (second, clock.http_date())
        return self._date[1]

    # ---- REGISTER

    def _register(self, request: Request, connection: Connection) -> None:
        asked = Registration.of(request, connection.peer[0])
        phone = self.registrar.identify(asked)
        if isinstance(phone, Refusal):
            self._refuse(phone, request, connection)
            return
        refusal = self._admission(phone, request, connection)
        if refusal is not None:
            self._refuse(refusal, request, connection, phone)
            return
        why = self.registrar.authorizes(asked, phone)
        if why is not None:
            self._note(
                f"EndPointTransientConnection DeviceName={phone.name} Reason=35 (AuthorizationError): {why}", connection
            )
            self._refuse(self.registrar.policy.unauthorized, request, connection, phone)
            return
        challenge = self._challenge(phone, request) if phone.digest else None
        if challenge is not None:
            connection.send(self._answer(request, 401, ("WWW-Authenticate", challenge)))
            return
        if self._settings.trying:
            # Not through the transaction: the final response follows at once, and retransmissions get that.
            connection.send_now(self._trying(request))
        outcome = self.registrar.register(asked, phone, self._loop.time())
        if isinstance(outcome, Refusal):
            self._refuse(outcome, request, connection, phone)
            return
        if isinstance(outcome, Granted):
            self._emit(outcome.events, outcome.binding, connection)
            connection.send(self._granted(request, asked, outcome))
            if self._timer is None:
                self._arm()
            return
        if isinstance(outcome, Listed):
            contacts = [
                ("Contact", _with(each.contact, int(each.expires_at - self._loop.time()))) for each in outcome.bindings
            ]
            connection.send(self._answer(request, 200, *contacts, ("Supported", self._supported)))
            return
        self._emit(outcome.events, None, connection, asked)
        connection.send(self._answer(request, 200, ("Expires", "0"), ("Supported", self._supported)))

    def _trying(self, request: Request) -> Response:
        via = self._via(request)
        return request.response(100, layout=(via, "From", "To", ("Date", self._today()), "Call-ID", "CSeq"))

    def _granted(self, request: Request, asked: Registration, outcome: Granted) -> Response:
        contact = outcome.binding.contact
        shows = contact.expires is not None or self._shows_expires(asked)
        value = _with(contact, outcome.expires if shows else None, fresh=outcome.new_registration)
        supported = self._supported
        if self._settings.adaptive and asked.adaptive:
            supported += f",{ADAPTIVE}"
        headers = [("Expires", str(outcome.expires)), ("Contact", value), ("Supported", supported)]
        session = request.get("Session-ID")
        if session is not None and (match := _SESSION.match(session)):
            headers.append(("Session-ID", f"{_session(self._sessions)};remote={match.group()}"))
        body = remotecc.answer(request.body) if request.body else None
        if body is not None:
            headers.append(("Content-Type", remotecc.CONTENT_TYPE))
        return self._answer(request, 200, *headers, body=body or b"")

    def _shows_expires(self, asked: Registration) -> bool:
        """Return whether a Contact without requested lifetime gets an expires parameter."""
        whom = self._settings.shows_expires
        return whom == "always" or (whom == "to standard clients" and not asked.extended)

    def _admission(self, phone: Phone, request: Request, connection: Connection) -> Refusal | None:
        leg = self._legs.get(connection.local[1], Leg.PLAIN)
        names: tuple[str, ...] = ()
        if phone.secure and leg is Leg.SECURE:
            names = self._names_of(connection, phone)
        return self.registrar.admits(
            phone,
            leg=leg,
            transport=connection.transport.upper(),
            source=connection.peer[0],
            peer_names=names,
            has_token="Proxy-Authorization" in request
            and any(each.scheme.lower() == "bearer" for each in request.authentication("Proxy-Authorization")),
        )

    def _names_of(self, connection: Connection, phone: Phone) -> tuple[str, ...]:
        """Return which of the acceptable names are in the peer's certificate; the result is cached."""
        if not isinstance(connection.context, dict):
            connection.context = {}
        known: dict[str, tuple[str, ...]] = connection.context
        if phone.name not in known:
            certificate = connection.peer_certificate
            wanted = [name for name in (phone.profile, phone.name) if " " not in name]
            check = check_names(certificate, *wanted, common_name=True, limit=self._settings.san_limit)
            if check.ok:
                known[phone.name] = (phone.profile,)
            else:
                known[phone.name] = ()
                received = ",".join(name.partition(":")[2] for name in check.present)
                self._note(f"TLS InvalidX509NameInCertificate, Rcvd={received}, Expected={phone.profile}", connection)
        return known[phone.name]

    def _challenge(self, phone: Phone, request: Request) -> str | None:
        """Return the challenge to a device whose profile has digest authentication; None once authenticated.

        A correct digest with an expired nonce is challenged with stale (RFC 2617, 3.2.1).
        """
        settings, now = self._settings, self._loop.time()
        user = self._database.user(phone.owner)
        stale = False
        for header in request.authentication("Authorization"):
            try:
                credentials = DigestCredentials.of(header)
            except SipProtocolError:
                continue
            if credentials.realm != settings.realm or user is None:
                continue
            secret = secret_hash(credentials.username, settings.realm, user.password)
            right = credentials.username == user.id and credentials.check("REGISTER", secret) is DigestResult.GRANTED
            verdict = self._nonces.check(credentials, now) if right else DigestResult.WRONG
            self._journal.emit(
                events.Authentication(
                    user=credentials.username[:128],
                    how="digest",
                    granted=verdict is DigestResult.GRANTED,
                    detail=phone.name,
                ),
                keys=(user_key(credentials.username), device_key(phone.name)),
            )
            if verdict is DigestResult.GRANTED:
                return None
            stale = stale or verdict is DigestResult.STALE
        challenge = [("realm", quote(settings.realm)), ("nonce", quote(self._nonces.make(now)))]
        if stale and settings.says_stale:
            challenge.append(("stale", "TRUE"))
        challenge.append(("algorithm", "MD5"))
        return str(Authentication(scheme="Digest", parameters=tuple(challenge)))

    def _refuse(self, refusal: Refusal, request: Request, connection: Connection, phone: Phone | None = None) -> None:
        if refusal.close and self._settings.mismatch_closes:
            connection.close()
            return
        headers: list[tuple[str, str]] = []
        if refusal.retry_after is not None:
            headers.append(("Retry-After", str(refusal.retry_after)))
        if refusal.warning is not None:
            headers.append(("Warning", f"399 {self._settings.name} {quote(refusal.warning)}"))
        if refusal.status == 405:
            headers.append(("Allow", ALLOW))
        connection.send(self._answer(request, refusal.status, *headers, reason=refusal.reason))

    # ---- the journal, and time

    def _emit(
        self,
        news: tuple[Event, ...],
        binding: Binding | None,
        connection: Connection,
        asked: Registration | None = None,
    ) -> None:
        call_id = binding.call_id if binding is not None else asked.call_id if asked is not None else ""
        for event in news:
            keys = [call_id_key(call_id)]
            if isinstance(event, (events.Registered, events.Unregistered)):
                keys.append(device_key(event.device))
            if isinstance(event, events.Registered):
                keys.append(user_key(event.user))
                self._host.proved(connection.local[1], connection.peer)
            self._journal.emit(event, peer=connection.peer, keys=keys)

    def _note(self, text: str, connection: Connection) -> None:
        self._journal.emit(events.Note(text=text), peer=connection.peer)

    def _arm(self) -> None:
        deadline = self.registrar.deadline
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._expire, deadline, context=self._host.context())

    def _expire(self, deadline: float) -> None:
        """Handle the deadline for which the timer was set; refreshes may have moved it since."""
        self._timer = None
        for event in self.registrar.expire(max(self._loop.time(), deadline)):
            self._journal.emit(event, keys=(device_key(event.device),))
        self._arm()


def _session(entropy: Entropy) -> str:
    """Return Unified CM's half of a Session-ID: a UUID of version 5 without its hyphens (RFC 7989, 4.1)."""
    digits = entropy.token_hex(16)
    return f"{digits[:12]}5{digits[13:16]}{'89ab'[int(digits[16], 16) % 4]}{digits[17:]}"


def _with(contact: Contact, seconds: int | None, *, fresh: bool = False) -> str:
    """Return a Contact as repeated in a 200: with the granted expires parameter (RFC 3261, 10.3, step 8)."""
    address = NameAddr.parse(contact.value)
    parameters = address.parameters
    if seconds is not None:
        parameters = parameters.with_("expires", str(max(0, seconds)))
    if fresh and NEW not in parameters:
        parameters = parameters.with_(NEW)
    return str(replace(address, parameters=parameters)) if parameters is not address.parameters else contact.value
