"""Faults and partitions of a story: in force for the length of a ``with`` block, and of use only if they are.

A fault that was never entered, or that met nothing while it was in force, shows nothing; it fails the story, unless the
author says that it may stay idle.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Generic, TypeVar

from edgesim.journal import Journal, events
from edgesim.scenario.expect import ExpectationError, caller
from edgesim.world.faults import Fault

T = TypeVar("T")


class Guard(Generic[T], AbstractContextManager[T]):
    """What `lab.fault` and `lab.partition` return: enter it with ``with``."""

    def __init__(self, words: str, inner: AbstractContextManager[T]) -> None:
        self.words = words
        self.entered = False
        self.where = caller()
        self._inner = inner

    def __enter__(self) -> T:
        self.entered = True
        return self._inner.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._inner.__exit__(kind, error, trace)


class FaultGuard(Guard[int]):
    """A fault rule for the length of a block, at whose end it has fired. Raises `ExpectationError` where it has not."""

    def __init__(
        self, fault: Fault, inner: AbstractContextManager[int], journal: Journal, *, may_stay_idle: bool
    ) -> None:
        super().__init__(f"fault {fault.name!r} ({type(fault).__name__})", inner)
        self._fault = fault
        self._journal = journal
        self._may_stay_idle = may_stay_idle
        self._since = 0

    def __enter__(self) -> int:
        self._since = len(self._journal)
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        done = super().__exit__(kind, error, trace)
        if error is None and not self._may_stay_idle and not self._fired():
            instead = [f"it met nothing: {self._fault.where}", "may_stay_idle=True allows that"]
            raise ExpectationError(f"{self.words} to fire while in force", instead, len(self._journal), self.where)
        return done

    def _fired(self) -> bool:
        return any(
            isinstance(entry.event, events.FaultFired) and entry.event.fault == self._fault.name
            for entry in self._journal.select(kind=events.FaultFired.kind, start=self._since)
        )
