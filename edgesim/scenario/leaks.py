"""Finds what a story must not leave behind: sockets, tasks, timers, faults, and unfinished work of programs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from edgesim.control import (
    Carrier,
    Command,
    Faults,
    Hosts,
    Leftovers,
    LookForLeftovers,
    Netstat,
    StopHost,
    StopServices,
    Unfinished,
)
from edgesim.world.api import KeepsOrphans

ARRIVES = {"sim": 1.0, "live": 0.05}
"""Seconds in which what is on its way between hosts arrives, by the kind of world."""
GIVES_UP_AFTER = {"sim": 33.0, "live": 3.0}
"""Seconds that unfinished work has to end: a SIP transaction ends after 64 times T1, 32 s (RFC 3261, 17.1.2.2). A
story that failed in the live world does not wait that long."""
CLOSES_WITHIN = {"sim": 0.0, "live": 3.0}
"""Seconds in which a stopped service's connections finish closing, and tasks end: a busy machine needs time for that,
simulated time does not go on meanwhile."""


async def stop_and_look(carrier: Carrier, world: str) -> list[str]:
    """Stop every running host gracefully, clients first; return what its services left behind, one line each.

    ``world`` is the kind of the lab's world. A host's services stop first and are inspected while their peers still
    run: stopping the host would close all that it holds, and so would a peer that stops.
    """
    found: list[str] = []
    running = [host for host in reversed((await carrier.ask(Hosts())).hosts) if host.state == "up"]
    clients = [host.name for host in running if host.kind == "client"]
    servers = [host.name for host in running if host.kind != "client"]
    for group in (clients, *([server] for server in servers)):
        for host in group:
            found += (await carrier.ask(StopServices(host=host))).lines
        await asyncio.sleep(ARRIVES[world])
        await _sent(carrier, world, group)
        for host in group:
            look = LookForLeftovers(host=host)
            found += await _lasting(carrier, look, CLOSES_WITHIN[world], ARRIVES[world])
    found += [f"a fault rule is still in force: {fault.label}" for fault in (await carrier.ask(Faults())).faults]
    loop, own = asyncio.get_running_loop(), asyncio.current_task()
    orphans = loop.orphans.values() if isinstance(loop, KeepsOrphans) else ()
    found += [f"the story left a task: {task.get_name()}" for task in orphans if task is not own]
    for host in (*clients, *servers):
        await carrier.ask(StopHost(host=host))
    return found


async def _sent(carrier: Carrier, world: str, hosts: Sequence[str]) -> None:
    """Wait for connections that are closing: one whose peer does not answer exists until its data times out.

    A peer may have dropped a connection during a partition; TLS sends its close_notify until TCP gives up.
    """

    async def sending() -> bool:
        for host in hosts:
            if any(row.send_queue for row in (await carrier.ask(Netstat(host=host))).rows):
                return True
        return False

    patience, step = GIVES_UP_AFTER[world], ARRIVES[world]
    while patience > 0 and await sending():
        await asyncio.sleep(step)
        patience -= step


async def unfinished(carrier: Carrier, world: str) -> list[str]:
    """Return work that programs began and do not finish in time, such as unanswered SIP requests.

    It is collected before connections are closed, which would end their transactions.
    """
    return await _lasting(carrier, Unfinished(), GIVES_UP_AFTER[world], ARRIVES[world])


async def _lasting(carrier: Carrier, look: Command[Leftovers], patience: float, step: float) -> list[str]:
    """Return the lines that every look finds, for ``patience`` seconds and with ``step`` seconds between two looks."""
    lines = (await carrier.ask(look)).lines
    while lines and patience > 0:
        await asyncio.sleep(step)
        patience -= step
        still = (await carrier.ask(look)).lines
        lines = tuple(line for line in lines if line in still)
    return list(lines)
