"""The edits that an Expressway makes to a forwarded message, one function each; all other lines stay unchanged.

`edgesim.sip.rewriting` then serialises the whole message.

Sources: RFC 3261, 16 (with RFC 3327 for Path, RFC 5393 for loops); the shapes of the values follow Cisco's "How Phone
Services Failover works for Jabber 14 over MRA" (217244), "MRA phone services failing due to source IP translation"
(212347) and "Troubleshooting Guide for Cisco Webex Hybrid Call Service Connect" (212475).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from edgesim.sip.addresses import NameAddr, Parameters, SipUri
from edgesim.sip.admission import ProxyRefusal, hops_left
from edgesim.sip.message import Message, Request
from edgesim.sip.text import MAX_REMEMBERED, REMEMBERED, quote, split
from edgesim.sip.values import Via
from edgesim.world import Entropy

MAGIC = "z9hG4bK"
CALL_ID = "proxy-call-id="
"""The prefix of the user part of our Record-Route."""
USER_PARAMETER = "+u.sip!userid.ccm.cisco.com"
ORIGINAL = "orig-hostport"
ABILITIES = "x-cisco-mra-ha"
ADAPTIVE = "X-cisco-supports-AR_SK"
"""The option tag of adaptive routing with STUN keep-alives."""
_OWN_WORD = ("received", "ingress-zone", "ingress-zone-id")
"""Via parameters that only the hop that received the request may set."""
_ROUTING = ("route", "proxy-require")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One side of a proxy: its addresses (``tcp``, ``tls``, ``udp``) and the zone beyond.

    ``zone_id`` is the zone's number, if this side writes it; ``hop_count`` is the maximum of Max-Forwards into the
    zone. ``fills_rport``: whether a Via received without ``rport`` gets one (a client's does, Unified CM's does not).
    ``loop_hash``: whether branches written on this side carry the loop-detection hash.
    """

    address: str
    port: int
    transport: str
    zone: str = ""
    zone_id: int | None = None
    hop_count: int = 70
    fills_rport: bool = True
    loop_hash: bool = True

    @property
    def sent_by(self) -> str:
        """``address:port``, as in Via."""
        return f"{self.address}:{self.port}"


def zone_token(name: str) -> str:
    """Return a zone's name as spelled in Via parameters: without spaces."""
    return name.replace(" ", "")


# ---- Via


class Branches:
    """Generates branches as a function of the request, so that a stateless proxy gives a retransmission, and the CANCEL
    and ACK of an INVITE, the same branch (RFC 3261, 16.11): 32 hexadecimal digits and a number.
    """

    def __init__(self, entropy: Entropy) -> None:
        self._key = entropy.randbytes(16)

    def make(self, request: Request, *, via: Via | None = None, loop_hash: str | None = None, nth: int = 0) -> str:
        """Return the branch for forwarding ``request``, before a Via is added; the hash is appended after a dot.

        ``via`` is the top Via, if the caller has parsed it; ``nth`` numbers the targets of one request, each of which
        has its own branch (RFC 3261, 16.6, step 8).
        """
        via = via or request.top_via
        text = f"{via.branch}\0{via.sent_by}\0{request.call_id}\0{request.cseq.number}\0{request.from_.tag}"
        if nth:
            text += f"\0{nth}"
        digest = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=20, key=self._key).digest()
        number = int.from_bytes(digest[16:], "big") % 10_000_000
        return f"{MAGIC}{digest[:16].hex()}{number}" + (f".{loop_hash}" if loop_hash is not None else "")


def loop_hash(request: Request) -> str:
    """Return 32 hexadecimal digits over the fields that route a request (RFC 3261, 16.6, step 8; RFC 5393, 4.2).

    Compute it from the request as received: a looped request has the same hash, one whose target changed (a spiral) has
    another. Fields that differ between an INVITE and its CANCEL or ACK (the To tag, credentials) are left out, so that
    all keep one branch.
    """
    parts = (request.uri, request.call_id, str(request.cseq.number), request.from_.tag or "")
    lines = [line for name, line in zip(request.names, request.lines, strict=True) if name in _ROUTING]
    text = b"\0".join(("\0".join(parts).encode("utf-8", "surrogateescape"), *lines))
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


def push_via(request: Request, hop: Hop, *, branch: str, proxy_call_id: str) -> None:
    """Add this hop's Via on top: ``egress-zone``, ``branch``, ``proxy-call-id``, ``rport``."""
    request.prepend(
        "Via",
        f"SIP/2.0/{hop.transport.upper()} {hop.sent_by};egress-zone={zone_token(hop.zone)};branch={branch};"
        f"proxy-call-id={proxy_call_id};rport",
    )


def stamp_via(request: Request, source: tuple[str, int], hop: Hop) -> None:
    """Record in the top Via where the request came from: ``received``, ``rport``, ``ingress-zone``,
    ``ingress-zone-id``.

    The parameters are appended; an ``rport`` from the sender is filled in place, unless it is the last. The sender's
    values of the others are dropped: only the receiving hop may set them.
    """
    address, port = source
    first, *others = split(request.get("Via") or "", ",")
    head, *pieces = split(first.strip(), ";")
    pieces = [piece for piece in pieces if _name_of(piece) not in _OWN_WORD]
    stamps = [f"received={address}", f"ingress-zone={zone_token(hop.zone)}"]
    if hop.zone_id is not None:
        stamps.append(f"ingress-zone-id={hop.zone_id}")
    asked = [at for at, piece in enumerate(pieces) if _name_of(piece) == "rport"]
    if asked and asked[0] < len(pieces) - 1:
        pieces[asked[0]] = f"rport={port}"
    elif asked or hop.fills_rport:
        if asked:
            pieces.pop()
        stamps.insert(1, f"rport={port}")
    request.replace("Via", ",".join([";".join([head.rstrip(), *pieces, *stamps]), *others]))


def _name_of(parameter: str) -> str:
    return parameter.partition("=")[0].strip().lower()


# ---- Max-Forwards


def clamp_hops(request: Request, hop_count: int) -> int:
    """Decrement Max-Forwards and clamp it to a zone's hop count; return the new value.

    Raises `ProxyRefusal` (483) at zero, `SipProtocolError` if it is not a number.
    """
    left = hops_left(request)
    if left is None:
        request.insert_after("Via", "Max-Forwards", str(hop_count))
        return hop_count
    if left == 0:
        raise ProxyRefusal(483, "too many hops")
    hops = min(left - 1, hop_count)
    request.replace("Max-Forwards", str(hops))
    return hops


# ---- Route and Record-Route


def pop_route(request: Request, is_own: Callable[[SipUri], bool]) -> NameAddr | None:
    """Remove and return the topmost Route if it names this proxy."""
    values = request.values("Route")
    if not values:
        return None
    route = NameAddr.parse(values[0])
    if not is_own(route.address):
        return None
    request.pop_value("Route")
    return route


def record_route(request: Request, *, egress: Hop, ingress: Hop, proxy_call_id: str) -> None:
    """Add this hop's two Record-Routes on top: the sending interface, then the receiving one."""
    for hop in (ingress, egress):
        value = f"<sip:{CALL_ID}{proxy_call_id}@{hop.sent_by};transport={hop.transport};lr>"
        if "Record-Route" in request:
            request.prepend("Record-Route", value)
        else:
            request.insert_after("Via", "Record-Route", value)


def add_path(message: Message, hop: Hop, form: str) -> None:
    """Add this hop's address on top of Path (RFC 3327); ``form`` has fields for address, port and transport."""
    value = form.format(address=hop.address, port=hop.port, transport=hop.transport)
    if "Path" in message:
        message.prepend("Path", value)
    else:
        message.insert_after("Via", "Path", value)


# ---- Contact


def rewrite_contacts(message: Message, hop: Hop, *, user: str | None = None) -> None:
    """Put this hop's address into every Contact and keep the client's in ``orig-hostport`` (SIP Path headers off).

    ``user`` becomes a header parameter; the client's own value of it is dropped. ``Contact: *`` is unchanged.
    """
    for nth, text in enumerate(message.get_all("Contact")):
        if text == "*":
            continue
        rewritten = [
            _remembered(value, hop, user) if len(value) <= MAX_REMEMBERED else _rewritten(value, hop, user)
            for value in split(text, ",")
        ]
        message.replace("Contact", ", ".join(rewritten), nth)


def assert_user(message: Message, user: str | None) -> None:
    """Set the user as a parameter of every Contact, replacing the client's value (SIP Path headers on).

    All other parameters keep their spelling.
    """
    for nth, text in enumerate(message.get_all("Contact")):
        if text != "*":
            values = [_with_user(value.strip(), user) for value in split(text, ",")]
            message.replace("Contact", ", ".join(values), nth)


def _with_user(value: str, user: str | None) -> str:
    if USER_PARAMETER not in NameAddr.parse(value).parameters:
        return value + _user_parameter(user)
    head, *pieces = split(value, ";")
    return ";".join([head, *(piece for piece in pieces if _name_of(piece) != USER_PARAMETER)]) + _user_parameter(user)


def _user_parameter(user: str | None) -> str:
    return f";{USER_PARAMETER}={quote(user)}" if user is not None else ""


def _rewritten(value: str, hop: Hop, user: str | None) -> str:
    contact = NameAddr.parse(value)
    uri = contact.address
    parameters = uri.parameters.without(ORIGINAL).with_("transport", hop.transport)
    target = replace(uri, host=hop.address, port=hop.port, parameters=parameters.with_(ORIGINAL, uri.hostport))
    display = f"{contact.display} " if contact.display else ""
    return f"{display}<{target}>{contact.parameters.without(USER_PARAMETER)}{_user_parameter(user)}"


_remembered = lru_cache(REMEMBERED)(_rewritten)


def announces_adaptive(request: Request) -> bool:
    """Return whether a client supports changing its path: ``AR_SK`` in ``x-cisco-mra-ha`` of a Contact, or in
    Supported.
    """
    if any(tag.lower() == ADAPTIVE.lower() for tag in request.values("Supported")):
        return True
    return any("AR_SK" in (contact.parameters.get(ABILITIES) or "").split(",") for contact in request.contacts)


def original_target(uri: SipUri) -> tuple[str, int | None] | None:
    """Return the client's host and port from a URI made by `rewrite_contacts`, or None."""
    text = uri.parameters.get(ORIGINAL)
    if text is None:
        return None
    original = SipUri.parse(f"sip:{text}")
    return original.host, original.port


def restored(uri: SipUri, transport: str) -> SipUri:
    """Return the client's original URI from one made by `rewrite_contacts`."""
    target = original_target(uri)
    if target is None:
        return uri
    parameters: Parameters = uri.parameters.without(ORIGINAL).with_("transport", transport)
    return replace(uri, host=target[0], port=target[1], parameters=parameters)
