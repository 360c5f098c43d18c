"""The REGISTER of Cisco's clients, header by header as captured, and their response to a challenge.

Sources: "How Phone Services Failover works for Jabber 14 over MRA" (Cisco 217244) for the message over the edge, "Cisco
Jabber and SIP OAuth Mode" (Cisco 215572) for the order of the headers; "Troubleshoot Extension Mobility Cross Cluster"
(Cisco 214535) for a 7821, whose order is the same; "Troubleshoot Cisco Phone 7800/8800 Series" (Cisco 200850) for its
refresh; "Troubleshoot IP Phone Unregistration" (Cisco 200410) for the keep-alive to a standby node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edgesim.sip import Authentication, Request, Response, SipProtocolError, digest, remotecc
from edgesim.world import Entropy

ADAPTIVE_ROUTING = "X-cisco-supports-AR_SK"
PROBE = "0" * 12
"""The instance of a client that only asks whether its device is free ("graceful" registration)."""
INITIALIZED = "25 initialized"
FORCED = "111 Application-Requested-Destroy"
DEVICE_RESET = "25 Device-Initiated-Reset"
CONNECTION_LOST = "14 cm-closed-tcp"
"""Alarms for Reason, as captured: number and text."""
NO_SESSION = "0" * 32
JABBER_SESSION = "{0}00255000a000{1}0000"
PHONE_SESSION = "{0}00105000a000{instance}"
"""Forms of ``Session-ID`` (RFC 7989) as captured: eight random digits, a fixed part, eight more or the MAC address."""
KEEP_ALIVE = ";expires=0;cisco-keep-alive"
"""The end of Contact in a keep-alive to a node that a phone would fail over to."""
CHALLENGES = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrant:
    """The registering client: the address is ``number@node``, with the Unified CM node of the Request-URI.

    ``instance`` is twelve hexadecimal digits. ``load`` appears in Reason; a client without one sends no Reason.
    ``traits`` are the parameters at the end of Contact, such as ``video``; ``mra`` clients announce adaptive routing
    after them. ``body`` is the multipart body of a registration.
    """

    node: str
    number: str
    contact_user: str
    device: str
    model: int
    instance: str
    agent: str
    load: str | None
    supported: str
    body: bytes
    traits: tuple[str, ...] = ()
    mra: bool = False
    reg_id: str = ""


class Identifiers:
    """Generates a client's tags and Call-IDs: the digits of its instance and a counter, as captured.

    ``session`` is its half of every ``Session-ID``, of the form `JABBER_SESSION` or `PHONE_SESSION`.
    """

    def __init__(self, entropy: Entropy, instance: str, session: str | None = None) -> None:
        self.session = session and session.format(entropy.token_hex(4), entropy.token_hex(4), instance=instance)
        self._entropy = entropy
        self._instance = instance
        self._tags = self._calls = 0

    def tag(self) -> str:
        """Return the next From tag."""
        self._tags = (self._tags + 1) % 0x10000
        return f"{self._instance}{self._tags:04x}{self._entropy.token_hex(4)}-{self._entropy.token_hex(4)}"

    def call_id(self, address: str) -> str:
        """Return the next Call-ID."""
        self._calls = (self._calls + 1) % 0x10000
        start = f"{self._instance[:8]}-{self._instance[8:12]}{self._calls:04x}"
        return f"{start}-{self._entropy.token_hex(4)}-{self._entropy.token_hex(4)}@{address}"


@dataclass(slots=True, kw_only=True)
class Dialogue:
    """The state shared by successive REGISTERs: constant identifiers and counters.

    ``refreshing``: it is registered, and a REGISTER only refreshes the binding.
    """

    entropy: Entropy
    identifiers: Identifiers
    user: str
    password: str
    call_id: str
    tag: str
    sequence: int = 100
    challenge: Authentication | None = None
    header: str = "Proxy-Authorization"
    uses: int = 0
    alarm: str | None = field(default=None)
    session: str | None = None
    refreshing: bool = False

    @classmethod
    def new(
        cls,
        entropy: Entropy,
        *,
        user: str,
        password: str,
        instance: str,
        address: str,
        session: str | None = None,
        identifiers: Identifiers | None = None,
    ) -> Dialogue:
        """Start a new dialogue. ``identifiers`` are the client's; by default those of a separate client, with
        ``session``.
        """
        own = identifiers or Identifiers(entropy, instance, session)
        return cls(
            entropy=entropy,
            identifiers=own,
            user=user,
            password=password,
            call_id=own.call_id(address),
            tag=own.tag(),
            session=own.session,
        )

    def refresh(self) -> None:
        """Start a refresh with a new From tag, as a 7821 does."""
        self.refreshing = True
        self.tag = self.identifiers.tag()

    def credentials(self, uri: str, method: str = "REGISTER") -> str | None:
        """Return the credentials for the next request, or None before any challenge."""
        if self.challenge is None:
            return None
        self.uses += 1
        return digest.answer(
            self.challenge,
            method=method,
            uri=uri,
            username=self.user,
            password=self.password,
            cnonce=self.entropy.token_hex(4),
            count=self.uses,
        )

    def challenged(self, response: Response) -> bool:
        """Store a challenge; return False if it cannot be answered, or newly refuses our credentials."""
        name, header = CHALLENGES.get(response.status, ("", ""))
        for offered in response.authentication(name) if name else ():
            if offered.scheme.lower() != "digest":
                continue
            stale = (offered.get("stale") or "").lower() == "true"
            if self.challenge is not None and self.uses == 1 and not stale and self.header == header:
                return False
            self.challenge, self.header, self.uses = offered, header, 0
            return True
        return False


def register(
    who: Registrant,
    dialogue: Dialogue,
    *,
    local: tuple[str, int],
    transport: str,
    date: str,
    expires: int,
    routes: Sequence[str] = (),
    session: str | None = None,
    uri: str | None = None,
    keep_alive: bool = False,
) -> Request:
    """Build the next REGISTER (or, with ``expires`` 0, the one that ends the registration).

    ``session`` replaces the dialogue's own; ``routes`` are the values of Route, in order; ``uri`` is the Request-URI,
    by default the node. ``keep_alive`` makes it a keep-alive to a standby node.
    """
    dialogue.sequence += 1
    session = session or dialogue.session
    uri = uri or f"sip:{who.node}"
    here = f"{local[0]}:{local[1]}"
    address = f"<sip:{who.number}@{who.node}>"
    contact = (
        f"<sip:{who.contact_user}@{here};transport={transport}>"
        f';+sip.instance="<urn:uuid:00000000-0000-0000-0000-{who.instance}>"'
        f';+u.sip!devicename.ccm.cisco.com="{who.device}";+u.sip!model.ccm.cisco.com="{who.model}"'
    )
    contact += "".join(f";{trait}" for trait in who.traits)
    if who.mra:
        contact += f";x-cisco-mra-ha=AR_SK;x-cisco-reg-id={who.reg_id}"
    if keep_alive:
        contact += KEEP_ALIVE
    headers = [
        ("Via", f"SIP/2.0/{transport.upper()} {here};branch=z9hG4bK{dialogue.entropy.token_hex(4)}"),
        *(("Route", route) for route in routes),
        ("From", f"{address};tag={dialogue.tag}"),
        ("To", address),
        ("Call-ID", dialogue.call_id),
        ("Max-Forwards", "70"),
        *([("Session-ID", f"{session};remote={NO_SESSION}")] if session else []),
        ("Date", date),
        ("CSeq", f"{dialogue.sequence} REGISTER"),
        ("User-Agent", who.agent),
        ("Contact", contact),
    ]
    if credentials := dialogue.credentials(uri):
        headers.append((dialogue.header, credentials))
    headers.append(("Supported", who.supported))
    if dialogue.alarm is not None and who.load is not None:
        headers.append(("Reason", reason(who, dialogue.alarm)))
    if expires and dialogue.refreshing:
        headers += [("Content-Length", "0"), ("Expires", str(expires))]
        return Request.build("REGISTER", uri, headers)
    headers.append(("Expires", str(expires)))
    body = b""
    if expires:
        body = who.body
        headers += [("Content-Type", remotecc.MULTIPART_TYPE), ("Mime-Version", "1.0")]
    return Request.build("REGISTER", uri, headers, body)


def reason(who: Registrant, alarm: str) -> str:
    """Return the value of Reason: why a device registers, sent once after each lost registration."""
    number, last = alarm.split(" ", 1)
    return (
        f'SIP;cause=200;text="cisco-alarm:{number} Name={who.device} '
        f'ActiveLoad={who.load} InactiveLoad={who.load} Last={last}"'
    )


def granted_expires(response: Response, device: str) -> int:
    """Return the seconds that a 200 grants ``device``. Raises `SipProtocolError` if it grants none."""
    own = response.get("Expires")
    for contact in response.contacts:
        name = contact.parameters.get("+u.sip!devicename.ccm.cisco.com")
        if name is None or name == device:
            value = contact.parameters.get("expires") or own
            if value is not None and value.isdigit():
                return int(value)
    raise SipProtocolError("200 to REGISTER without our Contact or a time", status=None)
