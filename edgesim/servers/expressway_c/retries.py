"""The waits of Expressway-C's links between attempts, which can be shown and cut short.

The products show when the next attempt follows, and make it at once when an administrator saves the page of a zone.
"""

from __future__ import annotations

import asyncio

from edgesim.node import Node


class Retries:
    """The waits of one C's links, by link."""

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
        """Return in how many seconds a link is retried; None if it does not wait."""
        found = self._waiting.get(who)
        return None if found is None else max(0.0, found[0] - asyncio.get_running_loop().time())

    def now(self) -> int:
        """Wake all waits; return how many there were."""
        for _, woken in self._waiting.values():
            woken.set()
        return len(self._waiting)
