"""The network of one process of several: what firewalls remember of a flow is known at both ends of it."""

from __future__ import annotations

from typing import Any

from edgesim.world.events import Address
from edgesim.world.live.network import LiveNetwork


class SplitNetwork(LiveNetwork):
    """The sockets of one process. Where hosts share one, whoever receives a datagram remembers its flow for both; here
    the sender notes what it sends, too, or the answer would be a new flow to it.
    """

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
