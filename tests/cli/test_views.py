"""Commands that show: help, list, show, journal, catalogue."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgesim import __version__
from edgesim.catalogue import rows
from edgesim.cli.group import ENTRIES
from edgesim.deployment import load_text
from tests.cli.command import edgesim
from tests.cli.stories import BAD, GOOD, write


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write(tmp_path_factory.mktemp("journal"), good=GOOD)
    path = folder / "run.jsonl"
    assert edgesim("run", str(folder / "scenarios" / "good.py"), "--json", "--journal", str(path)).exit_code == 0
    return path


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from edgesim.cli.group import cli; cli(['--help'], standalone_mode=False); "
        "print([name for name in ('pydantic', 'rich', 'asyncssh', 'yaml', 'asyncio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")


@pytest.mark.parametrize("name", ENTRIES)
def test_every_command_has_help_with_its_options(name: str) -> None:
    done = edgesim(name, "--help")
    assert done.exit_code == 0
    assert f"Usage: edgesim {name}" in done.output


def test_version_and_unknown_commands() -> None:
    assert edgesim("--version").output.strip() == f"edgesim, version {__version__}"
    done = edgesim("signin")
    assert done.exit_code == 2
    assert "Did you mean 'sign-in'?" in done.stderr


def test_list_names_scenarios_and_deployments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(tmp_path, good=GOOD, bad=BAD))
    done = edgesim("list")
    assert done.exit_code == 0
    assert "scenarios/good.py" in done.output and "Somebody outside asks for the edge." in done.output
    assert "small" in done.output
    (asks,) = [each for each in json.loads(edgesim("list", "--json").stdout)["scenarios"] if each["name"] == "asks"]
    assert asks["shows"] == ["NET-03"] and asks["users"] == ["alice"] and len(asks["mutations"]) == 1


def test_show_masks_passwords_unless_asked() -> None:
    assert "alice-secret" not in edgesim("show", "small").output
    assert "alice-secret" in edgesim("show", "small", "--secrets").output
    assert "alice-secret" not in edgesim("show", "small", "--json").output
    shown = json.loads(edgesim("show", "small", "--json", "--secrets").output)
    assert shown["users"][0]["password"] == "alice-secret"


def test_show_in_full_is_a_deployment_again() -> None:
    text = edgesim("show", "small", "--full", "--secrets").output
    assert load_text(text).host("expe").address == "203.0.113.10"


def test_mistakes_in_a_deployment_are_reported_all_at_once(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("name: lab\nexpressway_e: []\nnonsense: 1\n")
    done = edgesim("show", str(path))
    assert done.exit_code == 2
    assert "nonsense" in done.stderr and "expressway_e" in done.stderr
    assert edgesim("show", "smal").exit_code == 2


def test_a_journal_as_lines_and_as_ladders(journal: Path) -> None:
    lines = edgesim("journal", str(journal), "--kind", "dns")
    assert lines.exit_code == 0
    assert all(" DNS " in line for line in lines.output.splitlines())
    assert "SRV? _collab-edge._tls.example.com" in lines.output
    ladder = edgesim("journal", str(journal), "--ladder", "text", "--width", "200").output
    assert "Expressway-E" in ladder and "the question" in ladder
    assert (
        max(map(len, edgesim("journal", str(journal), "--ladder", "text", "--width", "80").output.splitlines())) <= 80
    )
    assert edgesim("journal", str(journal), "--ladder", "mermaid").output.startswith("sequenceDiagram")
    assert edgesim("journal", str(journal), "--ladder", "svg").output.lstrip().startswith("<svg")


def test_a_journal_is_chosen_from_and_given_on_as_it_is(journal: Path) -> None:
    written = journal.read_text().splitlines()
    assert edgesim("journal", str(journal), "--json").output.splitlines() == written[1:]
    mine = edgesim("journal", str(journal), "--user", "alice", "--kind", "dns", "--json").output.splitlines()
    assert mine and all("user:alice" in json.loads(line)["keys"] for line in mine)
    none = edgesim("journal", str(journal), "--host", "nobody")
    assert none.exit_code == 2
    assert "hosts dns-inside, dns-outside" in none.stderr


def test_a_journal_around_a_time_of_the_story(journal: Path) -> None:
    lines = edgesim("journal", str(journal)).output.splitlines()
    at = lines[40].split()[0]
    around = edgesim("journal", str(journal), "--around", at).output.splitlines()
    assert lines[40] in around and len(around) <= 31
    assert around == lines[lines.index(around[0]) :][: len(around)]
    assert edgesim("journal", str(journal), "--around", "soon").exit_code == 2


def test_the_ids_that_around_takes_are_shown_with_details(journal: Path) -> None:
    detailed = edgesim("journal", str(journal), "--kind", "dns", "--details").output.split()
    ids = [word for word in detailed if re.fullmatch(r"[\w-]+#\d+/\d+", word)]
    assert ids
    for each in ids[:2]:
        assert each in edgesim("journal", str(journal), "--around", each, "--details").output.split()


def test_a_file_that_is_not_a_journal_is_reported(tmp_path: Path, journal: Path) -> None:
    other = tmp_path / "other"
    other.write_text("something else\n")
    assert "not an edgesim journal" in edgesim("journal", str(other)).stderr
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(journal.read_bytes()[:-20])
    done = edgesim("journal", str(cut))
    assert done.exit_code == 0
    assert "cut short" in done.stderr


def test_the_catalogue_lists_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(tmp_path, good=GOOD))
    listed = json.loads(edgesim("catalogue", "--json").output)
    assert [each["id"] for each in listed] == [row.id for row in rows()]
    assert set(listed[0]) >= {"id", "kind", "statement", "scenarios", "rules"}
    assert next(each for each in listed if each["id"] == "NET-03")["scenarios"] == ["asks"]
    assert " of 104 rows are shown" in edgesim("catalogue").output
    assert edgesim("catalogue", "NET-03").output.count("shown by asks") == 1
    assert edgesim("catalogue", "NET-99").exit_code == 2


def test_an_unknown_row_in_a_scenario_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(tmp_path, good=GOOD.replace("NET-03", "NET-77")))
    done = edgesim("catalogue")
    assert done.exit_code == 2
    assert "'asks'" in done.stderr and "NET-77" in done.stderr


def test_verify_demands_that_mutations_turn_red(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strong, feeble = tmp_path / "strong", tmp_path / "feeble"
    strong.mkdir()
    feeble.mkdir()
    monkeypatch.chdir(write(strong, good=GOOD))
    done = edgesim("catalogue", "--verify")
    assert done.exit_code == 0, done.output
    assert "red    with dns.collab_edge = False" in done.output
    weak = GOOD.replace('Setting("dns.collab_edge", False)', 'Setting("dns.cuplogin", True)')
    monkeypatch.chdir(write(feeble, weak=weak))
    done = edgesim("catalogue", "--verify", "--json")
    assert done.exit_code == 1
    run, mutated, row = (json.loads(line) for line in done.output.splitlines())
    assert run["as_it_must_be"] and not mutated["as_it_must_be"]
    assert row["row"] == "NET-03" and "counted as shown" in row["problem"]  # a false count
    assert edgesim("catalogue", "--verify", "asks").exit_code == 1
