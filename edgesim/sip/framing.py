"""Splits a TCP or TLS stream into SIP messages, CRLF keep-alives and STUN messages, sans-IO.

Feed octets with `Framer.receive`, then call `Framer.next_event` until it returns None. A message on a stream needs
Content-Length (RFC 3261, 18.3); between messages CRLF keep-alives (RFC 5626, 4.4.1) may occur and, if both sides
agreed, STUN messages, recognised by their first two bits and the magic cookie (RFC 5389, 6). After an error the framer
is unusable, since the start of the next message is unknown. The exception is a message whose only fault is its start
line (``framed``): it is skipped up to the end that its Content-Length gives.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from edgesim.sip.errors import SipProtocolError
from edgesim.sip.message import Request, Response
from edgesim.sip.parsing import MalformedMessage, attach, content_length, is_sip, parse_head, salvage

MAGIC_COOKIE = b"\x21\x12\xa4\x42"
STUN_HEADER = 20
_TOKEN_OCTETS = re.compile(rb"[A-Za-z0-9\-.!%*_+`'~]").match


@dataclass(frozen=True, slots=True, kw_only=True)
class SipLimits:
    """Bounds on what a peer may send and keep waiting, in octets and seconds unless stated otherwise.

    ``message`` is Expressway's default maximum SIP message (Cisco Expressway Administrator Guide, "Protocols"); all of
    it must arrive within ``message_time`` of its first octet. ``idle`` closes an accepted stream that brought no
    complete message or keep-alive for that long (None: never). When ``congested`` octets wait for a peer, its senders
    are slowed down; more than ``write_buffer`` close a client's connection, and are refused on a shared one. A peer
    that reads too little of them for ``unread_time`` is dropped. At most ``burst`` messages of one stream are handled
    per turn; from an accepted stream at most ``rate_burst`` octets are read at once, and then ``rate`` per second
    (None: no limit), as `edgesim.world.pace` counts them; a stream with ``tasks`` requests in progress is not read.
    Beyond ``transactions`` a stateful endpoint forgets completed transactions, or answers 503.
    """

    message: int
    message_time: float
    unread_time: float
    header_lines: int = 256
    start_line: int = 8192
    stun: int = 2048
    write_buffer: int = 1 << 20
    datagram_peers: int = 10_000
    idle: float | None = None
    congested: int = 1 << 18
    burst: int = 16
    rate: float | None = None
    rate_burst: int = 0
    tasks: int = 16
    all_tasks: int = 10_000
    transactions: int = 20_000


def fits(message: Request | Response, limits: SipLimits) -> bool:
    """Return whether a peer with these limits accepts a message: headers that we add can make it too long."""
    octets = bytes(message)
    lines = octets.count(b"\r\n", 0, octets.index(b"\r\n\r\n"))
    return len(octets) <= limits.message and lines <= limits.header_lines


class KeepAlive(Enum):
    """A CRLF keep-alive: a double CRLF is a ping, a single one a pong."""

    PING = b"\r\n\r\n"
    PONG = b"\r\n"


@dataclass(frozen=True, slots=True)
class StunData:
    """The octets of one STUN message."""

    data: bytes


Frame = Request | Response | KeepAlive | StunData


class Framer:
    """One direction of a stream. Without ``stun``, STUN messages are garbage."""

    __slots__ = (
        "_buffer",
        "_error",
        "_lone_crlf",
        "_passing_over",
        "_pending",
        "_position",
        "_scanned",
        "_started",
        "limits",
        "stun",
    )

    def __init__(self, limits: SipLimits, *, stun: bool = True) -> None:
        self.limits = limits
        self.stun = stun
        self._buffer: bytes | bytearray = b""
        self._position = 0
        self._scanned = 0
        self._started = False
        self._lone_crlf = False
        self._passing_over = 0
        self._pending: tuple[Request | Response, int, int] | None = None
        self._error: MalformedMessage | None = None

    @property
    def buffered(self) -> int:
        """The number of octets of incomplete input."""
        return len(self._buffer) - self._position

    @property
    def waits(self) -> bool:
        """Whether a message has begun and is incomplete."""
        return self.buffered > 0 or self._passing_over > 0

    def partial(self) -> tuple[bytes, Request | None]:
        """Return the octets of the incomplete message, and the request that they begin, if it can be read."""
        data = self._slice(self._position, min(len(self._buffer), self._position + self.limits.message))
        message = self._pending[0] if self._pending is not None else None
        return data, message if isinstance(message, Request) else None

    def receive(self, data: bytes) -> None:
        """Add octets from the stream."""
        if self._error is not None:
            return
        if self._position >= len(self._buffer):
            self._buffer = data
            self._scanned = 0
        else:
            if not isinstance(self._buffer, bytearray):
                self._buffer = bytearray(memoryview(self._buffer)[self._position :])
            elif self._position:
                del self._buffer[: self._position]
            self._scanned = max(0, self._scanned - self._position)
            self._buffer += data
        self._position = 0

    def next_event(self) -> Frame | None:
        """Return the next event, or None until more octets arrive. Raises `MalformedMessage`."""
        if self._error is not None:
            raise self._error
        try:
            return self._next()
        except SipProtocolError as error:
            malformed = MalformedMessage.of(error)
            if not malformed.framed:
                self._error = malformed
                if not malformed.data:
                    end = min(len(self._buffer), self._position + self.limits.message)
                    malformed.data = self._slice(self._position, end)
                self._buffer, self._position = b"", 0
            raise malformed from None

    def _slice(self, start: int, end: int) -> bytes:
        buffer = self._buffer
        return buffer[start:end] if isinstance(buffer, bytes) else bytes(memoryview(buffer)[start:end])

    def _next(self) -> Frame | None:
        if self._passing_over:
            self._pass_over()
        buffer, position = self._buffer, self._position
        if position >= len(buffer):
            return None
        if self._pending is not None:
            return self._complete(*self._pending)
        first = buffer[position]
        if first == 0x0D:
            return self._keep_alive()
        self._lone_crlf = False
        if first <= 0x03 and self.stun:
            return self._stun()
        if not self._started:
            if not _TOKEN_OCTETS(buffer, position):
                raise SipProtocolError("not SIP", status=None)
            self._started = True
        end = buffer.find(b"\r\n\r\n", max(position, self._scanned))
        if end < 0:
            self._check_incomplete()
            return None
        return self._message(position, end)

    def _keep_alive(self) -> Frame | None:
        buffer, position = self._buffer, self._position
        if len(buffer) - position < 2:
            return None
        if buffer[position + 1] != 0x0A:
            raise SipProtocolError("bare CR between messages", status=None)
        if self._lone_crlf:
            self._position += 2
            self._lone_crlf = False
            return KeepAlive.PING
        if buffer[position + 2 : position + 4] == b"\r\n":
            self._position += 4
            return KeepAlive.PING
        self._position += 2
        # The second half of a ping may arrive in the next segment.
        self._lone_crlf = True
        return KeepAlive.PONG

    def _stun(self) -> StunData | None:
        buffer, position = self._buffer, self._position
        have = len(buffer) - position
        if have >= 8 and buffer[position + 4 : position + 8] != MAGIC_COOKIE:
            raise SipProtocolError("neither SIP nor STUN", status=None)
        if have < STUN_HEADER:
            return None
        length = buffer[position + 2] << 8 | buffer[position + 3]
        if length % 4 or length + STUN_HEADER > self.limits.stun:
            raise SipProtocolError("STUN message with an invalid length", status=None)
        end = position + STUN_HEADER + length
        if len(buffer) < end:
            return None
        self._position = end
        return StunData(self._slice(position, end))

    def _check_incomplete(self) -> None:
        """Refuse early an incomplete message that cannot become valid."""
        buffer, position, limits = self._buffer, self._position, self.limits
        line_end = buffer.find(b"\r\n", position, position + limits.start_line + 2)
        if line_end >= 0:
            if self._scanned <= line_end and not is_sip(self._slice(position, line_end)):
                raise SipProtocolError("not a SIP message", status=None)
        elif len(buffer) - position > limits.start_line:
            raise SipProtocolError("unterminated start line", status=None)
        bare = buffer.find(b"\n", max(position, self._scanned))
        while bare >= 0:
            if buffer[bare - 1] != 0x0D or bare == position:
                request = salvage(self._slice(position, len(buffer)))
                raise MalformedMessage("bare LF in a header", request=request)
            bare = buffer.find(b"\n", bare + 1)
        if len(buffer) - position > limits.message:
            request = salvage(self._slice(position, position + limits.message))
            raise MalformedMessage("headers longer than the limit", status=513, request=request)
        self._scanned = max(position, len(buffer) - 3)

    def _message(self, position: int, end: int) -> Request | Response | None:
        limits = self.limits
        if end + 4 - position > limits.message:
            request = salvage(self._slice(position, end))
            raise MalformedMessage("headers longer than the limit", status=513, request=request)
        head = self._slice(position, end)
        try:
            message = parse_head(head, max_lines=limits.header_lines)
            length = content_length(message)
            if length is None:
                raise SipProtocolError("missing Content-Length")
            if len(head) + 4 + length > limits.message:
                raise SipProtocolError("body longer than the limit", status=413)
        except SipProtocolError as error:
            malformed = MalformedMessage.of(error)
            malformed.request = salvage(head)
            self._find_end(malformed, head)
            raise malformed from None
        return self._complete(message, len(head) + 4, len(head) + 4 + length)

    def _find_end(self, error: MalformedMessage, head: bytes) -> None:
        """Skip a message whose only fault is its start line, if its Content-Length gives its end."""
        if error.head is None:
            return
        try:
            length = content_length(error.head)
        except SipProtocolError:
            return
        if length is None or len(head) + 4 + length > self.limits.message:
            return
        error.framed, error.data = True, head
        self._passing_over = len(head) + 4 + length
        self._pass_over()

    def _pass_over(self) -> None:
        """Discard the octets that have arrived of a skipped message."""
        skipped = min(self._passing_over, len(self._buffer) - self._position)
        self._passing_over -= skipped
        self._position += skipped
        self._scanned = self._position
        self._started = False

    def _complete(self, message: Request | Response, body: int, total: int) -> Request | Response | None:
        """Return the message once all ``total`` octets have arrived; the head is parsed only once."""
        if len(self._buffer) - self._position < total:
            self._pending = (message, body, total)
            return None
        raw = self._slice(self._position, self._position + total)
        attach(message, raw[body:], raw)
        self._pending = None
        self._position += total
        self._scanned = self._position
        self._started = False
        return message
