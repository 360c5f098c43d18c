"""Octets for a protocol that brings its own buffer (`asyncio.BufferedProtocol`)."""

from __future__ import annotations

from typing import Any


def fill(protocol: Any, data: bytes) -> None:
    """Give ``data`` to a protocol by way of its buffer. Raises `RuntimeError` for a buffer without room."""
    view = memoryview(data)
    while view:
        buffer = protocol.get_buffer(len(view))
        count = min(len(buffer), len(view))
        if not count:
            raise RuntimeError("get_buffer() returned an empty buffer")
        buffer[:count] = view[:count]
        protocol.buffer_updated(count)
        view = view[count:]
