"""The bounds of one HTTP connection. All sizes are octets, all times seconds of lab time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """What a peer may cost us. Beyond ``start_line`` a server answers 414, beyond the header limits 431.

    Beyond ``body`` it answers 413. ``chunks`` bounds the chunks of one message, so that a body of one-octet chunks is
    cheap; ``trailer`` bounds the fields after them. ``idle`` ends a connection between requests (silently), ``message``
    one in the middle of a request (408). ``linger`` is how long a server reads and drops what still arrives after a
    refusal, so that the answer is not lost to a reset (RFC 9112, section 9.6). A server reads no further while it
    handles a request and ``header_block`` octets wait behind it, and handles none while more than ``unsent`` octets of
    answers wait for the peer; a peer that takes less than so many of them in ``write`` seconds is dropped. While
    incomplete requests and those behind others have more than ``waiting`` octets in all, a request that has grown
    beyond ``modest`` is answered 503. One connection may ask ``requests`` times at once, and ``per_second`` times a
    second after that (None: as often as it likes); what comes faster waits, and so does whoever sends it.
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
