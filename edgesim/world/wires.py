"""The wires of a simulated network: how long they take, how TCP waits on them, and what of it a seed decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MILLISECOND = 1_000_000
SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wires:
    """Parameters of a network. Times are nanoseconds, one way where they are latencies.

    A lab sets them from its deployment; they have no defaults here. A live world uses only ``syn_waits``.

    ``latencies`` are by pairs of zones, in either order; zones that they do not name are ``same_zone`` or
    ``other_zone`` apart, and a host from itself ``loopback``. With ``spread`` each pair of hosts draws its latency
    once, from so large a share below to so large a share above; with ``jitter`` each packet takes up to so large a
    share of it longer, and with ``wake`` up to so much more until the program that it is for gets to it. ``tick`` is
    how finely a host's timers fire, at a phase that each host draws; 0 fires them when they are due. ``shuffled`` draws
    the order in which hosts come that have something to do at the same instant. ``loss`` is the share of datagrams that
    get lost on any way between hosts.

    ``syn_waits`` are the pauses between attempts to connect (RFC 6298: 1 s, then doubled); ``rto`` and ``rto_max``
    bound those between retransmissions; ``user_timeout`` ends a connection whose data is not acknowledged (RFC 9293,
    3.8.3). ``window`` is what one end may have in flight, ``datagram`` the largest payload of UDP, in octets.
    ``first_port`` is the first port that a host takes by itself, up to 65535.
    """

    latencies: Mapping[tuple[str, str], int]
    same_zone: int
    other_zone: int
    loopback: int
    spread: float
    jitter: float
    wake: int
    tick: int
    shuffled: bool
    loss: float
    window: int
    rto: int
    rto_max: int
    user_timeout: int
    syn_waits: tuple[int, ...]
    datagram: int
    first_port: int

    def longest_delay(self, latency: int) -> int:
        """Return by how much a packet may at most be later than ``latency``."""
        return int(latency * self.jitter) + self.wake

    def latency(self, one: str, other: str) -> int:
        """Return the one-way latency between two zones, before anything is drawn."""
        found = self.latencies.get((one, other)) or self.latencies.get((other, one))
        if found is None:
            return self.same_zone if one == other else self.other_zone
        return found
