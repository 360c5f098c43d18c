"""Faults, partitions and failures of name servers that last for an ``async with`` block.

A fault that is never entered, or never fires, proves nothing: it fails the story, unless the author allows it to stay
idle.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Generic, TypeVar

from edgesim.journal import Journal, events
from edgesim.scenario.expect import ExpectationError, caller
from edgesim.world.faults import Fault

T = TypeVar("T")


class Guard(Generic[T], AbstractAsyncContextManager[T]):
    """The result of `lab.fault` and `lab.partition`, to enter with ``async with``.

    ``begin`` starts it and returns a value that is passed to ``end``, which ends it.
    """

    def __init__(self, words: str, begin: Callable[[], Awaitable[T]], end: Callable[[T], Awaitable[object]]) -> None:
        self.words = words
        self.entered = False
        self.where = caller()
        self._begin = begin
        self._end = end
        self._begun: list[T] = []

    async def __aenter__(self) -> T:
        self.entered = True
        begun = await self._begin()
        self._begun.append(begun)
        return begun

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end(self._begun.pop())


class FaultGuard(Guard[int]):
    """A fault rule for the length of a block, at whose end it has fired. Raises `ExpectationError` where it has not."""

    def __init__(
        self,
        fault: Fault,
        begin: Callable[[], Awaitable[int]],
        end: Callable[[int], Awaitable[object]],
        journal: Journal,
        *,
        may_stay_idle: bool,
    ) -> None:
        super().__init__(f"fault {fault.name!r} ({type(fault).__name__})", begin, end)
        self._fault = fault
        self._journal = journal
        self._may_stay_idle = may_stay_idle
        self._since = 0

    async def __aenter__(self) -> int:
        self._journal.catch_up()
        self._since = len(self._journal)
        return await super().__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, trace)
        if error is None and not self._may_stay_idle and not self._fired():
            instead = [f"it met nothing: {self._fault.where}", "may_stay_idle=True allows that"]
            raise ExpectationError(f"{self.words} to fire while in force", instead, len(self._journal), self.where)

    def _fired(self) -> bool:
        self._journal.catch_up()
        return any(
            isinstance(entry.event, events.FaultFired) and entry.event.fault == self._fault.name
            for entry in self._journal.select(kind=events.FaultFired.kind, start=self._since)
        )
