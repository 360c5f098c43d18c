"""The body of SERVICE, with which Expressway-E has Expressway-C check a client's digest.

Two parts, a ``methodCall`` document and E's certificate in PEM, as captured in "Mobile and Remote Access phone services
failing due to source IP translation" (Cisco 212347). The capture has no empty line between the second part's header and
its content, and no closing delimiter; this is the default when writing, and both forms are read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypeVar
from xml.etree.ElementTree import Element

from edgesim.edge.markup import XmlLimits, leaf, local, read, tag

LIMITS = XmlLimits(octets=16 * 1024, depth=4, elements=64)
MAX_OCTETS = 64 * 1024
MAX_PART_HEADERS = 16
DECLARATION = '<?xml version="1.0" encoding="utf-8"?> '
CALL_TYPE = "application/text"
CERTIFICATE_TYPE = "application/x-x509-ca-cert"

_BOUNDARY = re.compile(r";\s*boundary=(?:\"([^\"\\]{1,70})\"|([^\s;\",]{1,70}))", re.IGNORECASE)
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\r?\n(?:[A-Za-z0-9+/=]+\r?\n)+-----END CERTIFICATE-----")
_HASH = re.compile("[0-9a-f]{32}").fullmatch
_DATE = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9:]{8}) GMT")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

T = TypeVar("T")


class ServiceError(ValueError):
    """The body or its content type is not that of a SERVICE."""


class Draws(Protocol):
    """A stream of randomness, such as `edgesim.world.Entropy`."""

    def choices(self, population: Sequence[str], *, k: int) -> list[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestAuth:
    """A request to check a digest. Values are as the client sent them, unquoted; ``certificate`` is PEM."""

    username: str
    realm: str
    nonce: str
    response: str
    uri: str
    qop: str = "auth"
    cnonce: str = ""
    nc: str = ""
    method: str = "REGISTER"
    id: str = ""
    caching_enabled: bool = True
    reqtype: str = "collab-edge"
    msgid: str = ""
    sipdomain: str = ""
    certificate: bytes = b""


_PARAMS = (
    ("username", "username"),
    ("realm", "realm"),
    ("nonce", "nonce"),
    ("qop", "qop"),
    ("cnonce", "cnonce"),
    ("nc", "nc"),
    ("response", "response"),
    ("uri", "uri"),
    ("method", "method"),
    ("id", "id"),
    ("caching-enabled", "caching_enabled"),
    ("reqtype", "reqtype"),
)


def new_boundary(draws: Draws) -> str:
    """Return a fresh boundary: ``boundary-`` and 30 lower-case letters and digits."""
    return "boundary-" + "".join(draws.choices(_ALPHABET, k=30))


def content_type(boundary: str) -> str:
    """Return the value of ``Content-Type``, without white space, as captured."""
    return f"multipart/mixed;boundary={boundary}"


def build(question: DigestAuth, boundary: str, *, proper: bool = False) -> bytes:
    """Return the body as captured, or with ``proper`` in valid RFC 2046 form (empty line and closing delimiter)."""
    params = tag("params", *(leaf(name, getattr(question, field)) for name, field in _PARAMS))
    call = tag(
        "methodCall",
        params,
        leaf("methodName", "DigestAuth"),
        leaf("version", "1.0"),
        leaf("msgid", question.msgid),
        leaf("sipdomain", question.sipdomain),
    )
    lines = [
        f"--{boundary}",
        f"Content-Type: {CALL_TYPE}",
        "",
        DECLARATION + call,
        "",
        f"--{boundary}",
        f"Content-Type: {CERTIFICATE_TYPE}",
        *([""] if proper else []),
        question.certificate.decode("ascii").strip(),
        *([f"--{boundary}--"] if proper else []),
        "",
    ]
    return "\r\n".join(lines).encode()


def build_answer(interim: str, *, element: str, msgid: str) -> bytes:
    """Return the body of a 200: the user's interim hash, as the parameter ``element``."""
    document = tag("methodResponse", tag("params", leaf(element, interim)), leaf("msgid", msgid))
    return (DECLARATION + document).encode()


def parse_answer(body: bytes, *, element: str) -> str | None:
    """Return the interim hash of a 200, None if it has none. Raises `ServiceError`."""
    if not body:
        return None
    try:
        root = read(body.strip(), LIMITS)
    except ValueError as error:
        raise ServiceError(str(error)) from None
    found = [each for params in root if local(params.tag) == "params" for each in params if local(each.tag) == element]
    if local(root.tag) != "methodResponse" or len(found) != 1 or not _HASH(_text(found[0])):
        raise ServiceError("the document is not a methodResponse with one hash")
    return _text(found[0])


def parse(body: bytes, content_type: str) -> DigestAuth:
    """Parse a body; raises `ServiceError`."""
    if len(body) > MAX_OCTETS:
        raise ServiceError("the body is too long")
    match = _BOUNDARY.search(content_type[:512])
    if match is None or not content_type.lower().lstrip().startswith("multipart/mixed"):
        raise ServiceError("the content type is not multipart/mixed with a boundary")
    delimiter = b"--" + (match[1] or match[2]).encode("utf-8", "replace")
    parts = _parts(body, delimiter)
    call = _one(parts, CALL_TYPE)
    pem = _PEM.search(_one(parts, CERTIFICATE_TYPE))
    if pem is None:
        raise ServiceError("the second part contains no certificate")
    return _parse_call(call, pem[0])


def _parts(body: bytes, delimiter: bytes) -> list[tuple[str, bytes]]:
    """Return the type and content of each part, with or without an empty line between them."""
    found = []
    pieces = (b"\r\n" + body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")).split(b"\r\n" + delimiter)
    if not 3 <= len(pieces) <= 8:
        raise ServiceError("expected a body of two parts")
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            break
        kind, rest = "", piece.lstrip(b" \t").removeprefix(b"\r\n")
        for _ in range(MAX_PART_HEADERS):
            line_end = rest.find(b"\r\n") + 1
            name, colon, value = rest[: line_end - 1].partition(b":")
            if not line_end or not colon or not re.fullmatch(rb"[A-Za-z-]{1,40}", name):
                break
            if name.lower() == b"content-type":
                kind = value.partition(b";")[0].strip().lower().decode("latin-1")
            rest = rest[line_end + 1 :]
        found.append((kind, rest))
    return found


def _one(parts: list[tuple[str, bytes]], kind: str) -> bytes:
    found = [content for name, content in parts if name == kind]
    if len(found) != 1:
        raise ServiceError(f"expected one part of {kind}, got {len(found)}")
    return found[0]


def _parse_call(call: bytes, certificate: bytes) -> DigestAuth:
    try:
        root = read(call.strip(), LIMITS)
    except ValueError as error:
        raise ServiceError(str(error)) from None
    top = {local(child.tag): child for child in root}
    if local(root.tag) != "methodCall" or "params" not in top:
        raise ServiceError("the document is not a methodCall with params")
    if (name := _text(top.get("methodName"))) != "DigestAuth":
        raise ServiceError(f"method {name[:40]!r} is not DigestAuth")
    given = {local(child.tag): (child.text or "").strip() for child in top["params"]}
    for needed in ("username", "realm", "nonce", "response", "uri", "method"):
        if not given.get(needed):
            raise ServiceError(f"<{needed}> is missing")
    values = {field: given.get(tag_name, "") for tag_name, field in _PARAMS if field != "caching_enabled"}
    return DigestAuth(
        **values,
        caching_enabled=given.get("caching-enabled", "").lower() == "true",
        msgid=_text(top.get("msgid")),
        sipdomain=_text(top.get("sipdomain")),
        certificate=certificate.replace(b"\r\n", b"\n") + b"\n",
    )


def _text(element: Element | None) -> str:
    return (element.text or "").strip() if element is not None else ""


# ---- the timestamp, and the signed text


def parse_date(date: str) -> float | None:
    """Return the Unix time of a SIP ``Date`` (RFC 3261, section 20.17), or None if invalid."""
    match = _DATE.fullmatch(date.strip())
    if match is None or match[2] not in _MONTHS:
        return None
    try:
        hour, minute, second = (int(part) for part in match[4].split(":"))
        at = datetime(int(match[3]), _MONTHS.index(match[2]) + 1, int(match[1]), hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return at.timestamp()


def refusal_of_timestamp(date: str | None, now: float, *, tolerance: float) -> str | None:
    """Return why C refuses a SERVICE with that ``Date`` at Unix time ``now``, or None if it accepts it.

    A skew of more than ``tolerance`` seconds, or an unreadable date, is a 403.
    """
    sent = None if date is None else parse_date(date)
    if sent is None:
        return "no readable Date"
    # Date has whole seconds: the fraction of now is not skew.
    skew = sent - int(now)
    return f"Date is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}" if abs(skew) > tolerance else None


def signed_text(*, from_: str, to: str, call_id: str, cseq: str, date: str, body: bytes) -> bytes:
    """Return the octets that ``Identity`` signs: these values joined by bars, similar to RFC 4474, section 9."""
    return "|".join((from_, to, call_id, cseq, date)).encode() + b"|" + body
