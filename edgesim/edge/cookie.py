"""The edge cookie ``X-Auth``: how Expressway sets it, and a client's cookie store on the lab's clock.

Sources: "Configure MRA through Expressway/VCS in a Multi-Domain Deployment" (Cisco 117811) for the traced header, for
the rule that the domain is Expressway-E's own, and for Jabber's log without a usable cookie; RFC 6265 for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, Protocol

EXPIRY_UNUSABLE = "XAuth Cookie expiration time is invalid or not available. Attempting to Failover ."
"""What Jabber logs without an ``X-Auth`` cookie with a usable expiry; the space before the full stop is Jabber's."""
EDGE_CONFIG_FAILED = "Failed to retrieve EdgeConfig with error:INTERNAL_ERROR"
"""The next line of that log."""

MAX_LENGTH = 4096
MAX_COOKIES = 200
Form = Literal["hex", "uuid"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE_TOKEN = re.compile(r"[^\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[^0-9].*)?", re.DOTALL)
_DAY = re.compile(r"([0-9]{1,2})(?:[^0-9].*)?", re.DOTALL)
_YEAR = re.compile(r"([0-9]{2,4})(?:[^0-9].*)?", re.DOTALL)
_UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class CookieError(ValueError):
    """An invalid ``Set-Cookie`` value, or a cookie that the store refuses; the text says why."""


class EdgeCookieUnusable(CookieError):
    """The edge configuration came without an ``X-Auth`` cookie with a usable expiry: sign-in fails."""


class Tokens(Protocol):
    """A stream of randomness, such as `edgesim.world.Entropy`."""

    def token_hex(self, octets: int, /) -> str: ...
    def uuid(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """A cookie. ``expires`` is Unix time in seconds; None for a session cookie, or an unreadable date.

    ``domain`` is the attribute without its leading dot, or the host that set the cookie; then ``host_only`` is true.
    """

    name: str
    value: str
    expires: float | None = None
    domain: str = ""
    host_only: bool = False
    path: str = "/"
    secure: bool = False
    http_only: bool = False


def new_value(tokens: Tokens, form: Form = "hex") -> str:
    """Return a fresh value: 64 lower-case hexadecimal characters (X15), or a UUID (2014)."""
    return tokens.token_hex(32) if form == "hex" else tokens.uuid()


def set_cookie(cookie: Cookie, *, blank_after_domain: bool = False) -> str:
    """Return the value of ``Set-Cookie``. ``blank_after_domain`` adds the captured space before that semicolon."""
    parts = [f"{cookie.name}={cookie.value}"]
    if cookie.expires is not None:
        parts.append(f"Expires={http_date(cookie.expires)}")
    if cookie.domain and not cookie.host_only:
        parts.append(f"Domain=.{cookie.domain}{' ' if blank_after_domain else ''}")
    parts.append(f"Path={cookie.path}")
    if cookie.http_only:
        parts.append("HttpOnly")
    if cookie.secure:
        parts.append("Secure")
    return "; ".join(parts)


def edge_cookie(value: str, *, name: str, expires: float, domain: str, http_only: bool = True) -> Cookie:
    """Return the cookie of a sign-in, ``X-Auth`` by name.

    ``domain`` is Expressway-E's own DNS domain, ``expires`` Unix time in seconds.
    """
    return Cookie(name=name, value=value, expires=expires, domain=domain, secure=True, http_only=http_only)


def http_date(unix: float) -> str:
    """Return a date in the format of RFC 9110, section 5.6.7, e.g. ``Fri, 09 May 2014 20:21:31 GMT``."""
    at = datetime.fromtimestamp(int(unix), UTC)
    month = _MONTHS[at.month - 1].capitalize()
    return f"{_DAYS[at.weekday()]}, {at.day:02d} {month} {at.year:04d} {at:%H:%M:%S} GMT"


def parse_date(text: str) -> float | None:
    """Parse a cookie date by the lenient rules of RFC 6265, section 5.1.1; None if they find no date."""
    time: tuple[int, int, int] | None = None
    day = month = year = None
    for token in _DATE_TOKEN.findall(text[:200]):
        if time is None and (match := _TIME.fullmatch(token)):
            time = (int(match[1]), int(match[2]), int(match[3]))
        elif day is None and (match := _DAY.fullmatch(token)):
            day = int(match[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (match := _YEAR.fullmatch(token)):
            year = int(match[1])
    if time is None or day is None or month is None or year is None:
        return None
    year += 1900 if 70 <= year <= 99 else 2000 if year <= 69 else 0
    try:
        return datetime(year, month, day, *time, tzinfo=UTC).timestamp() if year >= 1601 else None
    except ValueError:
        return None


def parse_set_cookie(value: str, *, now: float) -> Cookie:
    """Parse a ``Set-Cookie`` value (RFC 6265, section 5.2). ``Max-Age`` is relative to ``now`` (Unix time).

    Raises `CookieError` if it is not a cookie; invalid attributes are ignored, as browsers do.
    """
    if len(value) > MAX_LENGTH:
        raise CookieError("the cookie is too long")
    if _UNFIT.search(value):
        raise CookieError("a control character in the cookie")
    first, *attributes = value.split(";")
    name, equals, content = first.partition("=")
    if not equals or not name.strip():
        raise CookieError("the cookie has no name")
    cookie = Cookie(name=name.strip(" \t"), value=content.strip(" \t"), host_only=True)
    max_age: int | None = None
    for attribute in attributes[:50]:
        key, _, text = (part.strip(" \t") for part in attribute.partition("="))
        match key.lower():
            case "expires":
                cookie = replace(cookie, expires=parse_date(text))
            case "max-age" if re.fullmatch(r"-?[0-9]{1,10}", text):
                max_age = int(text)
            case "domain" if text.removeprefix("."):
                cookie = replace(cookie, domain=text.removeprefix("."), host_only=False)
            case "path":
                cookie = replace(cookie, path=text if text.startswith("/") else "/")
            case "secure":
                cookie = replace(cookie, secure=True)
            case "httponly":
                cookie = replace(cookie, http_only=True)
    return cookie if max_age is None else replace(cookie, expires=now + max_age)


def domain_matches(host: str, domain: str, *, exact_case: bool = False) -> bool:
    """Return whether a cookie for ``domain`` is sent to ``host`` (RFC 6265, section 5.1.3).

    ``exact_case`` makes the comparison case-sensitive: the guide requires the same domain, in the same case, on all
    peers.
    """
    if not exact_case:
        host, domain = host.lower(), domain.lower()
    return host == domain or (host.endswith("." + domain) and not host.replace(".", "").isdigit())


class CookieStore:
    """A client's cookies, expiring by ``clock`` (Unix time in seconds, e.g. ``host.clock.time``)."""

    def __init__(self, clock: Callable[[], float], *, exact_case: bool = False) -> None:
        self._clock = clock
        self._exact_case = exact_case
        self._cookies: dict[tuple[str, str, str], Cookie] = {}

    def __len__(self) -> int:
        return len(self._cookies)

    def take(self, set_cookies: Iterable[str], *, host: str) -> list[CookieError]:
        """Store the cookies that ``host`` set; return why others were refused.

        A cookie whose domain does not cover the host is refused (RFC 6265, section 5.3); an expired one deletes the
        stored cookie.
        """
        refused = []
        for value in set_cookies:
            try:
                self._keep(parse_set_cookie(value, now=self._clock()), host)
            except CookieError as error:
                refused.append(error)
        return refused

    def _keep(self, cookie: Cookie, host: str) -> None:
        if cookie.host_only:
            cookie = replace(cookie, domain=host)
        elif not domain_matches(host, cookie.domain, exact_case=self._exact_case):
            raise CookieError(f"cookie {cookie.name} is for {cookie.domain}, not for {host}")
        key = (cookie.name, cookie.domain, cookie.path)
        if cookie.expires is not None and cookie.expires <= self._clock():
            self._cookies.pop(key, None)
            return
        if key not in self._cookies and len(self._cookies) >= MAX_COOKIES:
            raise CookieError("too many cookies")
        self._cookies[key] = cookie

    def matching(self, *, host: str, path: str = "/", secure: bool = True) -> list[Cookie]:
        """Return the unexpired cookies for a request, longer paths first (RFC 6265, section 5.4)."""
        now = self._clock()
        for key in [key for key, one in self._cookies.items() if one.expires is not None and one.expires <= now]:
            del self._cookies[key]
        found = [
            cookie
            for cookie in self._cookies.values()
            if (host.lower() == cookie.domain.lower() if cookie.host_only else self._goes_to(host, cookie))
            and _path_matches(path, cookie.path)
            and (secure or not cookie.secure)
        ]
        return sorted(found, key=lambda cookie: -len(cookie.path))

    def _goes_to(self, host: str, cookie: Cookie) -> bool:
        return domain_matches(host, cookie.domain, exact_case=self._exact_case)

    def header(self, *, host: str, path: str = "/", secure: bool = True) -> str | None:
        """Return the value of ``Cookie`` for a request, or None if no cookie applies."""
        found = self.matching(host=host, path=path, secure=secure)
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in found) or None

    def edge_cookie(self, host: str, name: str) -> Cookie:
        """Return the edge's cookie for a host, ``X-Auth`` by name.

        Raises `EdgeCookieUnusable` if none has a known expiry.
        """
        for cookie in self.matching(host=host):
            if cookie.name == name and cookie.expires is not None:
                return cookie
        raise EdgeCookieUnusable(EXPIRY_UNUSABLE)

    def clear(self) -> None:
        """Delete all cookies, as a sign-out does."""
        self._cookies.clear()


def _path_matches(path: str, cookie: str) -> bool:
    """Path-match of RFC 6265, section 5.1.4."""
    return path == cookie or (path.startswith(cookie) and (cookie.endswith("/") or path[len(cookie)] == "/"))
