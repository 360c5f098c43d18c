"""When a row counts as shown: what its kind requires, on both sides of its gates."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from edgesim.catalogue.row import Kind, Row
from edgesim.deployment import Release
from edgesim.deployment.features import Gate


class Standing(Enum):
    """How far a row is shown."""

    SHOWN = "shown"
    PARTLY = "partly"
    EMPTY = "not shown"


def missing(row: Row, scenarios: Sequence[str], rules: Sequence[str], releases: dict[str, set[Release]]) -> list[str]:
    """Return what a row lacks to be shown, in words; empty if nothing.

    ``releases`` are those used by its scenarios, by product name.
    """
    lacks = []
    if row.kind is Kind.REQUIREMENT and not rules:
        lacks.append("a rule of the check")
    if not scenarios:
        lacks.append("a scenario")
    else:
        lacks += [f"a scenario on both sides of {gate} ({gate.feature})" for gate in row.gates if _one(gate, releases)]
    if row.partly:
        lacks.append(row.partly)
    return lacks


def _one(gate: Gate, releases: dict[str, set[Release]]) -> bool:
    """Return whether all scenarios are on one side of a gate."""
    return len({gate.open(release) for release in releases.get(gate.product.value, ())}) < 2


def standing(lacks: Sequence[str], *, by_anything: bool) -> Standing:
    """Return how far a row is shown, given what it lacks."""
    if not by_anything:
        return Standing.EMPTY
    return Standing.PARTLY if lacks else Standing.SHOWN
