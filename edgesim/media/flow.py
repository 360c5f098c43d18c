"""The journal's view of media: packets started, packet counts, packets stopped.

There is no entry per packet, which would drown the rest of a call. Sans-IO: the owner reads `Flow.due` and calls
`Flow.poll`.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.journal.events import MediaFlow


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowTimes:
    """The interval of statistics, and the silence after which a flow counts as stopped, in seconds."""

    statistics: float
    silence: float


class Flow:
    """The packets between one port and one peer, both ways, in the terms of `MediaFlow`.

    ``channel`` is the channel they belong to, ``leg`` the side of the host. Methods return the entry that is due, or
    None.
    """

    def __init__(self, channel: str, leg: str, times: FlowTimes) -> None:
        self.channel = channel
        self.leg = leg
        self.times = times
        self.packets_in = self.packets_out = self.octets_in = self.octets_out = self.refused = 0
        self.running = False
        self._reported = (0, 0, 0)
        self._last = 0.0
        self._next = 0.0

    def received(self, octets: int, now: float) -> MediaFlow | None:
        """Count a received packet; the first one, and the first after a silence, is reported."""
        self.packets_in += 1
        self.octets_in += octets
        self._last = now
        if self.running:
            return None
        self.running = True
        self._next = now + self.times.statistics
        return self._report("started")

    def sent(self, octets: int) -> None:
        """Count a sent packet."""
        self.packets_out += 1
        self.octets_out += octets

    def refuse(self) -> None:
        """Count a refused packet."""
        self.refused += 1

    @property
    def due(self) -> float | None:
        """When to `poll` next; None while no packets flow."""
        return min(self._next, self._last + self.times.silence) if self.running else None

    def poll(self, now: float) -> MediaFlow | None:
        """Return the entry that is due: the end of a silent flow, or new statistics."""
        if not self.running:
            return None
        if now >= self._last + self.times.silence:
            return self._stop("silence")
        if now < self._next:
            return None
        self._next = now + self.times.statistics
        return self._report("statistics") if self._counts() != self._reported else None

    def close(self, reason: str) -> MediaFlow | None:
        """End the flow."""
        return self._stop(reason) if self.running else None

    def _stop(self, reason: str) -> MediaFlow:
        self.running = False
        return self._report("stopped", reason)

    def _counts(self) -> tuple[int, int, int]:
        return self.packets_in, self.packets_out, self.refused

    def _report(self, state: str, reason: str = "") -> MediaFlow:
        self._reported = self._counts()
        return self.snapshot(state, reason)

    def snapshot(self, state: str, reason: str = "") -> MediaFlow:
        """Return an entry with the present counts."""
        return MediaFlow(
            channel=self.channel,
            leg=self.leg,
            state=state,
            packets_in=self.packets_in,
            packets_out=self.packets_out,
            octets_in=self.octets_in,
            octets_out=self.octets_out,
            refused=self.refused,
            reason=reason,
        )
