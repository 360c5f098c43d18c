"""The plan of the network: zones, firewalls with their rules, address translation.

The default is the documented design: see `edgesim.deployment.resolve.network`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from edgesim.deployment.base import Address, HostLabel, Model, Text, ZoneName
from edgesim.world.firewall import Ports, RuleError, parse_ports, parse_protocol, parse_rule, ports_text
from edgesim.world.nat import parse_nat


def _rule(text: str) -> str:
    return str(parse_rule(text))


def _nat(text: str) -> str:
    return str(parse_nat(text))


def _opening(text: str) -> str:
    protocol, ports = parse_opening(text)
    return f"{protocol} {ports_text(ports)}"


def parse_opening(text: str) -> tuple[str, Ports]:
    """Return protocol and ports of a text such as ``tcp 7001`` or ``udp 36002-59999``. Raises `RuleError`."""
    words = text.split()
    if len(text) > 256 or len(words) != 2:
        raise RuleError("a protocol and its ports, such as 'tcp 7001' or 'udp 36002-59999'")
    return parse_protocol(words[0]), parse_ports(words[1])


RuleText = Annotated[str, AfterValidator(_rule)]
"""``allow tcp internet -> outer-dmz:8443,5061``."""
NatText = Annotated[str, AfterValidator(_nat)]
"""``static 203.0.113.10 = 10.0.10.10`` or ``source inside -> outer-dmz as 203.0.113.10``."""
OpeningText = Annotated[str, AfterValidator(_opening)]
"""``tcp 7001``."""


Pin = Literal["latency", "jitter", "order", "timers", "start", "srv", "actors"]
"""What a seed decides about a simulated network unless it is pinned."""
Otherwise = Literal["drop", "reject"]


class ZonePlan(Model):
    """A network zone."""

    name: ZoneName
    outward: ZoneName | None = Field(
        default=None, description="the next zone towards the internet; the one listed before when left out"
    )
    site: Text | None = Field(default=None, description="where it is, in the author's words")


class FirewallPlan(Model):
    """A firewall between two neighbouring zones. The first rule that fits decides about a new flow."""

    name: HostLabel
    between: tuple[ZoneName, ZoneName] = Field(description="the outer zone, then the inner one")
    rules: tuple[RuleText, ...] | None = Field(
        default=None, description="what the documents require at this place when left out", max_length=256
    )
    closed: tuple[OpeningText, ...] = Field(
        default=(), description="ports that the rules open but that are closed here", max_length=64
    )
    otherwise: Otherwise = Field(default="drop", description="what no rule is about")
    nat: tuple[NatText, ...] = Field(default=(), description="E's static_nat adds its own", max_length=64)
    reflection: bool = Field(
        default=False, description="flows from the inner side to a static mapping's public address turn round here"
    )
    address: Address | None = Field(
        default=None, description="the source of what turns round here; the public address when left out"
    )
    keeps_source: bool = Field(
        default=False, description="what turns round here keeps its source, which few firewalls can; MRA needs it"
    )
    idle_tcp_s: float | None = Field(default=None, gt=0, description="defaults.network.firewall_idle_tcp_s")
    idle_udp_s: float | None = Field(default=None, gt=0, description="defaults.network.firewall_idle_udp_s")


class NetworkPlan(Model):
    """Zones and the firewalls between them, and what no seed decides about the wires."""

    zones: tuple[ZonePlan, ...] = Field(default=(), max_length=64)
    firewalls: tuple[FirewallPlan, ...] | None = Field(default=None, max_length=64)
    pinned: tuple[Pin, ...] = Field(
        default=(),
        max_length=7,
        description="what is the same under every seed: the latency of each way as described (latency), packets that"
        " neither vary nor wait (jitter), hosts in one order at one instant (order), timers that fire when due"
        " (timers), hosts that start one after the other in the order of the deployment (start), SRV targets by falling"
        " weight (srv), actors of a story who begin together at one instant (actors)",
    )
