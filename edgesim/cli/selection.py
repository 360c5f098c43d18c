"""Finds the scenarios that a command line names, or explains why there are none."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Sequence
from pathlib import Path

from edgesim.cli import places
from edgesim.cli.problems import Problem
from edgesim.scenario import Scenario
from edgesim.scenario.declare import DeclarationError
from edgesim.scenario.discover import AmbiguousError, NotFoundError, find

FEW = 12
"""How many names an error lists."""
PACKAGE = str(Path(__file__).resolve().parents[1])


def chosen(wanted: Sequence[str], *, own: bool = False) -> list[Scenario]:
    """Return the scenarios named, or all: the user's own and those that come with edgesim.

    With ``own``, all means the user's own if there are any. Raises `Problem` for a name that matches no scenario or is
    ambiguous, and for a file that cannot be loaded.
    """
    paths_only = bool(wanted) and all(Path(item.partition("::")[0]).exists() for item in wanted)
    home = [Path()] if paths_only else places.scenarios()
    if own and not wanted:
        home = home[:1]
    try:
        return find(wanted, home=home)
    except AmbiguousError as error:
        raise Problem(str(error)) from None
    except NotFoundError as error:
        text = str(error).partition(";")[0]
        if paths_only:
            raise Problem(text, "A scenario is an async function decorated with @scenario, in a Python file.") from None
        names = [each.name for each in _all(home)]
        folders = {name for each in _all(home) for name in each.path.parts[-3:-1]}
        near = [name for item in wanted for name in difflib.get_close_matches(item, [*names, *folders], n=3)]
        advice = f"Did you mean {' or '.join(dict.fromkeys(near))}? " if near else ""
        nearest = [each.name for each in _all(home[:1])]
        listing = f"Scenarios: {', '.join(nearest)}. " if 0 < len(nearest) <= FEW else ""
        listing += f"`edgesim list` shows all {len(names)}." if len(names) > FEW else ""
        raise Problem(text, advice + listing if names else "") from None
    except Exception as error:
        raise Problem(f"a scenario's file cannot be loaded: {_explained(error)}") from None


def _all(home: Sequence[Path]) -> list[Scenario]:
    try:
        return find([], home=home)
    except NotFoundError:
        return []


def _explained(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    own = [frame for frame in frames if not frame.filename.startswith(PACKAGE)] or frames
    where = f"{own[-1].filename}:{own[-1].lineno}: " if own else ""
    return where + (str(error) if isinstance(error, DeclarationError) else f"{type(error).__name__}: {error}")
