"""One entry as a row of a ladder: an arrow between two columns, a note on one, or a step across all."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from edgesim.journal import events
from edgesim.journal.entry import Entry
from edgesim.journal.events import Event
from edgesim.journal.visible import visible


class Shape(Enum):
    """How a row is drawn."""

    REQUEST = "request"
    RESPONSE = "response"
    EXCHANGE = "exchange"
    """A question and its answer in one row."""
    LINK = "link"
    """A connection opened, secured or closed."""
    LOST = "lost"
    """Something that did not arrive or was refused below its protocol."""
    NOTE = "note"
    STEP = "step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row. ``source`` and ``target`` name columns; a note has only a source, a step concerns all columns.

    ``count`` and ``last_ns`` tell of equal rows that were folded into this one; ``others`` are further columns of a
    note. ``label`` is `visible` already.
    """

    shape: Shape
    source: str
    target: str | None
    tag: str
    label: str
    entries: tuple[Entry[Event], ...]
    count: int = 1
    last_ns: int | None = None
    others: tuple[str, ...] = ()

    @property
    def at_ns(self) -> int:
        """Lab time of the row's first entry."""
        return self.entries[0].at_ns

    @property
    def kind(self) -> str:
        """Kind of the row's first entry."""
        return self.entries[0].kind

    @property
    def text(self) -> str:
        """The label, with how often it came."""
        if self.count == 1 or self.last_ns is None:
            return self.label
        return f"{self.count}× {self.label} (until {seconds(self.last_ns)})"


def seconds(at_ns: int) -> str:
    """Return a lab time in seconds, to the microsecond."""
    return f"{at_ns // 1_000_000_000}.{at_ns // 1_000 % 1_000_000:06d}"


TAGS: Final = {
    "sip": "SIP",
    "http": "HTTP",
    "dns": "DNS",
    "xmpp": "XMPP",
    "tcp": "TCP",
    "tls": "TLS",
    "udp": "UDP",
    "ssh": "SSH",
    "xcp": "XCP",
    "malformed": "BAD",
    "zone": "ZONE",
    "discovery": "FIND",
    "client": "APP",
    "fault": "FAULT",
    "firewall": "FW",
    "protection": "BLOCK",
    "error": "ERROR",
    "host": "HOST",
    "step": "STEP",
    "note": "NOTE",
    "auth": "AUTH",
    "journal": "GAP",
}
"""The protocol tag of a kind's first part; others show that part in capitals, cut to five."""

_SHAPES: Final = {
    "tcp.open": Shape.LINK,
    "tcp.closed": Shape.LINK,
    "tls.established": Shape.LINK,
    "tcp.failed": Shape.LOST,
    "tcp.refused": Shape.LOST,
    "tls.failed": Shape.LOST,
    "udp.dropped": Shape.LOST,
    "firewall.blocked": Shape.LOST,
    "http.response": Shape.RESPONSE,
    "sip.response": Shape.RESPONSE,
    "dns.answer": Shape.RESPONSE,
    "step": Shape.STEP,
}
_LOSING_FAULTS: Final = frozenset({"DropDatagram", "DropMessage", "BlackHole"})


def tag_of(kind: str) -> str:
    """Return the protocol tag of a kind."""
    protocol = kind.partition(".")[0]
    return TAGS.get(protocol) or visible(protocol).upper()[:5]


def column_of(name: str) -> str:
    """Return the column of a node or peer: a host's name, or a stranger's address without its port."""
    address, colon, port = name.rpartition(":")
    return address.strip("[]") if colon and port.isdigit() else name


def row_of(entry: Entry[Event]) -> Row:
    """Return the row of one entry, before any folding."""
    event = entry.event
    node = column_of(entry.node)
    peer = None if entry.peer is None else column_of(entry.peer)
    tag = tag_of(entry.kind)
    label = visible(event.summary())
    if isinstance(event, events.Step) and event.state == "began":
        label = visible(event.text)
    for prefix in (f"{tag} ", f"{tag.lower()} ", "malformed "):
        label = label.removeprefix(prefix)
    shape = _SHAPES.get(entry.kind)
    if isinstance(event, events.FaultFired) and event.fault_kind in _LOSING_FAULTS and peer is not None:
        shape = Shape.LOST
    if shape is None:
        shape = Shape.NOTE if entry.direction == "-" else Shape.REQUEST
    source, target = node, peer
    if shape is Shape.STEP:
        target = None
    elif shape is Shape.NOTE:
        if peer is not None and peer != node:
            label = f"{label} (with {visible(peer)})"
        target = None
    elif peer is None:
        shape = Shape.NOTE
    elif peer == node:
        shape, target = Shape.NOTE, None
        label = f"{label} (to itself)"
    elif entry.direction == "in" or (entry.direction == "-" and _came_from_peer(event)):
        source, target = peer, node
    return Row(shape=shape, source=source, target=target, tag=tag, label=label, entries=(entry,))


def _came_from_peer(event: Event) -> bool:
    """Return whether what a host reports of a link was its peer's doing: a handshake it served, a reset it saw."""
    if isinstance(event, events.TcpClosed):
        return event.how == "reset"
    if isinstance(event, events.ConnectionsRefused):
        return True
    return isinstance(event, events.TlsUp | events.TlsRefused) and event.role == "server"
