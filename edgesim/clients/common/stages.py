"""How the stages of any client's sign-in end."""

from __future__ import annotations

from enum import Enum


class Result(Enum):
    """What came of a stage."""

    OK = "ok"
    INSIDE = "inside"
    OUTSIDE = "outside"
    FAILED = "failed"
    NONE = "none"


class StageFailed(Exception):
    """A stage did not work out; the text is what a diagnostic client would show.

    ``refused``: the user's credentials were not good, so that the same attempt will fail again.
    """

    def __init__(self, text: str = "", *, refused: bool = False) -> None:
        super().__init__(text)
        self.refused = refused
