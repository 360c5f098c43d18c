"""Sweeps: order, shards, processes and their deaths; and mutations that must turn a scenario red."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgesim.scenario import HostDown, Lab, Mutation, Note, Outcome, Scenario, Setting
from edgesim.scenario.discover import NotFoundError, find, scenarios_in, shard
from edgesim.scenario.run import Options
from edgesim.scenario.sweep import shortcomings, sweep, verify
from tests.scenario.stories import declared

FILE = '''
import os
import sys
from edgesim.scenario import Lab, scenario

SERVERS = ("expe", "expc", "ucm-pub", "ucm-sub", "imp-pub")


@scenario(without=SERVERS)
async def draws(lab: Lab) -> None:
    """Draws a number."""
    lab.report(number=lab.entropy("test").randrange(1000))
    lab.check(True, "an assertion")


@scenario(without=SERVERS, tags=["deadly"])
async def dies(lab: Lab) -> None:
    """Takes its process with it, under seed 2."""
    lab.check(True, "an assertion")
    if lab.seed == 2:
        os._exit(7)


@scenario(without=SERVERS)
async def fails(lab: Lab) -> None:
    lab.check(lab.seed != 3, "the seed is not three")
'''


STUCK = """
from edgesim.scenario import Lab, scenario

@scenario(without=("expe", "expc", "ucm-pub", "ucm-sub", "imp-pub"))
async def stuck(lab: Lab) -> None:
    lab.check(True, "an assertion")
    while True:
        pass
"""


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "three.py"
    path.write_text(FILE)
    yield path
    import sys

    for name in [name for name, module in sys.modules.items() if getattr(module, "__file__", None) == str(path)]:
        del sys.modules[name]


def named(path: Path, *names: str) -> list[Scenario]:
    return [each for each in scenarios_in(path) if each.name in names]


def test_processes_give_the_same_in_the_same_order_and_one_that_dies_costs_one_run(file: Path, tmp_path: Path) -> None:
    scenarios = named(file, "draws", "fails")
    serial = list(sweep(scenarios, [1, 2, 3]))
    assert [(each.scenario, each.seed) for each in serial] == [
        (name, seed) for name in ("draws", "fails") for seed in (1, 2, 3)
    ]
    assert [each.outcome for each in serial] == [Outcome.PASSED] * 5 + [Outcome.FAILED]
    assert len({each.reports.get("number") for each in serial[:3]}) == 3

    options = Options(journal=tmp_path / "run.jsonl")
    parallel = list(sweep(named(file, "draws", "dies", "fails"), [1, 2, 3], options, jobs=2))
    dead = parallel.pop(4)
    assert (dead.scenario, dead.seed, dead.outcome) == ("dies", 2, Outcome.COULD_NOT_RUN)
    assert dead.reason == "the process that ran it died" and dead.replay.endswith("three.py::dies --seed=2")
    assert all(each.outcome is Outcome.PASSED for each in parallel[3:5])
    assert [replace(each, journal="") for each in (*parallel[:3], *parallel[5:])] == serial
    assert parallel[1].journal == str(tmp_path / "run-draws-2.jsonl")
    assert all(Path(each.journal).stat().st_size > 100 for each in parallel)


def test_shards_divide_the_runs_and_lose_none(file: Path) -> None:
    scenarios = named(file, "draws", "fails")
    whole = list(sweep(scenarios, [1, 2, 3]))
    parts = [list(sweep(scenarios, [1, 2, 3], shard=(index, 4))) for index in (1, 2, 3, 4)]
    assert [len(part) for part in parts] == [2, 2, 1, 1]
    assert sorted(str(each) for part in parts for each in part) == sorted(map(str, whole))
    for wrong in ((0, 2), (3, 2)):
        with pytest.raises(ValueError, match="shard"):
            sweep(scenarios, [1], shard=wrong)


def test_the_journal_of_a_single_run_keeps_its_name(file: Path, tmp_path: Path) -> None:
    [one] = sweep(named(file, "draws"), [1], Options(journal=tmp_path / "run.jsonl"))
    assert one.journal == str(tmp_path / "run.jsonl")


def test_scenarios_of_one_name_have_journals_of_their_own(tmp_path: Path) -> None:
    files = [tmp_path / place for place in ("a/same.py", "b/same.py", "b/other.py")]
    for each in files:
        each.parent.mkdir(exist_ok=True)
        each.write_text(FILE, encoding="utf-8")
    scenarios = [each for path in files for each in named(path, "draws")]
    verdicts = list(sweep(scenarios, [1], Options(journal=tmp_path / "run.jsonl")))
    assert [Path(each.journal).name for each in verdicts] == [
        "run-a-same-draws-1.jsonl",
        "run-b-same-draws-1.jsonl",
        "run-other-draws-1.jsonl",
    ]


def test_processes_end_a_story_that_never_gives_way(tmp_path: Path) -> None:
    file = tmp_path / "stuck.py"
    file.write_text(STUCK, encoding="utf-8")
    verdicts = list(sweep(scenarios_in(file), [1, 2], Options(patience=0.5), jobs=2))
    assert [each.outcome for each in verdicts] == [Outcome.FAILED] * 2
    assert all("no progress for 0.5 s" in each.reason and "stuck.py:" in each.reason for each in verdicts)


def test_a_listener_stays_in_its_process(file: Path) -> None:
    heard: list[str] = []
    options = Options(watch=lambda entry: heard.append(entry.kind))
    list(sweep(named(file, "draws"), [1, 2], options))
    assert heard
    with pytest.raises(ValueError, match="listener"):
        sweep(named(file, "draws"), [1, 2], options, jobs=2)


def test_a_sweep_can_be_left_early(file: Path) -> None:
    runs = sweep(named(file, "draws"), range(50), jobs=2)
    assert next(runs).seed == 0
    runs.close()
    assert next(sweep(named(file, "draws"), [1])).outcome is Outcome.PASSED


# ---- mutations


async def _story(lab: Lab) -> None:
    lab.check(lab.deployment.users_by_id["alice"].password == "alice-secret", "alice has her password")


def test_every_mutation_must_turn_the_scenario_red() -> None:
    password = Setting("users.alice.password", "other")
    good = declared(_story, mutations=[password])
    results = verify(good)
    assert [(mutation, verdict.outcome) for mutation, verdict in results] == [(password, Outcome.FAILED)]
    assert shortcomings(good, results) == []

    green = declared(_story, mutations=[password, Setting("users.bob.password", "other")])
    assert shortcomings(green, verify(green)) == ["_story stays green under users.bob.password = 'other'"]

    none = declared(_story)
    assert shortcomings(none, verify(none)) == ["_story names no mutation: nothing shows that it can fail"]

    broken = declared(_story, mutations=[Setting("users.nobody.password", "x")])
    [line] = shortcomings(broken, verify(broken))
    assert line.startswith("_story says could not run under users.nobody.password = 'x': ")


def test_mutations_have_names_for_people() -> None:
    assert HostDown("expe").name == "expe is down"
    assert Mutation().name == "Mutation"


# ---- finding


def test_scenarios_are_found_by_file_name_and_tag(file: Path) -> None:
    home = file.parent
    assert [each.name for each in find([], home=home)] == ["draws", "dies", "fails"]
    assert [each.name for each in find([str(file)], home=home)] == ["draws", "dies", "fails"]
    assert [each.name for each in find([f"{file}::fails", "draws", "fails"], home=home)] == ["fails", "draws"]
    assert [each.name for each in find(["deadly"], home=home)] == ["dies"]
    assert [each.name for each in find(["three"], home=home)] == ["draws", "dies", "fails"]
    for wanted in (["nothing"], [f"{file}::nothing"], ["three::nothing"]):
        with pytest.raises(NotFoundError, match="no scenario matches"):
            find(wanted, home=home)
    with pytest.raises(NotFoundError, match="no scenario below"):
        find([], home=home / "empty")
    assert [each.name for each in shard(find([], home=home), 2, 2)] == ["dies"]


def test_a_file_that_changed_is_loaded_anew(file: Path) -> None:
    before = scenarios_in(file)[0]
    assert scenarios_in(file)[0] is before
    file.write_text(FILE.replace("Draws a number.", "Draws another number."))
    assert scenarios_in(file)[0].title == "Draws another number."


def test_two_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    for folder, number in (("a/x/y", 1), ("b/x/y", 2)):
        path = tmp_path / folder / "same.py"
        path.parent.mkdir(parents=True)
        path.write_text(FILE.replace("1000", str(number)))
    first, second = (scenarios_in(tmp_path / folder / "same.py")[0] for folder in ("a/x/y", "b/x/y"))
    assert first.path != second.path and first.play is not second.play
    runs = list(sweep([first, second], [1], replace(Options(), seed=9)))
    assert runs[0].reports["number"] == 0 and all(each.seed == 1 for each in runs)


def test_a_note_matches_as_any_entry() -> None:
    assert str(Note(text="x")) == "Note(text='x')"
    with pytest.raises(TypeError, match="Note has no field 'txt'; known: text, node, peer, direction, payload, key"):
        Note(txt="x")
