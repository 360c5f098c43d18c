"""The limits of one HTTP connection, in octets and seconds of lab time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """What one peer may use. Beyond ``start_line`` a server answers 414, beyond the header limits 431.

    Beyond ``body`` it answers 413. ``chunks`` bounds the chunks of one message, since a body of one-octet chunks is
    expensive; ``trailer`` bounds the trailer fields. ``idle`` closes a connection between requests (silently),
    ``message`` in the middle of one (408). ``linger`` is how long a server reads and discards input after a refusal, so
    that a reset does not destroy the response (RFC 9112, section 9.6). A server stops reading while it handles a
    request and ``header_block`` octets wait behind it, and handles none while more than ``unsent`` octets of responses
    wait for the peer; a peer that reads less than that in ``write`` seconds is dropped. While incomplete and pipelined
    requests exceed ``waiting`` octets in total, a request larger than ``modest`` gets 503. One connection may send
    ``requests`` requests at once, and then ``per_second`` per second (None: no limit); faster ones wait, and so does
    their sender.
    """

    start_line: int = 8 * 1024
    header_count: int = 100
    header_block: int = 32 * 1024
    body: int = 2 * 1024 * 1024
    chunks: int = 2048
    trailer: int = 8 * 1024
    idle: float = 120.0
    message: float = 60.0
    linger: float = 1.0
    unsent: int = 64 * 1024
    write: float = 30.0
    connections: int = 20_000
    waiting: int = 128 * 1024 * 1024
    modest: int = 64 * 1024
    keep_alive: bool = True
    requests: int = 100
    per_second: float | None = None


DEFAULT_LIMITS = HttpLimits()
