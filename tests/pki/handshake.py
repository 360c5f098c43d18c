"""A TLS handshake over memory: two ends joined by an imaginary wire."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

from edgesim.world.tls.engine import SCRATCH, StandardEngine, TlsEngine


@dataclass
class Ends:
    """Both ends after the handshake, and what went wrong where."""

    client: TlsEngine
    server: TlsEngine
    client_error: ssl.SSLError | None = None
    server_error: ssl.SSLError | None = None

    @property
    def ok(self) -> bool:
        return self.client_error is None and self.server_error is None

    def carry(self) -> None:
        """Bring each end what the other has sent."""
        for one, other in ((self.client, self.server), (self.server, self.client)):
            if data := one.outgoing():
                other.feed(data)


def engine(context: Any, *, server: bool, name: str | None = None) -> TlsEngine:
    """One end of a connection, of a context of ours or of Python's own."""
    if isinstance(context, ssl.SSLContext):
        return StandardEngine(context, server_side=server, server_hostname=name)
    made: TlsEngine = context.engine(server_side=server, server_hostname=name, clock=None, scratch=bytearray(SCRATCH))
    return made


def ends_of(server: Any, client: Any, name: str | None = None) -> Ends:
    """Two ends that have yet to say something."""
    return Ends(engine(client, server=False, name=name), engine(server, server=True))


def handshake(server: Any, client: Any, name: str | None = None) -> Ends:
    """Run a handshake to its end, and on until both ends have read what the other said."""
    ends = ends_of(server, client, name)
    for _ in range(10):
        for side, end in (("client", ends.client), ("server", ends.server)):
            if getattr(ends, f"{side}_error"):
                continue
            try:
                if end.handshake():
                    end.decrypt()
            except ssl.SSLError as error:
                setattr(ends, f"{side}_error", error)
            ends.carry()
    return ends
