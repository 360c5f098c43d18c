"""What a script received and has not read yet: everything has to be read, in its order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from edgesim.scenario.expect import ExpectationError, Expectations, caller

A = TypeVar("A")
SHOWN = 300
"""How many octets of an unexpected message a failure shows."""


class Inbox(Generic[A]):
    """The messages that a script received, in order."""

    def __init__(self, owner: str, expectations: Expectations, words: Callable[[A], str]) -> None:
        self.owner = owner
        self._expectations = expectations
        self._words = words
        self._items: list[A] = []
        self._ignored: list[Callable[[A], bool]] = []
        self._arrival: asyncio.Future[None] | None = None
        self.news = ""

    def put(self, item: A) -> None:
        """Take what arrived."""
        if any(ignored(item) for ignored in self._ignored):
            return
        self._items.append(item)
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def ignore(self, unwanted: Callable[[A], bool]) -> None:
        """Pass over what fits ``unwanted`` from now on, and what came of it already."""
        self._ignored.append(unwanted)
        self._items = [item for item in self._items if not unwanted(item)]

    async def next(self, expected: str, fits: Callable[[A], bool], within: float) -> A:
        """Return the next arrival, which must fit. Raises `ExpectationError` if another comes, or none in time."""
        expectations = self._expectations
        expectations.asserted += 1
        where = caller()
        try:
            async with asyncio.timeout(within):
                while not self._items:
                    self._arrival = asyncio.get_running_loop().create_future()
                    await self._arrival
        except TimeoutError:
            pass
        around = len(expectations.journal)
        wanted = f"{self.owner} to receive {expected}"
        if not self._items:
            lines = ["nothing came", *([self.news] if self.news else [])]
            raise ExpectationError(f"{wanted} within {within:g} s", lines, around, where)
        item = self._items.pop(0)
        if not fits(item):
            raise ExpectationError(wanted, [f"this came: {self._words(item)}"], around, where)
        return item

    def unread(self) -> list[str]:
        """Return a line for each unread arrival."""
        return [f"{self.owner} got a message that was not read: {self._words(item)}" for item in self._items]


def shown(data: bytes) -> str:
    """Return the first octets of a message as one line of text."""
    text = data[:SHOWN].decode("utf-8", "backslashreplace").replace("\r\n", " | ")
    return text + (" ..." if len(data) > SHOWN else "")
