"""Parses octets into messages: start lines, header lines, datagrams, and the readable part of a broken request.

There are two kinds of fault. If the header lines are valid and only the start line is not, Content-Length still gives
the end of the message: that message is lost, and the stream continues. If the header lines are damaged, two
implementations may disagree about the end, and the framing is lost.

Source: RFC 3261, sections 7, 18.3 and 25.1; RFC 4475 for messages to accept, answer or drop.
"""

from __future__ import annotations

import re

from edgesim.sip.errors import SipProtocolError
from edgesim.sip.message import CRLF, Message, Request, Response
from edgesim.sip.names import canonical, remembered_name
from edgesim.sip.text import number

MAX_CONTENT_LENGTH = 2**31 - 1
MAX_LINES = 256

_TOKEN = re.compile(rb"[A-Za-z0-9\-.!%*_+`'~]+").fullmatch
_VERSION = re.compile(rb"SIP/[0-9]+\.[0-9]+", re.IGNORECASE).fullmatch
_QUOTED = re.compile(rb'"(?:[^"\\\0]|\\.)*"', re.DOTALL)


class MalformedMessage(SipProtocolError):
    """The octets are not a message.

    ``request`` is the part of the request that a response needs, or None. ``data`` is the offending input, possibly
    truncated. ``head`` has the header lines of a message whose only fault is its start line. ``framed`` means that the
    end of the message is known nevertheless, so that a stream continues.
    """

    def __init__(
        self,
        reason: str,
        *,
        status: int | None = 400,
        request: Request | None = None,
        data: bytes = b"",
        head: Message | None = None,
    ) -> None:
        super().__init__(reason, status=status)
        self.request = request
        self.data = data
        self.head = head
        self.framed = False

    @classmethod
    def of(cls, error: SipProtocolError) -> MalformedMessage:
        """Wrap an error as a `MalformedMessage`; return it unchanged if it is one."""
        return error if isinstance(error, cls) else cls(error.reason, status=error.status)


def parse_head(head: bytes, *, max_lines: int = MAX_LINES) -> Request | Response:
    """Parse a start line and header lines, without the empty line that ends them.

    Folds and octets that are not UTF-8 are kept. Raises `SipProtocolError` for a bare CR or LF, a NUL outside a
    quoted-pair, a header line without a name, a start line other than SIP/2.0's, or more than ``max_lines`` lines. If
    only the start line is at fault, the error is a `MalformedMessage` with a ``head``.
    """
    lines = head.split(CRLF)
    ends = len(lines) - 1
    if head.count(b"\n") != ends or head.count(b"\r") != ends or (b"\0" in head and _bare_nul(lines)):
        raise SipProtocolError("bare CR, LF or NUL in a header")
    if ends > max_lines:
        raise SipProtocolError("too many header lines", status=513)
    start, fault = lines.pop(0), None
    message: Message
    try:
        message = parsed = parse_start(start)
    except SipProtocolError as error:
        if not is_sip(start):
            raise
        message, fault = Message(start, [], []), error
    try:
        # No known name begins with white space, so a fold takes the slow path too.
        message._names = [remembered_name[line[: line.index(b":")]] for line in lines]
    except (KeyError, ValueError):
        lines = _unfolded(lines)
        message._names = [_slow_name(line) for line in lines]
    message._lines = lines
    if fault is not None:
        raise MalformedMessage(fault.reason, status=fault.status, head=message) from None
    return parsed


def _bare_nul(lines: list[bytes]) -> bool:
    """Return whether a NUL occurs other than after a backslash in a quoted string (RFC 3261, 25.1: quoted-pair)."""
    return any(b"\0" in line and b"\0" in _QUOTED.sub(b"", line) for line in lines)


def _slow_name(line: bytes) -> str:
    colon = line.find(b":")
    if colon < 1:
        raise SipProtocolError("header line without a name")
    raw = line[:colon]
    name = remembered_name.get(raw)
    if name is not None:
        return name
    token = raw.rstrip(b" \t")
    if not _TOKEN(token):
        raise SipProtocolError("header line without a valid name")
    return canonical(token.decode("ascii"), raw)


def is_sip(start: bytes) -> bool:
    """Return whether a start line is SIP, valid or not: its first or last word names the protocol."""
    return start[:4].upper() == b"SIP/" or start.rstrip(b" \t").rpartition(b" ")[2][:4].upper() == b"SIP/"


def parse_start(start: bytes) -> Request | Response:
    """Parse a start line into a message without headers.

    Raises `SipProtocolError`: 505 for another version, 400 for a request line that is malformed otherwise; a bad status
    line, or a start line that is not SIP, gets no response.
    """
    if not is_sip(start):
        raise SipProtocolError("not a SIP message", status=None)
    if start[:4].upper() == b"SIP/":
        version, _, rest = start.partition(b" ")
        code, _, reason = rest.partition(b" ")
        if version.upper() != b"SIP/2.0" or len(code) != 3 or not code.isdigit() or not b"100" <= code <= b"699":
            raise SipProtocolError("malformed status line", status=None)
        return Response(int(code), reason.decode("utf-8", "surrogateescape"), start, [], [])
    parts = start.split(b" ")
    if len(parts) != 3 or not _TOKEN(parts[0]) or not parts[1] or not _VERSION(parts[2]):
        raise SipProtocolError("malformed request line")
    if parts[2].upper() != b"SIP/2.0":
        raise SipProtocolError("SIP version other than 2.0", status=505)
    return Request(parts[0].decode("ascii"), parts[1].decode("utf-8", "surrogateescape"), start, [], [])


def _unfolded(lines: list[bytes]) -> list[bytes]:
    """Join continuation lines to the header lines that they continue."""
    joined: list[bytes] = []
    for line in lines:
        if line[:1] not in (b" ", b"\t"):
            joined.append(line)
        elif joined:
            joined[-1] += CRLF + line
        else:
            raise SipProtocolError("continuation line without a header line")
    return joined


def content_length(message: Message) -> int | None:
    """Return the Content-Length, or None if absent. Raises `SipProtocolError` if it is malformed or contradictory."""
    if message._names.count("content-length") == 1:
        lengths = [message._value(message._names.index("content-length"))]
    else:
        lengths = message.get_all("content-length")
    if not lengths:
        return None
    found = {number(text, MAX_CONTENT_LENGTH, "Content-Length") for text in lengths}
    if len(found) > 1:
        raise SipProtocolError("conflicting Content-Length values")
    return found.pop()


def attach(message: Request | Response, body: bytes, raw: bytes) -> None:
    """Attach the body to a parsed head, and store the octets of the whole message, as a framer does."""
    message._body = body
    message._raw = raw


def parse_message(data: bytes, *, max_lines: int = MAX_LINES) -> Request | Response:
    """Parse one complete message, as in a datagram (RFC 3261, 18.3): octets beyond Content-Length are discarded.

    Raises `MalformedMessage`; its ``request`` is set if the request can be answered.
    """
    start = len(data) - len(data.lstrip(CRLF))
    end = data.find(b"\r\n\r\n", start)
    if end < 0:
        raise MalformedMessage("unterminated headers", data=data, request=salvage(data[start:]))
    head = data[start:end]
    try:
        message = parse_head(head, max_lines=max_lines)
        length = content_length(message)
    except SipProtocolError as error:
        malformed = MalformedMessage.of(error)
        malformed.request, malformed.data = salvage(head), data
        raise malformed from None
    body = data[end + 4 :]
    if length is not None:
        if len(body) < length:
            raise MalformedMessage("body shorter than Content-Length", data=data, request=salvage(head))
        body = body[:length]
    attach(message, body, data[start : end + 4 + len(body)])
    return message


def salvage(head: bytes) -> Request | None:
    """Return what a response needs of a broken request, or None if none is possible.

    ACK gets no response, nor does a response, nor a request without Via, From, To, Call-ID or CSeq. Their values need
    not be valid: the response repeats them unchanged.
    """
    start, *lines = head[:65536].split(CRLF)
    method = start.partition(b" ")[0]
    if not _TOKEN(method) or method == b"ACK" or not is_sip(start):
        return None
    request = Request(method.decode("ascii"), "", start, [], [])
    kept = False
    for line in lines[:MAX_LINES]:
        name, colon, _ = line.partition(b":")
        if b"\n" in line or b"\r" in line or (b"\0" in line and _bare_nul([line])):
            kept = False
        elif line[:1] in (b" ", b"\t"):
            if kept:
                request._lines[-1] += CRLF + line
        elif kept := bool(colon and _TOKEN(name.rstrip(b" \t"))):
            request._lines.append(line)
            request._names.append(canonical(name.rstrip(b" \t").decode("ascii")))
    return request if all(wanted in request for wanted in ("Via", "From", "To", "Call-ID", "CSeq")) else None
