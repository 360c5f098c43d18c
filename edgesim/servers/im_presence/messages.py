"""Messages and iqs from one entity to another (RFC 6121, section 8)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from edgesim.servers.im_presence.accounts import Accounts
from edgesim.servers.im_presence.router import NoOtherNodes, OtherNodes
from edgesim.servers.im_presence.sessions import ChatSession, Sessions
from edgesim.xmpp import stanzas
from edgesim.xmpp.jid import Jid
from edgesim.xmpp.xml import Element

Offline = Literal["error", "drop"]
"""What happens to a message for a user without an available client: an error to the sender, or nothing."""

FULL = "resource-constraint"
"""The condition if too much waits for the recipient (RFC 6120, section 8.3.3.18)."""
UNREACHABLE = "remote-server-timeout"
"""The condition if the recipient's home node is unreachable (RFC 6120, section 8.3.3.16)."""


class Messages:
    """Routes messages and iqs of sessions; ``domains`` are the presence domains served here."""

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
            session.send(stanzas.error_reply(stanza if condition != FULL else replace(stanza, children=()), condition))

    def arrived(self, stanza: Element, sender: Jid, to: Jid) -> None:
        """Route a stanza from another node: a message, or an iq to one resource."""
        if stanza.name == "message":
            condition = "service-unavailable" if self._elsewhere.elsewhere(to) else self._route_message(stanza, to)
        else:
            target = self._sessions.at(to) if to.resource else None
            condition = "service-unavailable" if target is None else FULL if target.full else None
            if target is not None and condition is None:
                target.send(stanza)
        if condition is not None and stanza.get("type") not in ("error", "result"):
            self._elsewhere.deliver(stanzas.error_reply(stanza, condition), sender)

    def send_iq(self, session: ChatSession, stanza: Element, to: Jid) -> None:
        """Route an iq to one resource; any other recipient gets an error."""
        target = self._sessions.at(to) if to.resource else None
        if target is not None and not target.full:
            target.send(stanza)
            return
        if to.resource and self._elsewhere.deliver(stanza, to):
            return
        if stanza.get("type") in ("result", "error"):
            return
        if target is not None:
            condition = FULL
        elif to.resource and self._elsewhere.elsewhere(to):
            condition = UNREACHABLE
        elif to.domain in self._domains:
            condition = "service-unavailable"
        elif to.domain.startswith("conference-") and self._is_below_ours(to.domain):
            condition = "item-not-found"  # a chat room whose alias is unknown here
        else:
            condition = "remote-server-not-found"
        session.send(stanzas.error_reply(stanza, condition))

    def _route_message(self, stanza: Element, to: Jid) -> str | None:
        if self._elsewhere.elsewhere(to):
            return None if self._elsewhere.deliver(stanza, to) else UNREACHABLE
        if to.domain not in self._domains:
            return "remote-server-not-found"
        kind = stanza.get("type") or "normal"
        exact = self._sessions.at(to) if to.resource else None
        if exact is not None:
            if exact.full:
                return FULL
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
        ready = [each for each in targets if not each.full]
        if targets and not ready:
            return FULL
        for target in ready:
            target.send(stanza)
        if targets or kind in ("headline", "error"):
            return None
        return "service-unavailable" if self._offline == "error" else None

    def _is_below_ours(self, domain: str) -> bool:
        return any(domain.endswith(f".{each}") for each in self._domains)
