"""XML streams of XMPP (RFC 6120, sections 4 and 11): an incremental parser with bounds, and the server's own strings.

`StreamParser` takes octets as they arrive and returns the stream header, each first-level element with its raw octets,
and the end of the stream. Document type declarations, processing instructions, comments and entity references are
refused as ``restricted-xml`` (RFC 6120, section 11.1); every other error is a `StreamError` too.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from xml.parsers import expat

from edgesim.xmpp.xml import CLIENT, STREAM_ERRORS, STREAMS, TLS, XML, Element, element, escape_value

_CHUNK = 4096
_SEPARATOR = "\x1f"
_TAG = re.compile(rb"""<(?:[^<>"']|"[^"]*"|'[^']*')*>""")
_VERSION = re.compile("[0-9]{1,9}")
_WHITESPACE = b" \t\r\n"
_UTF_16 = re.compile(rb"\xfe\xff|\xff\xfe|<\0|\0<")
_CONDITION_OF = {
    expat.errors.codes[expat.errors.XML_ERROR_UNBOUND_PREFIX]: "bad-namespace-prefix",
    expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]: "restricted-xml",
    expat.errors.codes[expat.errors.XML_ERROR_UNKNOWN_ENCODING]: "unsupported-encoding",
    expat.errors.codes[expat.errors.XML_ERROR_INCORRECT_ENCODING]: "unsupported-encoding",
}


OWN_DOING = frozenset({"system-shutdown", "remote-connection-failed", "connection-timeout"})
"""Stream errors with which a server ends a stream although its input was valid."""


class StreamError(Exception):
    """The peer violated the stream's rules; ``condition`` is one of RFC 6120, section 4.9.3."""

    def __init__(self, condition: str, text: str = "") -> None:
        super().__init__(f"{condition}: {text}" if text else condition)
        self.condition = condition
        self.text = text


class OutOfOrder(RuntimeError):
    """This side used a stream in a way that its phase does not allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XmppLimits:
    """Bounds of one stream: octets of a first-level element, of the header and of unread input; elements within a
    first-level one, depth, attributes of one element."""

    stanza: int = 65_536
    header: int = 4_096
    backlog: int = 1_048_576
    elements: int = 2_000
    depth: int = 32
    attributes: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvent:
    """An event read from a stream, with its octets."""

    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpened(StreamEvent):
    """The stream header (RFC 6120, section 4.7). ``raw`` includes a preceding XML declaration."""

    attributes: Mapping[str, str]

    @property
    def to(self) -> str | None:
        """The ``to`` address, as sent."""
        return self.attributes.get("to")

    @property
    def from_(self) -> str | None:
        """The ``from`` address, as sent."""
        return self.attributes.get("from")

    @property
    def id(self) -> str | None:
        """The stream id, in headers of the receiving entity."""
        return self.attributes.get("id")

    @property
    def version(self) -> str | None:
        """The XMPP version, as sent."""
        return self.attributes.get("version")

    @property
    def major(self) -> int:
        """The major version: 0 if missing or unreadable (RFC 6120, section 4.7.5).

        The server answers a higher one with its own, 1.0, and the peer decides.
        """
        number, _, minor = (self.version or "").partition(".")
        return int(number) if _VERSION.fullmatch(number) and (not minor or _VERSION.fullmatch(minor)) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StanzaRead(StreamEvent):
    """A first-level element: a stanza, or part of the stream's negotiation."""

    element: Element


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamClosed(StreamEvent):
    """The closing tag of the stream."""


class StreamParser:
    """Reads one direction of a connection: feed octets, then take events until None.

    ``namespace`` is the default namespace that the peer's header must declare, unless it declares that of streams.
    After TLS or SASL call `restart`, which drops unread input and expects a new header. `next` raises an error once all
    preceding events were taken, and again on each later call.
    """

    def __init__(self, *, limits: XmppLimits | None = None, namespace: str = CLIENT) -> None:
        self._limits = limits or XmppLimits()
        self._namespace = namespace
        self.restart()

    def restart(self) -> None:
        """Reset, and expect a new stream."""
        parser = expat.ParserCreate("UTF-8", _SEPARATOR)
        parser.buffer_text = True
        if hasattr(parser, "SetReparseDeferralEnabled"):
            parser.SetReparseDeferralEnabled(False)  # report a stanza with its last octet, not later
        parser.XmlDeclHandler = self._declaration
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartNamespaceDeclHandler = self._prefix
        parser.StartDoctypeDeclHandler = self._refuse("document type declaration")
        parser.ProcessingInstructionHandler = self._refuse("processing instruction")
        parser.CommentHandler = self._refuse("comment")
        self._parser = parser
        self._input: deque[memoryview] = deque()
        self._waiting = 0
        self._events: deque[StreamEvent] = deque()
        self._error: StreamError | None = None
        self._raw = bytearray()
        self._base = 0
        self._boundary = 0
        self._started_at = 0
        self._depth = 0
        self._elements = 0
        self._empty_so_far = False
        self._closed = False
        self._no_content = False
        self._default: str | None = None
        self._open: list[tuple[str, str, dict[str, str], list[Element | str]]] = []

    @property
    def idle(self) -> bool:
        """Whether no fed octet is left: no event, no input, no partial element."""
        return not self._events and not self._input and len(self._raw) == 0

    def feed(self, data: bytes) -> None:
        """Take octets as they arrive. Octets after the end of the stream are ignored."""
        if self._closed or self._error or not data:
            return
        self._input.append(memoryview(data))
        self._waiting += len(data)
        if self._waiting > self._limits.backlog:
            self._error = StreamError("policy-violation", "too much unread input")
            self._input.clear()

    def next(self) -> StreamEvent | None:
        """Return the next event, or None if more octets are needed. Raises `StreamError`."""
        while not self._events:
            if self._error:
                raise self._error
            if not self._input or self._closed:
                return None
            self._parse(self._take())
        return self._events.popleft()

    def _take(self) -> memoryview:
        data = self._input.popleft()
        if len(data) > _CHUNK:
            self._input.appendleft(data[_CHUNK:])
            data = data[:_CHUNK]
        self._waiting -= len(data)
        return data

    def _parse(self, chunk: memoryview) -> None:
        self._raw += chunk
        if not self._depth and _UTF_16.match(self._raw):
            # Expat honours the declared encoding even when told UTF-8; only UTF-8 is allowed (RFC 6120, section 11.6).
            self._error = StreamError("unsupported-encoding", "not UTF-8")
            return
        try:
            self._parser.Parse(chunk, False)
        except StreamError as error:
            self._error = error
        except expat.ExpatError as error:
            self._error = StreamError(_CONDITION_OF.get(error.code, "not-well-formed"), expat.ErrorString(error.code))
        except ValueError as error:  # pyexpat refuses what it cannot decode
            self._error = StreamError("not-well-formed", str(error))
        if self._closed:
            self._error = None
        elif self._depth == 1 and not self._error:
            self._between_stanzas()
        del self._raw[: self._boundary - self._base]
        self._base = max(self._base, self._boundary)
        limit = self._limits.stanza if self._depth else self._limits.header
        if not self._error and not self._closed and len(self._raw) > limit:
            self._error = StreamError("policy-violation", "element too large")

    def _between_stanzas(self) -> None:
        rest = self._raw[self._boundary - self._base :]
        content = rest.lstrip(_WHITESPACE)
        self._boundary += len(rest) - len(content)
        if content and not content.startswith(b"<"):
            self._error = StreamError("bad-format", "text between stanzas")

    # ---- expat callbacks

    def _refuse(self, what: str) -> Any:
        def refuse(*_: object) -> None:
            raise StreamError("restricted-xml", what)

        return refuse

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "utf8"):
            raise StreamError("unsupported-encoding", encoding[:40])

    def _prefix(self, prefix: str | None, uri: str | None) -> None:
        if prefix is None and self._depth == 0:
            self._default = uri

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        here = self._parser.CurrentByteIndex
        if len(attributes) > self._limits.attributes:
            raise StreamError("policy-violation", "too many attributes")
        self._depth += 1
        if self._depth > self._limits.depth:
            raise StreamError("policy-violation", "nested too deeply")
        namespace, _, local = name.rpartition(_SEPARATOR)
        named = {_attribute(key): value for key, value in attributes.items()}
        if self._depth == 1:
            self._header(namespace, local, named, here)
            return
        if self._depth == 2:
            self._started_at = here
            self._elements = 0
        self._elements += 1
        if self._elements > self._limits.elements:
            raise StreamError("policy-violation", "too many elements")
        self._empty_so_far = True
        self._open.append((local, namespace, named, []))

    def _header(self, namespace: str, local: str, attributes: dict[str, str], here: int) -> None:
        if namespace != STREAMS:
            raise StreamError("invalid-namespace", namespace[:80])
        if local != "stream":
            raise StreamError("bad-format", local[:80])
        # The content namespace is unprefixed, or the streams namespace is the default and each stanza declares its own
        # (RFC 6120, 4.8.2).
        if self._default not in (self._namespace, STREAMS):
            raise StreamError("invalid-namespace", (self._default or "")[:80])
        end = self._end_of_tag(here)
        if end - self._base > self._limits.header:
            raise StreamError("policy-violation", "stream header too large")
        raw = self._slice(self._base, end)
        self._no_content = raw.endswith(b"/>")
        self._events.append(StreamOpened(raw=raw, attributes=attributes))
        self._boundary = end

    def _end(self, name: str) -> None:
        here = self._parser.CurrentByteIndex
        self._depth -= 1
        if self._depth == 0:
            self._closed = True
            end = here if self._no_content else self._end_of_tag(here)
            self._events.append(StreamClosed(raw=self._slice(here, end)))
            self._boundary = max(end, self._boundary)
            return
        local, namespace, attributes, children = self._open.pop()
        done = Element(name=local, namespace=namespace, attributes=attributes, children=_joined(children))
        if self._depth > 1:
            self._open[-1][3].append(done)
            self._empty_so_far = False
            return
        # For an empty-element tag expat points behind it, for an end tag at its start.
        empty = self._empty_so_far and self._slice(here - 2, here) == b"/>"
        end = here if empty else self._end_of_tag(here)
        if end - self._started_at > self._limits.stanza:
            raise StreamError("policy-violation", "element too large")
        self._events.append(StanzaRead(raw=self._slice(self._started_at, end), element=done))
        self._boundary = end

    def _text(self, text: str) -> None:
        self._empty_so_far = False
        if self._depth > 1:
            self._open[-1][3].append(text)
        elif text.strip(" \t\r\n"):
            raise StreamError("bad-format", "text between stanzas")

    def _slice(self, start: int, end: int) -> bytes:
        return bytes(self._raw[start - self._base : end - self._base])

    def _end_of_tag(self, start: int) -> int:
        found = _TAG.match(self._raw, start - self._base)
        return self._base + (found.end() if found else len(self._raw))


def _joined(children: list[Element | str]) -> tuple[Element | str, ...]:
    if len(children) < 2:
        return tuple(children)
    out: list[Element | str] = []
    for is_text, group in groupby(children, key=lambda child: isinstance(child, str)):
        run = list(group)
        out += ["".join(map(str, run))] if is_text else run
    return tuple(out)


def _attribute(name: str) -> str:
    uri, _, local = name.rpartition(_SEPARATOR)
    if not uri:
        return local
    return f"xml:{local}" if uri == XML else f"{{{uri}}}{local}"


# ---- server output, octet for octet


def server_header(domain: str, stream_id: str, *, language: str = "en-US.UTF-8") -> bytes:
    """Return the server's stream header: attribute order, quotes and ``xml:lang`` as in public captures.

    No XML declaration precedes it. In the product ``stream_id`` is 12 upper-case hexadecimal digits and stays the same
    when the stream restarts after TLS.
    """
    return (
        f"<stream:stream xmlns:stream='{STREAMS}' xmlns='{CLIENT}' xml:lang='{language}' "
        f"id='{escape_value(stream_id)}' from='{escape_value(domain)}' version='1.0'>"
    ).encode()


def client_header(domain: str, *, declaration: bool = True) -> bytes:
    """Return a client's stream header, with the XML declaration that clients send before the first one."""
    text = f"<stream:stream to='{escape_value(domain)}' xmlns='{CLIENT}' xmlns:stream='{STREAMS}' version='1.0'>"
    return (f"<?xml version='1.0' ?>{text}" if declaration else text).encode()


def features(*children: Element) -> Element:
    """Return ``<stream:features>`` (RFC 6120, section 4.3.2)."""
    return element("features", STREAMS, *children)


STARTTLS_REQUIRED = features(element("starttls", TLS, element("required", TLS)))
PROCEED = element("proceed", TLS)
STARTTLS = element("starttls", TLS)
STREAM_END = b"</stream:stream>"


def stream_error(condition: str, text: str = "") -> Element:
    """Return ``<stream:error>`` with a condition of RFC 6120, section 4.9.3, and optional text."""
    children = [element(condition, STREAM_ERRORS)]
    if text:
        children.append(element("text", STREAM_ERRORS, text, **{"xml:lang": "en"}))
    return element("error", STREAMS, *children)
