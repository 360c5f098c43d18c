"""A TLS handshake over memory: two ends joined by an imaginary wire."""

from __future__ import annotations

import ssl
from dataclasses import dataclass


@dataclass
class Ends:
    """Both ends after the handshake, and what went wrong where."""

    client: ssl.SSLObject
    server: ssl.SSLObject
    client_error: ssl.SSLError | None = None
    server_error: ssl.SSLError | None = None

    @property
    def ok(self) -> bool:
        return self.client_error is None and self.server_error is None


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str | None = None) -> Ends:
    """Run a handshake to its end, and on until both ends have read what the other said."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = Ends(
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(10):
        for side, end in (("client", ends.client), ("server", ends.server)):
            if getattr(ends, f"{side}_error"):
                continue
            try:
                end.do_handshake()
                end.read(1)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                setattr(ends, f"{side}_error", error)
    return ends
