"""Presence and subscriptions of a node's users (RFC 6121, sections 2 to 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edgesim.servers.im_presence.accounts import Accounts
from edgesim.servers.im_presence.roster import (
    FROM,
    LISTED,
    PENDING_IN,
    PENDING_OUT,
    RECEIVED,
    SENT,
    TO,
    Entry,
    Rosters,
)
from edgesim.servers.im_presence.router import NoOtherNodes, OtherNodes
from edgesim.servers.im_presence.sessions import ChatSession, Sessions
from edgesim.world import Entropy
from edgesim.xmpp import stanzas
from edgesim.xmpp.jid import Jid
from edgesim.xmpp.stanzas import RosterItem
from edgesim.xmpp.xml import Element

DIRECTED = 200
"""To how many entities one session may have directed presence; further ones are not told when it ends."""


class Presence:
    """Sends the presence of available users to their subscribers, for users whose home is this node.

    With ``auto_approve``, the service's default, users see each other's availability without approval. Stanzas for
    users of other nodes go through ``elsewhere``; those from other nodes come in at `arrived`.
    """

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        rosters: Rosters,
        entropy: Entropy,
        *,
        auto_approve: bool,
        elsewhere: OtherNodes | None = None,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._rosters = rosters
        self._entropy = entropy
        self.auto_approve = auto_approve
        self._elsewhere = elsewhere or NoOtherNodes()

    # ---- roster

    def send_roster(self, session: ChatSession, request: Element) -> None:
        """Answer a request for the roster; from now on the session gets roster pushes."""
        session.wants_roster = True
        session.send(stanzas.roster_result(request, self._rosters.listed(_jid(session))))

    def change_roster(self, session: ChatSession, request: Element, item: RosterItem) -> None:
        """Set or remove a contact."""
        owner, contact = _jid(session).bare, Jid.parse(item.jid)
        if item.subscription == "remove":
            self._remove(session, request, owner, contact)
            return
        entry = replace(self._rosters.entry(owner, contact), name=item.name, groups=item.groups)
        entry = replace(entry, state=entry.state | LISTED)
        if not self._rosters.store(owner, entry):
            session.send(stanzas.error_reply(request, "resource-constraint"))
            return
        self._push(owner, entry.as_item())
        session.send(stanzas.reply(request))

    def _remove(self, session: ChatSession, request: Element, owner: Jid, contact: Jid) -> None:
        entry = self._rosters.entry(owner, contact)
        if not entry.any(LISTED):
            session.send(stanzas.error_reply(request, "item-not-found"))
            return
        self._rosters.remove(owner, contact)
        self._push(owner, RosterItem(jid=str(contact), subscription="remove"))
        session.send(stanzas.reply(request))
        if entry.any(TO | PENDING_OUT):
            self._receive("unsubscribe", owner, contact)
        if entry.any(FROM):
            self._receive("unsubscribed", owner, contact)
            self._send_unavailable(owner, contact)

    def _push(self, owner: Jid, item: RosterItem) -> None:
        for session in self._sessions.of(owner):
            if session.wants_roster:
                session.send(stanzas.roster_push(f"push{self._entropy.token_hex(4)}", item, _jid(session)))

    # ---- subscriptions

    def subscribe(self, session: ChatSession, kind: str, contact: Jid) -> None:
        """Handle a subscription stanza of the user."""
        owner = _jid(session).bare
        if contact == owner:
            return
        before = self._rosters.entry(owner, contact)
        after = SENT[kind].applied(before)
        if after is not None and after != before and self._rosters.store(owner, after) and after.any(LISTED):
            self._push(owner, after.as_item())
        if after is None and kind != "subscribe":
            return
        self._receive(kind, owner, contact)
        if kind == "subscribed":
            self._send_available(owner, contact)
        elif kind == "unsubscribed" and before.any(FROM):
            self._send_unavailable(owner, contact)

    def _receive(self, kind: str, sender: Jid, user: Jid) -> None:
        """Handle a subscription stanza from ``sender`` to ``user``, who may be unknown."""
        stanza = stanzas.presence(kind, from_=str(sender), to=str(user))
        if self._elsewhere.elsewhere(user):
            self._elsewhere.deliver(stanza, user)
            return
        if self._accounts.at(user) is None:
            if kind == "subscribe":
                self._deliver(sender, stanzas.presence("unsubscribed", from_=str(user), to=str(sender)))
                self._refused(sender, user)
            return
        before = self._rosters.entry(user, sender)
        if kind == "subscribe" and (before.any(FROM) or self.auto_approve):
            self._approve(user, sender, before)
            return
        after = RECEIVED[kind].applied(before)
        if after is None:
            return
        self._rosters.store(user, after)
        if after.any(LISTED) and after.as_item() != before.as_item():
            self._push(user, after.as_item())
        self._deliver(user, stanza)
        if kind == "unsubscribe" and before.any(FROM):
            self._send_unavailable(user, sender)

    def _approve(self, user: Jid, sender: Jid, before: Entry) -> None:
        after = replace(before, state=(before.state | FROM) & ~PENDING_IN)
        if not self._rosters.store(user, after):
            return
        if after.any(LISTED) and after != before:
            self._push(user, after.as_item())
        self._receive("subscribed", user, sender)
        self._send_available(user, sender)

    def _refused(self, user: Jid, contact: Jid) -> None:
        entry = self._rosters.entry(user, contact)
        after = RECEIVED["unsubscribed"].applied(entry)
        if after is not None and self._rosters.store(user, after):
            self._push(user, after.as_item())

    # ---- other nodes

    def arrived(self, stanza: Element, sender: Jid, to: Jid) -> None:
        """Handle presence from another node: a subscription, a probe, or a user's availability."""
        kind = stanza.get("type")
        if self._elsewhere.elsewhere(to):
            return  # forwarded once only
        if kind in stanzas.SUBSCRIPTION_TYPES:
            self._receive(kind, sender.bare, to.bare)
        elif kind == "probe":
            if self._rosters.entry(to.bare, sender).any(FROM):
                self._send_available(to.bare, sender.bare)
        else:
            self._deliver(to, stanza)

    def link_up(self, is_there: Callable[[Jid], bool]) -> None:
        """The link to another node is up: send its users the presence of ours, and probe for theirs."""
        for owner in dict.fromkeys(each.jid.bare for each in self._sessions if each.jid is not None):
            for entry in self._rosters.entries(owner):
                contact = Jid.parse(entry.contact)
                if is_there(contact) and entry.any(FROM):
                    self._send_available(owner, contact)
                if is_there(contact) and entry.any(TO):
                    self._elsewhere.deliver(stanzas.presence("probe", from_=str(owner), to=str(contact)), contact)

    # ---- presence

    def change(self, session: ChatSession, stanza: Element) -> None:
        """Handle a client's own presence and broadcast it."""
        if stanza.get("type") == "unavailable":
            self.gone(session, stanza)
            return
        initial = session.presence is None
        session.presence = stanza
        owner = _jid(session).bare
        for contact in self._watchers(owner):
            self._deliver(contact, stanza)
        self._deliver(owner, stanza)
        if initial:
            self._welcome(session, owner)

    def gone(self, session: ChatSession, stanza: Element | None = None) -> None:
        """Send unavailable presence to all who know the session."""
        if session.jid is None:
            return
        last = stanza or stanzas.presence("unavailable", from_=str(session.jid))
        owner, was_available = session.jid.bare, session.presence is not None
        session.presence = None
        reported = self._watchers(owner) if was_available else []
        for contact in reported:
            self._deliver(contact, last)
        if was_available:
            self._deliver(owner, last)
        for target in tuple(session.directed):
            if target.bare not in reported:
                self._deliver(target, last)
        session.directed.clear()

    def direct(self, session: ChatSession, stanza: Element, to: Jid) -> None:
        """Forward presence to one entity."""
        if stanza.get("type") == "unavailable":
            session.directed.pop(to, None)
        elif stanza.get("type") is None and len(session.directed) < DIRECTED:
            session.directed[to] = None
        self._deliver(to, stanza)

    def _welcome(self, session: ChatSession, owner: Jid) -> None:
        for other in self._sessions.available(owner):
            if other is not session and other.presence is not None:
                session.send(other.presence.having(to=str(session.jid)))
        for entry in self._rosters.entries(owner):
            contact = Jid.parse(entry.contact)
            if entry.any(TO) and self._elsewhere.elsewhere(contact):
                self._elsewhere.deliver(stanzas.presence("probe", from_=str(owner), to=str(contact)), contact)
            elif entry.any(TO):
                for other in self._sessions.available(contact):
                    if other.presence is not None:
                        session.send(other.presence.having(to=str(session.jid)))
            if entry.any(PENDING_IN):
                session.send(stanzas.presence("subscribe", from_=entry.contact, to=str(owner)))

    def _watchers(self, user: Jid) -> list[Jid]:
        return [Jid.parse(entry.contact) for entry in self._rosters.entries(user) if entry.any(FROM)]

    def _send_available(self, user: Jid, to: Jid) -> None:
        for session in self._sessions.available(user):
            if session.presence is not None:
                self._deliver(to, session.presence)

    def _send_unavailable(self, user: Jid, to: Jid) -> None:
        for session in self._sessions.available(user):
            self._deliver(to, stanzas.presence("unavailable", from_=str(session.jid)))

    def _deliver(self, to: Jid, stanza: Element) -> None:
        """Deliver presence to a full address, or to every available session of a user."""
        if self._elsewhere.elsewhere(to):
            self._elsewhere.deliver(stanza.having(to=str(to)), to)
            return
        if to.resource:
            found = self._sessions.at(to)
            targets = [found] if found is not None else []
        else:
            targets = self._sessions.available(to)
        for target in targets:
            if not target.full:
                target.send(stanza.having(to=str(target.jid) if not to.resource else str(to)))


def _jid(session: ChatSession) -> Jid:
    assert session.jid is not None
    return session.jid
