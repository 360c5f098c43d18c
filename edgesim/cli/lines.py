"""Formats entries of a journal as lines of text."""

from __future__ import annotations

from edgesim.journal import Entry, Event
from edgesim.journal.masking import present
from edgesim.journal.rows import TAGS
from edgesim.journal.visible import visible


def line(entry: Entry[Event], *, secrets: bool = False) -> str:
    """Return an entry on one line: lab time, host and peer, protocol, summary; secrets masked unless ``secrets``."""
    entry = present(entry, secrets=secrets)
    arrow = {"in": "<-", "out": "->"}.get(entry.direction, "--")
    peer = f"{arrow} {visible(entry.peer)}" if entry.peer is not None else ""
    protocol = entry.kind.partition(".")[0]
    tag = TAGS.get(protocol, protocol.upper()[:5])
    return f"{entry.at:12.6f}  {visible(entry.node):<12} {peer:<26} {tag:<5} {visible(entry.event.summary())}"
