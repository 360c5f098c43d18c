"""Describes the links of a lab that are down."""

from __future__ import annotations

from edgesim.control import Carrier, Links


async def down(carrier: Carrier) -> tuple[str, ...]:
    """Return a line for each link between the servers that is down. Raises `ControlError`."""
    return tuple(
        f"{link.host}: {link.what} to {link.peer}: {link.state}{f' ({link.reason})' if link.reason else ''}"
        for link in (await carrier.ask(Links())).links
        if not link.stands
    )
