"""How the simulated network behaves where nothing else is said: latencies, retransmission, windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MILLISECOND = 1_000_000
MICROSECOND = 1_000


def _latencies() -> Mapping[tuple[str, str], int]:
    return {
        ("internet", "internet"): 20 * MILLISECOND,
        ("internet", "outer-dmz"): 20 * MILLISECOND,
        ("internet", "dmz"): 20 * MILLISECOND,
        ("internet", "inside"): 21 * MILLISECOND,
        ("outer-dmz", "outer-dmz"): 200 * MICROSECOND,
        ("outer-dmz", "dmz"): 200 * MICROSECOND,
        ("outer-dmz", "inside"): 500 * MICROSECOND,
        ("dmz", "dmz"): 200 * MICROSECOND,
        ("dmz", "inside"): 500 * MICROSECOND,
        ("inside", "inside"): 200 * MICROSECOND,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """Parameters of the simulated network. Times are nanoseconds, one way where they are latencies.

    ``zones`` runs from the outermost to the innermost: until a network is installed, connections are opened outward or
    within a zone, never inward. ``syn_waits`` are the pauses between attempts
    to connect (RFC 6298: 1 s, then doubled); ``user_timeout`` ends a connection whose data is not acknowledged
    (RFC 9293, 3.8.3).
    """

    zones: tuple[str, ...] = ("internet", "dmz", "inside")
    latencies: Mapping[tuple[str, str], int] = field(default_factory=_latencies)
    loopback: int = 10 * MICROSECOND
    default_latency: int = 1 * MILLISECOND
    window: int = 256 * 1024
    high_water: int = 64 * 1024
    rto: int = 200 * MILLISECOND
    rto_max: int = 60_000 * MILLISECOND
    user_timeout: int = 900_000 * MILLISECOND
    syn_waits: tuple[int, ...] = tuple(s * 1_000 * MILLISECOND for s in (1, 2, 4, 8, 16, 32, 64))
    first_ephemeral_port: int = 49152

    def latency(self, one: str, other: str) -> int:
        """Return the one-way latency between two zones."""
        found = self.latencies.get((one, other)) or self.latencies.get((other, one))
        return self.default_latency if found is None else found
