"""The machine that edgesim runs on: its date, its randomness, its stopwatch.

For the command line and for what must be really secret or really dated: private CAs, tokens of control servers. Nothing
of a lab asks here; hosts have `edgesim.world.Host.clock` and `edgesim.world.Host.entropy`.
"""

from __future__ import annotations

import contextlib
import random
import time
from datetime import UTC, datetime
from types import ModuleType

resource: ModuleType | None
try:
    import resource
except ImportError:  # Windows
    resource = None

MOST_DESCRIPTORS = 1 << 20
"""The limit that a process sets if the system has none: no lab needs more."""


def today() -> datetime:
    """Return the date and time in UTC."""
    return datetime.now(UTC)


def randomness() -> random.SystemRandom:
    """Return a source of unpredictable values."""
    return random.SystemRandom()


def token(octets: int = 32) -> str:
    """Return an unpredictable token in hexadecimal digits."""
    return randomness().randbytes(octets).hex()


def descriptors() -> tuple[int, int] | None:
    """Return how many descriptors this process may have open, and how many it may ask for; None without a limit.

    Systems without such limits (Windows) count as unlimited.
    """
    if resource is None:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    return soft, MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard


def raise_descriptors() -> None:
    """Let this process have as many descriptors as it may ask for; where the system refuses, it keeps what it has."""
    found = descriptors()
    if resource is not None and found is not None and found[0] < found[1]:
        most = min(found[1], MOST_DESCRIPTORS)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(most, found[0]), found[1]))


def stopwatch() -> float:
    """Return seconds of a monotonic clock, since an arbitrary instant."""
    return time.perf_counter()


def pause(seconds: float) -> None:
    """Sleep in the machine's time; this blocks everything else."""
    time.sleep(seconds)
