"""Text of header values: splitting outside quotes, quoted strings, numbers, name comparison (RFC 3261, 25.1)."""

from __future__ import annotations

import re
from typing import Literal

from edgesim.sip.errors import SipProtocolError

_SEPARATORS = {
    separator: re.compile(rf'"(?:[^"\\]|\\.)*"|<[^>]*>|[{separator}"<]', re.DOTALL) for separator in (",", ";")
}
_ESCAPED = re.compile(r"((?:%[0-9A-Fa-f]{2})+)").sub
REMEMBERED = 4096
"""The cache size for each of addresses, URIs, Via and CSeq values."""
MAX_REMEMBERED = 512
"""Texts longer than this, in characters, are not cached."""


def split(text: str, separator: Literal[",", ";"]) -> list[str]:
    """Split at a separator outside quoted strings and angle brackets; the pieces keep their white space.

    The pieces of a list are not validated; their parsers do that.
    """
    if separator == "," and "," not in text:
        return [text]
    if '"' not in text and "<" not in text:
        return text.split(separator)
    pieces: list[str] = []
    start = 0
    for match in _SEPARATORS[separator].finditer(text):
        found = match.group()
        if found == separator:
            pieces.append(text[start : match.start()])
            start = match.end()
        elif len(found) == 1:
            raise SipProtocolError("unterminated quoted string or angle bracket")
    pieces.append(text[start:])
    return pieces


def quote(text: str) -> str:
    """Return a quoted-string (RFC 3261, 25.1)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquote(text: str) -> str:
    """Return the content of a quoted-string; other text as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    inner = text[1:-1]
    return re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL) if "\\" in inner else inner


def number(text: str, limit: int, what: str) -> int:
    """Parse a number of ASCII digits; leading zeros are allowed (RFC 3261, 25.1: ``1*DIGIT``).

    Raises `SipProtocolError` if ``text`` is not a number or exceeds ``limit``; ``what`` names the field.
    """
    if not (text.isascii() and text.isdecimal()):
        raise SipProtocolError(f"malformed {what}")
    digits = text.lstrip("0") or "0"
    if len(digits) > len(str(limit)) or int(digits) > limit:
        raise SipProtocolError(f"{what} out of range")
    return int(digits)


def comparable_host(host: str) -> str:
    """Return the form in which host names compare: lower case, without the final dot of a rooted name.

    Forwarded text keeps its spelling (RFC 3261, 19.1.4 and 25.1).
    """
    return host.lower().removesuffix(".") or host


def comparable_user(user: str) -> str:
    """Return the form in which user parts compare: with escapes decoded (RFC 3261, 10.3, step 5; 19.1.4).

    Case is significant. Octets that are not UTF-8 become surrogate escapes; invalid escapes stay.
    """
    if "%" not in user:
        return user
    return _ESCAPED(lambda found: bytes.fromhex(found[1].replace("%", "")).decode("utf-8", "surrogateescape"), user)
