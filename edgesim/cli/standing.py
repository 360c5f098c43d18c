"""What of a lab's links does not stand, in words."""

from __future__ import annotations

from edgesim.control import Carrier, Links


async def down(carrier: Carrier) -> tuple[str, ...]:
    """Return a line for each link that Expressways keep up and that does not stand. Raises `ControlError`."""
    return tuple(
        f"{link.host}: {link.what} to {link.peer}: {link.state}{f' ({link.reason})' if link.reason else ''}"
        for link in (await carrier.ask(Links())).links
        if not link.stands
    )
