"""The tripwire of a simulated run: real time, real chance, real sockets and threads are out of bounds.

While it is armed, the functions of `time`, `random`, `uuid`, `secrets`, `os.urandom`, `socket` and `threading` that
would let the outside in raise `TripwireError`, unless the caller's module is on a short list of those whose use is
known to leave no trace in the journal.
"""

from __future__ import annotations

import os
import random
import secrets
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

PASS: dict[str, tuple[str, ...]] = {
    "time": (
        "logging",  # log records are for people who fix edgesim, outside the journal
        "asyncssh.",  # known-hosts and certificate dates; rekeying is by volume and a limit beyond any run
        "slixmpp.",  # time stamps of its own log and statistics
        "cryptography.",
        "_pytest.",
        "pytest_asyncio.",
        "hypothesis.",
        "threading",
        "queue",
        "edgesim.cli",  # the wall-clock duration of a run, for people
        "selectors",
    ),
    "chance": (
        "asyncssh.",  # padding, cookies and key exchange: ciphertext only
        "tempfile",
        "cryptography.",
        "hypothesis.",
        "uuid",
        "random",
        "secrets",
        "ssl",
    ),
    "outside": ("_pytest.", "hypothesis.", "tempfile", "concurrent.", "multiprocessing.", "execnet.", "xdist."),
}
"""The modules that may call each guarded function: names, or prefixes that end in a dot."""

GUARDED: tuple[tuple[Any, str, str], ...] = (
    (time, "time", "time"),
    (time, "time_ns", "time"),
    (time, "monotonic", "time"),
    (time, "monotonic_ns", "time"),
    (time, "sleep", "time"),
    (random, "random", "chance"),
    (random, "randint", "chance"),
    (random, "randrange", "chance"),
    (random, "choice", "chance"),
    (random, "getrandbits", "chance"),
    (random, "uniform", "chance"),
    (random, "shuffle", "chance"),
    (random, "sample", "chance"),
    (uuid, "uuid1", "chance"),
    (uuid, "uuid4", "chance"),
    (secrets, "token_hex", "chance"),
    (secrets, "token_bytes", "chance"),
    (secrets, "token_urlsafe", "chance"),
    (secrets, "randbelow", "chance"),
    (os, "urandom", "chance"),
    (socket.socket, "connect", "outside"),
    (socket.socket, "bind", "outside"),
    (socket, "getaddrinfo", "outside"),
    (socket, "create_connection", "outside"),
    (threading.Thread, "start", "outside"),
)


class TripwireError(RuntimeError):
    """Code in a simulated run reached for the world outside."""


class Tripwire:
    """A context manager that guards the functions of `GUARDED` in its own thread. Nested use is harmless.

    Other threads are not the run's: a pool of processes that waits for them, a watchdog of a test runner.
    """

    _depth = 0
    _thread = 0
    _saved: list[tuple[Any, str, Any]] = []  # noqa: RUF012 - one set of guards for the whole process

    def __enter__(self) -> Tripwire:
        if Tripwire._depth == 0:
            Tripwire._thread = threading.get_ident()
            for owner, name, guard in GUARDED:
                original = getattr(owner, name)
                Tripwire._saved.append((owner, name, original))
                setattr(owner, name, _guarded(original, f"{getattr(owner, '__name__', owner)}.{name}", guard))
        Tripwire._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        Tripwire._depth -= 1
        if Tripwire._depth == 0:
            while Tripwire._saved:
                setattr(*Tripwire._saved.pop())


def _guarded(original: Callable[..., Any], name: str, guard: str) -> Callable[..., Any]:
    allowed = PASS[guard]
    exact = frozenset(item for item in allowed if not item.endswith("."))
    prefixes = tuple(item for item in allowed if item.endswith("."))

    def call(*args: Any, **kwargs: Any) -> Any:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if caller in exact or f"{caller}.".startswith(prefixes) or threading.get_ident() != Tripwire._thread:
            return original(*args, **kwargs)
        raise TripwireError(f"{caller} called {name} in a simulated run: take time and chance from the world")

    return call
