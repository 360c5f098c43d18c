"""Paths on this machine: scenarios, journals of runs, the state of the live lab."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from edgesim.cli.problems import Problem

RUNS = Path(".edgesim") / "runs"
"""Where runs write their journals, below the current directory."""


def scenarios() -> list[Path]:
    """Return the folders of scenarios: ``scenarios`` in the current directory, and those that come with edgesim.

    Raises `Problem` if there is neither.
    """
    found = [Path("scenarios")] if Path("scenarios").is_dir() else []
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "scenarios", package.parent / "scenarios"):
        if folder.is_dir():
            return found if found and found[0].resolve() == folder else [*found, folder]
    if found:
        return found
    raise Problem(
        "no scenarios found: no folder `scenarios` here, and none installed with edgesim",
        "Name a file or a folder, or change to a directory that has `scenarios/`.",
    )


def state_directory(chosen: Path | None) -> Path:
    """Return the directory of the live lab's state: ``chosen``, or the platform's directory for a user's data."""
    if chosen is not None:
        return chosen
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "edgesim"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "edgesim"
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "edgesim"
