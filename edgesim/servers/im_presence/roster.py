"""Rosters, stored on the host's disk, and subscription states (RFC 6121, section 3 and appendix A)."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, replace
from enum import Flag, auto
from typing import Any

from edgesim.xmpp.jid import Jid
from edgesim.xmpp.stanzas import RosterItem
from edgesim.xmpp.xml import ROSTER

CONTACTS = 1_000
"""The maximum number of contacts in one roster; more are refused."""
OCTETS = 512 * 1024
"""The maximum octets of a roster as sent to clients; more are refused. A response must fit into a session's queue."""


class State(Flag):
    """The flags of a subscription state, in the terms of RFC 6121, appendix A.1."""

    NONE = 0
    TO = auto()
    """The user receives the contact's presence."""
    FROM = auto()
    """The contact receives the user's presence."""
    PENDING_OUT = auto()
    """The user's subscription request is pending."""
    PENDING_IN = auto()
    """The contact's subscription request is pending."""
    LISTED = auto()
    """The contact is in the roster that clients get."""


NONE, TO, FROM, PENDING_OUT, PENDING_IN, LISTED = (
    State.NONE, State.TO, State.FROM, State.PENDING_OUT, State.PENDING_IN, State.LISTED
)  # fmt: skip
SUBSCRIPTIONS = {NONE: "none", TO: "to", FROM: "from", TO | FROM: "both"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The roster's data about one contact."""

    contact: str
    name: str = ""
    groups: tuple[str, ...] = ()
    state: State = NONE

    @property
    def subscription(self) -> str:
        """none, to, from or both."""
        return SUBSCRIPTIONS[self.state & (TO | FROM)]

    def any(self, states: State) -> bool:
        """Return whether one of these states applies."""
        return bool(self.state & states)

    def as_item(self) -> RosterItem:
        """Return the entry as sent to clients."""
        return RosterItem(
            jid=self.contact,
            name=self.name,
            subscription=self.subscription,
            asked=self.any(PENDING_OUT),
            groups=self.groups,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The effect of a subscription stanza on an entry: none unless one of ``when`` applies and none of ``unless``."""

    when: State = NONE
    unless: State = NONE
    set: State = NONE
    clear: State = NONE

    def applied(self, entry: Entry) -> Entry | None:
        """Return the resulting entry, or None if it does not change."""
        if (self.when and not entry.any(self.when)) or entry.any(self.unless):
            return None
        return replace(entry, state=(entry.state | self.set) & ~self.clear)


SENT = {
    "subscribe": Rule(unless=TO, set=PENDING_OUT | LISTED),
    "subscribed": Rule(when=PENDING_IN, set=FROM | LISTED, clear=PENDING_IN),
    "unsubscribe": Rule(when=TO | PENDING_OUT, clear=TO | PENDING_OUT),
    "unsubscribed": Rule(when=FROM | PENDING_IN, clear=FROM | PENDING_IN),
}
"""The effect of the user's own stanza on the recipient's entry (RFC 6121, appendix A.2)."""
RECEIVED = {
    "subscribe": Rule(unless=FROM, set=PENDING_IN),
    "subscribed": Rule(when=PENDING_OUT, set=TO, clear=PENDING_OUT),
    "unsubscribe": Rule(when=FROM | PENDING_IN, clear=FROM | PENDING_IN),
    "unsubscribed": Rule(when=TO | PENDING_OUT, clear=TO | PENDING_OUT),
}
"""The effect of a contact's stanza on its entry in the user's roster (RFC 6121, appendix A.3)."""


class Rosters:
    """All rosters of a node. ``disk`` survives crashes: plain values only."""

    def __init__(self, disk: MutableMapping[str, Any]) -> None:
        self._stored: dict[str, dict[str, dict[str, Any]]] = disk.setdefault("rosters", {})
        self._octets: dict[str, int] = {}

    def entry(self, owner: Jid, contact: Jid) -> Entry:
        """Return the entry of a contact, by default an empty one."""
        stored = self._stored.get(str(owner.bare), {}).get(str(contact.bare))
        return _restored(str(contact.bare), stored) if stored else Entry(contact=str(contact.bare))

    def entries(self, owner: Jid) -> Iterator[Entry]:
        """Iterate over a roster in the order in which contacts were added."""
        for contact, stored in tuple(self._stored.get(str(owner.bare), {}).items()):
            yield _restored(contact, stored)

    def listed(self, owner: Jid) -> list[RosterItem]:
        """Return the roster as sent to clients."""
        return [entry.as_item() for entry in self.entries(owner) if entry.any(LISTED)]

    def store(self, owner: Jid, entry: Entry) -> bool:
        """Store an entry; return False if the roster is full."""
        roster = self._stored.setdefault(str(owner.bare), {})
        if entry.contact not in roster and len(roster) >= CONTACTS:
            return False
        before = self._size(self.entry(owner, Jid.parse(entry.contact))) if entry.contact in roster else 0
        octets = self._octets_of(owner) - before + self._size(entry)
        if octets > OCTETS and self._size(entry) > before:
            return False
        self._octets[str(owner.bare)] = octets
        roster[entry.contact] = {"name": entry.name, "groups": entry.groups, "state": entry.state.value}
        return True

    def remove(self, owner: Jid, contact: Jid) -> None:
        """Remove a contact."""
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


def _restored(contact: str, stored: dict[str, Any]) -> Entry:
    return Entry(contact=contact, name=stored["name"], groups=stored["groups"], state=State(stored["state"]))
