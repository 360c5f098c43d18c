"""XMPP and XCP: streams, stanzas, sessions and links."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.journal.events.base import Event, kind


@kind("xmpp.stream")
@dataclass(frozen=True, slots=True, kw_only=True)
class XmppStream(Event):
    """A stream-level element as received: ``open``, ``close``, ``features``, ``starttls``, ``proceed``, ``auth`` ..."""

    element: str
    domain: str | None = None
    detail: str = ""

    def summary(self) -> str:
        return f"XMPP {self.element} {self.detail}".rstrip()


@kind("xmpp.stanza")
@dataclass(frozen=True, slots=True, kw_only=True)
class XmppStanza(Event):
    """An XMPP stanza as received."""

    name: str
    type: str | None
    from_: str | None
    to: str | None
    id: str | None
    child: str | None = None

    def summary(self) -> str:
        inner = f" {self.child}" if self.child else ""
        return f"<{self.name}{f' {self.type}' if self.type else ''}>{inner}"


@kind("xmpp.session")
@dataclass(frozen=True, slots=True, kw_only=True)
class XmppSession(Event):
    """IM and Presence bound a resource, or a session ended."""

    jid: str
    state: str

    def summary(self) -> str:
        return f"session {self.jid} {self.state}"


@kind("xcp.link")
@dataclass(frozen=True, slots=True, kw_only=True)
class XcpLink(Event):
    """An XCP link changed state."""

    state: str
    component: str
    detail: str = ""

    def summary(self) -> str:
        return f"XCP {self.state} {self.component} {self.detail}".rstrip()


@kind("xcp.route")
@dataclass(frozen=True, slots=True, kw_only=True)
class XcpRoute(Event):
    """News of one client's session on an XCP link: ``open``, ``data``, ``close``; ``content`` is the data in a word."""

    session: str
    action: str
    content: str = ""

    def summary(self) -> str:
        return f"XCP {self.session} {self.action} {self.content}".rstrip()
