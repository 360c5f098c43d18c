"""Scenarios with a process for each host: a sample that shows every mechanism. CI and ``make sweep`` run them all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgesim.journal import events
from edgesim.journal.reading import Reader
from tests.cli.command import ROOT, environment

STORIES = str(Path(__file__).with_name("stories.py"))
SAMPLE = {
    "first_sign_in": "a sign-in through the edge",
    "two_users_chat": "chat through both Expressways",
    "first_target_down": "a host that crashes, and its peers' way round it",
    "unified_cm_not_restarted": "an upload at run time that counts once services were restarted",
    "separate_client_certificate": "a request, its signature and its upload",
    "no_way_to_the_home_node": "a partition",
    "expressways_disagree_about_the_time": "a clock that is wrong",
    "udp_36002_closed": "media, and a firewall that is in the way",
    "wrong_password_in_soap": "a client's machine that is played by hand",
}
"""Scenarios of the repository, and what they show here."""
OWN = ("frozen", "crashed", "budget", "scripted", "steps")


def run(folder: Path, *wanted: str, side_by_side: int = 1) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run stories in processes of their own; return the worst exit code, and the verdicts by name."""
    running = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "edgesim",
                "run",
                "--live",
                "--processes",
                "--json",
                "--journal",
                str(folder / f"{part}.jsonl"),
                *wanted[part::side_by_side],
            ],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for part in range(side_by_side)
    ]
    verdicts = []
    for each in running:
        out, errors = each.communicate(timeout=120)
        assert errors == ""
        verdicts += [json.loads(line) for line in out.splitlines()]
    return max(each.returncode for each in running), {each["scenario"]: each for each in verdicts}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, dict[str, Any]], Path]:
    folder = tmp_path_factory.mktemp("sample")
    return *run(folder, *SAMPLE, *(f"{STORIES}::{name}" for name in OWN), side_by_side=3), folder


@pytest.mark.parametrize("name", [*SAMPLE, *OWN])
def test_a_scenario_passes(name: str, sample: tuple[int, dict[str, dict[str, Any]], Path]) -> None:
    _, verdicts, _ = sample
    assert verdicts[name]["outcome"] == "passed", verdicts[name].get("reason")


def test_all_is_well_and_says_how_to_run_it_again(sample: tuple[int, dict[str, dict[str, Any]], Path]) -> None:
    code, verdicts, folder = sample
    assert code == 0
    assert verdicts["first_sign_in"]["replay"].endswith("--live --processes")
    (file,) = folder.glob("*first_sign_in*")
    entries = list(Reader(file))
    assert [entry.at_ns for entry in entries] == sorted(entry.at_ns for entry in entries)
    step = next(each.order for each in entries if isinstance(each.event, events.Step) and each.event.state == "began")
    registered = next(each for each in entries if isinstance(each.event, events.Registered))
    assert step < registered.order, "what happened in a step comes after its beginning"


def test_what_must_not_come_or_does_not_come_fails_a_story(tmp_path: Path) -> None:
    code, verdicts = run(tmp_path, f"{STORIES}::forbidden", f"{STORIES}::expected", side_by_side=2)
    assert code == 1
    assert verdicts["forbidden"]["outcome"] == "failed" and verdicts["forbidden"]["lab_seconds"] < 15
    assert "never CertificateUpload" in verdicts["forbidden"]["reason"]
    assert verdicts["expected"]["outcome"] == "failed"
    assert "but accepted was True" in verdicts["expected"]["reason"]


def test_processes_are_of_the_live_world_and_of_a_process_with_one_thread(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "edgesim", "run", "--processes", "first_sign_in"]
    done = subprocess.run(arguments, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "--processes needs --live" in done.stderr
