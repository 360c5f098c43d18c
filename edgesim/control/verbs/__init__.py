"""The verbs on a lab, a file for each subject. Importing this package enters all of them into `COMMANDS`."""

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

__all__ = ["SUBJECTS"]
