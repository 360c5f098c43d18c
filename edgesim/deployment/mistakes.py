"""Errors in a deployment, reported so that its author can correct them."""

from __future__ import annotations

from dataclasses import dataclass

FieldPath = tuple[str | int, ...]
"""The way to a field of a deployment: ``("users", 0, "home_cluster")``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """Something wrong in a deployment: the field, its value (None where it must not be shown), what would be right.

    ``line`` counts from 1 in ``source``; None where the deployment did not come from a file.
    """

    path: FieldPath
    value: str | None
    reason: str
    line: int | None = None
    source: str = "deployment"

    @property
    def field(self) -> str:
        """The field as people write it: ``users[0].home_cluster``."""
        text = ""
        for step in self.path:
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
        return text

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        parts = [where, *([self.field] if self.path else [])]
        return ": ".join([*parts, self.reason if self.value is None else f"{self.value!r}: {self.reason}"])


class Inconsistent(ValueError):
    """A plan that contradicts itself: ``mistakes`` point into it, without lines."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("; ".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes


class DeploymentError(ValueError):
    """A deployment that cannot be used; ``mistakes`` lists everything that is wrong with it."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        super().__init__("\n".join([f"{count} in the deployment:", *(f"  {each}" for each in mistakes)]))
        self.mistakes = mistakes


class NoDeployment(DeploymentError):
    """There is no deployment with the name, or its file cannot be read."""

    def __init__(self, name: str, reason: str) -> None:
        mistake = Mistake(path=(), value=None, reason=reason, source=name)
        super().__init__((mistake,))
        self.args = (str(mistake),)
