"""HTTP errors. A client distinguishes them; a server answers `MalformedHttp` with its status."""

from __future__ import annotations

import errno
import socket
import ssl


class HttpError(Exception):
    """The base class: an exchange ended without a response. ``reason`` is one line of text."""

    kind = "failed"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class MalformedHttp(HttpError):
    """The peer violated HTTP; ``status`` is the response that a server sends for it (RFC 9110, section 15.5)."""

    kind = "malformed"

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


class HttpRefused(HttpError):
    """The TCP connection was refused."""

    kind = "refused"


class HttpUnreachable(HttpError):
    """No route to the address."""

    kind = "unreachable"


class HttpUnresolved(HttpError):
    """The host name has no address."""

    kind = "unresolved"


class HttpTimedOut(HttpError):
    """No connection, or no complete response, in time."""

    kind = "timed out"


class HttpTooSlow(HttpTimedOut):
    """The response began, but was not complete in time."""

    kind = "too slow"


class HttpReset(HttpError):
    """The peer closed or reset the connection before the response was complete."""

    kind = "reset"


class HttpTlsFailed(HttpError):
    """TLS failed: the peer's certificate was not accepted, or it sent an alert. ``__cause__`` is OpenSSL's error."""

    kind = "tls"


def from_os_error(error: BaseException | None, where: str) -> HttpError:
    """Return the typed error for an exception of asyncio (None: the connection closed too early); ``where`` names the
    peer.
    """
    if isinstance(error, HttpError):
        return error
    if error is None:
        return HttpReset(f"{where}: closed before the response was complete")
    text = f"{where}: {str(error) or type(error).__name__}"
    if isinstance(error, ssl.SSLError):
        return HttpTlsFailed(text)
    if isinstance(error, ConnectionRefusedError):
        return HttpRefused(f"{where}: connection refused")
    if isinstance(error, socket.gaierror):
        return HttpUnresolved(text)
    if isinstance(error, TimeoutError) or (isinstance(error, OSError) and error.errno == errno.ETIMEDOUT):
        return HttpTimedOut(f"{where}: timed out")
    if isinstance(error, ConnectionAbortedError) and "handshake" in str(error):
        return HttpTimedOut(text)  # how asyncio reports a TLS handshake timeout
    if isinstance(error, ConnectionError):
        return HttpReset(text)
    return HttpUnreachable(text)
