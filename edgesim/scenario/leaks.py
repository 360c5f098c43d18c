"""What a scenario must not leave behind: sockets, tasks, faults, and whatever a product still counts."""

from __future__ import annotations

from edgesim import lab as labs


def leaks(lab: labs.Lab) -> list[str]:
    """Return what is left after every host was stopped in good order, one line each; nothing is the only right answer.

    A product reports dialogs, transactions and timers of its own through ``Host.services``: objects with a method
    ``leaks()`` that returns lines.
    """
    found = []
    for row in lab.world.sockets():
        remote = f" to {row.remote[0]}:{row.remote[1]}" if row.remote else ""
        found.append(
            f"{row.host} left a {row.protocol} socket: {row.local[0]}:{row.local[1]}{remote} {row.state}".rstrip()
        )
    for node in lab.nodes.values():
        for task in node.host.life.tasks.values():
            if not task.done():
                found.append(f"{node.name} left a task: {task.get_name()}")
        for name, service in node.host.services.items():
            report = getattr(service, "leaks", None)
            if report is not None:
                found.extend(f"{node.name} {name}: {line}" for line in report())
    for _, fault in lab.world.faults.rules():
        found.append(f"a fault rule is still in force: {fault.name}")
    return found
