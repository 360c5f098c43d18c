"""Verbs on the journal of a lab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from edgesim.control.command import LabCommand, Site, verb
from edgesim.journal.codec import encode

__all__ = ["Lines", "Tail"]

MOST_LINES = 10_000
REPLY = 1024 * 1024
"""Octets of a reply with entries of the journal; for more, ask again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Entries of the journal as lines of JSON, secrets masked; ``next`` is the position after the last.

    ``first`` is the position of the first of them: later than asked for if earlier entries are no longer kept.
    """

    lines: tuple[str, ...]
    next: int
    first: int


@verb("tail")
class Tail(LabCommand[Lines]):
    """The journal from position ``after`` on, or its end; at most ``limit`` entries, and no more than a reply holds."""

    after: Annotated[int, Field(ge=0)] | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_LINES)] = 100

    async def work(self, site: Site) -> Lines:
        journal = site.lab.journal
        end = len(journal)
        start = max(end - self.limit, 0) if self.after is None else min(self.after, end)
        start = max(start, journal.first)
        lines: list[str] = []
        octets = 0
        for entry in journal.entries(start)[: self.limit]:
            line = encode(entry).decode("ascii").rstrip("\n")
            octets += len(line)
            if lines and octets > REPLY:
                break
            lines.append(line)
        return Lines(lines=tuple(lines), next=start + len(lines), first=start)
