"""``edgesim run``: choosing, printing, exit codes, sweeps, determinism."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.cli.command import edgesim, environment, process
from tests.cli.stories import BAD, CANNOT, DELAYED, ENDLESS, GATED, GOOD, SLOW_IN_THE_LAB, UNSTEADY, UNSUPPORTED, write


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path, good=GOOD, bad=BAD, unsupported=UNSUPPORTED)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_run_prints_its_story_and_the_path_of_its_journal(here: Path) -> None:
    done = edgesim("run", "asks", "--seed", "7")
    assert done.exit_code == 0
    assert "the question" in done.output
    assert "PASSED" in done.output and "seed 7" in done.output and "questions=1" in done.output
    journal = here / ".edgesim" / "runs" / "asks-seed-7.jsonl"
    assert str(journal.relative_to(here)) in done.output
    assert json.loads(journal.read_text().splitlines()[0])["seed"] == 7


def test_the_secrets_of_tls_are_their_owners_alone(here: Path) -> None:
    keys = here / "keys.log"
    keys.touch(mode=0o644)
    assert edgesim("run", "asks", "--keylog", str(keys)).exit_code == 0
    assert keys.stat().st_mode & 0o777 == 0o600


def test_a_failure_says_what_came_instead_and_how_to_replay(here: Path) -> None:
    done = edgesim("run", "never_registers")
    assert done.exit_code == 1
    assert "FAILED" in done.output
    assert "expected  Registered(device='CSFALICE') within 2 s" in done.output
    assert "instead   no sip.registered entry came at all" in done.output
    assert "the ladder around it" in done.output and "Expressway-C" in done.output
    assert "replay    edgesim run scenarios/bad.py::never_registers --seed=1" in done.output


@pytest.mark.parametrize(("name", "code"), [("asks", 0), ("never_registers", 1), ("needs_programs", 3)])
def test_json_is_one_line_and_the_exit_code_is_the_outcome(here: Path, name: str, code: int) -> None:
    done = edgesim("run", name, "--json")
    assert done.exit_code == code
    (line,) = done.stdout.splitlines()
    verdict = json.loads(line)
    assert verdict["scenario"] == name
    assert verdict["outcome"] == {0: "passed", 1: "failed", 3: "unsupported"}[code]


def test_what_cannot_run_has_exit_code_2(here: Path) -> None:
    write(here, cannot=CANNOT)
    done = edgesim("run", "cannot")
    assert done.exit_code == 2
    assert "no-such-deployment" in done.output


def test_no_match_is_an_error_that_names_what_there_is(here: Path) -> None:
    done = edgesim("run", "nothing_like_it", "--json")
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "no scenario matches 'nothing_like_it'" in done.stderr
    assert "asks" in done.stderr and "never_registers" in done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [("x = 1 / 0\n", "broken.py:1: ZeroDivisionError"), ("x = (\n", "broken.py:1: '(' was never closed")],
)
def test_a_broken_file_is_reported_with_its_line(here: Path, text: str, told: str) -> None:
    (here / "broken.py").write_text(text)
    done = edgesim("run", "broken.py")
    assert done.exit_code == 2
    assert told in done.stderr
    assert "Traceback" not in done.output


def test_a_sweep_gives_a_line_for_each_run_and_a_junit_file(here: Path) -> None:
    done = edgesim("run", "asks", "--seeds", "1..3", "--json", "--junit", "out/runs.xml")
    assert done.exit_code == 0
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["seed"] for each in verdicts] == [1, 2, 3]
    courses = [each["course"] for each in verdicts]
    assert [each["courses"] for each in verdicts] == [len(set(courses[:number])) for number in (1, 2, 3)]
    suite = ElementTree.parse(here / "out" / "runs.xml").getroot()
    cases = list(suite.iter("testcase"))
    assert [case.get("name") for case in cases] == ["asks[sim-1]", "asks[sim-2]", "asks[sim-3]"]
    assert {case.get("classname") for case in cases} == {"scenarios"}


def test_the_time_in_a_junit_file_is_the_machines(here: Path) -> None:
    write(here, slow=SLOW_IN_THE_LAB)
    assert edgesim("run", "waits", "--junit", "runs.xml").exit_code == 0
    (case,) = ElementTree.parse(here / "runs.xml").getroot().iter("testcase")
    assert 0 < float(case.get("time", "0")) < 100
    (told,) = [each.get("value") for each in case.iter("property") if each.get("name") == "lab_seconds"]
    assert float(told or "0") > 400


@pytest.mark.parametrize("more", [(), ("-j", "2")])
def test_ctrl_c_sums_up_what_ran(here: Path, more: tuple[str, ...]) -> None:
    write(here, endless=ENDLESS)
    command = [
        sys.executable,
        "-m",
        "edgesim",
        "run",
        "scenarios/bad.py",
        "scenarios/endless.py",
        "--junit",
        "runs.xml",
    ]
    running = subprocess.Popen(
        [*command, *more],
        cwd=here,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stdout is not None
    told = running.stdout.readline()
    os.killpg(running.pid, signal.SIGINT)
    output, errors = running.communicate(timeout=60)
    assert "FAILED" in told
    assert "1 run in" in output and "1 failed" in output
    assert "edgesim run scenarios/bad.py::never_registers --seed=1" in output
    assert "interrupted after 1 of 2 runs" in errors and "Traceback" not in errors
    assert len(list(ElementTree.parse(here / "runs.xml").getroot().iter("testcase"))) == 1


def test_a_sweep_says_how_many_journals_differ(here: Path) -> None:
    (here / "scenarios" / "courses.py").write_text(
        "from edgesim.scenario import Lab, scenario\n\n\n"
        "def story(name):\n"
        "    async def play(lab: Lab) -> None:\n"
        "        lab.check(True, 'an assertion')\n"
        "        for user in ('alice', 'bob') if name == 'company' else ():\n"
        "            lab.client(user)\n"
        "        for number in range(lab.entropy('story').randrange(1, 1000) if name != 'fixed' else 1):\n"
        "            lab.note(str(number))\n"
        "    play.__name__ = name\n"
        "    return scenario(without=['expe', 'expc', 'ucm-pub', 'ucm-sub', 'imp-pub'])(play)\n\n\n"
        "draws, fixed, company = story('draws'), story('fixed'), story('company')\n"
    )
    told = "journals that differ in the sequence of (node, kind): "
    assert f"{told}4 of 4\n" in edgesim("run", "draws", "--seeds", "1..4").stdout
    assert f"{told}1 of 4\n" in edgesim("run", "fixed", "--seeds", "1..4").stdout
    both = edgesim("run", "draws", "fixed", "--seeds", "1..4").stdout
    assert f"{told}5 of 8; fewest: fixed 1 of 4, draws 4 of 4\n" in both
    three = edgesim("run", "draws", "fixed", "company", "--seeds", "1..4").stdout
    assert f"{told}9 of 12; of two clients and more: 4 of 4; fewest: company 4 of 4\n" in three


def test_a_sweep_prints_its_failures_with_their_ladders(here: Path) -> None:
    done = edgesim("run", "scenarios/bad.py", "scenarios/good.py", "--seeds", "1..2")
    assert done.exit_code == 1
    assert done.stdout.count("the ladder around it") == 2
    assert "4 runs in" in done.stdout and "2 passed" in done.stdout and "2 failed" in done.stdout


def test_shards_divide_the_runs_without_overlap(here: Path) -> None:
    seeds = []
    for part in (1, 2, 3):
        done = edgesim("run", "asks", "--seeds", "1..7", "--shard", f"{part}/3", "--json")
        seeds += [json.loads(line)["seed"] for line in done.stdout.splitlines()]
    assert sorted(seeds) == list(range(1, 8))
    empty = edgesim("run", "asks", "--shard", "2/2")
    assert empty.exit_code == 2
    assert "shard 2/2 is empty" in empty.stderr


def test_a_run_at_each_of_several_releases(here: Path) -> None:
    write(here, gate=GATED)
    done = edgesim("run", "sides", "--release", "expressway=X12.4,X12.5", "--release", "unified_cm=12.5(1)", "--json")
    verdicts = [json.loads(line) for line in done.output.splitlines()]
    assert [each["releases"] for each in verdicts] == [
        {"expressway": "X12.4", "unified_cm": "12.5(1)"},
        {"expressway": "X12.5", "unified_cm": "12.5(1)"},
    ]
    assert [each["reports"]["open"] for each in verdicts] == [False, True]
    assert "--release=expressway=X12.4" in verdicts[0]["replay"]
    parallel = edgesim("run", "sides", "asks", "--release", "expressway=X12.4,X12.5", "--json", "-j", "2")
    reports = [json.loads(line)["reports"] for line in parallel.output.splitlines()]
    assert [each.get("open") for each in reports] == [False, True, None, None]


@pytest.mark.parametrize("value", ["expressway", "expressway=", "expressway=X12.4,"])
def test_a_release_that_cannot_be_read_is_reported(here: Path, value: str) -> None:
    done = edgesim("run", "asks", "--release", value)
    assert done.exit_code == 2
    assert value.split("=")[0] in done.output


def test_sweeps_in_processes_give_the_same_verdicts(here: Path) -> None:
    alone = edgesim("run", "asks", "--seeds", "1..3", "--json")
    beside = process("run", "asks", "--seeds", "1..3", "--json", "-j", "2", cwd=here)
    assert beside.returncode == 0, beside.stderr
    assert beside.stdout == alone.stdout


def test_determinism_is_checked_in_another_process(here: Path) -> None:
    done = edgesim("run", "asks", "--check-determinism", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["deterministic"] == "yes"


def test_an_unsteady_scenario_is_found_out(here: Path) -> None:
    write(here, unsteady=UNSTEADY)
    done = edgesim("run", "unsteady", "--check-determinism")
    assert done.exit_code == 1
    assert "NOT DETERMINISTIC" in done.output
    assert "scenario#0/" in done.output and " note" in done.output
    assert "first   event" in done.output and "second  event" in done.output


@pytest.mark.parametrize(("form", "begins"), [("svg", "<svg"), ("mermaid", "sequenceDiagram")])
def test_a_drawn_ladder_lies_beside_the_journal(here: Path, form: str, begins: str) -> None:
    done = edgesim("run", "asks", "--ladder", form, "--journal", "kept/run.jsonl")
    assert done.exit_code == 0
    drawn = here / "kept" / {"svg": "run.svg", "mermaid": "run.mmd"}[form]
    assert drawn.read_text(encoding="utf-8").lstrip().startswith(begins)
    assert "kept/run." in done.output


def test_the_text_ladder_has_a_column_for_each_host_that_took_part(here: Path) -> None:
    done = edgesim("run", "asks", "--ladder", "text")
    head = next(line for line in done.output.splitlines() if "dns-outside" in line)
    assert "jabber-1" in head and "expe" in head
    assert "jabber-2" not in done.output
    assert "DNS   SRV _collab-edge" in done.output


def test_the_environment_says_how_wide_and_whether_in_colours(here: Path) -> None:
    done = edgesim("run", "asks", "--ladder", "text", COLUMNS="90")
    rules = [line for line in done.output.splitlines() if "start-up: " in line]
    assert [len(line) for line in rules] == [90]
    assert "\x1b[" in edgesim("run", "asks", color=True).output
    assert "\x1b[" not in edgesim("run", "asks", color=True, NO_COLOR="1").output


def test_the_ladder_begins_with_the_story_unless_asked(here: Path) -> None:
    done = edgesim("run", "asks", "--ladder", "text")
    lines = done.output[done.output.rindex("Expressway-E") :].splitlines()
    start = next(number for number, line in enumerate(lines) if "start-up: " in line)
    assert "the question" in lines[start + 1]
    assert "connect :7001" not in done.output
    assert "connect :7001" in edgesim("run", "asks", "--ladder", "text", "--startup").output


def test_a_fault_that_acts_again_and_again_is_counted(here: Path) -> None:
    write(here, slow=DELAYED)
    done = edgesim("run", "delayed")
    assert done.exit_code == 0
    told = [line for line in done.output.splitlines() if "fault slow" in line]
    assert len(told) == 2 and told[1].strip() == "fault slow: 4 more times"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--seeds", "5..1"),
        ("--seeds", "many"),
        ("--shard", "3/2"),
        ("--seed", "1", "--seeds", "1..2"),
        ("--live", "-j", "2"),
        ("--live", "--check-determinism"),
        ("--ladder", "text", "--seeds", "1..2"),
        ("--journal", "/proc/nowhere/run.jsonl"),
    ],
)
def test_mistakes_in_options_are_reported_and_nothing_runs(here: Path, arguments: tuple[str, ...]) -> None:
    done = edgesim("run", "asks", *arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.strip()


def test_scenarios_of_the_package_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = edgesim("list", "--json")
    names = [each["name"] for each in json.loads(done.stdout)["scenarios"]]
    assert "first_sign_in" in names


def test_own_scenarios_do_not_hide_those_of_the_package(here: Path) -> None:
    names = [each["name"] for each in json.loads(edgesim("list", "--json").stdout)["scenarios"]]
    assert names.index("asks") < names.index("first_sign_in")
    assert edgesim("run", "needs_programs", "first_sign_in", "--json").exit_code == 0
    everything = edgesim("run", "--json")
    ran = {json.loads(line)["scenario"] for line in everything.stdout.splitlines()}
    assert ran == {"asks", "never_registers", "needs_programs"}, "without a name, one's own"


def test_a_name_of_two_scenarios_is_ambiguous(here: Path) -> None:
    write(here, twin=GOOD.replace("asks", "first_sign_in"))
    done = edgesim("run", "first_sign_in")
    assert done.exit_code == 2 and done.stdout == ""
    assert "scenarios/twin.py::first_sign_in" in done.stderr and "first_sign_in.py::first_sign_in" in done.stderr
    assert edgesim("run", "scenarios/twin.py::first_sign_in", "--json").exit_code == 0


def test_a_folders_name_means_what_lies_in_it(here: Path) -> None:
    (here / "scenarios" / "odd").mkdir()
    (here / "scenarios" / "good.py").rename(here / "scenarios" / "odd" / "good.py")
    for word, names in (("odd", ["asks"]), ("recovery", ["expressway_c_restarts"])):
        listed = json.loads(edgesim("list", word, "--json").stdout)["scenarios"]
        assert [each["name"] for each in listed][:1] == names
        assert {Path(each["file"]).parent.name for each in listed} == {word}


def test_a_deployment_is_found_beside_its_scenario_and_then_here(here: Path) -> None:
    text = edgesim("show", "small", "--full").stdout
    folder = here / "scenarios" / "odd"
    folder.mkdir()
    (folder / "good.py").write_text(GOOD.replace("@scenario(", '@scenario(deployment="lab.yaml", '), encoding="utf-8")
    missing = edgesim("run", "scenarios/odd/good.py")
    assert missing.exit_code == 2
    assert f"looked for in {folder} and in the current folder" in " ".join(missing.output.split())
    (here / "lab.yaml").write_text(text, encoding="utf-8")
    assert edgesim("run", "scenarios/odd/good.py").exit_code == 0
    (folder / "lab.yaml").write_text("nonsense", encoding="utf-8")
    nearer = edgesim("run", "scenarios/odd/good.py")
    assert nearer.exit_code == 2 and str(folder / "lab.yaml") in nearer.output


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("@scenario", "asks: write @scenario() with its parentheses"),
        ("@scenario(deploymnt='small')", "@scenario has no argument 'deploymnt'; did you mean deployment?"),
        ("@scenario('small')", "@scenario takes named arguments only, such as deployment='small'"),
    ],
)
def test_a_declaration_that_is_wrong_says_what_to_write(here: Path, head: str, told: str) -> None:
    text = GOOD.replace('@scenario(shows="NET-03", mutations=[Setting("dns.collab_edge", False)])', head)
    (here / "wrong.py").write_text(text, encoding="utf-8")
    done = edgesim("run", "wrong.py")
    assert done.exit_code == 2
    assert f"wrong.py:5: {told}" in done.stderr


def test_the_nearest_name_is_suggested() -> None:
    done = edgesim("run", "frist_sign_in")
    assert done.exit_code == 2
    assert "Did you mean first_sign_in" in done.output
    assert len(done.output) < 500
