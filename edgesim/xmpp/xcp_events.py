"""The events that an XCP link (`edgesim.xmpp.xcp.XcpLink`) reports to its owner."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.xmpp.xml import Element


@dataclass(frozen=True, slots=True, kw_only=True)
class XcpEvent:
    """The base of a link's events. ``raw`` is the element as received."""

    raw: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkUp(XcpEvent):
    """The handshake is done; ``component`` is the dialler's name."""

    component: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDown(XcpEvent):
    """The link has ended, and with it every session. ``condition`` is a stream error of either side."""

    condition: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened(XcpEvent):
    """The peer opens a client's session; ``client`` is ``address:port`` as seen by Expressway-E."""

    session: str
    client: str
    domain: str
    stream_id: str
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DataArrived(XcpEvent):
    """Octets of a session; call `XcpLink.consumed` with ``octets`` once they are forwarded."""

    session: str
    data: bytes
    restart: bool = False

    @property
    def octets(self) -> int:
        """How many octets count against the window."""
        return len(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionClosed(XcpEvent):
    """A session was ended by the peer or by its bounds."""

    session: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StanzaArrived(XcpEvent):
    """A stanza from one of the peer's users to one of this side's."""

    stanza: Element


@dataclass(frozen=True, slots=True, kw_only=True)
class Writable(XcpEvent):
    """Everything that waited for a session's window was written."""

    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MechanismsAsked(XcpEvent):
    """The peer queries the SASL mechanisms of a domain: `XcpLink.answer` or `XcpLink.refuse`."""

    query: str
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MechanismsAnswered(XcpEvent):
    """The answer to `XcpLink.ask`."""

    query: str
    mechanisms: tuple[str, ...]
    hostnames: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryFailed(XcpEvent):
    """A query was refused: ``item-not-found`` for an unknown realm or domain, ``recipient-unavailable``..."""

    query: str
    condition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ponged(XcpEvent):
    """The peer answered a ping."""
