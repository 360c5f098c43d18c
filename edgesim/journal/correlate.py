"""Finds the entries that belong to the story of one user, device or call, over all protocols.

Entries carry keys (`edgesim.journal.keys`). Keys of an entry belong together, but only downwards, as their kinds
declare: a user has a cookie, a cookie has tracking ids, and neither leads back up to another user. So two users who
share a call share only that call's entries, and no chain of joins can include the whole lab. Three more rules limit it:

* an entry with several keys of an exclusive kind (a stanza from one JID to another) joins none of them to other keys,
  since their owners would be a guess;
* a key that more than `MANY` others lead to is shared, and they do not lead to it;
* an entry without keys, such as an open connection, belongs to no story, so pooled links join no stories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from edgesim.journal.entry import Entry
from edgesim.journal.events import Event
from edgesim.journal.journal import Journal
from edgesim.journal.keys import KEY_KINDS, kind_of

JOINS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {kind.name: kind.leads_to for kind in KEY_KINDS.values()}
)
"""From a kind of key to the kinds that it takes along."""

EXCLUSIVE: Final = frozenset(kind.name for kind in KEY_KINDS.values() if kind.exclusive)

MANY: Final = 8
"""How many keys of one kind may lead to the same key before it counts as common property."""


class Correlator:
    """Learns from entries in any order and returns stories at any time.

    ``fetch`` gives the entry at a position of what was fed, for callers that keep the entries elsewhere (see `of`).
    """

    def __init__(
        self, *, joins: Mapping[str, tuple[str, ...]] = JOINS, fetch: Callable[[int], Entry[Event]] | None = None
    ):
        self._joins = joins
        self._entries: list[Entry[Event]] = []
        self._fetch = fetch
        self._count = 0
        self._places: dict[str, list[int]] = {}
        self._below: dict[str, dict[str, None]] = {}
        self._above: dict[tuple[str, str], dict[str, None]] = {}

    @classmethod
    def of(cls, journal: Journal) -> Correlator:
        """Return a correlator of all entries of a journal, also of future ones; it stores no entries."""
        correlator = cls(fetch=journal.__getitem__)
        for entry in journal:
            correlator.feed(entry)
        journal.listen(correlator.feed)
        return correlator

    def feed(self, entry: Entry[Event]) -> None:
        """Learn from one more entry."""
        place = self._count
        self._count += 1
        if self._fetch is None:
            self._entries.append(entry)
        keys = tuple(dict.fromkeys(entry.keys))
        for key in keys:
            places = self._places.setdefault(key, [])
            places.append(place)
        if len(keys) < 2:
            return
        names = [kind_of(key) for key in keys]
        alone = [name not in EXCLUSIVE or names.count(name) == 1 for name in names]
        for upper, upper_name, upper_alone in zip(keys, names, alone, strict=True):
            below = self._joins.get(upper_name)
            # Several users in one entry may share its call or request, but not each other's devices and cookies.
            if not below:
                continue
            for lower, lower_name, lower_alone in zip(keys, names, alone, strict=True):
                if lower_name not in below or lower == upper or not lower_alone:
                    continue
                if upper_alone or lower_name not in EXCLUSIVE:
                    self._below.setdefault(upper, {})[lower] = None
                    self._above.setdefault((upper_name, lower), {})[upper] = None

    def related(self, key: str) -> tuple[str, ...]:
        """Return ``key`` and every key that it leads to, nearest first."""
        found = {key: None}
        queue = [key]
        for upper in queue:
            name = kind_of(upper)
            for lower in self._below.get(upper, ()):
                if lower not in found and len(self._above[name, lower]) <= MANY:
                    found[lower] = None
                    queue.append(lower)
        return tuple(found)

    def places_of(self, *keys: str) -> list[int]:
        """Return the positions of the entries of the stories of ``keys``, in order."""
        places: set[int] = set()
        for key in keys:
            for related in self.related(key):
                places.update(self._places.get(related, ()))
        return sorted(places)

    def story_of(self, *keys: str) -> list[Entry[Event]]:
        """Return the entries of one user (``user:alice``), call (``call-id:...``) or any other key, in order."""
        fetch = self._fetch or self._entries.__getitem__
        return [fetch(place) for place in self.places_of(*keys)]

    def keys(self, name: str) -> Iterator[str]:
        """Yield the keys of a name, e.g. every ``user``, in the order of first sight."""
        return (key for key in self._places if key.startswith(f"{name}:"))
