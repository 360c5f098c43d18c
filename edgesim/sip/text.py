"""Text of header values: split outside quotes, quoted strings, numbers, how names are compared (RFC 3261, 25.1)."""

from __future__ import annotations

import re
from typing import Literal

from edgesim.sip.errors import SipProtocolError

_SEPARATORS = {
    separator: re.compile(rf'"(?:[^"\\]|\\.)*"|<[^>]*>|[{separator}"<]', re.DOTALL) for separator in (",", ";")
}
_ESCAPED = re.compile(r"((?:%[0-9A-Fa-f]{2})+)").sub
REMEMBERED = 4096
"""How many addresses, URIs, Via and CSeq values are remembered, each."""
MAX_REMEMBERED = 512
"""Longer texts, in characters, are not remembered."""


def split(text: str, separator: Literal[",", ";"]) -> list[str]:
    """Split at a separator outside quoted strings and angle brackets; the pieces keep their white space.

    A single value of a comma list is not looked into: that is for whoever parses it.
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
    """Return a number of ASCII digits by its value: leading zeros do not count (RFC 3261, 25.1: ``1*DIGIT``).

    Raises `SipProtocolError` where ``text`` is no such number, or one above ``limit``; ``what`` names the field.
    """
    if not (text.isascii() and text.isdecimal()):
        raise SipProtocolError(f"malformed {what}")
    digits = text.lstrip("0") or "0"
    if len(digits) > len(str(limit)) or int(digits) > limit:
        raise SipProtocolError(f"{what} out of range")
    return int(digits)


def same_host(host: str) -> str:
    """Return the form in which host names are compared: in lower case, without the final dot of a rooted name.

    What is passed on keeps its spelling (RFC 3261, 19.1.4 and 25.1).
    """
    return host.lower().removesuffix(".") or host


def same_user(user: str) -> str:
    """Return the form in which user parts are compared: every escape taken off (RFC 3261, 10.3, step 5; 19.1.4).

    The case of a user part counts. Octets that are not UTF-8 become surrogate escapes; what is not an escape stays.
    """
    if "%" not in user:
        return user
    return _ESCAPED(lambda found: bytes.fromhex(found[1].replace("%", "")).decode("utf-8", "surrogateescape"), user)
