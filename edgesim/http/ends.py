"""The addresses of a connection's two ends, by transport."""

from __future__ import annotations

from typing import Any

from edgesim.http.message import Address


def peer_of(transport: Any) -> Address | None:
    """Return the peer's address; for a channel within another connection, that connection's peer."""
    found = _address(transport.get_extra_info("peername"))
    if found is None and (carrier := transport.get_extra_info("connection")) is not None:
        found = _address(carrier.get_extra_info("peername"))
    return found


def local_of(transport: Any) -> Address | None:
    """Return the local address."""
    return _address(transport.get_extra_info("sockname"))


def _address(found: Any) -> Address | None:
    usable = isinstance(found, tuple) and len(found) >= 2 and found[0]
    return (str(found[0]), int(found[1])) if usable else None
