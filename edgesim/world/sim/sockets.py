"""Stand-ins for socket objects, for libraries that look at them."""

from __future__ import annotations

import socket
from typing import Any

from edgesim.world.events import Address


class FakeSocket:
    """The object that ``get_extra_info("socket")`` and ``Server.sockets`` return in the simulated network."""

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, local: Address, remote: Address | None = None) -> None:
        self._local = local
        self._remote = remote

    def getsockname(self) -> Address:
        return self._local

    def getpeername(self) -> Address:
        if self._remote is None:
            raise OSError("not connected")
        return self._remote

    def setsockopt(self, *_: Any) -> None:
        """Accept and ignore any option."""

    def getsockopt(self, *_: Any) -> int:
        return 0

    def fileno(self) -> int:
        return -1
