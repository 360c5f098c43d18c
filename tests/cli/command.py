"""Running the command line: in this process, or as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from edgesim.cli.group import cli

ROOT = Path(__file__).parents[2]
PLAIN: dict[str, str | None] = {"COLUMNS": None, "NO_COLOR": None, "FORCE_COLOR": None}
"""A terminal that says nothing about its width and its colours, whatever the one says in which the tests run."""


def edgesim(*arguments: str, stdin: str | None = None, color: bool = False, **terminal: str) -> Result:
    """Run a command in this process, in a terminal with these settings; an exception that is no exit fails the test."""
    result = CliRunner().invoke(
        cli, arguments, input=stdin, prog_name="edgesim", color=color, env={**PLAIN, **terminal}
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def plain() -> dict[str, str]:
    """Return the environment of the tests, with a terminal that says nothing."""
    return {name: value for name, value in os.environ.items() if name not in PLAIN}


def environment() -> dict[str, str]:
    """Return the environment of a process of its own, which finds the package."""
    return {**plain(), "PYTHONPATH": str(ROOT)}


def process(*arguments: str, cwd: Path, stdin: str = "", timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a command as a process of its own, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "edgesim", *arguments],
        cwd=cwd,
        input=stdin,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
