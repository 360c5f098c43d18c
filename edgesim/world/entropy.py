"""The one door to randomness: named streams, each derived from the world's seed and its own name.

A draw added to one stream shifts no other, so that a scenario replays from its seed even after code around it changed.
"""

from __future__ import annotations

import hashlib
import random
import uuid


class Entropy(random.Random):
    """A named stream of pseudo-random values. Never use it for secrets that must resist an attacker."""

    def __init__(self, seed: int, name: str) -> None:
        self.name = name
        digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
        super().__init__(int.from_bytes(digest, "big"))

    def token_hex(self, octets: int) -> str:
        """Return ``2 * octets`` lower-case hexadecimal characters."""
        return self.randbytes(octets).hex()

    def uuid(self) -> str:
        """Return a version 4 UUID in its textual form (RFC 9562, section 5.4)."""
        return str(uuid.UUID(bytes=self.randbytes(16), version=4))

    def __reduce__(self) -> tuple[object, ...]:  # pragma: no cover - a stream belongs to one world
        raise TypeError("an Entropy stream belongs to one world and is not copied")
