"""A channel of two legs: packets received on one leave by the other.

A leg sends to the source of its packets, regardless of the signalled address ("Cisco Expressway Administrator Guide",
on media latching), and accepts no other source until that one has been silent for a while.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edgesim.journal.events import MediaFlow
from edgesim.media.flow import Flow
from edgesim.media.framing import MediaLimits

Address = tuple[str, int]


class Side(Enum):
    """The legs of a channel: towards the client outside, or towards the endpoint inside."""

    OUTER = "outer"
    INNER = "inner"

    @property
    def other(self) -> Side:
        """The opposite side."""
        return Side.INNER if self is Side.OUTER else Side.OUTER


class Leg:
    """One side of a channel. ``peer`` is where packets are sent: first the signalled address, then their source.

    Packets from other sources are refused until the peer has been silent for ``relatch`` seconds.
    """

    def __init__(self, flow: Flow, *, relatch: float, peer: Address | None = None) -> None:
        self.flow = flow
        self.peer = peer
        self.latched = False
        self._relatch = relatch
        self._heard = 0.0

    def accepts(self, source: Address, now: float) -> bool:
        """Return whether a packet from ``source`` belongs to this leg; if so, latch to it."""
        if source != self.peer and self.latched and now - self._heard < self._relatch:
            self.flow.refuse()
            return False
        self.peer, self.latched, self._heard = source, True, now
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A packet to send on the leg ``side``, to ``target``."""

    side: Side
    target: Address
    packet: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A state of the leg ``side`` for the journal."""

    side: Side
    event: MediaFlow


Output = Send | Report


class Channel:
    """One media channel of a host, by number."""

    def __init__(self, number: int, *, outer: Leg, inner: Leg, limits: MediaLimits) -> None:
        self.number = number
        self.legs = {Side.OUTER: outer, Side.INNER: inner}
        self.limits = limits

    def receive(self, side: Side, packet: bytes, source: Address, now: float) -> list[Output]:
        """Handle a packet; return what to send and report.

        An empty packet is dropped, since the next hop would see a keep-alive; so is one that is too large, and any
        packet while the other leg has no peer.
        """
        leg, other = self.legs[side], self.legs[side.other]
        if not 1 <= len(packet) <= self.limits.packet:
            leg.flow.refuse()
            return []
        if not leg.accepts(source, now):
            return []
        news = leg.flow.received(len(packet), now)
        outputs: list[Output] = [Report(side=side, event=news)] if news else []
        if other.peer is not None:
            other.flow.sent(len(packet))
            outputs.append(Send(side=side.other, target=other.peer, packet=packet))
        return outputs

    @property
    def due(self) -> float | None:
        """When to `poll` next; None while no packets flow."""
        return min((due for leg in self.legs.values() if (due := leg.flow.due) is not None), default=None)

    def poll(self, now: float) -> list[Report]:
        """Return the statistics and endings that are due."""
        snapshot = ((side, leg.flow.poll(now)) for side, leg in self.legs.items())
        return [Report(side=side, event=event) for side, event in snapshot if event]

    def close(self, reason: str) -> list[Report]:
        """End both legs."""
        snapshot = ((side, leg.flow.close(reason)) for side, leg in self.legs.items())
        return [Report(side=side, event=event) for side, event in snapshot if event]
