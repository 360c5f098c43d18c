"""The results of a sign-in's stages, for all clients."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

S = TypeVar("S", bound=Enum)
R = TypeVar("R")


class Result(Enum):
    """The result of a stage."""

    OK = "ok"
    INSIDE = "inside"
    OUTSIDE = "outside"
    FAILED = "failed"
    NONE = "none"


class StageFailed(Exception):
    """A stage failed; the text is what a diagnostic client would show.

    ``refused``: the user's credentials were wrong, so the same attempt will fail again.
    """

    def __init__(self, text: str = "", *, refused: bool = False) -> None:
        super().__init__(text)
        self.refused = refused


class IllegalStep(RuntimeError):
    """A stage had a result that its table does not have: a bug in the client."""


def next_stage(table: Mapping[tuple[S, R], S], stage: S, result: R) -> S:
    """Return the stage after a result. Raises `IllegalStep`."""
    try:
        return table[stage, result]
    except KeyError:
        raise IllegalStep(f"{stage.name} cannot end with {result}") from None
