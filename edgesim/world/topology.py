"""Zones, and the firewalls between them.

Zones form a tree: each names the next one outward, and the root is the internet. A firewall is between two
neighbours. A flow between two zones crosses every firewall on the way; all of them have to accept it. Answers ride on
the state that the first packet made (RFC 2979, section 3.1.1, leaves nothing else open to a stateful firewall).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from edgesim.world.firewall import End, FirewallAction, Rule, RuleEndpoint
from edgesim.world.nat import Nat

INTERNET = "internet"
NEVER = 1 << 62
"""Nanoseconds, more than any run takes: a firewall without time limits keeps its state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A network. ``outward`` is the next zone towards the internet (None for the root), ``site`` a label."""

    name: str
    outward: str | None
    site: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall:
    """The firewall between the zones ``outer`` and ``inner``.

    ``otherwise`` is the verdict on flows that match no rule. State that has been idle for ``idle_tcp_ns`` or
    ``idle_udp_ns`` nanoseconds is forgotten. ``nat`` is tried in order, static mappings first. With ``reflection`` a
    flow from the inner side to the public address of a static mapping turns round here and comes back with ``address``
    as its source (the public address where none is given), unless it ``keeps_source``; without it, it is lost.
    """

    name: str
    outer: str
    inner: str
    rules: tuple[Rule, ...] = ()
    otherwise: FirewallAction = "drop"
    idle_tcp_ns: int = NEVER
    idle_udp_ns: int = NEVER
    nat: tuple[Nat, ...] = ()
    reflection: bool = False
    address: str | None = None
    keeps_source: bool = False

    def check(self, protocol: str, source: End, target: End) -> tuple[FirewallAction, str]:
        """Return the verdict on a new flow and the text of what decided."""
        for rule in self.rules:
            if rule.matches(protocol, source, target):
                return rule.verdict, str(rule)
        return self.otherwise, f"otherwise {'allow' if self.otherwise == 'accept' else self.otherwise}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Zones and the firewalls between them."""

    zones: tuple[Zone, ...]
    firewalls: tuple[Firewall, ...] = ()

    @property
    def translates(self) -> bool:
        """Whether any firewall changes addresses."""
        return any(firewall.nat for firewall in self.firewalls)


def outward_only(zones: tuple[str, ...]) -> Network:
    """Return a chain of zones, the outermost first: flows are opened outward or within a zone, never inward."""
    chain = tuple(Zone(name=name, outward=outer) for name, outer in zip(zones, (None, *zones), strict=False))
    every = RuleEndpoint()
    walls = tuple(
        Firewall(
            name=f"{outer}/{inner}",
            outer=outer,
            inner=inner,
            # What crosses towards the internet has its target in one of the zones outside this firewall.
            rules=tuple(
                Rule(verdict="accept", protocol="any", source=every, target=RuleEndpoint(word=beyond))
                for beyond in zones[:at]
            ),
        )
        for at, (outer, inner) in enumerate(itertools.pairwise(zones), 1)
    )
    return Network(zones=chain, firewalls=walls)
