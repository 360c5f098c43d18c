"""Names as the running host resolves them, the same in both worlds."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from edgesim.world.api import here


async def resolve(name: Any) -> list[str]:
    """Return the addresses of a name by the running host's resolver; literals pass. Raises `socket.gaierror`."""
    text = name.decode() if isinstance(name, bytes) else str(name)
    if text == "localhost":
        return ["127.0.0.1"]
    try:
        return [str(ipaddress.ip_address(text))]
    except ValueError:
        pass
    lookup = here().lookup
    addresses = list(await lookup(text)) if lookup is not None else []
    if not addresses:
        raise socket.gaierror(socket.EAI_NONAME, f"{text}: name or service not known")
    return addresses
