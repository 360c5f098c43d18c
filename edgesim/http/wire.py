"""The octets of one connection, sans-IO: strict parsing of heads, h11 for bodies without a length.

h11 is a careful parser, yet lenient where two implementations may disagree about the end of a message: it accepts bare
LF, folded lines, repeated equal lengths and a length beside a transfer coding. So heads are checked here line by line,
as octets arrive. A body with a length needs nothing else; a chunked one, or one that ends with the connection, is
h11's, with one `h11.Connection` per exchange.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import h11

from edgesim.http.chunks import ChunkSizes
from edgesim.http.errors import MalformedHttp
from edgesim.http.limits import HttpLimits
from edgesim.http.message import Headers

_TOKEN = r"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
_HEADER = re.compile(rf"({_TOKEN}):[ \t]*(.*)", re.DOTALL)
_REQUEST_LINE = re.compile(rf"({_TOKEN}) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
_REQUEST_SHAPE = re.compile(rf"{_TOKEN} [^ ]+ (HTTP/[0-9]+(?:\.[0-9]+)?)")
_STATUS_LINE = re.compile(r"HTTP/(1\.[01]) ([1-9][0-9]{2})(?: (.*))?", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SUSPECT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n|\n[ \t]")
_LENGTH = re.compile(r"[0-9]{1,18}")
_ABSOLUTE = re.compile(r"https?://([^/?#@]+)((?:[/?].*)?)", re.IGNORECASE | re.DOTALL)
_LAST_CHUNK = re.compile(rb"(?:^|\n)0+[ \t]*(?:;[^\r\n]*)?")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[-A-Za-z0-9._~!$&'()*+,;=%]{0,255})(?::[0-9]{0,5})?")


PIECE = 64 * 1024
"""The octets passed to h11 at once, so that a long body is not held many times over."""
BLANK_LINES = 4
SHOWN = 4096
"""The octets of malformed input that the journal keeps."""


@dataclass(frozen=True, slots=True)
class Start:
    """A start line: of a request if ``status`` is 0, else of a response, with ``method`` and ``target`` empty.

    ``authority`` is that of a target in absolute form, and ``target`` is the rest.
    """

    version: str
    method: str = ""
    target: str = ""
    authority: str = ""
    status: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A complete message: its start line, the fields as written, the octets of the head, the decoded body."""

    start: Start
    headers: Headers
    head: bytes
    body: bytes
    keep_alive: bool


class Reader:
    """Parses octets into `Incoming` messages: requests, or with ``client`` the response to each `expect`.

    After `next` raised `MalformedHttp` the reader is unusable.
    """

    def __init__(self, limits: HttpLimits, *, client: bool = False) -> None:
        self.limits = limits
        self.client = client
        self.ended = False
        self._buffer = bytearray()
        self._begin("")

    def _begin(self, method: str) -> None:
        self._method = method
        self._lines: list[str] = []
        self._scanned = 0
        self._line_start = 0
        self._blank_lines = 0
        self._start: Start | None = None
        self._checked = False
        self._headers = Headers()
        self._head = b""
        self._body = bytearray()
        self._left: int | None = None
        self._chunks = 0
        self._tail = b""
        self._reported = False
        self._h11: h11.Connection | None = None
        self._sizes: ChunkSizes | None = None
        self.wants_continue = False

    @property
    def started(self) -> bool:
        """Whether a message has begun and is incomplete."""
        return bool(self._buffer) or self._checked

    @property
    def size(self) -> int:
        """The octets that were fed and not yet returned."""
        return len(self._buffer) + len(self._body)

    @property
    def buffered(self) -> int:
        """The octets that wait behind the current message."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take octets from the peer."""
        self._buffer += data

    def end(self) -> None:
        """Report that the peer will send no more."""
        self.ended = True

    def remains(self) -> bytes:
        """Return the first octets of the incomplete message, for the journal."""
        return bytes(self._head[:SHOWN] + self._body[:SHOWN] + self._buffer[:SHOWN])[:SHOWN]

    def expect(self, method: str) -> None:
        """Set the request whose response comes next (client side)."""
        self._begin(method)

    def next(self) -> Incoming | None:
        """Return the next complete message, or None until more octets arrive. Raises `MalformedHttp`."""
        while not self._checked:
            if not self._read_head():
                if self.ended and self.started:
                    raise MalformedHttp("closed in the middle of a head")
                return None
            self._check_head()
        if not self._read_body():
            return None
        assert self._start is not None
        message = Incoming(
            start=self._start,
            headers=self._headers,
            head=self._head,
            body=bytes(self._body),
            keep_alive=self._start.version >= "1.1"
            and "close" not in self._headers.tokens("Connection")
            and not self.ended,
        )
        self._begin("")
        return message

    # ---- heads

    def _read_head(self) -> bool:
        buffer, limits = self._buffer, self.limits
        if not self._lines and not self._scanned and self._read_sound_head():
            return True
        if not self._lines and not self.client:
            while buffer.startswith(b"\r\n"):  # RFC 9112, section 2.2: empty lines before a request line are ignored
                del buffer[:2]
                self._scanned = 0
                self._blank_lines += 1
                if self._blank_lines > BLANK_LINES:
                    raise MalformedHttp("blank lines instead of a request")
        while True:
            at = buffer.find(b"\n", self._scanned)
            if at < 0:
                self._scanned = len(buffer)
                self._check_partial(len(buffer) - self._line_start)
                return False
            line = buffer[self._line_start : at]
            self._scanned = self._line_start = at + 1
            if not line.endswith(b"\r"):
                raise MalformedHttp("a line ends in a bare LF")
            text = line[:-1].decode("latin-1")
            if not text and self._lines:
                self._head = bytes(buffer[: at + 1])
                del buffer[: at + 1]
                return True
            if not self._lines:
                if len(text) > limits.start_line:
                    raise MalformedHttp("the start line is too long", 414)
                self._check_start_line(text)
            self._lines.append(text)
            self._check_sizes(at + 1)
            if _CONTROL.search(text):
                raise MalformedHttp("a control character in the head")
            if len(self._lines) > 1 and text[0] in " \t":
                raise MalformedHttp("a folded header line")

    def _read_sound_head(self) -> bool:
        """Parse a complete and plainly valid head at once; any other is read line by line."""
        buffer, limits = self._buffer, self.limits
        end = buffer.find(b"\r\n\r\n")
        if end < 1 or end > limits.header_block or buffer[0] == 0x0D or _SUSPECT.search(buffer, 0, end):
            return False
        lines = buffer[:end].decode("latin-1").split("\r\n")
        if len(lines[0]) > limits.start_line or len(lines) - 1 > limits.header_count:
            return False
        self._check_start_line(lines[0])
        self._lines = lines
        self._head = bytes(buffer[: end + 4])
        del buffer[: end + 4]
        return True

    def _check_partial(self, line: int) -> None:
        if not self._lines and line:
            if not self.client and not _TOKEN_OCTET[self._buffer[0]] and self._buffer != b"\r":
                raise MalformedHttp("not a request line")
            if line > self.limits.start_line + 1:
                raise MalformedHttp("the start line is too long", 414)
        else:
            self._check_sizes(len(self._buffer))

    def _check_sizes(self, octets: int) -> None:
        if len(self._lines) - 1 > self.limits.header_count:
            raise MalformedHttp("too many header lines", 431)
        if self._lines and octets - len(self._lines[0]) > self.limits.header_block:
            raise MalformedHttp("the header lines are too long", 431)

    def _check_start_line(self, text: str) -> None:
        if self.client:
            status = _STATUS_LINE.fullmatch(text)
            if status is None:
                raise MalformedHttp("not a status line")
            self._start = Start(status[1], status=int(status[2]), reason=status[3] or "")
            return
        match = _REQUEST_LINE.fullmatch(text)
        if match is None:
            shape = _REQUEST_SHAPE.fullmatch(text)
            if shape and not shape[1].startswith("HTTP/1.") and shape[1] != "HTTP/1":
                raise MalformedHttp(f"version {shape[1]}", 505)
            raise MalformedHttp("not a request line")
        method, target, major, minor = match.groups()
        if major != "1":
            raise MalformedHttp(f"version HTTP/{major}", 505)
        if method == "CONNECT":
            raise MalformedHttp("CONNECT is not served", 501)
        authority = ""
        if (absolute := _ABSOLUTE.fullmatch(target)) is not None:
            authority, target = absolute[1], absolute[2]
            if not _HOST.fullmatch(authority):
                raise MalformedHttp("the target's host is not a host")
            if not target.startswith("/"):  # RFC 9112, section 3.2.4: for OPTIONS an empty path means the server itself
                target = "*" if method == "OPTIONS" and not target else "/" + target
        if not (target.startswith("/") or (target == "*" and method == "OPTIONS")):
            raise MalformedHttp("the target is neither a path nor an http or https URL")
        if "#" in target:
            raise MalformedHttp("a fragment in the target")
        self._start = Start(f"{major}.{minor}", method, target, authority)

    def _check_head(self) -> None:
        start, *lines = self._lines
        items = []
        for line in lines:
            match = _HEADER.fullmatch(line)
            if match is None:
                raise MalformedHttp("not a header line")
            items.append((match[1], match[2].rstrip(" \t")))
        headers = self._headers = Headers(items)
        old = start.endswith("HTTP/1.0") or start.startswith("HTTP/1.0")
        lengths, codings = headers.get_all("Content-Length"), headers.get_all("Transfer-Encoding")
        if len(lengths) > 1:
            raise MalformedHttp("more than one Content-Length")
        if lengths and not _LENGTH.fullmatch(lengths[0]):
            raise MalformedHttp("Content-Length is not a number")
        if lengths and codings:
            raise MalformedHttp("both Content-Length and Transfer-Encoding")
        if len(codings) > 1 or (codings and old):
            raise MalformedHttp("unexpected Transfer-Encoding")
        if codings and codings[0].lower() != "chunked":
            raise MalformedHttp("expected the transfer coding chunked", 501)
        if not self.client:
            self._check_request(headers, old, lengths)
        self._frame(headers, lengths, bool(codings))

    def _check_request(self, headers: Headers, old: bool, lengths: list[str]) -> None:
        hosts = headers.get_all("Host")
        if len(hosts) > 1 or (not hosts and not old):
            raise MalformedHttp("expected exactly one Host")
        if hosts and not _HOST.fullmatch(hosts[0]):
            raise MalformedHttp("Host is not a host")
        assert self._start is not None
        if self._start.authority:  # RFC 9112, section 3.2.2: the authority replaces Host
            self._headers = headers.replaced("Host", self._start.authority)
        expect = headers.get("Expect")
        if expect is not None and expect.lower() != "100-continue":
            raise MalformedHttp("expected the expectation 100-continue", 417)
        if lengths and int(lengths[0]) > self.limits.body:
            raise MalformedHttp("the body is too long", 413)
        self.wants_continue = expect is not None and not old

    def _frame(self, headers: Headers, lengths: list[str], chunked: bool) -> None:
        """Determine the framing of the body: by its length, or by h11."""
        assert self._start is not None
        status = self._start.status
        if self.client and status < 200:
            self._begin(self._method)  # an interim response: the final one follows
            return
        self._checked = True
        bodiless = self._method == "HEAD" or status in (204, 304)
        if lengths:
            self._left = 0 if bodiless else int(lengths[0])
            if self._left > self.limits.body:
                raise MalformedHttp("the body is too long", 413)
        elif bodiless or (not self.client and not chunked):
            self._left = 0
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        """Pass the checked head to h11, which then knows the body's framing."""
        limit = self.limits.start_line + self.limits.header_block + 1024
        connection = h11.Connection(h11.CLIENT if self.client else h11.SERVER, max_incomplete_event_size=limit)
        try:
            if self.client:
                connection.send(h11.Request(method=self._method, target="/", headers=[("Host", "")]))
                connection.send(h11.EndOfMessage())
            connection.receive_data(self._head)
            event = connection.next_event()
        except h11.ProtocolError as error:
            raise MalformedHttp(_without_octets(error), error.error_status_hint) from None
        if not isinstance(event, h11.Request | h11.Response):
            raise MalformedHttp("not a message")
        self._h11 = connection
        self._sizes = ChunkSizes(self.limits) if "Transfer-Encoding" in self._headers else None

    # ---- bodies

    def _read_body(self) -> bool:
        connection = self._h11
        if connection is None:
            return self._read_length()
        try:
            while True:
                event = connection.next_event()
                if isinstance(event, h11.Data):
                    self._take(event)
                elif isinstance(event, h11.EndOfMessage):
                    self._finish(connection, event)
                    return True
                elif not self._feed(connection):
                    return False
        except h11.ProtocolError as error:
            raise MalformedHttp(_without_octets(error)) from None

    def _read_length(self) -> bool:
        """Take the available octets of a body with a length."""
        assert self._left is not None
        if self._left:
            piece = self._buffer[: self._left]
            del self._buffer[: len(piece)]
            self._body += piece
            self._left -= len(piece)
            if self._left and self.ended:
                got, wanted = len(self._body), len(self._body) + self._left
                raise MalformedHttp(f"closed without sending complete body: {got} octets of {wanted}")
        return not self._left

    def _feed(self, connection: h11.Connection) -> bool:
        """Feed h11 the next piece of the body, or its end; return whether there was any."""
        piece = bytes(self._buffer[:PIECE])
        if piece:
            del self._buffer[: len(piece)]
            if self._sizes is not None:
                self._sizes.feed(piece)
            self._tail = (self._tail + piece)[-self.limits.trailer - PIECE :]
            connection.receive_data(piece)
            return True
        if self.ended and not self._reported:
            self._reported = True
            connection.receive_data(b"")
            return True
        return False

    def _take(self, event: h11.Data) -> None:
        self._body += event.data
        self._chunks += event.chunk_start
        if len(self._body) > self.limits.body:
            raise MalformedHttp("the body is too long", 413)
        if self._chunks > self.limits.chunks:
            raise MalformedHttp("too many chunks", 413)

    def _finish(self, connection: h11.Connection, event: h11.EndOfMessage) -> None:
        rest = bytes(connection.trailing_data[0])
        if "Transfer-Encoding" in self._headers:
            self._check_trailer(self._tail[: len(self._tail) - len(rest)], len(event.headers))
        self._buffer[:0] = rest

    def _check_trailer(self, tail: bytes, fields: int) -> None:
        """Check the trailer of a chunked body, then drop it (RFC 9112, section 7.1.2).

        h11 would accept a bare LF as its end, and folded lines in it, so each line is checked. ``tail`` are the last
        octets of the message.
        """
        if not tail.endswith(b"\r\n\r\n"):
            raise MalformedHttp("a line ends in a bare LF")
        if fields > self.limits.header_count:
            raise MalformedHttp("too many trailer fields", 431)
        before, *lines = tail[:-4].rsplit(b"\r\n", fields)
        if sum(map(len, lines)) > self.limits.trailer:
            raise MalformedHttp("the trailer fields are too long", 431)
        for line in lines:
            text = line.decode("latin-1")
            field = _HEADER.fullmatch(text)
            if field is None or _CONTROL.search(text):
                raise MalformedHttp("not a trailer field")
            if field[1].lower() in ("content-length", "transfer-encoding"):
                raise MalformedHttp("a trailer field that frames the message")
        if not _LAST_CHUNK.fullmatch(before[before.rfind(b"\n") + 1 :]):
            raise MalformedHttp("not a trailer field")


_TOKEN_OCTET = [re.fullmatch(_TOKEN, chr(octet)) is not None for octet in range(256)]


def _without_octets(error: h11.ProtocolError) -> str:
    """Return h11's error text without the octets that it quotes, which may be secret."""
    return str(error).partition(": ")[0]
