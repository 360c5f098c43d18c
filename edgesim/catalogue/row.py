"""One documented behaviour: the statement, its release gates, and its source."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edgesim.deployment.features import GATES, Gate

CHAPTER = 'MRA Deployment Guide, "MRA Requirements and Prerequisites"'
"""The chapter of Cisco's Mobile and Remote Access Through Cisco Expressway Deployment Guide (X14) behind every row."""


class Kind(Enum):
    """The kinds of rows, by what the testbed must show."""

    REQUIREMENT = "R"
    """The readiness check reports a deployment that violates it, and a scenario shows the consequence."""
    BEHAVIOUR = "B"
    """A scenario reproduces it."""
    LIMITATION = "L"
    """A scenario shows the failure as a client sees it, and the condition under which it works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the catalogue; ``section`` is the chapter's heading above the statement."""

    id: str
    kind: Kind
    statement: str
    section: str
    partly: str = ""
    """The part that no scenario of this project can show, and why; empty if the whole row can be shown."""

    @property
    def group(self) -> str:
        """The first part of the id: NET, UC, CERT, EP, LIM or EXP."""
        return self.id.split("-")[0]

    @property
    def source(self) -> str:
        """The document's title and the section."""
        return f"{CHAPTER}: {self.section}"

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The release gates of the row."""
        return tuple(gate for gate in GATES if gate.row == self.id)
