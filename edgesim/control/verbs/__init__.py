"""The verbs on a lab, a file for each subject, and all of them by their names."""

from __future__ import annotations

from typing import Any

from edgesim.control.command import Command
from edgesim.control.verbs import (
    certificates,
    clients,
    faults,
    journal,
    leftovers,
    lifecycle,
    links,
    media,
    names,
    paths,
    protection,
    services,
    views,
)

SUBJECTS = (
    certificates,
    clients,
    faults,
    journal,
    leftovers,
    lifecycle,
    links,
    media,
    names,
    paths,
    protection,
    services,
    views,
)
"""Every file of verbs. A new verb in one of them needs no line here, a new file does."""

COMMANDS: dict[str, type[Command[Any]]] = {
    each.name: each
    for subject in SUBJECTS
    for each in (vars(subject)[name] for name in subject.__all__)
    if isinstance(each, type) and issubclass(each, Command)
}
"""Every command by the name that it has in JSON."""

__all__ = ["COMMANDS", "SUBJECTS"]
