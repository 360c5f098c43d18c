"""A journal entry: an event with its place, time, peer, payload, correlation keys and secret spans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

from edgesim.journal.events import Event
from edgesim.journal.keys import Key

Direction = Literal["in", "out", "-"]
E = TypeVar("E", bound=Event, covariant=True)


class Whole(NamedTuple):
    """The size of a payload that was cut, in octets, and its SHA-256 in hexadecimal.

    The digest is that of the octets with marked secrets as ``<secret>``, so that passwords cannot be tried against it.
    """

    octets: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Generic[E]):
    """One entry. ``(node, incarnation, sequence)`` identifies it.

    ``at_ns`` is lab time; ``host_ns`` is Unix time by the node's own, skewable clock; both in nanoseconds.
    ``direction`` is ``in`` for a message as the node decoded it, ``out`` for one sent to a peer that is not of the lab,
    ``-`` for the rest. ``peer`` is a host's name, or ``address:port`` of a stranger; a stranger as ``node`` is
    its address. ``keys`` correlate entries over
    protocols, e.g. ``call-id:...``, ``tracking:...``, ``cookie:...``, ``jid:...``, ``user:...``, ``device:...``.
    ``secrets`` are spans ``(start, end)`` of ``payload`` in octets that every view masks unless asked otherwise.
    ``order`` is the entry's position in its journal. ``whole`` is set where ``payload`` is only the beginning of what
    was decoded.
    """

    node: str
    incarnation: int
    sequence: int
    at_ns: int
    host_ns: int
    direction: Direction
    peer: str | None
    event: E
    payload: bytes = b""
    keys: tuple[Key, ...] = ()
    secrets: tuple[tuple[int, int], ...] = ()
    order: int = 0
    whole: Whole | None = None

    @property
    def kind(self) -> str:
        """The event's kind, e.g. ``sip.request``."""
        return self.event.kind

    @property
    def at(self) -> float:
        """Lab time in seconds."""
        return self.at_ns / 1_000_000_000

    @property
    def id(self) -> str:
        """The entry's identity in print: ``node#incarnation/sequence``."""
        return f"{self.node}#{self.incarnation}/{self.sequence}"
