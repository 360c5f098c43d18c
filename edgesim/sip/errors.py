"""What can go wrong in SIP, remote errors distinguished from local ones."""

from __future__ import annotations


class SipError(Exception):
    """Base of everything that this package raises on purpose."""


class SipProtocolError(SipError):
    """The peer broke the protocol.

    ``status`` is what RFC 3261 has us answer (400, 413, 505, 513 ...), or None where nothing can be answered and the
    connection is only closed.
    """

    def __init__(self, reason: str, *, status: int | None = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class SipTransportError(SipError, ConnectionError):
    """The connection failed or was lost before an answer came (RFC 3261, 17.1.4)."""


class SipCongestion(SipTransportError):
    """Too much waits for a peer that many share: this message is not sent, and the connection stays."""


class SipTimeout(SipError, TimeoutError):
    """No final answer in time (timer B or F of RFC 3261, or the caller's own limit)."""
