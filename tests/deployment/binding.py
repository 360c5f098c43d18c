"""Which scenario shows that a default binds: with another value of the default its journal is another one.

``python -m tests.deployment.binding`` looks for a scenario and a value for every default that nothing shows yet and
writes what it finds into ``binding.json``; with ``--all`` it looks anew for each, and names of defaults choose some.
Reads are recorded while scenarios run. Short scenarios come first; each plays with all the changes that are still
sought, and where its journal differs, with halves of them, until it is known which show.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import json
import signal
import sys
import tempfile
import typing
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgesim.deployment import DeploymentError, builtin
from edgesim.deployment.base import Model
from edgesim.deployment.defaults import Defaults, grounds
from edgesim.scenario import Outcome, Scenario
from edgesim.scenario.discover import find
from edgesim.scenario.run import Options, run
from tests.deployment import probes
from tests.deployment.binding_tests import TESTS

HOME = Path(__file__).parents[2] / "scenarios"
COMMITTED = Path(__file__).with_suffix(".json")
HOUSE = tuple(f"/edgesim/deployment/{name}" for name in ("base.py", "changes.py", "consistency.py", "dump.py", "plan/"))
"""Files that look at every default, of every subject."""
SEED = 1
VALUES = 4
"""So many other values of each default are tried."""

PROCESSOR_S = 10.0
"""Seconds of processor time that a run may take."""

Lines = tuple[bytes, ...]


def settings() -> list[str]:
    """Return the paths of the defaults that can be set, such as ``sip.t1_s``."""
    return [each.path for each in grounds() if not each.fixed and each.planned is None]


@functools.cache
def scenarios() -> Mapping[str, Scenario]:
    """Every scenario by its file and name, such as ``sign_in/chat.py::chat_in_the_office``."""
    return {f"{each.path.relative_to(HOME)}::{each.name}": each for each in find([], home=HOME)}


class Endless(BaseException):
    """A run takes too long: a change made something happen without end."""


@contextlib.contextmanager
def bounded(seconds: float = PROCESSOR_S) -> Iterator[None]:
    """Raise `Endless` within the block once it has taken so much processor time."""

    def end(*_: object) -> None:
        raise Endless

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def journal(scenario: Scenario, changes: Mapping[str, Any] | None = None) -> Lines:
    """Run a scenario in the simulated world, with some settings changed, and return its journal's lines.

    They end where the scenario passed or failed. Raises `ValueError` where it did not begin, `Endless`.
    """
    changed = replace(scenario, changes={**scenario.changes, **(changes or {})})
    with tempfile.TemporaryDirectory() as folder, bounded():
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
    """Within the block, collect the paths of the defaults that are read by what a deployment describes."""
    read: set[str] = set()
    groups = {type(field.default): group for group, field in Defaults.model_fields.items()}
    with contextlib.ExitStack() as stack:
        for cls, group in groups.items():

            def watched(self: Any, name: str, group: str = group, fields: Any = cls.model_fields) -> Any:
                if name in fields and not any(each in sys._getframe(1).f_code.co_filename for each in HOUSE):
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
    """Yield other values of a default, as a deployment's file would have them, those that a deployment takes."""
    group, name = path.split(".")
    field = type(Defaults.model_fields[group].default).model_fields[name]
    for value in itertools.islice(_others(field.annotation, field.default), 40):
        plain = _plain(value)
        with contextlib.suppress(DeploymentError, ValueError):
            builtin("small").changed({f"defaults.{path}": plain})
            yield plain


def _others(annotation: Any, value: Any) -> Iterator[Any]:
    for each in (annotation, *typing.get_args(annotation)):
        if typing.get_origin(each) is typing.Literal:
            yield from (choice for choice in typing.get_args(each) if choice != value)
            return
    if isinstance(value, bool) or (value is None and bool in typing.get_args(annotation)):
        yield from (choice for choice in (True, False) if choice is not value)
    elif isinstance(value, int | float) or value is None:
        number = value or 0
        found = (2 * number, number / 2, number / 10, number + 1, 1, 16, 512, 1024, 0, 100 * number)
        whole = isinstance(value, int) or value is None
        yield from dict.fromkeys(int(each) if whole else float(each) for each in found if each != value)
    elif isinstance(value, str):
        yield from (f"{value}x", f"x{value}", f"X-{value}", "another", "", "{domain}", "/another", "X15.0", "unknown")
    elif isinstance(value, Model):
        for name, field in type(value).model_fields.items():
            for other in _others(field.annotation, getattr(value, name)):
                yield value.model_copy(update={name: other})
    elif value:
        changed = [next(_others(type(each), each), each) for each in value]
        yield tuple(changed)
        yield []
        yield value[::-1]
        for at in range(len(value)):
            yield value[:at] + value[at + 1 :]
            yield (*value[:at], changed[at], *value[at + 1 :])
    else:
        yield ["203.0.113.0/24", "198.51.100.0/24"]


def bisected(name: str, changes: Mapping[str, Any]) -> list[str]:
    """Return which of these changes show in a scenario's journal, each by itself: all at once first, then in halves."""
    if not changes:
        return []
    try:
        changed = journal(scenarios()[name], {f"defaults.{path}": value for path, value in changes.items()})
    except (DeploymentError, ValueError, Endless):
        changed = ()
    if changed == shipped(name):
        return []
    paths = list(changes)
    if len(paths) == 1:
        return paths if differ(shipped(name), changed) else []
    halves = paths[: len(paths) // 2], paths[len(paths) // 2 :]
    return [found for half in halves for found in bisected(name, {path: changes[path] for path in half})]


def look(job: tuple[str, Mapping[str, Any]]) -> tuple[str, list[str]]:
    """Return a scenario's name, and which of the changes it shows."""
    return job[0], bisected(*job)


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
    parser.add_argument("--values", type=int, default=VALUES, help="how many other values of each are tried")
    given = parser.parse_args()
    pairs = {} if given.all else committed()
    shown = {*pairs, *probes.paths(), *TESTS}
    wanted = given.paths or [path for path in settings() if path not in shown]
    values = {path: list(itertools.islice(alternatives(path), given.values)) for path in wanted}
    with ProcessPoolExecutor(given.jobs) as pool:
        runs = sorted(pool.map(reads, scenarios()), key=lambda each: each[1])
        for turn in range(given.values):
            for at in range(0, len(runs), given.jobs):
                batch = runs[at : at + given.jobs]
                jobs = []
                for place, (name, _, read) in enumerate(batch):
                    pending = [
                        path for path in wanted if path in read and path not in pairs and turn < len(values[path])
                    ]
                    jobs.append((name, {path: values[path][turn] for path in pending[place:] + pending[:place]}))
                for name, found in pool.map(look, jobs):
                    for path in found:
                        pairs.setdefault(path, (values[path][turn], name))
                write(pairs)
    for path in wanted:
        if path not in pairs:
            print(f"{path}: no scenario shows it; read in {sum(path in read for _, _, read in runs)}")
    print(f"{len(pairs)} of {len(settings())} defaults are shown by a scenario")
    return 0


if __name__ == "__main__":
    sys.exit(main())
