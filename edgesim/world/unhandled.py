"""Unhandled errors: the last few of them, their number, and listeners."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

KEPT = 100
"""How many errors are kept; an old one goes for a new one."""
LONGEST = 1000
"""The longest text about one error, in characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnhandledError:
    """One error: lab time in nanoseconds, the loop's words for it, the exception, and where it was raised."""

    at_ns: int
    message: str
    exception: BaseException | None
    where: str

    def __str__(self) -> str:
        error = self.exception
        said = f"{type(error).__name__}: {error}" if error is not None else ""
        return ": ".join(filter(None, (self.message, said, self.where)))[:LONGEST]


class UnhandledErrors:
    """Uncaught errors of a world's loop, tasks and callbacks; iterate over those that are kept."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.count = 0
        """How many there were in all."""
        self._now = now
        self._last: deque[UnhandledError] = deque(maxlen=KEPT)
        self._listeners: list[Callable[[UnhandledError], None]] = []

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[UnhandledError]:
        return iter(tuple(self._last))

    def __repr__(self) -> str:
        return f"<{self.count} unhandled errors{''.join(f'; {each}' for each in self._last)}>"

    def clear(self) -> None:
        """Forget them all: for stories that make one on purpose."""
        self.count = 0
        self._last.clear()

    def listen(self, listener: Callable[[UnhandledError], None]) -> None:
        """Call ``listener`` with every later error."""
        self._listeners.append(listener)

    def add(self, context: dict[str, Any]) -> UnhandledError:
        """Take what an event loop gives its exception handler, and return what is kept of it."""
        error = context.get("exception")
        found = UnhandledError(
            at_ns=self._now(),
            message=str(context.get("message") or "an error")[:LONGEST],
            exception=error,
            where=_where(error),
        )
        self.take(found)
        return found

    def take(self, error: UnhandledError) -> None:
        """Take an error that is described already."""
        self.count += 1
        self._last.append(error)
        for listener in self._listeners:
            listener(error)


def _where(error: BaseException | None) -> str:
    """Return the innermost place of an error's traceback, empty where there is none."""
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    if not frames:
        return ""
    last = frames[-1]
    return f"in {last.name} ({last.filename.rsplit('/', 1)[-1]}:{last.lineno})"
