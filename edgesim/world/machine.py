"""The machine that edgesim runs on: its date, its randomness, its stopwatch.

For the command line and for what must be really secret or really dated: private CAs, tokens of control servers. Nothing
of a lab asks here; hosts have `edgesim.world.Host.clock` and `edgesim.world.Host.entropy`.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime


def today() -> datetime:
    """Return the date and time in UTC."""
    return datetime.now(UTC)


def randomness() -> random.SystemRandom:
    """Return a source of unpredictable values."""
    return random.SystemRandom()


def token(octets: int = 32) -> str:
    """Return an unpredictable token in hexadecimal digits."""
    return randomness().randbytes(octets).hex()


def stopwatch() -> float:
    """Return seconds of a clock that only runs forward, since an arbitrary moment."""
    return time.perf_counter()
