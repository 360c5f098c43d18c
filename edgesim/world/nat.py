"""Address translation at a firewall: static mappings, and source addresses that change on the way.

    static 203.0.113.10 = 10.0.10.10
    source inside -> outer-dmz as 203.0.113.10

A static mapping works both ways: what comes to the public address from the outer side goes to the private one, and what
the private host sends outward shows the public one. A source translation gives the flows that it means another address
and another port (RFC 2663, section 4.1.2).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from edgesim.world.firewall import LONGEST, RuleEndpoint, RuleError, parse_endpoint

FIRST_PORT, LAST_PORT = 1024, 65535
"""The ports that a source translation hands out, one after the other (RFC 4787, section 4.2.1, keeps to these)."""


class Binding(NamedTuple):
    """The flow that a translated port belongs to; ``source`` is the host that opened it, or a stranger's address."""

    protocol: str
    source: str
    local: tuple[str, int]
    remote: tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticNat:
    """``public`` on the outer side of the firewall is ``private`` on the inner side."""

    public: str
    private: str

    def __str__(self) -> str:
        return f"static {self.public} = {self.private}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceNat:
    """Flows from ``source`` to ``target`` show ``address`` beyond the firewall."""

    source: RuleEndpoint
    target: RuleEndpoint
    address: str

    def __str__(self) -> str:
        return f"source {self.source} -> {self.target} as {self.address}"


Nat = StaticNat | SourceNat


def parse_nat(text: str) -> Nat:
    """Return the translation that a text means. Raises `RuleError`."""
    if len(text) > LONGEST:
        raise RuleError(f"a translation of at most {LONGEST} characters")
    match text.split():
        case ["static", public, "=", private]:
            return StaticNat(public=_address(public), private=_address(private))
        case ["source", source, "->", target, "as", address]:
            places = parse_endpoint(source), parse_endpoint(target)
            if places[0].ports or places[1].ports:
                raise RuleError("places without ports: a source translation applies to all ports")
            return SourceNat(source=places[0], target=places[1], address=_address(address))
    raise RuleError("'static 203.0.113.10 = 10.0.10.10' or 'source inside -> outer-dmz as 203.0.113.10'")


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise RuleError(f"an address such as 203.0.113.10, got {text[:60]!r}") from None


class Bindings:
    """Which port of a shared address belongs to which flow. Ports come in order; the oldest flow yields its own.

    TCP and UDP share the ports of an address, so that address and port alone say whose flow it is.
    """

    def __init__(self) -> None:
        self._ports: dict[str, Iterator[int]] = {}
        self._given: dict[tuple[str, Binding], int] = {}
        self._flows: dict[tuple[str, int], Binding] = {}

    def port(self, address: str, flow: Binding) -> int:
        """Return the port by which a flow leaves ``address``, always the same for one flow."""
        port = self._given.get((address, flow))
        if port is None:
            port = self._given[address, flow] = next(self._ports.setdefault(address, _in_turn()))
            old = self._flows.get((address, port))
            if old is not None:
                del self._given[address, old]
            self._flows[address, port] = flow
        return port

    def holder(self, end: tuple[str, int]) -> str | None:
        """Return the host (or a stranger's address) whose flow shows this address and port."""
        flow = self._flows.get(end)
        return flow.source if flow is not None else None


def _in_turn() -> Iterator[int]:
    while True:
        yield from range(FIRST_PORT, LAST_PORT + 1)
