"""The garbage of a simulated run: collected at moments that the run itself decides.

A collection runs finalizers: asyncio reports the exceptions that were never retrieved, and asynchronous generators are
closed by tasks. Python's own collector comes by when enough memory has been used, by whatever code: a run that left it
alone would not always go the same way.
"""

from __future__ import annotations

import gc

YOUNG, MIDDLE, ALL = 5_000, 50_000, 1_000_000
"""After how many callbacks the youngest generation is collected, the middle one, and everything."""


class Rubbish:
    """A context manager: within it garbage is collected by `count` alone. Nested use is harmless."""

    def __init__(self) -> None:
        self.callbacks = 0
        self._next = YOUNG
        self._automatic = False

    def __enter__(self) -> Rubbish:
        self._automatic = gc.isenabled()
        gc.disable()
        return self

    def __exit__(self, *_: object) -> None:
        if self._automatic:
            gc.enable()

    def count(self, callbacks: int) -> bool:
        """Count callbacks that are about to run; collect, and say so, when it is time."""
        before = self.callbacks
        self.callbacks = after = before + callbacks
        if after < self._next:
            return False
        self._next = after + YOUNG
        oldest = 2 if after // ALL > before // ALL else 1 if after // MIDDLE > before // MIDDLE else 0
        gc.collect(oldest)
        return True
