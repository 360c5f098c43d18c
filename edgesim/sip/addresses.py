"""SIP URIs and addresses, with parameters that keep their spelling (RFC 3261, 19.1 and 20; RFC 3966).

Parameters keep order, case, quotes and spelling, because Cisco's own parameters (``+u.sip!devicename.ccm.cisco.com``,
``x-cisco-newreg``, ``directed``, ``zone-id``) depend on them. Values are immutable. Every parser takes the text of one
value, runs in linear time and raises only `SipProtocolError`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from edgesim.sip.errors import SipProtocolError
from edgesim.sip.text import MAX_REMEMBERED, REMEMBERED, number, split, unquote

HOST = r"\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_\-.]+"
"""A host name or address, as a regular expression."""
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SEPARATOR = re.compile(r'[()<>@,;:\\"/\[\]?={}]').search
_SPACE = re.compile(r"\s").search
_HOSTPORT = re.compile(rf"({HOST})(?:\s*:\s*([0-9]+))?").fullmatch


class Parameters:
    """Ordered ``;name=value`` parameters, spelling preserved; names compare without regard to case."""

    __slots__ = ("_items",)

    def __init__(self, *items: tuple[str, str | None]) -> None:
        self._items = items

    @classmethod
    def parse(cls, text: str) -> Parameters:
        """Parse what follows a value: nothing, or ``;a=b;c`` with optional white space around the separators."""
        text = text.strip()
        if not text:
            return NO_PARAMETERS
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
        """Return a copy in which ``name`` has ``value``, spelled as given: replaced in place, or appended."""
        key = name.lower()
        if name not in self:
            return Parameters(*self._items, (name, value))
        return Parameters(*((item, value) if item.lower() == key else (item, old) for item, old in self._items))

    def without(self, name: str) -> Parameters:
        """Return a copy without ``name``."""
        key = name.lower()
        return Parameters(*(item for item in self._items if item[0].lower() != key))


NO_PARAMETERS = Parameters()


def parse_port(text: str | None) -> int | None:
    """Parse a port; None stays None. Raises `SipProtocolError` for an invalid port."""
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
    parameters: Parameters = field(default=NO_PARAMETERS)
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
            port=parse_port(match[2]),
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

    ``display`` is as spelled (quotes included), ``uri`` is the text between the brackets. Without brackets all
    parameters belong to the header (RFC 3261, 20).
    """

    uri: str
    display: str = ""
    parameters: Parameters = field(default=NO_PARAMETERS)
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
                    raise SipProtocolError("not an address")  # a URI with a question mark needs brackets
                return cls(uri=uri, parameters=Parameters.parse(semicolon + parameters), brackets=False)
            display = before.strip()
            if _SEPARATOR(display):
                raise SipProtocolError("unquoted display name with characters outside tokens")
        closing = text.find(">", opening)
        if closing < 0:
            raise SipProtocolError("address without a closing bracket")
        uri = text[opening + 1 : closing]
        if not uri or uri != uri.strip():
            raise SipProtocolError("empty address, or one with white space around it")
        return cls(uri=uri, display=display, parameters=Parameters.parse(text[closing + 1 :]))

    @property
    def address(self) -> SipUri:
        """The parsed URI. Raises `SipProtocolError` if it is not a SIP, SIPS or tel URI."""
        return SipUri.parse(self.uri)

    @property
    def tag(self) -> str | None:
        """The ``tag`` parameter."""
        return self.parameters.get("tag")

    def __str__(self) -> str:
        if not self.brackets:
            return f"{self.uri}{self.parameters}"
        return f"{self.display}{' ' if self.display else ''}<{self.uri}>{self.parameters}"


# Clients repeat their addresses in every refresh, and every hop parses the same ones. Values are immutable, so caching
# them is safe.
_remembered_uri = lru_cache(REMEMBERED)(SipUri._parse)
_remembered_address = lru_cache(REMEMBERED)(NameAddr._parse)
