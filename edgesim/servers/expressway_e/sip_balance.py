"""Balances registrations over the Expressway-C peers (X14.1 and later).

E learns the remaining capacity of each C from the keep-alive of the traversal zone. While the loads are uneven it sends
REGISTERs, new ones and refreshes, to the least loaded C. The aim is to avoid one-sided loads, not to reach equal
shares. Source: "MRA Deployment Guide X14.3, MRA Maintenance".
"""

from __future__ import annotations

from collections.abc import Sequence

from edgesim.deployment import Defaults
from edgesim.servers.expressway_e.zone import TraversalLink


class Balance:
    """Decides which C gets a REGISTER."""

    def __init__(self, defaults: Defaults) -> None:
        self._capacity = defaults.links.registrations_available
        self._ratio = defaults.sip.imbalance_ratio

    def load(self, link: TraversalLink) -> int:
        """Return how many registrations a C has: the last report plus those that E moved since."""
        held = 0 if link.usage is None else self._capacity - link.usage.registrations
        return held + link.moved

    def choose(self, link: TraversalLink, live: Sequence[TraversalLink], *, new: bool) -> TraversalLink:
        """Return the C for a REGISTER routed to ``link``; a ``new`` one adds to the reported load."""
        loads = {other: self.load(other) for other in live if other.accepts}
        mean = sum(loads.values()) / len(loads)
        chosen = link
        if loads[link] > self._ratio * mean:
            least = min(loads, key=lambda other: loads[other])
            # A move must leave the loads more even than before.
            if loads[link] - loads[least] >= 2:
                chosen = least
        if new:
            chosen.moved += 1
        elif chosen is not link:
            link.moved -= 1
            chosen.moved += 1
        return chosen
