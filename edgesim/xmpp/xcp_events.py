"""What an XCP link (`edgesim.xmpp.xcp.XcpLink`) reports to its owner."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.xmpp.xml import Element


@dataclass(frozen=True, slots=True, kw_only=True)
class XcpEvent:
    """Base of what a link reports to its owner. ``raw`` is the element as it stood in the stream."""

    raw: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkUp(XcpEvent):
    """The handshake is done; ``component`` is the dialler's name."""

    component: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDown(XcpEvent):
    """The link is over, and with it every session. ``condition`` is a stream error of this or the other side."""

    condition: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened(XcpEvent):
    """The other side opens a client's session; ``client`` is ``address:port`` as Expressway-E saw it."""

    session: str
    client: str
    domain: str
    stream_id: str
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DataArrived(XcpEvent):
    """Octets of a session; call `XcpLink.consumed` with ``octets`` when they have gone on."""

    session: str
    data: bytes
    restart: bool = False

    @property
    def octets(self) -> int:
        """How many octets count against the window."""
        return len(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionClosed(XcpEvent):
    """A session is over, by the other side or by its bounds."""

    session: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StanzaArrived(XcpEvent):
    """A stanza from a user of the other side to one of this."""

    stanza: Element


@dataclass(frozen=True, slots=True, kw_only=True)
class Writable(XcpEvent):
    """What waited for a session's window has been written."""

    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MechanismsAsked(XcpEvent):
    """The other side asks for the SASL mechanisms of a domain: `XcpLink.answer` or `XcpLink.refuse`."""

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
    """The other side is alive."""
