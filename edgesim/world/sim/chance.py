"""What a seed decides about a simulated network: latencies, jitter, loss, whose turn it is, the phases of timers.

Each has a stream of its own, named for the hosts that it is about, so that a draw added in one place shifts no other.
"""

from __future__ import annotations

from collections.abc import Callable

from edgesim.world.entropy import Entropy
from edgesim.world.events import Address
from edgesim.world.wires import SECOND, Wires

MOST = 4096
"""Of how many pairs of a host and an address the number of connections is remembered; the oldest goes first."""


class Chance:
    """The draws of one world."""

    def __init__(self, entropy: Callable[[str], Entropy]) -> None:
        self._entropy = entropy
        self._salts: dict[str, int] = {}
        self._losses: dict[tuple[str, str], Entropy] = {}
        self._datagrams: dict[tuple[str, str], Entropy] = {}
        self._connections: dict[tuple[str, Address], int] = {}
        self.wires: Wires

    def lay(self, wires: Wires) -> None:
        """Go by other wires from now on."""
        self.wires = wires
        self._factors: dict[tuple[str, str], float] = {}

    def latency(self, one: str, other: str, nominal: int) -> int:
        """Return what a nominal latency comes to between two hosts: the same in both directions, for a whole run."""
        if not self.wires.spread:
            return nominal
        pair = (one, other) if one < other else (other, one)
        factor = self._factors.get(pair)
        if factor is None:
            spread = self.wires.spread
            drawn = self._entropy(f"latency {pair[0]} {pair[1]}").uniform(1 - spread, 1 + spread)
            factor = self._factors[pair] = drawn
        return round(nominal * factor)

    def connection(self, host: str, remote: Address) -> Entropy | None:
        """Return the stream for what delays the segments of a new connection of ``host``; None where nothing does."""
        if not self.wires.longest_delay(SECOND):
            return None
        key = (host, remote)
        number = self._connections.pop(key, 0) + 1
        self._connections[key] = number
        if len(self._connections) > MOST:
            del self._connections[next(iter(self._connections))]
        return self._entropy(f"jitter {host} {remote[0]}:{remote[1]} {number}")

    def datagram(self, source: str, target: str, latency: int) -> int:
        """Return how much later than ``latency`` a datagram is."""
        longest = self.wires.longest_delay(latency)
        if not longest:
            return 0
        stream = self._datagrams.get((source, target))
        if stream is None:
            stream = self._datagrams[source, target] = self._entropy(f"jitter of datagrams {source} {target}")
        return int(stream.random() * longest)

    def lost(self, source: str, target: str, share: float) -> bool:
        """Return whether a packet is one of the ``share`` that get lost on a way."""
        if share <= 0:
            return False
        stream = self._losses.get((source, target))
        if stream is None:
            stream = self._losses[source, target] = self._entropy(f"loss {source} {target}")
        return stream.random() < share

    def salt(self, host: str) -> int:
        """Return a random number of a host from which its turns and the phase of its timers are derived."""
        salt = self._salts.get(host)
        if salt is None:
            salt = self._salts[host] = self._entropy(f"turns {host}").getrandbits(62)
        return salt

    def turn(self, host: str, now: int, round_: int) -> int:
        """Return what orders the hosts that have something to do at one instant. It keeps no state: it depends on the
        seed, the host, the time and the round within that instant, and on nothing that happened before."""
        return hash((self.salt(host), now, round_))

    def due(self, host: str, when: int) -> int:
        """Return when a host's timer fires that is set for ``when``: at the next of its ticks."""
        tick = self.wires.tick
        return when + (self.salt(host) - when) % tick if tick else when
