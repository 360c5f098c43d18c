"""Rosters, kept on the host's disk, and the states of a subscription (RFC 6121, section 3 and appendix A)."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, replace
from typing import Any

from edgesim.xmpp.jid import Jid
from edgesim.xmpp.stanzas import RosterItem
from edgesim.xmpp.xml import ROSTER

CONTACTS = 1_000
"""Contacts of one roster; more are refused."""
OCTETS = 512 * 1024
"""Octets of a roster as clients get it; more are refused. An answer must fit into what may wait for a session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a roster knows of one contact.

    ``to``: the user sees the contact; ``from_``: the contact sees the user; ``asked``: the user waits for an answer;
    ``asking``: the contact does; ``listed``: the contact stands in the roster that clients get.
    """

    contact: str
    name: str = ""
    groups: tuple[str, ...] = ()
    to: bool = False
    from_: bool = False
    asked: bool = False
    asking: bool = False
    listed: bool = False

    @property
    def subscription(self) -> str:
        """none, to, from or both."""
        return {(False, False): "none", (True, False): "to", (False, True): "from", (True, True): "both"}[
            (self.to, self.from_)
        ]

    def as_item(self) -> RosterItem:
        """Return the entry as clients see it."""
        return RosterItem(
            jid=self.contact,
            name=self.name,
            subscription=self.subscription,
            asked=self.asked,
            groups=self.groups,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a subscription stanza does to an entry: nothing unless one of ``when`` holds and none of ``unless``."""

    when: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    set: tuple[str, ...] = ()
    clear: tuple[str, ...] = ()

    def applied(self, entry: Entry) -> Entry | None:
        """Return the entry after it, or None if it changes nothing."""
        if self.when and not any(getattr(entry, name) for name in self.when):
            return None
        if any(getattr(entry, name) for name in self.unless):
            return None
        changes: dict[str, Any] = dict.fromkeys(self.set, True) | dict.fromkeys(self.clear, False)
        return replace(entry, **changes)


SENT = {
    "subscribe": Rule(unless=("to",), set=("asked", "listed")),
    "subscribed": Rule(when=("asking",), set=("from_", "listed"), clear=("asking",)),
    "unsubscribe": Rule(when=("to", "asked"), clear=("to", "asked")),
    "unsubscribed": Rule(when=("from_", "asking"), clear=("from_", "asking")),
}
"""What the user's own stanza does to the entry of the contact it goes to."""
RECEIVED = {
    "subscribe": Rule(unless=("from_",), set=("asking",)),
    "subscribed": Rule(when=("asked",), set=("to",), clear=("asked",)),
    "unsubscribe": Rule(when=("from_", "asking"), clear=("from_", "asking")),
    "unsubscribed": Rule(when=("to", "asked"), clear=("to", "asked")),
}
"""What a contact's stanza does to its entry in the user's roster."""


class Rosters:
    """All rosters of a node. ``disk`` survives crashes: plain values only."""

    def __init__(self, disk: MutableMapping[str, Any]) -> None:
        self._stored: dict[str, dict[str, dict[str, Any]]] = disk.setdefault("rosters", {})
        self._octets: dict[str, int] = {}

    def entry(self, owner: Jid, contact: Jid) -> Entry:
        """Return the entry of a contact, or a blank one."""
        stored = self._stored.get(str(owner.bare), {}).get(str(contact.bare))
        return Entry(contact=str(contact.bare), **stored) if stored else Entry(contact=str(contact.bare))

    def entries(self, owner: Jid) -> Iterator[Entry]:
        """Iterate over a roster in the order in which contacts were added."""
        for contact, stored in tuple(self._stored.get(str(owner.bare), {}).items()):
            yield Entry(contact=contact, **stored)

    def listed(self, owner: Jid) -> list[RosterItem]:
        """Return the roster as clients get it."""
        return [entry.as_item() for entry in self.entries(owner) if entry.listed]

    def store(self, owner: Jid, entry: Entry) -> bool:
        """Keep an entry; return False where the roster is full."""
        roster = self._stored.setdefault(str(owner.bare), {})
        if entry.contact not in roster and len(roster) >= CONTACTS:
            return False
        before = self._size(self.entry(owner, Jid.parse(entry.contact))) if entry.contact in roster else 0
        octets = self._octets_of(owner) - before + self._size(entry)
        if octets > OCTETS and self._size(entry) > before:
            return False
        self._octets[str(owner.bare)] = octets
        roster[entry.contact] = {
            "name": entry.name,
            "groups": entry.groups,
            "to": entry.to,
            "from_": entry.from_,
            "asked": entry.asked,
            "asking": entry.asking,
            "listed": entry.listed,
        }
        return True

    def remove(self, owner: Jid, contact: Jid) -> None:
        """Forget a contact."""
        octets = self._octets_of(owner)
        if self._stored.get(str(owner.bare), {}).get(str(contact.bare)) is not None:
            self._octets[str(owner.bare)] = octets - self._size(self.entry(owner, contact))
            del self._stored[str(owner.bare)][str(contact.bare)]

    def _octets_of(self, owner: Jid) -> int:
        known = self._octets.get(str(owner.bare))
        if known is None:
            known = self._octets[str(owner.bare)] = sum(map(self._size, self.entries(owner)))
        return known

    @staticmethod
    def _size(entry: Entry) -> int:
        return len(entry.as_item().as_element().encode(ROSTER))
