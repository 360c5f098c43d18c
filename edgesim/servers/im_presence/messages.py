"""Messages and iqs from one entity to another (RFC 6121, section 8)."""

from __future__ import annotations

from typing import Literal, Protocol

from edgesim.servers.im_presence.accounts import Accounts
from edgesim.servers.im_presence.sessions import ChatSession, Sessions
from edgesim.xmpp import stanzas
from edgesim.xmpp.jid import Jid
from edgesim.xmpp.xml import Element

Offline = Literal["error", "drop"]
"""What becomes of a message for a user without an available client: an error to the sender, or nothing."""


class OtherNodes(Protocol):
    """The way to users whose home is another node of the cluster, or of a peer cluster."""

    def deliver(self, stanza: Element, to: Jid) -> bool:
        """Take a stanza for an address; return False for one that is nowhere."""


class NoOtherNodes:
    """A cluster of one node."""

    def deliver(self, stanza: Element, to: Jid) -> bool:
        return False


class Messages:
    """Routes what one session sends to one entity; ``domains`` are the presence domains served here."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        domains: tuple[str, ...],
        *,
        offline: Offline,
        elsewhere: OtherNodes | None = None,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._domains = domains
        self._offline = offline
        self._elsewhere = elsewhere or NoOtherNodes()

    def send(self, session: ChatSession, stanza: Element, to: Jid) -> None:
        """Route a message."""
        condition = self._route_message(stanza, to)
        if condition is not None and stanza.get("type") != "error":
            session.send(stanzas.error_reply(stanza, condition))

    def send_iq(self, session: ChatSession, stanza: Element, to: Jid) -> None:
        """Route an iq to one resource; whatever else it is for gets an error."""
        target = self._sessions.at(to) if to.resource else None
        if target is not None:
            target.send(stanza)
            return
        if self._elsewhere.deliver(stanza, to) or stanza.get("type") in ("result", "error"):
            return
        if to.domain in self._domains:
            condition = "service-unavailable"
        elif to.domain.startswith("conference-") and self._is_below_ours(to.domain):
            condition = "item-not-found"  # a chat room whose alias this node does not know
        else:
            condition = "remote-server-not-found"
        session.send(stanzas.error_reply(stanza, condition))

    def _route_message(self, stanza: Element, to: Jid) -> str | None:
        if to.domain not in self._domains:
            return None if self._elsewhere.deliver(stanza, to) else "remote-server-not-found"
        kind = stanza.get("type") or "normal"
        exact = self._sessions.at(to) if to.resource else None
        if exact is not None:
            exact.send(stanza)
            return None
        if to.resource and kind in ("groupchat", "headline", "error"):
            return "service-unavailable" if kind == "groupchat" else None
        if kind == "groupchat" or self._accounts.at(to) is None:
            return "service-unavailable"
        targets = [each for each in self._sessions.available(to) if each.priority >= 0]
        if kind != "headline" and targets:
            best = max(each.priority for each in targets)
            targets = [each for each in targets if each.priority == best]
        for target in targets:
            target.send(stanza)
        if targets or kind in ("headline", "error") or self._elsewhere.deliver(stanza, to):
            return None
        return "service-unavailable" if self._offline == "error" else None

    def _is_below_ours(self, domain: str) -> bool:
        return any(domain.endswith(f".{each}") for each in self._domains)
