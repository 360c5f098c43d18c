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


class AmbiguousError(LookupError):
    """A name means scenarios of more than one home."""


def find(wanted: Sequence[str], *, home: Path | Sequence[Path]) -> list[Scenario]:
    """Return the scenarios meant by paths, ``path::name`` or names; all below ``home`` if nothing is named.

    A name is that of a scenario, of its file or of a folder around it, or a tag. Of several homes each is looked
    through. Raises `NotFoundError` where something named matches no scenario, or where there is none at all,
    `AmbiguousError` where it is a scenario's name in one home and in another.
    """
    homes = (home,) if isinstance(home, Path) else tuple(home)
    below = " or ".join(map(str, homes))
    if not wanted:
        found = [each for folder in homes for each in _below(folder)]
        if not found:
            raise NotFoundError(f"no scenario below {below}")
        return found
    everything: list[list[Scenario]] | None = None
    chosen: dict[tuple[str, str], Scenario] = {}
    for item in wanted:
        text, _, name = item.partition("::")
        path = Path(text)
        if path.is_dir():
            found = _below(path)
        elif path.is_file():
            found = scenarios_in(path)
        else:
            everything = [_below(folder) for folder in homes] if everything is None else everything
            found = _named(text, homes, everything)
        if name:
            found = [each for each in found if each.name == name]
        if not found:
            raise NotFoundError(f"no scenario matches {item!r}; `edgesim list` shows those below {below}")
        for each in found:
            chosen[(str(each.path), each.name)] = each
    return list(chosen.values())


def _named(text: str, homes: Sequence[Path], everything: Sequence[Sequence[Scenario]]) -> list[Scenario]:
    """Return the scenarios of each home that a word means. Raises `AmbiguousError`."""
    same = [[each for each in scenarios if each.name == text] for scenarios in everything]
    if sum(map(bool, same)) > 1:
        files = [f"{each.path}::{each.name}" for scenarios in same for each in scenarios]
        raise AmbiguousError(f"{text!r} is the name of several scenarios; choose one by its file: {', '.join(files)}")
    return [
        each
        for folder, scenarios in zip(homes, everything, strict=True)
        for each in scenarios
        if text in (each.name, each.path.stem, *each.tags) or text in each.path.relative_to(folder.resolve()).parts[:-1]
    ]


def file_names(scenarios: Sequence[Scenario]) -> dict[str, str]:
    """Return, by `Scenario.id`, a name for files of each: its own, after as much of its path as sets it apart."""
    files = {each.id: each for each in scenarios}
    return {
        id: _apart(each, [other for other in files.values() if other.name == each.name]) for id, each in files.items()
    }


def _apart(scenario: Scenario, same: Sequence[Scenario]) -> str:
    parts = 0
    while sum(_tail(each, parts) == _tail(scenario, parts) for each in same) > 1:
        parts += 1
    return "-".join([*_tail(scenario, parts), scenario.name])


def _tail(scenario: Scenario, parts: int) -> tuple[str, ...]:
    return scenario.path.with_suffix("").parts[-parts:] if parts else ()


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
    module.__edgesim_stamp__ = stamp  # type: ignore[attr-defined]  # ours: a file that changed is loaded again
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
