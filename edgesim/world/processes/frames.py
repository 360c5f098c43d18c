"""Frames between a lab's own process and those of its hosts: a length, a kind, and that many octets.

Sans-IO: `frame` gives octets to send, `FrameReader` takes octets that came and gives frames. A length over the bound or
an unknown kind is a `FrameError`; nothing of the stream can be trusted after it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum

HEAD = struct.Struct("!IB")
MOST = 16 * 1024 * 1024
"""Octets of a frame: an entry of the journal with the longest payload that is recorded whole is far below."""


class Kind(IntEnum):
    """Kinds of frames. `FROM_HOSTS` come from a host's process, `TO_HOSTS` go to it."""

    ENTRY = 1
    """Something for the journal, in the words of whoever writes it."""
    WATERMARK = 2
    """Lab time (8 octets) before which nothing more comes from here, and the number of the question (4 octets)."""
    KEPT = 3
    """A change of the host's disk, see `edgesim.world.processes.disk`."""
    ANSWER = 4
    """The number of a question (4 octets), whether all went well (1 octet), and the answer."""
    ERROR = 5
    """An unhandled error, as JSON."""
    FLOW = 10
    """A flow that firewalls remember, as JSON."""
    ASK = 6
    """The number of a question (4 octets), what is asked, a line feed, and the rest of the question."""
    SYNC = 7
    """A number (4 octets): answer with a watermark once all that came before has been done."""
    CHANGE = 8
    """Something that changed in the world around the host, see `edgesim.world.processes.changes`."""
    GIVEN_UP = 9
    """The number of a question (4 octets) whose answer is no longer awaited."""


class FrameError(Exception):
    """The input is not a frame."""


def frame(kind: Kind, body: bytes) -> bytes:
    """Return a frame as octets. Raises `FrameError` where it is too long."""
    if len(body) > MOST:
        raise FrameError(f"a frame of {len(body):,} octets, the limit is {MOST:,}")
    return HEAD.pack(len(body), kind) + body


class FrameReader:
    """Puts frames together from octets as they come."""

    def __init__(self, kinds: frozenset[Kind]) -> None:
        self._kinds = {int(kind): kind for kind in kinds}
        self._waiting = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Kind, bytes]]:
        """Take octets and yield the frames that are whole by now. Raises `FrameError`."""
        waiting = self._waiting
        waiting += data
        start = 0
        try:
            while len(waiting) - start >= HEAD.size:
                length, number = HEAD.unpack_from(waiting, start)
                kind = self._kinds.get(number)
                if kind is None:
                    raise FrameError(f"an unexpected frame of kind {number}")
                if length > MOST:
                    raise FrameError(f"a frame of {length:,} octets, the limit is {MOST:,}")
                end = start + HEAD.size + length
                if len(waiting) < end:
                    break
                body = bytes(waiting[start + HEAD.size : end])
                start = end
                yield kind, body
        finally:
            del waiting[:start]


FROM_HOSTS = frozenset({Kind.ENTRY, Kind.WATERMARK, Kind.KEPT, Kind.ANSWER, Kind.ERROR, Kind.FLOW})
TO_HOSTS = frozenset({Kind.ASK, Kind.GIVEN_UP, Kind.SYNC, Kind.CHANGE})
