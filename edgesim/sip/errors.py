"""SIP errors; remote errors are distinct from local ones."""

from __future__ import annotations


class SipError(Exception):
    """Base class of the errors that this package raises."""


class SipProtocolError(SipError):
    """The peer violated the protocol.

    ``status`` is the response of RFC 3261 (400, 413, 505, 513 ...), or None if no response is possible and the
    connection is only closed.
    """

    def __init__(self, reason: str, *, status: int | None = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class SipTransportError(SipError, ConnectionError):
    """The connection failed or was lost before a response arrived (RFC 3261, 17.1.4)."""


class SipCongestion(SipTransportError):
    """The send buffer of a shared connection is full: the message is not sent, and the connection stays open."""


class SipTimeout(SipError, TimeoutError):
    """No final response in time (timer B or F of RFC 3261, or the caller's limit)."""
