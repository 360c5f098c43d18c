"""A journal of several processes: the lab's own one joins what the hosts' processes write.

A host's process has a `SentJournal`, which keeps nothing; the lab's own has the `JoinedJournal`. Entries travel as
lines of the journal's own format, secrets shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Protocol

from edgesim.journal.bounds import EVERYTHING, Bounds
from edgesim.journal.codec import JournalFormatError, decode, encode
from edgesim.journal.entry import Entry
from edgesim.journal.events import Event, JournalGap
from edgesim.journal.joining import PATIENCE_NS, Joining
from edgesim.journal.journal import SELF, Journal
from edgesim.world import World

INTERVAL_S: Final = 0.01
"""Seconds that an entry waits before the other processes are asked how far they are: as many share the question."""
HERE: Final = ""
"""The stream of the lab's own process."""


class Streams(Protocol):
    """A world whose hosts' processes write, see `edgesim.world.processes.ProcessWorld`."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    on_entry: Callable[[str, bytes], None]
    on_watermark: Callable[[str, int], None]
    on_running: Callable[[str, bool], None]

    def ask_watermarks(self) -> None: ...

    def catch_up(self) -> None: ...


class JoinedJournal(Journal):
    """The journal of a lab whose hosts are processes. ``streams`` is its world.

    An entry gets its position, and reaches listeners, once no earlier one can come: some ten milliseconds after it was
    written. `catch_up` waits for that.
    """

    def __init__(self, world: World, streams: Streams, **options: Any) -> None:
        super().__init__(world, **options)
        self._joining = Joining()
        self._streams = streams
        self._joined: dict[tuple[str, int], int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._asked_ns: int | None = None
        self._releasing = False
        self.malformed = 0
        """How many lines of hosts' processes were no entries."""
        streams.on_entry = self._take
        streams.on_watermark = self._watermark
        streams.on_running = self._running

    # ---- what comes

    def append(self, entry: Entry[Event]) -> None:
        self._add(HERE, entry)

    def _take(self, stream: str, line: bytes) -> None:
        try:
            entry = decode(line)
        except JournalFormatError as error:
            self.malformed += 1
            gap = JournalGap(missing=1, reason=f"{stream} wrote an invalid entry: {error.reason[:200]}", since_ns=0)
            self.record(SELF, gap)
            return
        now = self.world.now()
        self._add(stream, entry if entry.at_ns <= now else replace(entry, at_ns=now))

    def _add(self, stream: str, entry: Entry[Event]) -> None:
        if self._closed:
            return
        self._joining.add(stream, entry)
        self._release()

    def _watermark(self, stream: str, at_ns: int) -> None:
        self._joining.watermark(stream, at_ns)
        self._release()

    def _running(self, stream: str, runs: bool) -> None:
        if runs:
            self._joining.runs(stream)
        else:
            self._joining.rests(stream)
            self._release()

    # ---- what goes into the journal

    def catch_up(self) -> None:
        """Take in, without giving way, what all processes have written up to now."""
        if not self._closed:
            self._streams.catch_up()
            self._release()

    def close(self, *patience: float) -> None:
        if not self._closed:
            for stream, entry in self._joining.release(self.world.now() + 2 * PATIENCE_NS):
                self._put(stream, entry)
            self._joining = Joining()  # the journal's own entries at its end do not wait
        if self._timer is not None:
            self._timer.cancel()
        super().close(*patience)

    def _release(self) -> None:
        if self._releasing:
            return  # a listener wrote something: the caller continues with it
        self._releasing = True
        try:
            while ready := self._joining.release(self.world.now()):
                for stream, entry in ready:
                    self._put(stream, entry)
        finally:
            self._releasing = False
        if len(self._joining) and self._timer is None and not self._closed:
            self._timer = self._streams.loop.call_later(INTERVAL_S, self._ask)

    def _ask(self) -> None:
        self._timer = None
        self._release()  # patience may have ended
        if len(self._joining):
            self._streams.ask_watermarks()

    def _put(self, stream: str, entry: Entry[Event]) -> None:
        """Give an entry its position. A process also writes about other hosts, whose lives and clocks it does not
        know.
        """
        incarnation, host_ns = entry.incarnation, entry.host_ns
        if stream != HERE and entry.node != stream:
            host = self.world.hosts.get(entry.node)
            if host is not None:
                incarnation = host.incarnation
                host_ns = self.world.epoch_ns + entry.at_ns + host.clock.skew_ns
        life = (entry.node, incarnation)
        self._joined[life] = sequence = self._joined.get(life, 0) + 1
        super().append(
            replace(entry, incarnation=incarnation, sequence=sequence, host_ns=host_ns, order=len(self._entries))
        )


class SentJournal(Journal):
    """The journal of a host's process: entries are sent to the lab's process at once, and not kept.

    ``send`` returns whether an entry was sent. Others are counted, and reported once entries can be sent again.
    """

    def __init__(self, world: World, send: Callable[[bytes], bool], *, bounds: Bounds = EVERYTHING) -> None:
        super().__init__(world, bounds=bounds)
        self._send = send
        self._unsent = 0
        self._unsent_since = 0

    def append(self, entry: Entry[Event]) -> None:
        if not (self._unsent and not self._report_unsent(entry)) and self._send(encode(entry, secrets=True)):
            for listener in tuple(self._listeners):
                listener(entry)
            return
        self._unsent_since = self._unsent_since if self._unsent else entry.at_ns
        self._unsent += 1

    def _report_unsent(self, entry: Entry[Event]) -> bool:
        """Say, just before an entry, how many are missing; return whether that could be sent."""
        reason = "entries came faster than the lab's own process took them"
        gap = JournalGap(missing=self._unsent, reason=reason, since_ns=self._unsent_since)
        reported = Entry(
            node=SELF,
            incarnation=0,
            sequence=0,
            at_ns=entry.at_ns,
            host_ns=self.world.epoch_ns + entry.at_ns,
            direction="-",
            peer=None,
            event=gap,
        )
        if not self._send(encode(reported)):
            return False
        self._unsent = 0
        return True


__all__ = ["INTERVAL_S", "JoinedJournal", "SentJournal"]
