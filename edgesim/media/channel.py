"""A channel: two legs, and what comes in by one goes out by the other.

A leg sends to where its packets come from, whatever it was told before ("Cisco Expressway Administrator Guide", on
media that is latched), and takes packets from no other peer until that peer has been silent for a while.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edgesim.journal.events import MediaFlow
from edgesim.media.flow import Flow
from edgesim.media.framing import MediaLimits

Address = tuple[str, int]


class Side(Enum):
    """Which leg of a channel: towards the client outside, or towards the endpoint inside."""

    OUTER = "outer"
    INNER = "inner"

    @property
    def other(self) -> Side:
        """The side on which packets of this one leave."""
        return Side.INNER if self is Side.OUTER else Side.OUTER


class Leg:
    """One side of a channel. ``peer`` is where packets go: as told, and then where they come from.

    Somebody else's packets are refused until the peer has been silent for ``relatch`` seconds.
    """

    def __init__(self, flow: Flow, *, relatch: float, peer: Address | None = None) -> None:
        self.flow = flow
        self.peer = peer
        self.latched = False
        self._relatch = relatch
        self._heard = 0.0

    def accepts(self, source: Address, now: float) -> bool:
        """Return whether a packet from there belongs to this leg, and send there from now on."""
        if source != self.peer and self.latched and now - self._heard < self._relatch:
            self.flow.refuse()
            return False
        self.peer, self.latched, self._heard = source, True, now
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A packet that is to leave by the leg ``side``, to ``target``."""

    side: Side
    target: Address
    packet: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """News of the leg ``side`` for the journal."""

    side: Side
    event: MediaFlow


Output = Send | Report


class Channel:
    """One media channel of a host, by its number."""

    def __init__(self, number: int, *, outer: Leg, inner: Leg, limits: MediaLimits) -> None:
        self.number = number
        self.legs = {Side.OUTER: outer, Side.INNER: inner}
        self.limits = limits

    def receive(self, side: Side, packet: bytes, source: Address, now: float) -> list[Output]:
        """Take a packet; return what is to be sent and reported.

        An empty packet goes nowhere, for it would be a keep-alive behind the next hop; so does one that is too large,
        and any while the other leg knows no peer.
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
        """When to `poll` next, None while nothing flows."""
        return min((due for leg in self.legs.values() if (due := leg.flow.due) is not None), default=None)

    def poll(self, now: float) -> list[Report]:
        """Return the statistics and endings that are due."""
        snapshot = ((side, leg.flow.poll(now)) for side, leg in self.legs.items())
        return [Report(side=side, event=event) for side, event in snapshot if event]

    def close(self, reason: str) -> list[Report]:
        """End both legs."""
        snapshot = ((side, leg.flow.close(reason)) for side, leg in self.legs.items())
        return [Report(side=side, event=event) for side, event in snapshot if event]
