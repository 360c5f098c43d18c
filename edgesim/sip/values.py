"""Typed header values that keep their spelling: URIs, addresses, Via, CSeq, authentication, Warning and dates.

Values are parsed on demand and immutable. Parameters keep order, case, quotes and spelling, because Cisco's own
(``+u.sip!devicename.ccm.cisco.com``, ``x-cisco-newreg``, ``directed``, ``zone-id``) carry meaning in all of them. Every
parser takes the text of one value, works in linear time and raises `SipProtocolError` alone.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from edgesim.sip.errors import SipProtocolError

_TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]+"
_HOST = r"\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_\-.]+"
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SEPARATORS = {
    separator: re.compile(rf'"(?:[^"\\]|\\.)*"|<[^>]*>|[{separator}"<]', re.DOTALL) for separator in (",", ";")
}
_SEPARATOR = re.compile(r'[()<>@,;:\\"/\[\]?={}]').search
_SPACE = re.compile(r"\s").search
_IS_TOKEN = re.compile(_TOKEN).fullmatch
_HOSTPORT = re.compile(rf"({_HOST})(?:\s*:\s*([0-9]+))?").fullmatch
_VIA = re.compile(rf"SIP\s*/\s*2\.0\s*/\s*({_TOKEN})\s+({_HOST})(?:\s*:\s*([0-9]+))?\s*", re.IGNORECASE).match
_CSEQ = re.compile(rf"([0-9]+)\s+({_TOKEN})").fullmatch
_DELTA = re.compile(r"\s*([0-9]+)(?=[\s;(]|$)").match
_ESCAPED = re.compile(r"((?:%[0-9A-Fa-f]{2})+)").sub
_AUTH = re.compile(rf'\s*({_TOKEN})\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]+)\s*(,|$)', re.DOTALL).match
_AUTH_ITEM = rf'\s*{_TOKEN}\s*=\s*(?:"[^"\\]*"|[^\s,"]+)\s*'
_PLAIN_AUTH = re.compile(f"(?:{_AUTH_ITEM},)*{_AUTH_ITEM}").fullmatch
_PLAIN_AUTH_ITEMS = re.compile(rf'({_TOKEN})\s*=\s*("[^"\\]*"|[^\s,"]+)').findall
_WARNING = re.compile(r'([0-9]{3})\s+(\S+)\s+("(?:[^"\\]|\\.)*")', re.DOTALL).fullmatch
_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ([0-9]{4}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
).fullmatch
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MAX_DELTA = 2**32 - 1
_MAX_CSEQ = 2**31 - 1
REMEMBERED = 4096
"""How many addresses, URIs, Via and CSeq values are remembered, each."""
MAX_REMEMBERED = 512
"""Longer texts, in characters, are not remembered."""
MAX_PLAIN_AUTH = 2048
"""Longer credentials, in characters, are taken apart one parameter at a time."""


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

    The case of a user part counts. Octets that are not UTF-8 become surrogate escapes; what is no escape stays.
    """
    if "%" not in user:
        return user
    return _ESCAPED(lambda found: bytes.fromhex(found[1].replace("%", "")).decode("utf-8", "surrogateescape"), user)


class Parameters:
    """Ordered ``;name=value`` parameters with their spelling kept; names are compared without regard to case."""

    __slots__ = ("_items",)

    def __init__(self, *items: tuple[str, str | None]) -> None:
        self._items = items

    @classmethod
    def parse(cls, text: str) -> Parameters:
        """Parse what follows a value: nothing, or ``;a=b;c`` with optional white space around the separators."""
        text = text.strip()
        if not text:
            return _NO_PARAMETERS
        if text[0] != ";":
            raise SipProtocolError("parameters do not begin with a semicolon")
        items: list[tuple[str, str | None]] = []
        if text.isascii() and not _SPACE(text):
            for piece in split(text[1:], ";"):
                name, equals, value = piece.partition("=")
                if not name:
                    raise SipProtocolError("empty parameter")
                items.append((name, value if equals else None))
            return cls(*items)
        for piece in split(text[1:], ";"):
            name, equals, value = piece.partition("=")
            name = name.strip()
            if not name:
                raise SipProtocolError("empty parameter")
            items.append((name, value.strip() if equals else None))
        return cls(*items)

    def __iter__(self) -> Iterator[tuple[str, str | None]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, name: str) -> bool:
        key = name.lower()
        return any(item.lower() == key for item, _ in self._items)

    def __eq__(self, other: object) -> bool:
        return self._items == other._items if isinstance(other, Parameters) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return f"Parameters({str(self)!r})"

    def __str__(self) -> str:
        return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in self._items)

    def raw(self, name: str) -> str | None:
        """Return a parameter's value as spelled, quotes included; None if it is absent or has no value."""
        key = name.lower()
        for item, value in self._items:
            if item.lower() == key:
                return value
        return None

    def get(self, name: str) -> str | None:
        """Return a parameter's value without its quotes; None if it is absent or has no value."""
        value = self.raw(name)
        return unquote(value) if value is not None else None

    def with_(self, name: str, value: str | None = None) -> Parameters:
        """Return parameters in which ``name`` has a value (as it shall be spelled): in its place, or added last."""
        key = name.lower()
        if name not in self:
            return Parameters(*self._items, (name, value))
        return Parameters(*((item, value) if item.lower() == key else (item, old) for item, old in self._items))

    def without(self, name: str) -> Parameters:
        """Return parameters that lack ``name``."""
        key = name.lower()
        return Parameters(*(item for item in self._items if item[0].lower() != key))


_NO_PARAMETERS = Parameters()


def _port(text: str | None) -> int | None:
    if text is None:
        return None
    port = number(text, 65535, "port")
    if port == 0:
        raise SipProtocolError("port 0 is out of range")
    return port


@dataclass(frozen=True, slots=True, kw_only=True)
class SipUri:
    """A ``sip``, ``sips`` or ``tel`` URI (RFC 3261, 19.1; RFC 3966); user and password stay escaped as spelled."""

    scheme: str
    host: str
    user: str | None = None
    password: str | None = None
    port: int | None = None
    parameters: Parameters = field(default=_NO_PARAMETERS)
    headers: str | None = None

    @classmethod
    def parse(cls, text: str) -> SipUri:
        """Parse a URI without angle brackets."""
        return _remembered_uri(text) if len(text) <= MAX_REMEMBERED else cls._parse(text)

    @classmethod
    def _parse(cls, text: str) -> SipUri:
        scheme, colon, rest = text.partition(":")
        scheme = scheme.lower()
        if not colon or scheme not in ("sip", "sips", "tel") or not rest or not text.isprintable() or " " in text:
            raise SipProtocolError("not a sip, sips or tel URI")
        if scheme == "tel":
            number, semicolon, parameters = rest.partition(";")
            return cls(scheme=scheme, host="", user=number, parameters=Parameters.parse(semicolon + parameters))
        user: str | None = None
        password: str | None = None
        userinfo, at, hostpart = rest.partition("@")
        if at:
            user, colon, secret = userinfo.partition(":")
            password = secret if colon else None
            if not user:
                raise SipProtocolError("URI with an empty user")
        else:
            hostpart = rest
        hostpart, question, headers = hostpart.partition("?")
        hostport, semicolon, parameters = hostpart.partition(";")
        match = _HOSTPORT(hostport)
        if match is None:
            raise SipProtocolError("URI without a valid host")
        return cls(
            scheme=scheme,
            host=match[1],
            user=user,
            password=password,
            port=_port(match[2]),
            parameters=Parameters.parse(semicolon + parameters),
            headers=headers if question else None,
        )

    @property
    def transport(self) -> str | None:
        """The ``transport`` parameter in lower case."""
        value = self.parameters.get("transport")
        return value.lower() if value else None

    @property
    def hostport(self) -> str:
        """``host`` or ``host:port`` as spelled in the URI."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        if self.scheme == "tel":
            return f"tel:{self.user}{self.parameters}"
        user = "" if self.user is None else self.user
        secret = "" if self.password is None else f":{self.password}"
        at = "" if self.user is None else "@"
        headers = "" if self.headers is None else f"?{self.headers}"
        return f"{self.scheme}:{user}{secret}{at}{self.hostport}{self.parameters}{headers}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NameAddr:
    """An address with parameters, as in From, To, Contact, Route, Record-Route, Path, P-Asserted-Identity.

    ``display`` is as spelled (quotes included), ``uri`` the text between the brackets. Without brackets every
    parameter belongs to the header (RFC 3261, 20).
    """

    uri: str
    display: str = ""
    parameters: Parameters = field(default=_NO_PARAMETERS)
    brackets: bool = True

    @classmethod
    def parse(cls, text: str) -> NameAddr:
        """Parse one value."""
        return _remembered_address(text) if len(text) <= MAX_REMEMBERED else cls._parse(text)

    @classmethod
    def _parse(cls, text: str) -> NameAddr:
        text = text.strip()
        display = ""
        if text.startswith('"'):
            quoted = _QUOTED.match(text)
            if quoted is None:
                raise SipProtocolError("unterminated display name")
            display = quoted.group()
            opening = quoted.end() + len(text[quoted.end() :]) - len(text[quoted.end() :].lstrip())
            if text[opening : opening + 1] != "<":
                raise SipProtocolError("display name without an address")
        else:
            opening = text.find("<")
            before = text[:opening] if opening >= 0 else text
            if opening < 0 or ";" in before or ":" in before or '"' in before:
                uri, semicolon, parameters = text.partition(";")
                uri = uri.rstrip()
                if not uri or any(character in uri for character in ' \t"<>,?'):
                    raise SipProtocolError("not an address")  # one with a question mark needs brackets
                return cls(uri=uri, parameters=Parameters.parse(semicolon + parameters), brackets=False)
            display = before.strip()
            if _SEPARATOR(display):
                raise SipProtocolError("display name of more than tokens without quotes")
        closing = text.find(">", opening)
        if closing < 0:
            raise SipProtocolError("address without a closing bracket")
        uri = text[opening + 1 : closing]
        if not uri or uri != uri.strip():
            raise SipProtocolError("empty address, or one with white space around it")
        return cls(uri=uri, display=display, parameters=Parameters.parse(text[closing + 1 :]))

    @property
    def address(self) -> SipUri:
        """The URI, parsed. Raises `SipProtocolError` if it is none of SIP's."""
        return SipUri.parse(self.uri)

    @property
    def tag(self) -> str | None:
        """The ``tag`` parameter."""
        return self.parameters.get("tag")

    def __str__(self) -> str:
        if not self.brackets:
            return f"{self.uri}{self.parameters}"
        return f"{self.display}{' ' if self.display else ''}<{self.uri}>{self.parameters}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Via:
    """A Via value (RFC 3261, 20.42; ``rport`` RFC 3581)."""

    transport: str
    host: str
    port: int | None = None
    parameters: Parameters = field(default=_NO_PARAMETERS)

    @classmethod
    def parse(cls, text: str) -> Via:
        """Parse one value."""
        return _remembered_via(text) if len(text) <= MAX_REMEMBERED else cls._parse(text)

    @classmethod
    def _parse(cls, text: str) -> Via:
        text = text.strip()
        match = _VIA(text)
        if match is None:
            raise SipProtocolError("not a Via value")
        return cls(
            transport=match[1].upper(),
            host=match[2],
            port=_port(match[3]),
            parameters=Parameters.parse(text[match.end() :]),
        )

    @property
    def branch(self) -> str | None:
        """The ``branch`` parameter."""
        return self.parameters.raw("branch")

    @property
    def received(self) -> str | None:
        """The ``received`` parameter: the address the request came from."""
        return self.parameters.raw("received")

    @property
    def rport(self) -> int | None:
        """The value of ``rport``: the port the request came from; None without one."""
        value = self.parameters.raw("rport")
        try:
            return _port(value)
        except SipProtocolError:
            return None

    @property
    def sent_by(self) -> str:
        """``host`` or ``host:port`` as spelled, in lower case."""
        return (self.host if self.port is None else f"{self.host}:{self.port}").lower()

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {self.host}{port}{self.parameters}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CSeq:
    """A CSeq value (RFC 3261, 20.16): a number below 2**31 and a method."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> CSeq:
        """Parse the value."""
        return _remembered_cseq(text) if len(text) <= MAX_REMEMBERED else cls._parse(text)

    @classmethod
    def _parse(cls, text: str) -> CSeq:
        match = _CSEQ(text.strip())
        if match is None:
            raise SipProtocolError("not a CSeq value")
        return cls(number=number(match[1], _MAX_CSEQ, "CSeq value"), method=match[2])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """A challenge or credentials (RFC 3261, 20.7, 20.44): a scheme with parameters, or with one bare token.

    Serves WWW-Authenticate, Proxy-Authenticate, Authorization and Proxy-Authorization. ``parameters`` keep their
    spelling, quotes included.
    """

    scheme: str
    parameters: tuple[tuple[str, str], ...] = ()
    token: str | None = None

    @classmethod
    def parse(cls, text: str) -> Authentication:
        """Parse one header's value."""
        scheme, rest = (*text.split(maxsplit=1), "", "")[:2]
        rest = rest.strip()
        if not _IS_TOKEN(scheme) or not rest:
            raise SipProtocolError("authentication without a scheme or without parameters")
        if len(rest) <= MAX_PLAIN_AUTH and _PLAIN_AUTH(rest):
            return cls._of(scheme, _PLAIN_AUTH_ITEMS(rest))
        match = _AUTH(rest)
        if match is None:
            if any(character in rest for character in ' \t\r\n",'):
                raise SipProtocolError("malformed authentication parameters")
            return cls(scheme=scheme, token=rest)
        items: list[tuple[str, str]] = []
        while match is not None:
            items.append((match[1], match[2]))
            if not match[3]:
                break
            match = _AUTH(rest, match.end())
        if match is None:
            raise SipProtocolError("malformed authentication parameters")
        return cls._of(scheme, items)

    @classmethod
    def _of(cls, scheme: str, items: list[tuple[str, str]]) -> Authentication:
        names = [name.lower() for name, _ in items]
        if len(names) != len(dict.fromkeys(names)):
            raise SipProtocolError("repeated authentication parameter")
        return cls(scheme=scheme, parameters=tuple(items))

    def get(self, name: str) -> str | None:
        """Return a parameter without its quotes."""
        key = name.lower()
        for item, value in self.parameters:
            if item.lower() == key:
                return unquote(value)
        return None

    def __str__(self) -> str:
        if self.token is not None:
            return f"{self.scheme} {self.token}"
        return f"{self.scheme} " + ", ".join(f"{name}={value}" for name, value in self.parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningValue:
    """A Warning value (RFC 3261, 20.43), e.g. ``399 ucm-pub "Registration is active for another client"``."""

    code: int
    agent: str
    text: str

    @classmethod
    def parse(cls, text: str) -> WarningValue:
        """Parse one value."""
        match = _WARNING(text.strip())
        if match is None:
            raise SipProtocolError("not a Warning value")
        return cls(code=int(match[1]), agent=match[2], text=unquote(match[3]))

    def __str__(self) -> str:
        return f"{self.code} {self.agent} {quote(self.text)}"


def delta_seconds(text: str) -> int:
    """Parse Expires, Min-Expires, Min-SE or the first part of Retry-After: seconds below 2**32 (RFC 3261, 20.19).

    What follows (a comment, parameters) is left out.
    """
    match = _DELTA(text)
    if match is None:
        raise SipProtocolError("not a number of seconds")
    digits = match[1].lstrip("0")
    return min(int(digits or "0"), _MAX_DELTA) if len(digits) <= len(str(_MAX_DELTA)) else _MAX_DELTA


def sip_date(text: str) -> int:
    """Parse a Date (RFC 3261, 20.17) and return Unix time in seconds."""
    match = _DATE(text.strip())
    if match is None:
        raise SipProtocolError("not a date")
    day, month, year, hour, minute, second = match.groups()
    if not (1 <= int(day) <= 31 and int(hour) < 24 and int(minute) < 60 and int(second) <= 60 and int(year) >= 1):
        raise SipProtocolError("not a date")
    return calendar.timegm((int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second)))


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaType:
    """A Content-Type (RFC 3261, 20.15), type and subtype in lower case."""

    type: str
    parameters: Parameters = field(default=_NO_PARAMETERS)

    @classmethod
    def parse(cls, text: str) -> MediaType:
        """Parse the value."""
        kind, semicolon, parameters = text.partition(";")
        major, slash, minor = kind.strip().partition("/")
        if not slash or not _IS_TOKEN(major.strip()) or not _IS_TOKEN(minor.strip()):
            raise SipProtocolError("not a media type")
        return cls(type=f"{major.strip()}/{minor.strip()}".lower(), parameters=Parameters.parse(semicolon + parameters))

    def __str__(self) -> str:
        return f"{self.type}{self.parameters}"


# A client repeats its addresses in every refresh, and each hop sees what the one before it saw. Values are immutable:
# remembering them is safe.
_remembered_uri = lru_cache(REMEMBERED)(SipUri._parse)
_remembered_address = lru_cache(REMEMBERED)(NameAddr._parse)
_remembered_via = lru_cache(REMEMBERED)(Via._parse)
_remembered_cseq = lru_cache(REMEMBERED)(CSeq._parse)
