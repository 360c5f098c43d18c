"""HTTP messages: header fields as written, and requests and responses with complete bodies.

Names and values are ``str`` decoded as ISO 8859-1, which maps every octet to one character: nothing is lost, and
comparison with literals stays easy (RFC 9110, section 5.5).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

Address = tuple[str, int]
Items = Iterable[tuple[str, str]]


class Headers:
    """Header fields in original order and case; lookups ignore case. Immutable: changes return a new list."""

    __slots__ = ("_index", "_items")

    def __init__(self, items: Items = ()) -> None:
        self._items = tuple(items)
        self._index: dict[str, list[str]] | None = None

    def _values(self) -> dict[str, list[str]]:
        """Return the values of each field by its name in lower case, cached for all lookups."""
        index = self._index
        if index is None:
            index = self._index = {}
            for name, value in self._items:
                index.setdefault(name.lower(), []).append(value)
        return index

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._items == other._items

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return f"Headers({list(self._items)!r})"

    @property
    def items(self) -> tuple[tuple[str, str], ...]:
        """All fields as written."""
        return self._items

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of a field, or ``default``."""
        values = self._values().get(name.lower())
        return values[0] if values else default

    def get_all(self, name: str) -> list[str]:
        """Return every value of a field, in order."""
        return list(self._values().get(name.lower(), ()))

    def tokens(self, name: str) -> list[str]:
        """Return the members of a comma-separated field in lower case, e.g. ``Connection``."""
        return [token.strip().lower() for value in self.get_all(name) for token in value.split(",") if token.strip()]

    def added(self, name: str, value: str) -> Headers:
        """Return a copy with a field appended."""
        return Headers((*self._items, (name, value)))

    def replaced(self, name: str, value: str) -> Headers:
        """Return a copy with ``value`` in place of the field's first line, and without further lines of it.

        A missing field is appended.
        """
        wanted, done, items = name.lower(), False, []
        for key, old in self._items:
            if key.lower() != wanted:
                items.append((key, old))
            elif not done:
                items.append((key, value))
                done = True
        return Headers(items if done else (*items, (name, value)))

    def without(self, *names: str) -> Headers:
        """Return a copy without the named fields."""
        unwanted = {name.lower() for name in names}
        return Headers(item for item in self._items if item[0].lower() not in unwanted)

    def encode(self) -> bytes:
        """Return the lines with their line ends; raises `ValueError` for what no header line can contain."""
        lines = []
        for name, value in self._items:
            line = f"{name}: {value}" if value else f"{name}:"
            if not name or "\r" in line or "\n" in line or "\0" in line:
                raise ValueError(f"not a header line: {line!r}")
            lines.append(line + "\r\n")
        return "".join(lines).encode("latin-1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The content of ``Authorization: Basic`` (RFC 7617)."""

    user: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request with its complete body (transfer coding removed). ``raw`` is the head as received.

    ``target`` is as written; if it was in absolute form it is the path and query, and its host is in ``Host``. ``id``
    is the server's name for the request, if it gives names. ``peer`` and ``local`` are the addresses of the connection;
    ``peer_certificate`` is DER, if the client presented one.
    """

    method: str
    target: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    version: str = "1.1"
    peer: Address | None = None
    local: Address | None = None
    secure: bool = False
    peer_certificate: bytes | None = None
    raw: bytes = b""
    id: str = ""

    @property
    def path(self) -> str:
        """The target up to its query, as written (still percent-encoded)."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The target's query, as written, without the question mark."""
        return self.target.partition("?")[2]

    def query_items(self) -> list[tuple[str, str]]:
        """Return the query's names and values, decoded, in order."""
        return (
            parse_qsl(self.query, keep_blank_values=True, max_num_fields=1000) if self.query.count("&") < 1000 else []
        )

    def parameter(self, name: str) -> str | None:
        """Return the first value of a query parameter."""
        return next((value for key, value in self.query_items() if key == name), None)

    def cookies(self) -> list[tuple[str, str]]:
        """Return the cookies of the request, in order (RFC 6265, section 5.4)."""
        return [
            (name.strip(), value.strip())
            for line in self.headers.get_all("Cookie")
            for pair in line.split(";")
            for name, eq, value in [pair.partition("=")]
            if eq and name.strip()
        ]

    def cookie(self, name: str) -> str | None:
        """Return the first cookie of that name."""
        return next((value for key, value in self.cookies() if key == name), None)

    def basic(self) -> Credentials | None:
        """Return the Basic credentials, or None if they are missing or do not decode."""
        return basic_credentials(self.headers.get("Authorization"))

    def bearer(self) -> str | None:
        """Return the Bearer token, or None (RFC 6750, section 2.1)."""
        scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def basic_credentials(authorization: str | None) -> Credentials | None:
    """Decode the value of ``Authorization: Basic`` (RFC 7617, section 2); None for any other value."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        octets = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        text = octets.decode("latin-1")
    user, colon, password = text.partition(":")
    return Credentials(user=user, password=password) if colon else None


def basic_authorization(user: str, password: str) -> str:
    """Return the ``Authorization`` value of these credentials."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response with its complete body. A server writes exactly these headers, in this order, and adds only framing.

    With ``Transfer-Encoding: chunked`` among the headers, the body is written as one chunk; without it, and without
    ``Content-Length``, a ``Content-Length`` is appended. ``reason`` defaults to the phrase of RFC 9110.
    """

    status: int
    reason: str | None = None
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    version: str = "1.1"
    raw: bytes = b""

    @property
    def phrase(self) -> str:
        """The reason phrase on the wire."""
        return standard_reason(self.status) if self.reason is None else self.reason


def standard_reason(status: int) -> str:
    """Return the reason phrase of RFC 9110, or an empty one for an unknown status."""
    try:
        return _PHRASES.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return ""


# Python renamed these after RFC 9110; the octets must not depend on its version.
_PHRASES = {413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}


def decoded_path(path: str) -> str:
    """Return a path percent-decoded once; octets that are not UTF-8 are kept as ISO 8859-1."""
    return unquote(path, encoding="latin-1")
