"""Asking the running lab, for commands that do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from edgesim.cli import places, state
from edgesim.cli.problems import Problem
from edgesim.control.carrier import ControlError, LabGone
from edgesim.control.client import HttpCarrier
from edgesim.control.coding import command_from_json, command_to_json
from edgesim.control.command import Command

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
DIRECTORY = "edgesim.directory"
"""Where click keeps the state directory for the commands below a group."""


def in_directory(function: F) -> F:
    """Add the option ``--dir``; what a group of commands was given counts where the command itself was given none."""

    def given(context: click.Context, _: click.Parameter, value: Path | None) -> Path | None:
        if value is not None:
            context.meta[DIRECTORY] = value
        found: Path | None = context.meta.get(DIRECTORY)
        return found

    return click.option(
        "--dir",
        "directory",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="STATE",
        help="The state directory of the lab. [default: this user's]",
        callback=given,
    )(function)


def carrier(directory: Path | None) -> HttpCarrier:
    """Return the carrier to the running lab. Raises `Problem` where none runs."""
    running = state.found(places.state_directory(directory))
    return HttpCarrier(running.control, running.token)


def ask(directory: Path | None, command: Command[R]) -> R:
    """Ask the running lab. Raises `Problem`, also for values that no command has: the lab is not asked then."""
    try:
        command_from_json(command_to_json(command))
    except ControlError as error:
        raise Problem(str(error)) from None
    except ValueError as error:  # octets that are no text
        raise Problem(f"{command.name}: {str(error).splitlines()[0]}") from None
    try:
        return asyncio.run(carrier(directory).ask(command))
    except LabGone as error:
        raise Problem(str(error), state.ADVICE) from None
    except ControlError as error:
        raise Problem(str(error)) from None
