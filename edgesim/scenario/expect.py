"""Expectations: what must come, what must never come, and what to say when it is otherwise."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from edgesim.journal import Entry, Event, Journal
from edgesim.journal.masking import present
from edgesim.journal.matchers import Matcher
from edgesim.scenario.vocabulary import AnyName, Vocabulary

NEAR_MISSES = 5
"""How many entries of the right kind that did not fit a failure lists: those with the fewest fields that differ, of
these the latest."""


OWN_FILES = str(Path(__file__).parent)


class ExpectationError(AssertionError):
    """An expectation was not met.

    ``around`` is a position in the journal: what is worth looking at ends before it (begins with it, where something
    came that never must). ``where`` is the line ``file:number`` that expected it.
    """

    def __init__(self, expected: str, instead: list[str], around: int, where: str = "") -> None:
        super().__init__("\n".join([f"expected {expected}", *(f"  {line}" for line in instead)]))
        self.expected = expected
        self.instead = instead
        self.around = around
        self.where = where


def caller() -> str:
    """Return ``file:line`` of the nearest code outside this package that called, such as a scenario's line."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(OWN_FILES):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


class Expectations:
    """Expectations of one journal. ``interrupt`` is called when a forbidden entry comes; `violation` holds it."""

    def __init__(self, journal: Journal, interrupt: Callable[[], None]) -> None:
        self.journal = journal
        self.asserted = 0
        self.violation: Exception | None = None
        self.vocabulary: Vocabulary = AnyName()
        self._interrupt = interrupt
        self._endings: list[Callable[[], None]] = []

    def match(self, matcher: Matcher, *, since: int = 0) -> Entry[Event] | None:
        """Return the first entry from position ``since`` on that fits, or None. Raises `UnknownName`."""
        self.vocabulary.matcher(matcher)
        self.journal.catch_up()
        for entry in self.journal.select(kind=matcher.event.kind, start=since):
            if matcher.matches(entry):
                return entry
        return None

    def matches(self, matcher: Matcher, *, since: int = 0) -> list[Entry[Event]]:
        """Return all entries from position ``since`` on that fit. Raises `UnknownName`."""
        self.vocabulary.matcher(matcher)
        self.journal.catch_up()
        return [entry for entry in self.journal.select(kind=matcher.event.kind, start=since) if matcher.matches(entry)]

    async def expect(self, matcher: Matcher, *, within: float, since: int = 0) -> Entry[Event]:
        """Wait for an entry that fits, at most ``within`` seconds of lab time. Raises `ExpectationError`."""
        self.asserted += 1
        where = caller()
        found = self.match(matcher, since=since)
        if found is not None:
            return found
        future: asyncio.Future[Entry[Event]] = asyncio.get_running_loop().create_future()

        def listen(entry: Entry[Event]) -> None:
            if future.done():
                return
            try:
                fits = matcher.matches(entry)
            except Exception as error:  # a condition of the scenario's own: no matter of the node that wrote the entry
                future.set_exception(error)
            else:
                if fits:
                    future.set_result(entry)

        end = self.journal.listen(listen)
        try:
            async with asyncio.timeout(within):
                return await future
        except TimeoutError:
            found = self.match(matcher, since=since)
            if found is not None:
                return found  # it came at the instant when the time was up
            instead, around = self._instead(matcher, since)
            raise ExpectationError(f"{matcher} within {within:g} s", instead, around, where) from None
        finally:
            end()

    def never(self, matcher: Matcher, *, since: int = 0) -> Callable[[], None]:
        """Fail as soon as an entry fits, now or later; return a function that lifts the ban."""
        self.asserted += 1
        where = caller()
        found = self.match(matcher, since=since)
        if found is not None:
            raise self._came(matcher, found, where)

        def listen(entry: Entry[Event]) -> None:
            if self.violation is not None:
                return
            try:
                if not matcher.matches(entry):
                    return
                self.violation = self._came(matcher, entry, where)
            except Exception as error:
                self.violation = error
            self._interrupt()

        end = self.journal.listen(listen)
        self._endings.append(end)

        def lift() -> None:
            if end in self._endings:
                self._endings.remove(end)
                end()

        return lift

    async def none(self, matcher: Matcher, *, during: float, since: int = 0) -> None:
        """Wait ``during`` seconds and fail if an entry fits meanwhile (or did since ``since``)."""
        lift = self.never(matcher, since=since)
        try:
            await asyncio.sleep(during)
        finally:
            lift()

    def check(self, holds: object, text: str) -> None:
        """Assert anything else; ``text`` says what should hold. Raises `ExpectationError`."""
        self.asserted += 1
        if not holds:
            raise ExpectationError(text, ["it does not hold"], len(self.journal), caller())

    def close(self) -> None:
        """Stop listening."""
        for end in self._endings:
            end()
        self._endings.clear()

    def _came(self, matcher: Matcher, entry: Entry[Event], where: str) -> ExpectationError:
        line = f"it came at {entry.at:.6f} s at {entry.node}: {present(entry).event.summary()}"
        return ExpectationError(f"never {matcher}", [line], entry.order, where)

    def _instead(self, matcher: Matcher, since: int) -> tuple[list[str], int]:
        """Return what came in place of what was expected, and the position behind the entry that comes nearest."""
        same = self.journal.select(kind=matcher.event.kind, start=since)
        if not same:
            last = self.journal.entries(max(since, len(self.journal) - NEAR_MISSES))
            if not len(last):
                return ["nothing came at all"], len(self.journal)
            lines = [f"no {matcher.event.kind} entry came at all; the last entries were"]
            lines += [f"{entry.at:12.6f} s  {entry.node}: {present(entry).event.summary()}" for entry in last]
            return lines, len(self.journal)
        ranked = sorted(same, key=lambda entry: (len(matcher.differences(entry)), -entry.order))[:NEAR_MISSES]
        lines = [f"{len(same)} {matcher.event.kind} entries came, none that fits; the nearest were"]
        for entry in ranked:
            lines.append(f"{entry.at:12.6f} s  {entry.node}: {present(entry).event.summary()}")
            lines.append(f"{'':14}but {', '.join(matcher.differences(entry))}")
        return lines, ranked[0].order + 1
