"""One hostile input: what is sent, and what must come back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Octets, whole or in pieces with a ``pause`` (seconds of lab time) between them.

    ``answer`` is a pattern that what comes back must match from its start; None where silence will do. ``closes``: the
    server must end the connection. ``malformed``: it must write an entry of that kind, or must not; None: either.
    ``at_most`` bounds how often ``counted`` stands in the answer: a request that was smuggled gets one of its own.
    ``never`` may not stand in the answer.
    """

    name: str
    pieces: Sequence[bytes]
    answer: bytes | None = None
    closes: bool = False
    malformed: bool | None = None
    pause: float = 0.0
    ends: bool = False
    """Whether the client ends its side after the last octet."""
    counted: bytes = b""
    at_most: int = 1
    never: bytes = b"root:x:0:0"
    patient: bool = False
    """Whether the answer may come when the server has lost patience; otherwise it must come at once."""

    def __str__(self) -> str:
        return self.name
