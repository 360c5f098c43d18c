"""The protocol of carriers of commands to a lab, and their errors."""

from __future__ import annotations

from typing import ClassVar, Protocol, TypeVar

from edgesim.control.command import Command

R = TypeVar("R")


class ControlError(Exception):
    """The lab cannot carry out a command; the text says why, and what is possible.

    ``kind`` names the class of errors in JSON: a key of `KINDS`.
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
"""The errors of commands, by kind."""


class Carrier(Protocol):
    """Something that carries commands to a lab."""

    async def ask(self, command: Command[R]) -> R:
        """Do what the command says and return its reply. Raises `ControlError`."""
        ...
