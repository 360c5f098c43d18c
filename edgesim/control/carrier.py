"""What carries a command to a lab, and what can go wrong with it."""

from __future__ import annotations

from typing import Protocol, TypeVar

from edgesim.control.command import Command

R = TypeVar("R")


class ControlError(Exception):
    """The lab cannot do what was asked; the text says why and what there is instead."""


class TookTooLong(ControlError):
    """The work of a command did not end within its limit."""


class LabGone(ControlError):
    """No lab answers."""


class Carrier(Protocol):
    """Something that carries commands to a lab."""

    async def ask(self, command: Command[R]) -> R:
        """Do what the command says and return its reply. Raises `ControlError`."""
        ...
