"""TLS without a wire: what makes a handshake and records of octets that others carry.

Every context that a loop takes gives such an engine for a connection. Those of `edgesim.pki` make their own; for a
context of Python's ``ssl``, as other people's libraries bring along, there is `StandardEngine`.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

RECORD = 16 * 1024
"""The most that one record carries (RFC 8446, section 5.1)."""
PIECE = 64 * 1024
"""Decrypted octets after which an application may say that it has enough for now."""
SCRATCH = PIECE + RECORD
"""Octets of working space that an engine needs during a call; those of one loop share them."""


class TlsView(Protocol):
    """The peer and the negotiated parameters: the part of `ssl.SSLObject` that applications use."""

    @property
    def getpeercert(self) -> Callable[..., Any]:
        """With ``binary_form`` returns the peer's certificate in DER, or None."""

    def version(self) -> str | None:
        """Return the protocol version, such as ``TLSv1.3``."""

    def cipher(self) -> tuple[str, str, int] | None:
        """Return the cipher's name, the version that defined it and the bits of its key."""

    def selected_alpn_protocol(self) -> str | None:
        """Return the protocol that was agreed on by ALPN."""

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """Return what binds an authentication to this connection (RFC 5929)."""

    def compression(self) -> str | None:
        """Return the compression in use."""


class TlsEngine(Protocol):
    """One side of a TLS connection. Errors are those of ``ssl``; after one, `outgoing` may hold an alert."""

    peer_closed: bool
    """Whether the peer's close_notify was met by `decrypt`."""

    def handshake(self) -> bool:
        """Go on with the handshake as far as what came allows; say whether it is done."""

    def feed(self, data: bytes) -> None:
        """Take encrypted octets from the peer."""

    def decrypt(self) -> bytes:
        """Return what the peer said: `PIECE` octets or more if there may be more to come, else all there is."""

    def encrypt(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt octets, at least one, for the peer."""

    def outgoing(self) -> bytes:
        """Return the encrypted octets that are to go to the peer, and forget them."""

    def close(self) -> bool:
        """Send close_notify, once; say whether the peer's has come. Raises `ssl.SSLError` for data in its place."""

    @property
    def unread(self) -> int:
        """How many encrypted octets were fed and not decrypted."""

    @property
    def unsent(self) -> int:
        """How many encrypted octets wait to be taken by `outgoing`."""

    @property
    def context(self) -> Any:
        """The context that it was made by."""

    @property
    def ssl_object(self) -> TlsView:
        """The ``ssl_object`` of a transport."""


class TlsContext(Protocol):
    """A context that makes its own engines."""

    def engine(
        self,
        *,
        server_side: bool,
        server_hostname: str | None,
        clock: Callable[[], datetime] | None,
        scratch: bytearray,
    ) -> TlsEngine:
        """Return one side of a new connection. ``clock`` is that of the host which runs the handshake; ``scratch`` has
        `SCRATCH` octets, with which the engine may do during a call whatever it likes.
        """


class StandardEngine:
    """Python's ``ssl`` as an engine."""

    __slots__ = ("_incoming", "_outgoing", "peer_closed", "ssl_object")

    def __init__(self, context: ssl.SSLContext, *, server_side: bool, server_hostname: str | None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.peer_closed = False
        self.ssl_object: ssl.SSLObject = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_hostname
        )

    @property
    def context(self) -> ssl.SSLContext:
        """The context that it was made by."""
        return self.ssl_object.context

    def handshake(self) -> bool:
        """Go on with the handshake."""
        try:
            self.ssl_object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def feed(self, data: bytes) -> None:
        """Take encrypted octets."""
        self._incoming.write(data)

    def decrypt(self) -> bytes:
        """Return what came, a piece at most."""
        parts: list[bytes] = []
        size = 0
        try:
            while size < PIECE:
                data = self.ssl_object.read(RECORD)
                if not data:
                    self.peer_closed = True
                    break
                parts.append(data)
                size += len(data)
        except ssl.SSLWantReadError:
            pass
        return b"".join(parts)

    def encrypt(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt octets."""
        view = memoryview(data)
        while view:
            view = view[self.ssl_object.write(view) :]

    def outgoing(self) -> bytes:
        """Return what is to go to the peer."""
        return self._outgoing.read()

    def close(self) -> bool:
        """Close this side, and say whether the peer has closed the other."""
        try:
            self.ssl_object.unwrap()
        except ssl.SSLWantReadError:
            return False
        return True

    @property
    def unread(self) -> int:
        """How many encrypted octets wait for `decrypt`."""
        return self._incoming.pending

    @property
    def unsent(self) -> int:
        """How many encrypted octets wait for `outgoing`."""
        return self._outgoing.pending
