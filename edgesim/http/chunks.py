"""Checks the chunk sizes of a chunked body before the announced octets arrive (RFC 9112, section 7.1).

h11 decodes the body. It reads a size line to its CRLF and then waits for that many octets, so that an excessive size,
or a line that ends in a bare LF, would wait for the time limit of a message. Here each is reported at once.
"""

from __future__ import annotations

import re

from edgesim.http.errors import MalformedHttp
from edgesim.http.limits import HttpLimits

_SIZE = re.compile(rb"[0-9A-Fa-f]{1,20}(?=[ \t;\r]|\Z)")


class ChunkSizes:
    """Follows the framing of one chunked body; h11 decodes its octets."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._line = bytearray()
        self._skip = 0
        self._octets = 0
        self._ended = False

    def feed(self, data: bytes) -> None:
        """Check the next octets. Raises `MalformedHttp`."""
        at = 0
        while at < len(data) and not self._ended:
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            end = data.find(b"\n", at)
            self._line += data[at : end + 1 if end >= 0 else len(data)]
            if len(self._line) > self._limits.start_line:
                raise MalformedHttp("the chunk size line is too long")
            if end < 0:
                return
            at = end + 1
            self._check(bytes(self._line))
            self._line.clear()

    def _check(self, line: bytes) -> None:
        if not line.endswith(b"\r\n"):
            raise MalformedHttp("a line ends in a bare LF")
        size = _SIZE.match(line)
        if size is None:
            raise MalformedHttp("not a chunk size")
        octets = int(size[0], 16)
        self._octets += octets
        if self._octets > self._limits.body:
            raise MalformedHttp("the body is too long", 413)
        self._skip = octets + len(b"\r\n")
        self._ended = octets == 0
