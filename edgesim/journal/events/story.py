"""The story of a run: its steps, its clients, and what the journal lacks."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.journal.events.base import Event, kind


@kind("step")
@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Event):
    """A scenario's step: `state` is ``began``, ``ended`` or ``failed``; ``depth`` counts the steps it lies in."""

    text: str
    state: str
    depth: int = 0

    def summary(self) -> str:
        return f"{self.text} [{self.state}]"


@kind("client.state")
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientState(Event):
    """A simulated client went on: its stage, how it went, and what a diagnostic client would print."""

    user: str
    stage: str
    outcome: str
    detail: str = ""

    def summary(self) -> str:
        return f"{self.stage}: {self.outcome}{f' ({self.detail})' if self.detail else ''}"


@kind("journal.gap")
@dataclass(frozen=True, slots=True, kw_only=True)
class JournalGap(Event):
    """Entries that the journal does not have: how many (``missing``), why, and since which lab time (``since_ns``).

    It stands where they would, or soon after. Numbers of entries within a life go on over those that are missing.
    """

    missing: int
    reason: str
    since_ns: int

    def summary(self) -> str:
        entries = "1 entry is" if self.missing == 1 else f"{self.missing:,} entries are"
        return f"{entries} missing since {self.since_ns / 1e9:.3f} s: {self.reason}"
