"""The sessions of a node: bound resources with their presence, and who is told when they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from edgesim.xmpp.jid import Jid
from edgesim.xmpp.session import Session
from edgesim.xmpp.stanzas import priority_of
from edgesim.xmpp.xml import Element

WAITING = 262_144
"""When this many octets wait for a client, messages to it are refused and presence is omitted."""


class Carrier(Protocol):
    """The carrier of a session's octets: a connection on 5222, or a route of an XCP link."""

    @property
    def origin(self) -> str: ...

    @property
    def waiting(self) -> int:
        """The octets that wait for the client."""
        ...

    def after_written(self, then: Callable[[], None]) -> None:
        """Call ``then`` once the client has caught up, or has gone."""

    def flush(self) -> None:
        """Write the session's output."""

    def identified(self, jid: Jid) -> None:
        """Set the user, after authentication."""


class ChatSession:
    """One client's session. ``jid`` is None until a resource is bound, ``presence`` until the client is available."""

    def __init__(self, session: Session, carrier: Carrier) -> None:
        self.session = session
        self.carrier = carrier
        self.jid: Jid | None = None
        self.presence: Element | None = None
        self.wants_roster = False
        self.directed: dict[Jid, None] = {}

    @property
    def priority(self) -> int:
        """The priority of the presence, -128 to 127."""
        return priority_of(self.presence) if self.presence is not None else 0

    @property
    def full(self) -> bool:
        """Whether so much waits for the client that nothing more is sent to it."""
        return self.carrier.waiting > WAITING

    def send(self, stanza: Element) -> None:
        """Send a stanza to the client."""
        self.session.send(stanza)
        self.carrier.flush()

    def downward(self, data: bytes, *, restart: bool = False) -> None:
        """Pass octets of the home node to the client; with ``restart`` the client opens a new stream after them."""
        self.session.downward(data, restart=restart)
        self.carrier.flush()

    def closed_behind(self) -> None:
        """Report that the home node has ended the session."""
        self.session.closed_behind()
        self.carrier.flush()

    def close(self, condition: str | None = None, text: str = "") -> None:
        """End the session, with a stream error if ``condition`` is given."""
        self.session.close(condition, text)
        self.carrier.flush()


class Sessions:
    """The bound sessions of a node, by address, in the order of binding."""

    def __init__(self) -> None:
        self._of: dict[Jid, dict[str, ChatSession]] = {}

    def __iter__(self) -> Iterator[ChatSession]:
        return iter([session for bound in self._of.values() for session in bound.values()])

    def add(self, jid: Jid, session: ChatSession) -> None:
        """Add a session under its full address."""
        session.jid = jid
        self._of.setdefault(jid.bare, {})[jid.resource] = session

    def remove(self, session: ChatSession) -> None:
        """Remove a session."""
        jid = session.jid
        bound = self._of.get(jid.bare) if jid is not None else None
        if jid is None or bound is None or bound.get(jid.resource) is not session:
            return
        del bound[jid.resource]
        if not bound:
            del self._of[jid.bare]

    def at(self, jid: Jid) -> ChatSession | None:
        """Return the session at a full address."""
        return self._of.get(jid.bare, {}).get(jid.resource)

    def of(self, user: Jid) -> list[ChatSession]:
        """Return every session of a user."""
        return list(self._of.get(user.bare, {}).values())

    def available(self, user: Jid) -> list[ChatSession]:
        """Return the sessions of a user that have sent presence."""
        return [session for session in self.of(user) if session.presence is not None]
