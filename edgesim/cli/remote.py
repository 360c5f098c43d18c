"""Sends commands to the running lab."""

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
"""The key of the state directory in click's context, for the commands of a group."""


def in_directory(function: F) -> F:
    """Add the option ``--dir``; a command without it takes that of its group."""

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
    """Return the carrier to the running lab. Raises `Problem` if none runs."""
    running = state.running_lab(places.state_directory(directory))
    return HttpCarrier(running.control, running.token)


def ask(directory: Path | None, command: Command[R]) -> R:
    """Send a command to the running lab and return the reply. Raises `Problem`, also for invalid values."""
    try:
        command_from_json(command_to_json(command))
    except ControlError as error:
        raise Problem(str(error)) from None
    except ValueError as error:  # octets that are not text
        raise Problem(f"{command.name}: {str(error).splitlines()[0]}") from None
    try:
        return asyncio.run(carrier(directory).ask(command))
    except LabGone as error:
        raise Problem(str(error), state.ADVICE) from None
    except ControlError as error:
        raise Problem(str(error)) from None
