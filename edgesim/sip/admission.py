"""The checks a proxy makes before it forwards or authenticates a request (RFC 3261, 16.3).

They are one table, in the RFC's order: syntax, scheme of the Request-URI, Max-Forwards, loops, Proxy-Require. Both
Expressways use it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from edgesim.sip.addresses import NameAddr, SipUri
from edgesim.sip.errors import SipError, SipProtocolError
from edgesim.sip.message import Request
from edgesim.sip.text import number
from edgesim.sip.values import Via

MAX_HOPS = 255
SCHEMES = ("sip", "sips", "tel")
"""The Request-URI schemes that an Expressway can route."""

_SCHEME = re.compile("[A-Za-z][A-Za-z0-9+.-]*").fullmatch
_FORBIDDEN = re.compile(r'[\s<>"\x00-\x20\x7f]').search
"""Characters that no URI may contain (RFC 3986, 2)."""
_UNASKED = ("ACK", "CANCEL")
"""Methods for which no extension may be required (RFC 3261, 8.2.2.3)."""


class ProxyRefusal(SipError):
    """The request must not be forwarded; ``status`` is the response to send.

    ``warning`` is the code and text of a Warning that gives the reason, None if the status suffices; ``headers`` are
    further headers that the response needs.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        warning: tuple[int, str] | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.warning = warning
        self.headers = headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One request's passage through a proxy: ``own`` are the proxy's sent-by values, ``loop`` is the request's hash."""

    own: Collection[str]
    loop: str


def check_syntax(request: Request, passage: Passage) -> None:
    """Refuse a malformed Request-URI, Max-Forwards or Route."""
    if check_uri(request.uri, SCHEMES) == 400:
        raise ProxyRefusal(400, "malformed Request-URI")
    try:
        hops_left(request)
        for route in request.values("Route"):
            if not NameAddr.parse(route).brackets:
                raise ProxyRefusal(400, "Route without brackets")
    except SipProtocolError as error:
        raise ProxyRefusal(error.status or 400, error.reason) from None


def check_scheme(request: Request, passage: Passage) -> None:
    """Refuse a Request-URI whose scheme the proxy cannot route."""
    if check_uri(request.uri, SCHEMES) == 416:
        raise ProxyRefusal(416, "unsupported scheme")


def check_hops(request: Request, passage: Passage) -> None:
    """Refuse a request whose Max-Forwards is exhausted."""
    if hops_left(request) == 0:
        raise ProxyRefusal(483, "too many hops")


def check_loop(request: Request, passage: Passage) -> None:
    """Refuse a request in which one of our own Vias carries the same hash."""
    for value in request.values("Via"):
        if f".{passage.loop}" not in value:
            continue
        via = Via.parse(value)
        if via.sent_by in passage.own and (via.branch or "").endswith(f".{passage.loop}"):
            raise ProxyRefusal(482, "loop detected")


def check_requirements(request: Request, passage: Passage) -> None:
    """Refuse any Proxy-Require: an Expressway supports no proxy extension."""
    unknown = request.values("Proxy-Require") if request.method not in _UNASKED else []
    if unknown:
        raise ProxyRefusal(420, "bad extension", headers=(("Unsupported", ",".join(unknown)),))


CHECKS: tuple[Callable[[Request, Passage], None], ...] = (
    check_syntax,
    check_scheme,
    check_hops,
    check_loop,
    check_requirements,
)


def admit(request: Request, passage: Passage) -> None:
    """Run all checks. Raises `ProxyRefusal`."""
    for check in CHECKS:
        check(request, passage)


def check_uri(uri: str, schemes: Collection[str]) -> int | None:
    """Return the status that refuses a Request-URI: 400 if malformed, 416 if its scheme is not in ``schemes``, None if
    sound.
    """
    scheme, colon, _ = uri.partition(":")
    if not colon or not _SCHEME(scheme) or _FORBIDDEN(uri):
        return 400
    if scheme.lower() not in schemes:
        return 416
    try:
        # A Request-URI carries no headers (RFC 3261, 19.1.1).
        return 400 if SipUri.parse(uri).headers is not None else None
    except SipProtocolError:
        return 400


def hops_left(request: Request) -> int | None:
    """Return Max-Forwards, or None if absent. Raises `SipProtocolError` unless it is a number up to 255."""
    text = request.get("Max-Forwards")
    return None if text is None else number(text, MAX_HOPS, "Max-Forwards")
