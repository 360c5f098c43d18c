"""Which scenario shows that a default binds: with another value of the default its journal is another one.

``python -m tests.deployment.binding`` looks for a scenario and a value for every default that has none in
``binding.json``, or whose pair no longer shows it, and writes what it finds; with ``--all`` it looks anew for each.
Names of defaults choose some. Reads are recorded while scenarios run, short scenarios are tried first.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import json
import sys
import tempfile
import typing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgesim.deployment import DeploymentError
from edgesim.deployment.base import Model
from edgesim.deployment.defaults import Defaults, grounds
from edgesim.scenario import Outcome, Scenario
from edgesim.scenario.discover import find
from edgesim.scenario.run import Options, run

HOME = Path(__file__).parents[2] / "scenarios"
COMMITTED = Path(__file__).with_suffix(".json")
SEED = 1
TRIED = 6
"""So many scenarios that read a default are tried for it: the shortest ones."""

Lines = tuple[bytes, ...]


def settings() -> list[str]:
    """Return the paths of the defaults that can be set, such as ``sip.t1_s``."""
    return [each.path for each in grounds() if not each.fixed and each.planned is None]


@functools.cache
def scenarios() -> Mapping[str, Scenario]:
    """Every scenario by its file and name, such as ``sign_in/chat.py::chat_in_the_office``."""
    return {f"{each.path.relative_to(HOME)}::{each.name}": each for each in find([], home=HOME)}


def journal(scenario: Scenario, changes: Mapping[str, Any] | None = None) -> Lines:
    """Run a scenario in the simulated world, with some settings changed, and return its journal's lines.

    They end where the scenario passed or failed. Raises `ValueError` where it did not begin.
    """
    changed = replace(scenario, changes={**scenario.changes, **(changes or {})})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "journal.jsonl")
        done = run(changed, Options(seed=SEED, journal=file))
        if done.verdict.outcome not in (Outcome.PASSED, Outcome.FAILED):
            raise ValueError(done.verdict.reason)
        return tuple(file.read_bytes().splitlines())


@functools.lru_cache(maxsize=64)
def shipped(name: str) -> Lines:
    """Return the lines of a scenario's journal with the defaults as they are shipped."""
    return journal(scenarios()[name])


def differ(one: Lines, other: Lines) -> bool:
    """Return whether two journals differ in an entry that both have: not merely in where they end."""
    return any(line != at for line, at in zip(one, other, strict=False))


def binds(path: str, value: Any, name: str) -> bool:
    """Return whether a scenario's journal differs with another value of a default."""
    return differ(shipped(name), journal(scenarios()[name], {f"defaults.{path}": value}))


# Finding them


@contextlib.contextmanager
def recorded() -> Iterator[set[str]]:
    """Within the block, collect the paths of the defaults that are read."""
    read: set[str] = set()
    groups = {type(field.default): group for group, field in Defaults.model_fields.items()}
    with contextlib.ExitStack() as stack:
        for cls, group in groups.items():

            def watched(self: Any, name: str, group: str = group, fields: Any = cls.model_fields) -> Any:
                if name in fields:
                    read.add(f"{group}.{name}")
                return object.__getattribute__(self, name)

            type.__setattr__(cls, "__getattribute__", watched)
            stack.callback(type.__delattr__, cls, "__getattribute__")
        yield read


def reads(name: str) -> tuple[str, int, set[str]]:
    """Return a scenario's name, the length of its journal, and the defaults that are read while it runs."""
    with recorded() as read:
        return name, len(shipped(name)), read


def alternatives(path: str) -> Iterator[Any]:
    """Yield other values of a default, as a deployment's file would have them; not all need be allowed."""
    group, name = path.split(".")
    field = type(Defaults.model_fields[group].default).model_fields[name]
    yield from _others(field.annotation, field.default)


def _others(annotation: Any, value: Any) -> Iterator[Any]:
    for each in (annotation, *typing.get_args(annotation)):
        if typing.get_origin(each) is typing.Literal:
            yield from (choice for choice in typing.get_args(each) if choice != value)
            return
    if isinstance(value, bool) or (value is None and bool in typing.get_args(annotation)):
        yield from (choice for choice in (True, False) if choice is not value)
    elif isinstance(value, int | float) or value is None:
        number = value or 0
        found = (2 * number, number + 1, number // 2, number / 10, 0.001, 1, 7, 0, 16, 64, 1024, 30, 100 * number)
        whole = isinstance(value, int) or value is None
        yield from dict.fromkeys(int(each) if whole else float(each) for each in found if each != value)
    elif isinstance(value, str):
        yield from (f"{value}x", f"x{value}", f"X-{value}", "another", "", "{domain}", "/another", "X15.0", "unknown")
    elif isinstance(value, Model):
        for name, field in type(value).model_fields.items():
            for other in _others(field.annotation, getattr(value, name)):
                yield value.model_copy(update={name: other})
    else:
        yield []
        yield value[1:]
        yield value[::-1]
        for at, each in itertools.islice(enumerate(value), 40):
            yield value[:at] + value[at + 1 :]
            for other in itertools.islice(_others(type(each), each), 4):
                yield (*value[:at], other, *value[at + 1 :])


@dataclass(slots=True)
class Found:
    """What was found of one default: the pair that shows it, or how it was sought."""

    path: str
    pair: tuple[Any, str] | None
    tried: tuple[str, ...] = ()


def look(job: tuple[str, Sequence[str]]) -> Found:
    """Look for a value and a scenario that show a default, among ``names``."""
    path, names = job
    tried = []
    for name in names:
        for value in itertools.islice(alternatives(path), 60):
            value = _plain(value)
            try:
                scenarios()[name].load().changed({f"defaults.{path}": value})
                if binds(path, value, name):
                    return Found(path, (value, name))
                tried.append(f"{name} with {value!r}: the same")
            except (DeploymentError, ValueError) as error:
                tried.append(f"{name} with {value!r}: {str(error).splitlines()[-1]}")
    return Found(path, None, tuple(tried))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value.model_dump(mode="json") if isinstance(value, Model) else value


def committed() -> dict[str, tuple[Any, str]]:
    """Return the committed pairs: by the path of a default, another value, and the scenario that shows it."""
    if not COMMITTED.exists():
        return {}
    return {path: (value, name) for path, (value, name) in json.loads(COMMITTED.read_text()).items()}


def write(pairs: Mapping[str, tuple[Any, str]]) -> None:
    """Commit these pairs."""
    lines = ",\n".join(f" {json.dumps(path)}: {json.dumps(pairs[path])}" for path in settings() if path in pairs)
    COMMITTED.write_text(f"{{\n{lines}\n}}\n")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.deployment.binding", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("paths", nargs="*", help="defaults such as sip.t1_s; all without any")
    parser.add_argument("--all", action="store_true", help="look anew for those that are known, too")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--verbose", action="store_true", help="tell what was tried in vain")
    given = parser.parse_args()
    pairs = {} if given.all else committed()
    wanted = given.paths or [path for path in settings() if path not in pairs]
    with ProcessPoolExecutor(given.jobs) as pool:
        runs = sorted(pool.map(reads, scenarios()), key=lambda each: each[1])
        readers = {path: [name for name, _, read in runs if path in read] for path in wanted}
        work = [(path, readers[path][:TRIED]) for path in wanted]
        missing = []
        for found in pool.map(look, work):
            if found.pair is not None:
                pairs[found.path] = found.pair
                write(pairs)
                continue
            missing.append(found.path)
            print(f"{found.path}: read in {len(readers[found.path])} scenarios", flush=True)
            for line in found.tried if given.verbose else ():
                print(f"    {line}")
    print(f"{len(pairs)} of {len(settings())} defaults are shown by a scenario")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
