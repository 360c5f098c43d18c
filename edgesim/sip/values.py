"""Typed header values: Via, CSeq, authentication, Warning, media types, times; URIs are in `edgesim.sip.addresses`.

Values are parsed on demand, keep their spelling and are immutable. Every parser takes the text of one value, runs in
linear time and raises only `SipProtocolError`.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, field
from functools import lru_cache

from edgesim.sip.addresses import HOST, NO_PARAMETERS, Parameters, parse_port
from edgesim.sip.errors import SipProtocolError
from edgesim.sip.text import MAX_REMEMBERED, REMEMBERED, number, quote, unquote

_TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]+"
_IS_TOKEN = re.compile(_TOKEN).fullmatch
_VIA = re.compile(rf"SIP\s*/\s*2\.0\s*/\s*({_TOKEN})\s+({HOST})(?:\s*:\s*([0-9]+))?\s*", re.IGNORECASE).match
_CSEQ = re.compile(rf"([0-9]+)\s+({_TOKEN})").fullmatch
_DELTA = re.compile(r"\s*([0-9]+)(?=[\s;(]|$)").match
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
MAX_PLAIN_AUTH = 2048
"""Credentials longer than this, in characters, are parsed one parameter at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Via:
    """A Via value (RFC 3261, 20.42; ``rport`` RFC 3581)."""

    transport: str
    host: str
    port: int | None = None
    parameters: Parameters = field(default=NO_PARAMETERS)

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
            port=parse_port(match[3]),
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
            return parse_port(value)
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
    """A challenge or credentials (RFC 3261, 20.7, 20.44): a scheme with parameters, or with a single token.

    Used for WWW-Authenticate, Proxy-Authenticate, Authorization and Proxy-Authorization. ``parameters`` keep their
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

    Anything that follows (a comment, parameters) is ignored.
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
    parameters: Parameters = field(default=NO_PARAMETERS)

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


# As in `edgesim.sip.addresses`.
_remembered_via = lru_cache(REMEMBERED)(Via._parse)
_remembered_cseq = lru_cache(REMEMBERED)(CSeq._parse)
