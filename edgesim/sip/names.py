"""Header names (RFC 3261, 7.3): canonical form (lower case, compact forms expanded) and usual spelling."""

from __future__ import annotations

MAX_REMEMBERED_NAMES = 1024
MAX_REMEMBERED_NAME = 64

COMPACT = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
"""Compact header names (the IANA registry of RFC 3261, 27.2)."""

_COMMON_TEXT = (
    "Accept Allow Allow-Events Authorization Call-ID Call-Info Contact Content-Disposition Content-Length Content-Type "
    "CSeq Date Event Expires From Identity Max-Forwards Mime-Version Min-Expires Min-SE P-Asserted-Identity Path "
    "Proxy-Authenticate Proxy-Authorization Reason Record-Route Recv-Info Refer-To Remote-Party-ID Require Retry-After "
    "Route Send-Info Server Session-Expires Session-ID Subject Subscription-State Supported To User-Agent Via Warning "
    "WWW-Authenticate X-TAATag"
)
_COMMON = _COMMON_TEXT.split()
_LONG = (
    "Accept-Contact",
    "Content-Encoding",
    "Identity-Info",
    "Referred-By",
    "Reject-Contact",
    "Request-Disposition",
)
known_keys: dict[str, str] = {
    **COMPACT,
    **{name: COMPACT.get(name.lower(), name.lower()) for name in (*_COMMON, *map(str.lower, _COMMON))},
}
"""Canonical names by spelling, filled at import so that unknown names cannot displace the usual ones."""
_SPELLED = {COMPACT.get(name.lower(), name.lower()): name for name in (*_COMMON, *_LONG)}
remembered_name: dict[bytes, str] = {name.encode(): key for name, key in known_keys.items()}
"""Canonical names by raw spelling, including white space before the colon."""


def canonical(name: str, raw: bytes | None = None) -> str:
    """Return a header name in lower case with its compact form expanded; ``raw`` is the spelling to cache."""
    key = known_keys.get(name)
    if key is None:
        lower = name.lower()
        key = COMPACT.get(lower, lower)
        if len(known_keys) < MAX_REMEMBERED_NAMES and len(name) <= MAX_REMEMBERED_NAME:
            known_keys[name] = key
    if raw is not None and len(remembered_name) < MAX_REMEMBERED_NAMES and len(raw) <= MAX_REMEMBERED_NAME:
        remembered_name[raw] = key
    return key


def spelled(name: str) -> str | None:
    """Return the usual spelling of a canonical name, or None for an unusual name."""
    return _SPELLED.get(name)
