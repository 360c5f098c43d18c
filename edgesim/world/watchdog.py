"""Ends a story that never yields, by the machine's clock: lab time does not advance meanwhile."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from types import TracebackType

from edgesim.world.machine import stopwatch

LOOKS = 4
"""How often within its patience a watchdog looks for a sign of life."""


class Stuck(BaseException):
    """Raised in the thread that gives no sign of life. No ``except Exception`` of a story catches it."""


class Watchdog:
    """Watches the thread that enters it: where ``sign`` returns the same for ``patience`` seconds, `Stuck` is raised.

    The seconds are those of the machine. A call into C, such as a sleep of the system's, ends before it is raised.
    """

    def __init__(self, sign: Callable[[], object], patience: float) -> None:
        self._sign = sign
        self._patience = patience
        self._over = threading.Event()
        self._watched = 0
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        self._watched = threading.get_ident()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        last, since = self._sign(), stopwatch()
        while not self._over.wait(self._patience / LOOKS):
            sign, now = self._sign(), stopwatch()
            if sign != last:
                last, since = sign, now
            elif now - since >= self._patience:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._watched), ctypes.py_object(Stuck))
                since = now
