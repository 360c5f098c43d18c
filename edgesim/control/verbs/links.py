"""Verbs on the links between servers (zones, SSH tunnels, XCP): which are up, and when the others are retried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgesim.control.carrier import ControlError, TookTooLong
from edgesim.control.command import WAITS, Done, HostsCommand, LabCommand, Seconds, Site, verb
from edgesim.node import Node
from edgesim.world import HostState

__all__ = ["LinkRow", "LinkTable", "Links", "Ready", "Retried", "Retry", "Settle", "Settled", "ZoneRow", "ZoneTable"]
__all__ += ["Zones"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """A link as the host that dials it sees it; ``again_s`` is in how many seconds it is tried again, if it waits."""

    host: str
    what: str
    peer: str
    state: str
    stands: bool
    reason: str
    again_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTable:
    """The links that Expressways keep up."""

    links: tuple[LinkRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRow:
    """The last known state of an Expressway zone."""

    host: str
    zone: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneTable:
    """All Expressway zones."""

    zones: tuple[ZoneRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried(Done):
    """How many links waited for their next attempt, and are tried now."""

    links: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Whether the links are up."""

    stand: bool


def words(link: LinkRow) -> str:
    """Return a line about a link that is down."""
    why = f" ({link.reason})" if link.reason and link.reason not in link.state else ""
    return f"{link.host}: {link.what} to {link.peer}: {link.state}{why}{again(link.again_s)}"


def again(seconds: float | None) -> str:
    """Return when something is tried again, to be put behind its state; empty where it is not."""
    return "" if seconds is None else f"; tried again in {seconds:.0f} s"


@verb("zones")
class Zones(LabCommand[ZoneTable]):
    """The Expressway zones, as the journal knows them."""

    async def work(self, site: Site) -> ZoneTable:
        known = site.lab.zones()
        links = (await site.ask(Links())).links
        due = {(each.host, each.what.removeprefix("zone ")): each.again_s for each in links if each.again_s is not None}
        return ZoneTable(
            zones=tuple(
                ZoneRow(
                    host=host,
                    zone=zone,
                    state=state,
                    reason=f"{'' if reason in state else reason}{again(due.get((host, zone)))}".removeprefix("; "),
                )
                if (now := site.lab.world.hosts[host].state) is HostState.UP
                else ZoneRow(host=host, zone=zone, state="unknown", reason=f"{host} is {now.value}")
                for host, zone, state, reason in known
            )
        )


@verb("links")
class Links(HostsCommand[LinkTable]):
    """The links that Expressways keep up: traversal zones, SSH tunnels, XCP."""

    async def work(self, site: Site, node: Node) -> LinkTable:
        return LinkTable(
            links=tuple(
                LinkRow(
                    host=node.name,
                    what=link.what,
                    peer=link.peer,
                    state=link.state,
                    stands=link.stands,
                    reason=link.reason,
                    again_s=None if link.again_s is None else round(link.again_s, 1),
                )
                for link in site.lab.links_of(node.name)
            )
        )

    def merge(self, replies: Sequence[LinkTable]) -> LinkTable:
        return LinkTable(links=tuple(link for each in replies for link in each.links))


@verb("retry")
class Retry(HostsCommand[Retried]):
    """Have an Expressway-C, or all, try the links now that wait for their next attempt."""

    async def work(self, site: Site, node: Node) -> Retried:
        try:
            waited = site.lab.retry_links(node.name)
        except LookupError as error:
            if self.host is not None:
                raise ControlError(str(error)) from None
            waited = 0
        return _retried(waited)

    def merge(self, replies: Sequence[Retried]) -> Retried:
        return _retried(sum(each.links for each in replies))


def _retried(links: int) -> Retried:
    if not links:
        return Retried(text="no link waits for its next attempt", links=0)
    return Retried(text="1 link is tried now" if links == 1 else f"{links} links are tried now", links=links)


@verb("settle")
class Settle(LabCommand[Settled]):
    """Wait until every running Expressway reports that its links are up, at most ``within`` seconds."""

    within: Seconds = 10.0

    @property
    def limit_s(self) -> float | None:
        return self.within + WAITS

    async def work(self, site: Site) -> Settled:
        try:
            return await site.ask(Ready(within=self.within))
        except TookTooLong:
            return Settled(stand=False)


@verb("ready")
class Ready(HostsCommand[Settled]):
    """Wait until the links of a host, or of all, are up. Raises `TookTooLong` after ``within`` seconds."""

    within: Seconds = 10.0

    @property
    def limit_s(self) -> float | None:
        return self.within

    async def work(self, site: Site, node: Node) -> Settled:
        await site.lab.ready(node.name)
        return Settled(stand=True)

    def merge(self, replies: Sequence[Settled]) -> Settled:
        return Settled(stand=all(each.stand for each in replies))
