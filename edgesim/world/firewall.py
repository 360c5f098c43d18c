"""The rules of firewalls: which flows they allow, drop or reject.

Rules are text in one form, first match decides:

    allow tcp internet -> outer-dmz:8443,5061,5222
    allow udp internet -> outer-dmz:36002-59999
    allow tcp expc:25000-29999 -> expe:7001
    drop any any -> 10.0.40.0/24

Each end is ``any``, a zone, a host's name, an address or a network, and may name ports and ranges of them. IPv6
addresses are in brackets: ``[2001:db8::1]:443``.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

FirewallAction = Literal["accept", "drop", "reject"]
"""``drop`` sends no answer, ``reject`` an ICMP error at once."""
Protocol = Literal["tcp", "udp", "any"]
LONGEST = 256
"""Characters of a rule at most."""
MOST_RANGES = 64
_VERDICTS: dict[str, FirewallAction] = {"allow": "accept", "drop": "drop", "reject": "reject"}
_PROTOCOLS: dict[str, Protocol] = {"tcp": "tcp", "udp": "udp", "any": "any"}
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,252}")
_PORTS = re.compile(r"[0-9]{1,5}(?:-[0-9]{1,5})?")

Ports = tuple[tuple[int, int], ...]
"""Ranges of ports, both ends included; none at all means every port."""


class RuleError(ValueError):
    """A rule that cannot be read: the text says what was expected in place of what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a flow as a firewall sees it. ``host`` is None for a stranger and behind a translated address."""

    address: str
    port: int
    zone: str
    host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEndpoint:
    """Which ends a rule means: ``word`` is ``any``, a zone or a host's name, unless a ``network`` is given."""

    word: str = "any"
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None
    ports: Ports = ()

    def matches(self, end: End) -> bool:
        """Return whether an end is meant."""
        if self.ports and not any(first <= end.port <= last for first, last in self.ports):
            return False
        if self.network is not None:
            address = ipaddress.ip_address(end.address)
            return address.version == self.network.version and address in self.network
        return self.word == "any" or self.word in (end.zone, end.host)

    def __str__(self) -> str:
        name = self.word
        if self.network is not None:
            single = self.network.prefixlen == self.network.max_prefixlen
            name = str(self.network.network_address if single else self.network)
            name = f"[{name}]" if self.network.version == 6 else name
        return f"{name}:{ports_text(self.ports)}" if self.ports else name


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule: what it decides about which flows. `str` gives its text."""

    verdict: FirewallAction
    protocol: Protocol
    source: RuleEndpoint
    target: RuleEndpoint

    def matches(self, protocol: str, source: End, target: End) -> bool:
        """Return whether the rule decides about a flow."""
        return self.protocol in ("any", protocol) and self.source.matches(source) and self.target.matches(target)

    def __str__(self) -> str:
        verdict = "allow" if self.verdict == "accept" else self.verdict
        return f"{verdict} {self.protocol} {self.source} -> {self.target}"


# ---- text


def parse_rule(text: str) -> Rule:
    """Return the rule that a text such as ``allow tcp internet -> outer-dmz:8443`` means. Raises `RuleError`."""
    if len(text) > LONGEST:
        raise RuleError(f"a rule of at most {LONGEST} characters")
    before, arrow, after = text.partition("->")
    words = before.split()
    if not arrow or len(words) != 3:
        raise RuleError("a rule such as 'allow tcp internet -> outer-dmz:8443', a verdict, a protocol and two places")
    verdict, protocol, source = words
    if verdict not in _VERDICTS:
        raise RuleError(f"allow, drop or reject, got {verdict!r}")
    return Rule(
        verdict=_VERDICTS[verdict],
        protocol=parse_protocol(protocol),
        source=parse_endpoint(source),
        target=parse_endpoint(after.strip()),
    )


def parse_protocol(text: str) -> Protocol:
    """Return ``tcp``, ``udp`` or ``any``. Raises `RuleError`."""
    if text not in _PROTOCOLS:
        raise RuleError(f"tcp, udp or any, got {text!r}")
    return _PROTOCOLS[text]


def parse_endpoint(text: str) -> RuleEndpoint:
    """Return what one end of a rule means. Raises `RuleError`."""
    if len(text) > LONGEST:
        raise RuleError(f"a place of at most {LONGEST} characters")
    name, ports = _split(text)
    network = None
    if not name.isascii():
        raise RuleError(f"any, a zone, a host, an address or a network, got {name!r}")
    if ":" in name or "/" in name or re.fullmatch(r"[0-9.]+", name):
        try:
            network = ipaddress.ip_network(name)
        except ValueError:
            raise RuleError(
                f"an address such as 10.0.30.10 or a network such as 10.0.30.0/24 (no host bits), got {name!r}"
            ) from None
        name = "any"
    elif not _WORD.fullmatch(name):
        raise RuleError(f"any, a zone, a host, an address or a network, got {name!r}")
    return RuleEndpoint(word=name, network=network, ports=parse_ports(ports) if ports is not None else ())


def _split(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        name, closing, rest = text[1:].partition("]")
        if not closing or ":" not in name or (rest and not rest.startswith(":")):
            raise RuleError(f"an IPv6 address in brackets, such as [2001:db8::1]:443, got {text!r}")
        return name, rest[1:] if rest else None
    if text.count(":") > 1:
        raise RuleError(f"brackets around an IPv6 address in {text!r}")
    name, colon, ports = text.partition(":")
    return name, ports if colon else None


def parse_ports(text: str) -> Ports:
    """Return the ranges that a text such as ``8443,5061,36002-59999`` means. Raises `RuleError`."""
    parts = text.split(",")
    if len(parts) > MOST_RANGES:
        raise RuleError(f"at most {MOST_RANGES} ports or ranges")
    ranges = []
    for part in parts:
        if not _PORTS.fullmatch(part):
            raise RuleError(f"ports such as 8443 or 36002-59999, got {part!r}")
        first, _, last = part.partition("-")
        span = (int(first), int(last or first))
        if not 1 <= span[0] <= span[1] <= 65535:
            raise RuleError(f"ports from 1 to 65535, the lower first, got {part!r}")
        ranges.append(span)
    return tuple(ranges)


def ports_text(ports: Ports) -> str:
    """Return ranges of ports as a rule writes them."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ports)
