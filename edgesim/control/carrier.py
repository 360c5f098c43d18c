"""What carries a command to a lab, and what can go wrong with it."""

from __future__ import annotations

from typing import ClassVar, Protocol, TypeVar

from edgesim.control.command import Command

R = TypeVar("R")


class ControlError(Exception):
    """The lab cannot do what was asked; the text says why and what there is instead.

    ``kind`` is the word for a class of errors where they are carried as text: a key of `KINDS`.
    """

    kind: ClassVar[str] = "refused"


class TookTooLong(ControlError):
    """The work of a command did not end within its limit."""

    kind: ClassVar[str] = "took too long"


class Unsupported(ControlError):
    """The world of the lab cannot do that."""

    kind: ClassVar[str] = "unsupported"


class LabGone(ControlError):
    """No lab answers."""


KINDS: dict[str, type[ControlError]] = {each.kind: each for each in (ControlError, TookTooLong, Unsupported)}
"""What the work of a command raises, by the word for it."""


class Carrier(Protocol):
    """Something that carries commands to a lab."""

    async def ask(self, command: Command[R]) -> R:
        """Do what the command says and return its reply. Raises `ControlError`."""
        ...
