"""Lossless SIP messages: a start line, raw header lines, a body; values are parsed on demand.

A proxy edits only the lines that it must. Every other line keeps its octets, spelling, compact name, spacing and folds,
and is forwarded unchanged. Names compare in canonical form: case-insensitive, compact forms expanded (RFC 3261, 7.3).
Text is UTF-8 with surrogate escapes, so that other octets survive parsing and serialising.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from edgesim.sip.addresses import NameAddr
from edgesim.sip.errors import SipProtocolError
from edgesim.sip.names import canonical, known_keys
from edgesim.sip.reasons import REASONS
from edgesim.sip.text import split
from edgesim.sip.values import Authentication, CSeq, Via

CRLF = b"\r\n"
VERSION = "SIP/2.0"

RFC_LAYOUT = ("Via", "From", "To", "Call-ID", "CSeq")
"""The headers that every response copies from its request (RFC 3261, 8.2.6.2), in the order of the RFC's examples."""


def unfolded(text: str) -> str:
    """Return a value on one line: each fold, with the white space around it, becomes one space (RFC 3261, 7.3.1)."""
    return " ".join(part.strip(" \t") for part in text.split("\r\n")) if "\n" in text else text


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _line(name: str, value: str) -> bytes:
    if "\r" in value or "\n" in value:
        raise ValueError(f"line end in the value of {name}")
    return _encode(f"{name}: {value}")


HeaderList = Iterable[tuple[str, str]]


class Message:
    """The base of requests and responses. Create one with `edgesim.sip.parse_message`, `Request.build` or
    `Request.response`.
    """

    __slots__ = ("_body", "_lines", "_names", "_parsed", "_raw", "_start", "_texts")

    def __init__(self, start: bytes, lines: list[bytes], names: list[str], body: bytes = b"") -> None:
        self._start = start
        self._lines = lines
        self._names = names
        self._body = body
        self._raw: bytes | None = None
        self._parsed: dict[str, Any] = {}
        self._texts: dict[str, str] = {}

    # ---- octets

    def __bytes__(self) -> bytes:
        """Return the message as sent on the wire."""
        raw = self._raw
        if raw is None:
            raw = self._raw = CRLF.join((self._start, *self._lines, b"", self._body))
        return raw

    def __eq__(self, other: object) -> bool:
        return bytes(self) == bytes(other) if isinstance(other, Message) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # messages are mutable

    @property
    def start_line(self) -> bytes:
        """The start line without its CRLF."""
        return self._start

    @property
    def body(self) -> bytes:
        """The body; to change it use `set_body`."""
        return self._body

    @property
    def lines(self) -> Sequence[bytes]:
        """The raw header lines without their CRLF, folds included."""
        return tuple(self._lines)

    @property
    def names(self) -> Sequence[str]:
        """The canonical name of each header line, in order."""
        return tuple(self._names)

    # ---- reading

    def __contains__(self, name: str) -> bool:
        return (known_keys.get(name) or canonical(name)) in self._names

    def _positions(self, key: str) -> list[int]:
        """Return the positions of the lines of a canonical name."""
        names = self._names
        count = names.count(key)
        if count == 1:
            return [names.index(key)]
        return [position for position, name in enumerate(names) if name == key] if count else []

    def _value(self, position: int) -> str:
        line = self._lines[position]
        text = line[line.index(b":") + 1 :].decode("utf-8", "surrogateescape").strip(" \t\r\n")
        return unfolded(text)

    def get(self, name: str) -> str | None:
        """Return the unfolded value of the first header line called ``name``, or None."""
        key = known_keys.get(name) or canonical(name)
        value = self._texts.get(key)
        if value is None and key in self._names:
            value = self._texts[key] = self._value(self._names.index(key))
        return value

    def get_all(self, name: str) -> list[str]:
        """Return the unfolded value of every header line called ``name``."""
        key, names = known_keys.get(name) or canonical(name), self._names
        if key not in names:
            return []
        return [self._value(position) for position in self._positions(key)]

    def values(self, name: str) -> list[str]:
        """Return every individual value of ``name``: comma-separated lists are split (RFC 3261, 7.3.1)."""
        return [value.strip() for text in self.get_all(name) for value in split(text, ",")]

    def raw_line(self, name: str) -> bytes | None:
        """Return the octets of the first header line called ``name``, or None."""
        key, names = known_keys.get(name) or canonical(name), self._names
        return self._lines[names.index(key)] if key in names else None

    def position(self, name: str) -> int | None:
        """Return the index of the first header line called ``name``, or None."""
        key, names = known_keys.get(name) or canonical(name), self._names
        return names.index(key) if key in names else None

    def items(self) -> Iterator[tuple[str, str]]:
        """Iterate over names as spelled and unfolded values."""
        for position, line in enumerate(self._lines):
            yield line[: line.index(b":")].decode("ascii").rstrip(), self._value(position)

    # ---- editing: changes only the lines concerned

    def _changed(self, key: str) -> None:
        self._raw = None
        self._parsed.pop(key, None)
        self._texts.pop(key, None)

    def prepend(self, name: str, value: str) -> None:
        """Insert a header line above the first of that name, or above all others."""
        self.insert(self.position(name) or 0, name, value)

    def append(self, name: str, value: str) -> None:
        """Append a header line."""
        self.insert(len(self._lines), name, value)

    def insert(self, position: int, name: str, value: str) -> None:
        """Insert a header line at an index of `lines`."""
        key = canonical(name)
        self._lines.insert(position, _line(name, value))
        self._names.insert(position, key)
        self._changed(key)

    def insert_after(self, other: str, name: str, value: str) -> None:
        """Insert a header line below the last one called ``other``, or at the end if there is none."""
        key = canonical(other)
        last = max((at for at, item in enumerate(self._names) if item == key), default=len(self._lines) - 1)
        self.insert(last + 1, name, value)

    def replace(self, name: str, value: str, nth: int = 0) -> None:
        """Replace the value of the ``nth`` header line of that name, keeping the name's spelling.

        Raises `KeyError` if there is none.
        """
        key = canonical(name)
        positions = self._positions(key)
        if nth >= len(positions):
            raise KeyError(name)
        position = positions[nth]
        spelled = self._lines[position].partition(b":")[0].decode("ascii").rstrip()
        self._lines[position] = _line(spelled, value)
        self._changed(key)

    def set(self, name: str, value: str) -> None:
        """Make this the only value of ``name``: in place of its first line, else at the end."""
        key = canonical(name)
        if key not in self._names:
            self.append(name, value)
            return
        self.replace(name, value)
        first = self._names.index(key)
        for position in range(len(self._names) - 1, first, -1):
            if self._names[position] == key:
                del self._names[position], self._lines[position]

    def remove(self, name: str, nth: int | None = None) -> int:
        """Remove the ``nth`` header line of that name, or all of them; return how many were removed."""
        key = canonical(name)
        positions = self._positions(key)
        if nth is not None:
            positions = positions[nth : nth + 1]
        for position in reversed(positions):
            del self._names[position], self._lines[position]
        self._changed(key)
        return len(positions)

    def pop_value(self, name: str) -> str | None:
        """Remove and return the first individual value of ``name``; the rest of a list keeps its spelling."""
        position = self.position(name)
        if position is None:
            return None
        first, *rest = split(self._value(position), ",")
        if rest:
            self.replace(name, ",".join(rest).strip())
        else:
            self.remove(name, 0)
        return first.strip()

    def set_body(self, body: bytes, content_type: str | None = None) -> None:
        """Set the body, Content-Length and, if given, Content-Type."""
        self._body = body
        self._raw = None
        if content_type is not None:
            self.set("Content-Type", content_type)
        self.set("Content-Length", str(len(body)))

    # ---- values of mandatory headers; each raises SipProtocolError if its header is missing or malformed

    def _required(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise SipProtocolError(f"missing {name}")
        return value

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return self._required("Call-ID")

    @property
    def cseq(self) -> CSeq:
        """The CSeq."""
        value: CSeq | None = self._parsed.get("cseq")
        if value is None:
            value = self._parsed["cseq"] = CSeq.parse(self._required("CSeq"))
        return value

    @property
    def from_(self) -> NameAddr:
        """The From address."""
        value: NameAddr | None = self._parsed.get("from")
        if value is None:
            value = self._parsed["from"] = NameAddr.parse(self._required("From"))
        return value

    @property
    def to(self) -> NameAddr:
        """The To address."""
        value: NameAddr | None = self._parsed.get("to")
        if value is None:
            value = self._parsed["to"] = NameAddr.parse(self._required("To"))
        return value

    @property
    def top_via(self) -> Via:
        """The topmost Via value."""
        value: Via | None = self._parsed.get("via")
        if value is None:
            value = self._parsed["via"] = Via.parse(split(self._required("Via"), ",")[0])
        return value

    @property
    def contacts(self) -> list[NameAddr]:
        """The Contact addresses; empty for ``Contact: *`` or without Contact."""
        values = self.values("Contact")
        return [] if values == ["*"] else [NameAddr.parse(value) for value in values]

    @property
    def routes(self) -> list[NameAddr]:
        """The Route addresses."""
        return [NameAddr.parse(value) for value in self.values("Route")]

    def authentication(self, name: str) -> list[Authentication]:
        """Return the challenges or credentials of the headers called ``name``."""
        return [Authentication.parse(value) for value in self.get_all(name)]

    def check(self) -> None:
        """Raise `SipProtocolError` unless the headers that RFC 3261, 8.1.1, makes mandatory are valid."""
        count = self._names.count
        for name in ("call-id", "cseq", "from", "to"):
            if count(name) > 1:
                raise SipProtocolError(f"repeated {name}")
        if not self.call_id:
            raise SipProtocolError("empty Call-ID")
        _ = (self.cseq, self.from_, self.to, self.top_via)


class Request(Message):
    """A request. ``method`` is as sent (methods are case-sensitive)."""

    __slots__ = ("_uri", "method")

    def __init__(
        self, method: str, uri: str, start: bytes, lines: list[bytes], names: list[str], body: bytes = b""
    ) -> None:
        super().__init__(start, lines, names, body)
        self.method = method
        self._uri = uri

    def __repr__(self) -> str:
        return f"<Request {self.method} {self._uri}>"

    @classmethod
    def build(
        cls, method: str, uri: str, headers: HeaderList = (), body: bytes = b"", *, content_length: bool = True
    ) -> Request:
        """Build a request with exactly these headers; Content-Length is added last unless given or unwanted."""
        start = _encode(f"{method} {uri} {VERSION}")
        if b"\r" in start or b"\n" in start:
            raise ValueError("line end in a start line")
        lines, names = [], []
        for name, value in headers:
            lines.append(_line(name, value))
            names.append(canonical(name))
        if content_length and "content-length" not in names:
            lines.append(b"Content-Length: %d" % len(body))
            names.append("content-length")
        return cls(method, uri, start, lines, names, body)

    @property
    def uri(self) -> str:
        """The Request-URI as spelled; assignment rewrites the start line."""
        return self._uri

    @uri.setter
    def uri(self, uri: str) -> None:
        start = _encode(f"{self.method} {uri} {VERSION}")
        if b"\r" in start or b"\n" in start or b" " in _encode(uri):
            raise ValueError("white space in a Request-URI")
        self._uri = uri
        self._start = start
        self._raw = None

    def copy(self) -> Request:
        """Return an independent copy."""
        copied = self.with_lines(self._lines.copy(), self._names.copy())
        copied._parsed = self._parsed.copy()
        copied._texts = self._texts.copy()
        return copied

    def with_lines(self, lines: list[bytes], names: list[str]) -> Request:
        """Return a request with this start line and body, and other header lines with their canonical names."""
        return Request(self.method, self._uri, self._start, lines, names, self._body)

    def check(self) -> None:
        """Like `Message.check`; the method of CSeq must also be the request's (RFC 3261, 8.1.1.5)."""
        super().check()
        if self.cseq.method != self.method:
            raise SipProtocolError("the methods of CSeq and request differ")

    def response(
        self,
        status: int,
        reason: str | None = None,
        *,
        to_tag: str | None = None,
        headers: HeaderList = (),
        body: bytes = b"",
        layout: Sequence[str | tuple[str, str]] = RFC_LAYOUT,
        content_length: bool = True,
    ) -> Response:
        """Build a response to this request (RFC 3261, 8.2.6).

        ``layout`` orders the headers: a name copies all lines of that name from the request unchanged, a pair is a new
        header. ``to_tag`` is added to a copied To without a tag, except in a 100. ``headers`` follow the layout;
        Content-Length is added last unless given or unwanted. A 100 copies Timestamp.
        """
        reason = REASONS.get(status, "Unknown") if reason is None else reason
        lines: list[bytes] = []
        names: list[str] = []
        for item in layout if status != 100 else (*layout, "Timestamp"):
            if isinstance(item, tuple):
                lines.append(_line(*item))
                names.append(canonical(item[0]))
                continue
            key = canonical(item)
            for position in self._positions(key):
                line = self._lines[position]
                if key == "to" and to_tag is not None and status > 100 and self._lacks_tag(position):
                    line += _encode(f";tag={to_tag}")
                lines.append(line)
                names.append(key)
        for name, value in headers:
            lines.append(_line(name, value))
            names.append(canonical(name))
        if content_length and "content-length" not in names:
            lines.append(b"Content-Length: %d" % len(body))
            names.append("content-length")
        start = _encode(f"{VERSION} {status} {reason}")
        return Response(status, reason, start, lines, names, body)

    def _lacks_tag(self, position: int) -> bool:
        try:
            return "tag" not in self.to.parameters
        except SipProtocolError:
            return b"tag=" not in self._lines[position].lower()


class Response(Message):
    """A response."""

    __slots__ = ("reason", "status")

    def __init__(
        self, status: int, reason: str, start: bytes, lines: list[bytes], names: list[str], body: bytes = b""
    ) -> None:
        super().__init__(start, lines, names, body)
        self.status = status
        self.reason = reason

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason}>"

    def copy(self) -> Response:
        """Return an independent copy."""
        copied = self.with_lines(self._lines.copy(), self._names.copy())
        copied._parsed = self._parsed.copy()
        copied._texts = self._texts.copy()
        return copied

    def with_lines(self, lines: list[bytes], names: list[str]) -> Response:
        """Return a response with this start line and body, and other header lines with their canonical names."""
        return Response(self.status, self.reason, self._start, lines, names, self._body)
