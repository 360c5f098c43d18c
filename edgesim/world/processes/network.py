"""The network of one process of several: what firewalls remember of a flow is known at both ends of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from edgesim.world.events import Address
from edgesim.world.live.network import FLOWS, LiveNetwork
from edgesim.world.paths import FlowState

TOLD_NS = 1_000_000_000
"""Seconds after which a continuing flow of datagrams is reported again."""
Remembered = tuple[Address, Address, str, int, int]
"""A flow as firewalls remember it: source, target, the firewall that forgets it first, after how many nanoseconds
without a packet, and the lab time of the last one."""


class SplitNetwork(LiveNetwork):
    """The sockets of one process. If hosts share a process, the receiver of a datagram records its flow for both; here
    the sender records it too, or the answer would be a new flow to it.

    The firewalls' state outlives a host's process: ``report_flow`` passes it on, `recall` restores it in the next one.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.report_flow: Callable[[Remembered], None] | None = None
        self._flow_reported: dict[tuple[Address, Address], int] = {}

    def _remembered(self, source: Address, local: Address) -> bool:
        found = super()._remembered(source, local)
        if found and self.report_flow is not None:
            for pair in ((source, local), (local, source)):
                self._report_flow(pair)
        return found

    def _remember(self, source: Address, local: Address) -> None:
        super()._remember(source, local)
        self._report_flow((source, local))

    def _report_flow(self, pair: tuple[Address, Address]) -> None:
        state, now = self._flows.get(pair), self.now()
        told = self._flow_reported.get(pair)
        if state is None or self.report_flow is None or (told is not None and now - told < TOLD_NS):
            return
        self._flow_reported.pop(pair, None)
        self._flow_reported[pair] = now
        if len(self._flow_reported) > FLOWS:
            del self._flow_reported[next(iter(self._flow_reported))]
        self.report_flow((*pair, state.keeper, state.idle_ns, state.last_ns))

    def recall(self, flows: Iterable[Remembered]) -> None:
        """Restore flows that an earlier process reported."""
        for source, target, keeper, idle_ns, last_ns in flows:
            self._flows[source, target] = FlowState(keeper, idle_ns, last_ns)

    def outlet(self, transport: Any) -> Any:
        return Outlet(self, transport)

    def sent(self, source: Address, target: Address) -> None:
        """A host of this process sends a datagram."""
        if target[0] not in self.by_address or self._remembered(source, target):
            return
        if self.check(source, target, "udp")[0] == "accept":
            self._remember(source, target)


class Outlet:
    """A datagram transport that notes what is sent."""

    __slots__ = ("_network", "_transport")

    def __init__(self, network: SplitNetwork, transport: Any) -> None:
        self._network = network
        self._transport = transport

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send a datagram: to the peer where the socket has one."""
        target = addr or self._transport.get_extra_info("peername")
        if target is not None:
            self._network.sent(self._transport.get_extra_info("sockname")[:2], (target[0], target[1]))
        self._transport.sendto(data, addr)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Flows:
    """The newest flows that a host's processes reported."""

    def __init__(self) -> None:
        self._known: dict[tuple[Address, Address], Remembered] = {}

    def note(self, flow: Remembered) -> None:
        """Record a report of a process."""
        self._known.pop(flow[:2], None)
        self._known[flow[:2]] = flow
        if len(self._known) > FLOWS:
            del self._known[next(iter(self._known))]

    def all(self) -> list[Remembered]:
        """Return them all."""
        return list(self._known.values())
