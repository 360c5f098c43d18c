"""Verbs that end a host's services, and look for what they leave behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgesim.control.command import WAITS, EverywhereCommand, HostCommand, HostsCommand, Site, verb
from edgesim.lab import leftovers
from edgesim.node import Node

__all__ = ["Leftovers", "LookForLeftovers", "StopServices", "Unfinished", "Unhandled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """What was left behind, a line each."""

    lines: tuple[str, ...]


def _merged(replies: Sequence[Leftovers]) -> Leftovers:
    return Leftovers(lines=tuple(line for each in replies for line in each.lines))


@verb("stop-services")
class StopServices(HostCommand[Leftovers]):
    """Stop a host's services, so that what they leave can be looked for while their peers still run."""

    @property
    def limit_s(self) -> float | None:
        return leftovers.STOPS_WITHIN + WAITS

    async def work(self, site: Site, node: Node) -> Leftovers:
        return Leftovers(lines=tuple(await leftovers.stop_services(node.host)))


@verb("look-for-leftovers")
class LookForLeftovers(HostCommand[Leftovers]):
    """What is left on a host whose services were stopped: sockets, tasks, timers, unfinished work of programs."""

    async def work(self, site: Site, node: Node) -> Leftovers:
        return Leftovers(lines=tuple(leftovers.left_by(site.lab.world, node.host)))


@verb("unfinished")
class Unfinished(HostsCommand[Leftovers]):
    """Work that programs have not finished: unanswered SIP requests."""

    async def work(self, site: Site, node: Node) -> Leftovers:
        return Leftovers(lines=tuple(leftovers.unfinished(node.host)))

    def merge(self, replies: Sequence[Leftovers]) -> Leftovers:
        return _merged(replies)


@verb("unhandled")
class Unhandled(EverywhereCommand[Leftovers]):
    """The unhandled errors, the last of them."""

    async def work(self, site: Site) -> Leftovers:
        return Leftovers(lines=tuple(leftovers.unhandled(site.lab.world)))

    def merge(self, replies: Sequence[Leftovers]) -> Leftovers:
        return _merged(replies)
