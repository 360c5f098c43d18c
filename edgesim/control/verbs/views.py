"""Verbs that look at a lab as a whole: how it is, which hosts there are, what they listen on, what was deployed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgesim.control.command import EverywhereCommand, HostsCommand, LabCommand, Site, Text, verb
from edgesim.control.verbs.links import Links, Zones, words
from edgesim.deployment import as_yaml
from edgesim.node import Node
from edgesim.world import HostState
from edgesim.world.netstat import SocketRow

__all__ = ["Count", "Counts", "Describe", "HostRow", "HostTable", "Hosts", "LabStatus", "Netstat", "Sockets", "Status"]

LAST_ERRORS = 5
"""How many of the last errors a status shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRow:
    """A host: its role, its addresses as (address, zone), its state, and the number of its life.

    ``process`` is the number of its process, if it has its own.
    """

    name: str
    kind: str
    fqdn: str
    addresses: tuple[tuple[str, str], ...]
    state: str
    incarnation: int
    process: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTable:
    """All hosts in the order in which they start."""

    hosts: tuple[HostRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabStatus:
    """A lab at a glance. ``seconds`` is lab time; ``problems`` are lines about what is down.

    ``connections`` are those of clients and strangers, ``refused`` how many were refused so far, ``blocked`` the
    addresses that intrusion protection blocks now. ``errors`` counts unhandled errors of edgesim itself.
    """

    deployment: str
    world: str
    seconds: float
    entries: int
    hosts_up: int
    hosts: int
    problems: tuple[str, ...]
    connections: int = 0
    refused: int = 0
    blocked: int = 0
    errors: int = 0
    last_errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a process counts for its hosts; the fields are those of `LabStatus`."""

    connections: int
    refused: int
    blocked: int
    errors: int
    last_errors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """Open sockets."""

    rows: tuple[SocketRow, ...]


@verb("status")
class Status(LabCommand[LabStatus]):
    """How the lab is."""

    async def work(self, site: Site) -> LabStatus:
        lab = site.lab
        hosts = list(lab.world.hosts.values())
        zones, links = (await site.ask(Zones())).zones, (await site.ask(Links())).links
        counts = await site.ask(Count())
        problems = [f"{host.name} is {host.state.value}" for host in hosts if host.state is not HostState.UP]
        problems += [
            f"{zone.host}: zone {zone.zone}: {zone.state}{f' ({zone.reason})' if zone.reason else ''}"
            for zone in zones
            if "Active" not in zone.state
        ]
        problems += [words(each) for each in links if not each.stands and not each.what.startswith("zone ")]
        if lab.journal.problem is not None:
            problems.append(lab.journal.problem)
        if counts.errors:
            several = "1 unhandled error" if counts.errors == 1 else f"{counts.errors} unhandled errors"
            problems.append(f"{several}, the last: {counts.last_errors[-1]}")
        return LabStatus(
            deployment=lab.deployment.name,
            world=lab.world.kind,
            seconds=round(lab.world.now() / 1e9, 3),
            entries=len(lab.journal),
            hosts_up=sum(host.state is HostState.UP for host in hosts),
            hosts=len(hosts),
            problems=tuple(problems),
            connections=counts.connections,
            refused=counts.refused,
            blocked=counts.blocked,
            errors=counts.errors,
            last_errors=counts.last_errors,
        )


@verb("count")
class Count(EverywhereCommand[Counts]):
    """How many connections there are, how many were refused, and what edgesim itself failed at."""

    async def work(self, site: Site) -> Counts:
        doors, errors = site.lab.world.admission, site.lab.world.unhandled
        return Counts(
            connections=doors.connections(),
            refused=sum(doors.refused.values()),
            blocked=len(doors.blocks()),
            errors=len(errors),
            last_errors=tuple(str(each) for each in errors)[-LAST_ERRORS:],
        )

    def merge(self, replies: Sequence[Counts]) -> Counts:
        return Counts(
            connections=sum(each.connections for each in replies),
            refused=sum(each.refused for each in replies),
            blocked=sum(each.blocked for each in replies),
            errors=sum(each.errors for each in replies),
            last_errors=tuple(line for each in replies for line in each.last_errors)[-LAST_ERRORS:],
        )


@verb("hosts")
class Hosts(LabCommand[HostTable]):
    """Which hosts there are."""

    async def work(self, site: Site) -> HostTable:
        there = site.lab.world.hosts
        return HostTable(
            hosts=tuple(
                HostRow(
                    name=spec.name,
                    kind=spec.kind,
                    fqdn=spec.fqdn,
                    addresses=tuple((each.address, each.zone) for each in spec.interfaces),
                    state=there[spec.name].state.value,
                    incarnation=there[spec.name].incarnation,
                    process=site.lab.world.process(spec.name),
                )
                for spec in site.lab.deployment.host_specs()
            )
        )


@verb("netstat")
class Netstat(HostsCommand[Sockets]):
    """The sockets of one host, or all."""

    async def work(self, site: Site, node: Node) -> Sockets:
        return Sockets(rows=tuple(site.lab.world.sockets(node.name)))

    def merge(self, replies: Sequence[Sockets]) -> Sockets:
        return Sockets(rows=tuple(row for each in replies for row in each.rows))


@verb("describe")
class Describe(LabCommand[Text]):
    """The lab's deployment as YAML, passwords included."""

    async def work(self, site: Site) -> Text:
        return Text(text=as_yaml(site.lab.deployment, reveal=True))
