"""Connections, datagrams and firewalls: filled in from what the world reports."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.journal.events.base import Event, kind


@kind("tcp.open")
@dataclass(frozen=True, slots=True, kw_only=True)
class TcpOpened(Event):
    """A TCP connection was opened (written by the side that dialled).

    ``local`` and ``remote`` are ``address:port``; ``port`` is the service's, also in the other entries of links.
    """

    local: str
    remote: str
    port: int

    def summary(self) -> str:
        return f"TCP connect :{self.port}"


@kind("tcp.failed")
@dataclass(frozen=True, slots=True, kw_only=True)
class TcpFailed(Event):
    """A TCP connection could not be opened: ``refused``, ``timed out`` or ``unreachable``."""

    remote: str
    port: int
    reason: str

    def summary(self) -> str:
        return f"TCP connect :{self.port} {self.reason}"


@kind("tcp.closed")
@dataclass(frozen=True, slots=True, kw_only=True)
class TcpClosed(Event):
    """A TCP connection ended on this side: ``closed``, ``reset`` or ``timed out``."""

    local: str
    remote: str
    port: int
    how: str

    def summary(self) -> str:
        return f"TCP :{self.port} {self.how}"


@kind("tcp.refused")
@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionsRefused(Event):
    """This host refused connections to its port: ``count`` since it last said so; ``remote`` made the last of them.

    ``reason`` says which limit, rate or block was met. Refusals are reported every now and then, not each.
    """

    port: int
    remote: str
    reason: str
    count: int

    def summary(self) -> str:
        times = "" if self.count == 1 else f"{self.count} times "
        return f"TCP :{self.port} refused {times}({self.reason})"


@kind("udp.dropped")
@dataclass(frozen=True, slots=True, kw_only=True)
class UdpDropped(Event):
    """A datagram was lost on its way."""

    remote: str
    port: int
    reason: str

    def summary(self) -> str:
        return f"UDP :{self.port} dropped ({self.reason})"


@kind("firewall.blocked")
@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallBlocked(Event):
    """A firewall ended a flow that this host opened; reported once for each flow.

    ``verdict`` is ``drop`` or ``reject``, ``rule`` what decided; ``zone`` and ``source`` are where the flow came from
    as the firewall saw it, ``remote`` and ``port`` what the host dialled.
    """

    firewall: str
    rule: str
    verdict: str
    protocol: str
    zone: str
    source: str
    remote: str
    port: int

    def summary(self) -> str:
        return f"{self.firewall}: {self.verdict} {self.protocol} :{self.port} ({self.rule})"
