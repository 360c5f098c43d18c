"""Errors that a user can fix: reported with their place and a remedy, without a traceback."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import click

COULD_NOT_RUN = 2
"""Exit code when nothing was checked."""


class Problem(click.ClickException):
    """An error that the user can fix. ``advice`` says how, and is printed on a line of its own."""

    exit_code = COULD_NOT_RUN

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it to standard error."""
        click.echo(f"{click.style('error:', fg='red', bold=True)} {self.message}", err=True, file=file)
        if self.advice:
            click.echo(f"  {self.advice}", err=True, file=file)


def file_problem(error: OSError, directory: Path) -> Problem:
    """Return a problem that says that a file of a lab's state directory cannot be read or written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return Problem(f"{error.filename or directory}: {error.strerror or error}", _FULL if full else _DIRECTORY)


_DIRECTORY = "Name a directory that you can write to with --dir."
_FULL = "Free some space, or name a directory on another disk with --dir."


@contextlib.contextmanager
def deployment_problems(what: str = "") -> Iterator[None]:
    """Turn a `DeploymentError` into a `Problem`."""
    from edgesim.deployment import DeploymentError, NoDeployment

    try:
        yield
    except NoDeployment as error:
        raise Problem(
            f"{what}{error}", "Name a YAML file, or a built-in deployment: `edgesim list` shows them."
        ) from None
    except DeploymentError as error:
        raise Problem(f"{what}{error}") from None
    except OSError as error:
        raise Problem(f"{what}{error}") from None
