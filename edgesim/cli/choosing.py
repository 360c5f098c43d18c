"""Finding the scenarios that a command line means, and explaining why there are none."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Sequence
from pathlib import Path

from edgesim.cli import places
from edgesim.cli.problems import Problem
from edgesim.scenario import Scenario
from edgesim.scenario.discover import NotFoundError, find


def chosen(wanted: Sequence[str]) -> list[Scenario]:
    """Return the scenarios meant, or all. Raises `Problem` where something matches none, or a file is broken."""
    paths_only = bool(wanted) and all(Path(item.partition("::")[0]).exists() for item in wanted)
    home = Path() if paths_only else places.scenarios()
    try:
        return find(wanted, home=home)
    except NotFoundError as error:
        text = str(error).partition(";")[0]
        if paths_only:
            raise Problem(text, "A scenario is an async function below @scenario, in a Python file.") from None
        names = [each.name for each in _all(home)]
        near = [name for item in wanted for name in difflib.get_close_matches(item, names, n=3)]
        advice = f"Did you mean {' or '.join(dict.fromkeys(near))}? " if near else ""
        few = len(names) <= 12
        listing = f"There are: {', '.join(names)}" if few else f"`edgesim list` has all {len(names)} of them."
        raise Problem(text, advice + listing if names else "") from None
    except Exception as error:
        raise Problem(f"a scenario's file cannot be loaded: {_explained(error)}") from None


def _all(home: Path) -> list[Scenario]:
    try:
        return find([], home=home)
    except NotFoundError:
        return []


def _explained(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    own = [frame for frame in frames if "/edgesim/" not in frame.filename.replace("\\", "/")] or frames
    where = f"{own[-1].filename}:{own[-1].lineno}: " if own else ""
    return f"{where}{type(error).__name__}: {error}"
