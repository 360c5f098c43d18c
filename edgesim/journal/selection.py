"""Which entries a view shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from edgesim.journal.correlate import Correlator
from edgesim.journal.entry import Entry
from edgesim.journal.events import Event, HostStateChanged

CONTEXT: Final = ("step", "host", "fault", "journal")
"""Kinds that a story keeps though they have no keys: without them its course cannot be explained.

Of hosts it keeps those that take part in it, and only what became of them after it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A filter; what is empty filters nothing.

    ``stories`` are keys such as ``user:alice`` or ``call-id:...``; they keep entries of `CONTEXT` too, unless not
    ``context``. ``kinds`` and ``without`` are kinds (``sip.request``) or their protocols (``sip``). ``hosts`` wants a
    host at either end. Times are lab time in nanoseconds, both included. ``around`` is the id of an entry of which
    ``before`` and ``after`` neighbours are kept, counted among the rest.
    """

    stories: tuple[str, ...] = ()
    context: bool = True
    kinds: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    since_ns: int | None = None
    until_ns: int | None = None
    around: str | None = None
    before: int = 20
    after: int = 10

    def apply(self, entries: Iterable[Entry[Event]]) -> list[Entry[Event]]:
        """Return the entries to show. Raises `LookupError` if the entry of ``around`` is not among them."""
        all_entries = list(entries)
        chosen: Sequence[Entry[Event]] = all_entries
        if self.stories:
            correlator = Correlator(fetch=all_entries.__getitem__)
            for entry in all_entries:
                correlator.feed(entry)
            places = set(correlator.places_of(*self.stories))
            own = [all_entries[place] for place in places]
            hosts = {name for entry in own for name in (entry.node, entry.peer)}
            began = min(places, default=0)
            chosen = [
                entry
                for place, entry in enumerate(all_entries)
                if place in places
                or (
                    self.context
                    and is_of(entry.kind, CONTEXT)
                    and (entry.kind != HostStateChanged.kind or (entry.node in hosts and place > began))
                )
            ]
        chosen = [entry for entry in chosen if self._keeps(entry)]
        if self.around is None:
            return chosen
        for place, entry in enumerate(chosen):
            if entry.id == self.around:
                return chosen[max(place - self.before, 0) : place + self.after + 1]
        raise LookupError(f"no entry {self.around} among the {len(chosen)} selected")

    def _keeps(self, entry: Entry[Event]) -> bool:
        if self.kinds and not is_of(entry.kind, self.kinds):
            return False
        if self.without and is_of(entry.kind, self.without):
            return False
        if self.hosts and entry.node not in self.hosts and entry.peer not in self.hosts:
            return False
        if self.since_ns is not None and entry.at_ns < self.since_ns:
            return False
        return self.until_ns is None or entry.at_ns <= self.until_ns


def is_of(kind: str, names: Sequence[str]) -> bool:
    """Return whether a kind is one of ``names``, or of the protocol that one of them names."""
    return kind in names or kind.partition(".")[0] in names
