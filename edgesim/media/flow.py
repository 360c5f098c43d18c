"""What the journal hears of media: that packets began to come, how many there were, and that they stopped.

Never an entry a packet: a call would bury everything else. Sans-IO: the owner asks `Flow.due` and calls `Flow.poll`.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.journal.events import MediaFlow


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowTimes:
    """Seconds: between two entries of statistics, and of silence after which a flow counts as stopped."""

    statistics: float
    silence: float


class Flow:
    """The packets between one port and one peer, both ways, in the words of `MediaFlow`.

    ``channel`` names what they belong to, ``leg`` which side of the host they pass. Methods return the entry that is
    due, or None.
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
        """Count a packet that came in; the first one, and the first after a silence, is reported."""
        self.packets_in += 1
        self.octets_in += octets
        self._last = now
        if self.running:
            return None
        self.running = True
        self._next = now + self.times.statistics
        return self._report("started")

    def sent(self, octets: int) -> None:
        """Count a packet that went out."""
        self.packets_out += 1
        self.octets_out += octets

    def refuse(self) -> None:
        """Count a packet that was taken for none of this flow."""
        self.refused += 1

    @property
    def due(self) -> float | None:
        """When to `poll` next, None while nothing runs."""
        return min(self._next, self._last + self.times.silence) if self.running else None

    def poll(self, now: float) -> MediaFlow | None:
        """Return what is due: the end of a flow that fell silent, or statistics where there is news."""
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
