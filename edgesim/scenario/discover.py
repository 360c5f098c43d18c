"""Finding scenarios: in files, folders, or by name."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

from edgesim.scenario.declare import Scenario


class NotFoundError(LookupError):
    """No scenario matches what was asked for."""


def scenarios_in(path: Path) -> list[Scenario]:
    """Return the scenarios that a file declares, in its order. Errors of the file's own code pass through."""
    module = _load(path)
    return [value for value in vars(module).values() if isinstance(value, Scenario) and value.path == path.resolve()]


def find(wanted: Sequence[str], *, home: Path) -> list[Scenario]:
    """Return the scenarios meant by paths, ``path::name`` or names; all below ``home`` if nothing is named.

    Raises `NotFoundError` where something named matches no scenario, or where there is none at all.
    """
    if not wanted:
        found = _below(home)
        if not found:
            raise NotFoundError(f"no scenario below {home}")
        return found
    everything: list[Scenario] | None = None
    chosen: dict[tuple[str, str], Scenario] = {}
    for item in wanted:
        text, _, name = item.partition("::")
        path = Path(text)
        if path.is_dir():
            found = _below(path)
        elif path.is_file():
            found = scenarios_in(path)
        else:
            everything = _below(home) if everything is None else everything
            found = [each for each in everything if each.name == text or each.path.stem == text or text in each.tags]
        if name:
            found = [each for each in found if each.name == name]
        if not found:
            raise NotFoundError(f"no scenario matches {item!r}; `edgesim list` shows those below {home}")
        for each in found:
            chosen[(str(each.path), each.name)] = each
    return list(chosen.values())


def shard(scenarios: Sequence[Scenario], index: int, count: int) -> list[Scenario]:
    """Return every ``count``-th scenario, starting with the ``index``-th (from 1)."""
    return [each for place, each in enumerate(scenarios) if place % count == index - 1]


def _below(folder: Path) -> list[Scenario]:
    files: Iterable[Path] = sorted(folder.rglob("*.py"))
    return [each for file in files if not file.name.startswith(("_", "conftest")) for each in scenarios_in(file)]


def _load(path: Path) -> ModuleType:
    path = path.resolve()
    name = "edgesim_scenarios_" + "_".join(path.with_suffix("").parts[-3:]).replace("-", "_")
    state = path.stat()
    stamp = (str(path), state.st_mtime_ns, state.st_size)
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__edgesim_stamp__", None) == stamp:
        return known
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise NotFoundError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    module.__edgesim_stamp__ = stamp  # type: ignore[attr-defined]  # ours: a file that changed is loaded anew
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
