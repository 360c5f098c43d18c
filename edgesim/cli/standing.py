"""What of a lab's links does not stand, in words."""

from __future__ import annotations

from edgesim.lab import RunningLab


def down(lab: RunningLab) -> list[str]:
    """Return a line for each link that Expressways keep up and that does not stand."""
    return [
        f"{host}: {link.what} to {link.peer}: {link.state}{f' ({link.reason})' if link.reason else ''}"
        for host, link in lab.links()
        if not link.stands
    ]
