"""The verbs on a lab, a file for each subject. Importing this package enters all of them into `COMMANDS`."""

from edgesim.control.verbs import (
    certificates,
    faults,
    journal,
    lifecycle,
    links,
    paths,
    protection,
    services,
    views,
)

SUBJECTS = (views, journal, lifecycle, links, paths, faults, protection, certificates, services)
"""Every file of verbs. A new verb in one of them needs no line here, a new file does."""

__all__ = ["SUBJECTS"]
