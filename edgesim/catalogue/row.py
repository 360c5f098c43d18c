"""One documented behaviour: what it says, since which releases, and where the documents say it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edgesim.deployment.features import GATES, Gate

CHAPTER = 'MRA Deployment Guide, "MRA Requirements and Prerequisites"'
"""The chapter of Cisco's Mobile and Remote Access Through Cisco Expressway Deployment Guide (X14) behind every row."""


class Kind(Enum):
    """What a row asks of the testbed."""

    REQUIREMENT = "R"
    """The readiness check reports a deployment that breaks it, and a scenario shows what then happens."""
    BEHAVIOUR = "B"
    """A scenario reproduces it."""
    LIMITATION = "L"
    """A scenario shows the failure as a client sees it, and the condition under which it works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the catalogue; ``section`` is the heading of the chapter under which it stands."""

    id: str
    kind: Kind
    statement: str
    section: str
    partly: str = ""
    """What no scenario of this project can show of it, and why; empty where the whole row can be shown."""

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
        """The releases that the row depends on."""
        return tuple(gate for gate in GATES if gate.row == self.id)
