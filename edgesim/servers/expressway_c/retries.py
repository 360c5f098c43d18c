"""When Expressway-C tries a link again: each one sleeps here, so that one can see for how long, and wake it.

The products show when they will try next, and try at once when an administrator saves the page of a zone.
"""

from __future__ import annotations

import asyncio

from edgesim.node import Node


class Retries:
    """The waits of one C's links, by what waits."""

    def __init__(self, node: Node) -> None:
        self._host = node.host
        self._waiting: dict[object, tuple[float, asyncio.Event]] = {}

    async def wait(self, who: object, seconds: float) -> None:
        """Return after ``seconds``, or when `now` is called."""
        woken = asyncio.Event()
        self._waiting[who] = (asyncio.get_running_loop().time() + seconds, woken)
        try:
            async with asyncio.timeout(seconds):
                await woken.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting.pop(who, None)

    def due(self, who: object) -> float | None:
        """Return in how many seconds something is tried again; None where it does not wait."""
        found = self._waiting.get(who)
        return None if found is None else max(0.0, found[0] - asyncio.get_running_loop().time())

    def now(self) -> int:
        """Wake everything that waits; return how many links that were."""
        for _, woken in self._waiting.values():
            woken.set()
        return len(self._waiting)
