"""The wires of a simulated network: how long they take, how TCP waits on them, and what of it a seed decides.

A live world has the machine's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wires:
    """Parameters of a simulated network. Times are nanoseconds, one way where they are latencies.

    As it stands a way between two zones takes ``other_zone``, and nothing varies: a bench for one product. A lab lays
    the wires that its deployment describes.

    ``latencies`` are by pairs of zones, in either order. With ``spread`` each pair of hosts draws its latency once,
    from so large a share below to so large a share above; with ``jitter`` each packet takes up to so large a share of
    it longer, and with ``wake`` up to so much more until the program that it is for gets to it. ``tick`` is how finely
    a host's timers fire, at a phase that each host draws; 0 fires them when they are due. ``shuffled`` draws the order
    in which hosts come that have something to do at the same instant. ``loss`` is the share of datagrams that get lost
    on any way between hosts.

    ``syn_waits`` are the pauses between attempts to connect (RFC 6298: 1 s, then doubled); ``rto`` and ``rto_max``
    bound those between retransmissions; ``user_timeout`` ends a connection whose data is not acknowledged (RFC 9293,
    3.8.3). ``window`` is what one end may have in flight.
    """

    latencies: Mapping[tuple[str, str], int] = field(default_factory=dict)
    same_zone: int = 200 * MICROSECOND
    other_zone: int = 1 * MILLISECOND
    loopback: int = 10 * MICROSECOND
    spread: float = 0.0
    jitter: float = 0.0
    wake: int = 0
    tick: int = 0
    shuffled: bool = False
    loss: float = 0.0
    window: int = 256 * 1024
    rto: int = 200 * MILLISECOND
    rto_max: int = 120 * SECOND
    user_timeout: int = 900 * SECOND
    syn_waits: tuple[int, ...] = tuple(s * SECOND for s in (1, 2, 4, 8, 16, 32, 64))
    datagram: int = 65507

    def longest_delay(self, latency: int) -> int:
        """Return by how much a packet may at most be later than ``latency``."""
        return int(latency * self.jitter) + self.wake

    def latency(self, one: str, other: str) -> int:
        """Return the one-way latency between two zones, before anything is drawn."""
        found = self.latencies.get((one, other)) or self.latencies.get((other, one))
        if found is None:
            return self.same_zone if one == other else self.other_zone
        return found
