"""Running the command line: in this process, or as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from edgesim.cli.group import cli

ROOT = Path(__file__).parents[2]


def edgesim(*arguments: str, stdin: str | None = None) -> Result:
    """Run a command in this process; an exception that is no exit fails the test."""
    result = CliRunner().invoke(cli, arguments, input=stdin, prog_name="edgesim")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def process(*arguments: str, cwd: Path, stdin: str = "", timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a command as a process of its own, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "edgesim", *arguments],
        cwd=cwd,
        input=stdin,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
