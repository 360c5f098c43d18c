"""What a story must not leave behind: sockets, tasks, timers, faults, and whatever a program still counts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from edgesim import lab as labs
from edgesim.scenario.places import explain
from edgesim.world import Host, HostState

ARRIVES = {"sim": 1.0, "live": 0.05}
"""Seconds in which what is on its way between hosts arrives, by the kind of world."""
GIVES_UP_AFTER = {"sim": 33.0, "live": 3.0}
"""Seconds that unfinished business gets: a SIP transaction ends after 64 times T1, 32 s (RFC 3261, 17.1.2.2). In the
live world nobody waits so long, for a story that failed anyway."""
STOPS_WITHIN = 60.0
"""Seconds of lab time that a host's services may take to stop."""


async def stop_and_look(lab: labs.RunningLab) -> list[str]:
    """Stop every running host in good order, clients first; return what its services left, one line each.

    A host's services stop first and are looked at while their peers still run: ending the host would close whatever it
    holds, and so would a peer that ends. What programs count themselves they report through ``Host.services``: objects
    with a method ``leaks()`` that returns lines.
    """
    found: list[str] = []
    specs = [spec for spec in reversed(lab.deployment.host_specs()) if lab.nodes[spec.name].host.state is HostState.UP]
    clients = [lab.nodes[spec.name].host for spec in specs if spec.kind == "client"]
    servers = [lab.nodes[spec.name].host for spec in specs if spec.kind != "client"]
    for group in (clients, *([server] for server in servers)):
        for host in group:
            found += await _stop_services(host)
        await asyncio.sleep(ARRIVES[lab.world.kind])
        await _sent(lab, group)
        for host in group:
            found += _left_by(lab, host)
    found += [f"a fault rule is still in force: {fault.name}" for _, fault in lab.world.faults.rules()]
    orphans: dict[int, asyncio.Task[Any]] = getattr(asyncio.get_running_loop(), "orphans", {})
    own = asyncio.current_task()
    found += [f"the story left a task: {task.get_name()}" for task in orphans.values() if task is not own]
    for host in (*clients, *servers):
        await lab.world.stop(host.name)
    return found


async def _sent(lab: labs.RunningLab, hosts: Sequence[Host]) -> None:
    """Wait for what is sent to peers that do not answer: a connection that a service closes is there for so long.

    A peer may have given up a connection during a partition; TLS says goodbye to it until TCP learns that it is gone.
    """
    patience, step = GIVES_UP_AFTER[lab.world.kind], ARRIVES[lab.world.kind]
    while patience > 0 and any(row.send_queue for host in hosts for row in lab.world.sockets(host.name)):
        await asyncio.sleep(step)
        patience -= step


def unhandled(lab: labs.RunningLab) -> list[str]:
    """Return the errors that nobody handled, one text each."""
    lines = [
        f"an error that nobody handled: {each.message}{f': {explain(each.exception)}' if each.exception else ''}"
        for each in lab.world.errors()
    ]
    if lab.world.unhandled.count > len(lines):
        lines.insert(0, f"{lab.world.unhandled.count} errors that nobody handled, the last of which were:")
    return lines


async def unfinished(lab: labs.RunningLab) -> list[str]:
    """Return the business that programs began and do not finish (SIP requests that nobody answers), given its time.

    They report it through ``Host.services``: objects with a method ``unfinished()`` that returns lines. It is asked for
    before anybody lets go, since a connection that ends takes its transactions with it.
    """

    def counted() -> list[str]:
        return [
            f"{node.name}, {name}: {line}"
            for node in lab.nodes.values()
            for name, service in node.host.services.items()
            if hasattr(service, "unfinished")
            for line in service.unfinished()
        ]

    lines = counted()
    patience, step = GIVES_UP_AFTER[lab.world.kind], ARRIVES[lab.world.kind]
    while lines and patience > 0:
        await asyncio.sleep(step)
        patience -= step
        still = counted()
        lines = [line for line in lines if line in still]
    return lines


async def _stop_services(host: Host) -> list[str]:
    service, host.service = host.service, None
    if service is None:
        return []
    try:
        async with asyncio.timeout(STOPS_WITHIN):
            await host.run(service.stop(), name="stop")
    except TimeoutError:
        return [f"{host.name} did not stop within {STOPS_WITHIN:g} s of lab time"]
    except Exception as error:
        return [f"{host.name} failed to stop: {type(error).__name__}: {error}"]
    return []


def _left_by(lab: labs.RunningLab, host: Host) -> list[str]:
    lines = []
    for row in lab.world.sockets(host.name):
        remote = f" to {row.remote[0]}:{row.remote[1]}" if row.remote else ""
        lines.append(f"a {row.protocol} socket: {row.local[0]}:{row.local[1]}{remote} {row.state}".rstrip())
    lines += [f"a task: {task.get_name()}" for task in host.life.tasks.values() if not task.done()]
    timers = getattr(lab.world, "timers", None)
    if timers is not None:
        lines += [f"a timer: {name}, due at {due:.6f} s" for due, name in timers(host)]
    found = [f"{host.name} left {line}" for line in lines]
    for name, service in host.services.items():
        if hasattr(service, "leaks"):
            found += [f"{host.name}, {name}: {line}" for line in service.leaks()]
    return found
