"""What programs leave behind on a host: sockets, tasks, timers, and unfinished work that they count."""

from __future__ import annotations

import asyncio

from edgesim.lab.abilities import CountsLeaks, CountsUnfinished
from edgesim.world import Host, World

STOPS_WITHIN = 60.0
"""Seconds of lab time that a host's services may take to stop."""


async def stop_services(host: Host) -> list[str]:
    """Stop a host's services, not the host; return a line where that fails."""
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


def left_by(world: World, host: Host) -> list[str]:
    """Return what is left on a host whose services have stopped, one line each.

    What programs count themselves they report through ``Host.services``: objects with a method ``leaks()`` that returns
    lines.
    """
    lines = []
    for row in world.sockets(host.name):
        remote = f" to {row.remote[0]}:{row.remote[1]}" if row.remote else ""
        lines.append(f"a {row.protocol} socket: {row.local[0]}:{row.local[1]}{remote} {row.state}".rstrip())
    lines += [f"a task: {task.get_name()}" for task in host.life.tasks.values() if not task.done()]
    lines += [f"a timer: {name}, due at {due:.6f} s" for due, name in world.timers(host)]
    found = [f"{host.name} left {line}" for line in lines]
    for name, service in host.services.items():
        if isinstance(service, CountsLeaks):
            found += [f"{host.name}, {name}: {line}" for line in service.leaks()]
    return found


def unfinished(host: Host) -> list[str]:
    """Return the business that a host's programs began and have not finished: unanswered SIP requests.

    They report it through ``Host.services``: objects with a method ``unfinished()`` that returns lines.
    """
    return [
        f"{host.name}, {name}: {line}"
        for name, service in host.services.items()
        if isinstance(service, CountsUnfinished)
        for line in service.unfinished()
    ]


def unhandled(world: World) -> list[str]:
    """Return the unhandled errors, one text each."""
    lines = [f"an unhandled error: {each}" for each in world.errors()]
    if world.unhandled.count > len(lines):
        lines.insert(0, f"{world.unhandled.count} unhandled errors, the last of which were:")
    return lines
