"""What can go wrong in SIP, remote errors told apart from local ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgesim.sip.message import Message, Request


class SipError(Exception):
    """Base of everything that this package raises on purpose."""


class SipProtocolError(SipError):
    """The peer broke the protocol.

    ``status`` is what RFC 3261 has us answer (400, 413, 505, 513 ...), or None where nothing can be answered and the
    connection is only closed. ``request`` is as much of the offending request as an answer needs, or None. ``data``
    is the offending input, in octets, as far as it was kept. ``head`` has the header lines of a message whose start
    line alone is at fault. ``framed`` says that the end of the message is known all the same, so that a stream goes on.
    """

    def __init__(
        self, reason: str, *, status: int | None = 400, request: Request | None = None, data: bytes = b""
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.request = request
        self.data = data
        self.head: Message | None = None
        self.framed = False


class SipTransportError(SipError, ConnectionError):
    """The connection failed or was lost before an answer came (RFC 3261, 17.1.4)."""


class SipCongestion(SipTransportError):
    """Too much waits for a peer that many share: this message is not sent, and the connection stays."""


class SipTimeout(SipError, TimeoutError):
    """No final answer in time (timer B or F of RFC 3261, or the caller's own limit)."""
