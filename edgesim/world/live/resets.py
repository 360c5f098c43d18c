"""Resets of real TCP connections."""

from __future__ import annotations

import errno
import socket
import struct
from typing import Any


def reset(transport: Any) -> None:
    """Close a real TCP connection with a reset in place of an orderly end."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError as error:
            if error.errno not in (errno.EBADF, errno.EINVAL):
                raise
    transport.abort()
