"""What a client's stream (`edgesim.xmpp.server_stream`) reports to the server that owns it.

After an event that needs a decision the stream waits until it gets one:

=====================  ==========================================================
event                  answer
=====================  ==========================================================
`StartTls`             write what is due, start TLS, then ``secured``
`Authenticate`         ``grant``, ``refuse`` or ``hand_over``
`BindRequested`        ``bind`` or ``refuse_bind``
=====================  ==========================================================

`Decoded` precedes the event that an element causes, so that a server can journal it.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.xmpp import sasl
from edgesim.xmpp.jid import Jid
from edgesim.xmpp.stanzas import RosterItem
from edgesim.xmpp.stream import StreamEvent
from edgesim.xmpp.xml import Element


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent:
    """The base of the events that a session reports to its server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded(SessionEvent):
    """Something was read from the client's stream."""

    event: StreamEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTls(SessionEvent):
    """``<proceed/>`` is due to be written, then the TLS handshake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticate(SessionEvent):
    """Credentials to check. ``domain`` is the ``to`` of the client's stream header; ``request`` is the complete
    ``<auth>``, for a check by another node.
    """

    credentials: sasl.Credentials
    domain: str
    request: Element


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWanted(SessionEvent):
    """At an edge: TLS is up and the client addressed ``domain``. Open a session behind and send it ``data``, the stream
    header.
    """

    domain: str
    stream_id: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed(SessionEvent):
    """Octets to forward to the server that has the session: one element, a stream header, or the end of the stream."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BindRequested(SessionEvent):
    """The client requests this resource; None: the server chooses."""

    resource: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterRequested(SessionEvent):
    """The client asks for its roster; answer with `stanzas.roster_result`."""

    request: Element


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterChanged(SessionEvent):
    """The client adds, changes or removes a contact; answer with `stanzas.reply`."""

    request: Element
    item: RosterItem


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceChanged(SessionEvent):
    """The client's own presence, to be sent to its subscribers: available, or type ``unavailable``."""

    stanza: Element


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceDirected(SessionEvent):
    """Presence for one entity."""

    stanza: Element
    to: Jid


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionSent(SessionEvent):
    """``kind`` is subscribe, subscribed, unsubscribe or unsubscribed."""

    stanza: Element
    kind: str
    to: Jid


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent(SessionEvent):
    """A message for one entity."""

    stanza: Element
    to: Jid


@dataclass(frozen=True, slots=True, kw_only=True)
class IqSent(SessionEvent):
    """An iq for an entity other than this server and this user."""

    stanza: Element
    to: Jid


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(SessionEvent):
    """The session has ended. ``condition`` is the stream error sent by this side, None after a clean end."""

    condition: str | None = None
    detail: str = ""


ASKING = (StartTls, Authenticate, BindRequested, SessionWanted)
"""Events that need a decision; none is possible once the stream has ended."""
