"""Every promise of the README that a machine can check: its commands, its code, its tables, its picture."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgesim.cli import output
from edgesim.cli.group import cli
from edgesim.deployment import builtin
from edgesim.deployment.features import GATES
from edgesim.lab import free_network
from edgesim.scenario import Mutation, Outcome, Scenario, Verdict
from edgesim.scenario.discover import scenarios_in
from edgesim.scenario.run import Options, run
from tests.cli.command import PLAIN, plain
from tests.documents import REPOSITORY, Block, blocks, commands, links, table
from tests.tools import tool

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
FIRST_SCREEN = "\n".join(README.splitlines()[:20])
EDGESIM = [sys.executable, "-m", "edgesim"]


def _snippet(name: str, folder: Path) -> Scenario:
    """Write the README's Python block in which a function is defined to a file, and load it."""
    (block,) = [each for each in blocks(README, "python") if f"async def {name}(" in each.text]
    path = folder / f"{name}.py"
    path.write_text(block.text, encoding="utf-8")
    (scenario,) = scenarios_in(path)
    return scenario


def _edgesim(command: str, cwd: Path, environment: dict[str, str], given: str = "") -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0] == "edgesim", command
    return subprocess.run(
        [*EDGESIM, *words[1:]], cwd=cwd, env=environment, input=given, capture_output=True, text=True, timeout=120
    )


def _live(scenario: Scenario, mutation: Mutation | None = None) -> Verdict:
    return run(scenario, Options(seed=1, live=True, mutation=mutation)).verdict


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of commands: this checkout's edgesim, and a data directory of their own."""
    paths = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    return plain() | {
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "PYTHONIOENCODING": "utf-8",
    }


# ---- the first screen


def test_the_first_screen_says_what_it_is_and_shows_the_two_commands() -> None:
    assert "stands in for the Cisco Mobile and Remote Access edge" in FIRST_SCREEN
    assert [line.split("#")[0].strip() for line in blocks(FIRST_SCREEN)[0].text.splitlines()] == [
        "make demo",
        "make test",
    ]
    assert "**not a Cisco product**" in FIRST_SCREEN


def test_the_picture_exists() -> None:
    pictures = [link for link in links(README) if link.endswith((".svg", ".png"))]
    assert "docs/img/ladder.svg" in pictures
    assert all((REPOSITORY / picture).is_file() for picture in pictures)


# ---- tables


def test_the_table_of_dependencies_is_that_of_the_package() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    names = [re.split(r"[^A-Za-z0-9._-]", line)[0] for line in project["project"]["dependencies"]]
    assert [row[0].strip("`") for row in table(README, "package")] == names
    assert all(len(row[1]) > 10 for row in table(README, "package"))


def test_every_dependency_is_used() -> None:
    modules = {"dnspython": "dns", "pyOpenSSL": "OpenSSL", "PyYAML": "yaml"}
    source = "\n".join(path.read_text(encoding="utf-8") for path in sorted((REPOSITORY / "edgesim").rglob("*.py")))
    for row in table(README, "package"):
        name = row[0].strip("`")
        module = modules.get(name, name)
        assert re.search(rf"^\s*(?:import|from) {module}\b", source, re.MULTILINE), name


def test_the_releases_are_gates() -> None:
    known = {f"{each.product.value} {each.since}" for each in GATES}
    named = [
        name for row in table(README, "since") for name in re.findall(r"(?:Expressway|Unified CM) [X0-9][\w.]*", row[0])
    ]
    assert len(named) >= 6
    assert [name for name in named if name not in known] == []


# ---- code


def test_every_python_block_is_one_that_a_test_runs() -> None:
    defined = [re.findall(r"^async def (\w+)\(", block.text, re.MULTILINE) for block in blocks(README, "python")]
    assert defined == [["phone_moves_to_the_other_expressway"], ["a_real_client_gets_its_edge_configuration"]]


def test_the_phone_moves(tmp_path: Path) -> None:
    scenario = _snippet("phone_moves_to_the_other_expressway", tmp_path)
    verdict = run(scenario, Options(seed=1)).verdict
    assert verdict.outcome is Outcome.PASSED, verdict.reason
    assert 0 < verdict.reports["recovery_s"] < 60
    for mutation in scenario.mutations:
        assert run(scenario, Options(seed=1, mutation=mutation)).verdict.outcome is Outcome.FAILED, mutation.name


def test_curl_plays_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool("curl")
    monkeypatch.chdir(REPOSITORY)  # the CA file is named from there
    scenario = _snippet("a_real_client_gets_its_edge_configuration", tmp_path)
    verdict = _live(scenario)
    assert verdict.outcome is Outcome.PASSED, verdict.reason
    assert run(scenario, Options(seed=1)).verdict.outcome is Outcome.UNSUPPORTED
    for mutation in scenario.mutations:
        assert _live(scenario, mutation).outcome is Outcome.FAILED, mutation.name


# ---- commands


def test_every_command_is_one_that_a_test_runs() -> None:
    """A command that is added to the README fails here until a test below runs it."""
    assert commands(README) == [
        "source .venv/bin/activate",
        "edgesim up",
        "edgesim sign-in alice@example.com",
        "edgesim control crash expe",
        "edgesim control start expe",
        "edgesim netstat --host expe",
        "edgesim run phone_moves.py",
        "edgesim run phone_moves.py --live",
        "edgesim run phone_moves.py --seeds 1..8 -j 2 --junit runs.xml",
        "edgesim check docs/examples/broken-edge.yaml",
        "edgesim check docs/examples/broken-edge.yaml --simulate --ladder",
    ]


def _uncounted(text: str) -> str:
    """Leave out how many rules there are: the README need not change with each new one."""
    return re.sub(r"[0-9]+ rules checked", "rules checked", text)


def test_the_broken_edge_is_checked_as_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(output, "PLAIN_WIDTH", 112)
    (block,) = [each.text for each in blocks(README, "console") if "edgesim check" in each.text]
    command, *printed = block.splitlines()
    *printed, simulated = printed
    done = CliRunner().invoke(cli, shlex.split(command)[2:], env=PLAIN)
    assert done.exit_code == 1
    assert _uncounted(done.output.rstrip()) == _uncounted("\n".join(printed))
    done = CliRunner().invoke(cli, shlex.split(simulated)[2:], env=PLAIN)
    assert done.exit_code == 1
    assert "not show it" not in done.output and "all the same" not in done.output
    assert done.output.count("(seen at ") == sum(line.startswith("  predicted") for line in printed)


def test_make_has_its_targets() -> None:
    for target in ("demo", "test", "lint", "setup", "soak", "bench", "lock"):
        subprocess.run(["make", "-n", target], cwd=REPOSITORY, capture_output=True, check=True)


def test_the_demo(tmp_path: Path, environment: dict[str, str]) -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory", "-n", "demo"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    command = listed.stdout.strip().splitlines()[-1]
    assert command.startswith(".venv/bin/edgesim run scenarios/")
    command = command.removeprefix(".venv/bin/").replace("scenarios/", f"{REPOSITORY / 'scenarios'}/")
    done = _edgesim(command, tmp_path, environment)
    assert done.returncode == 0, done.stderr
    for seen in ("phone registration   ok", "REGISTER", "get_edge_config", "PASSED", "seed 1", "journal"):
        assert seen in done.stdout


@pytest.mark.parametrize("command", [each for each in commands(README) if each.startswith("edgesim run")])
def test_runs(command: str, tmp_path: Path, environment: dict[str, str]) -> None:
    scenario = _snippet("phone_moves_to_the_other_expressway", tmp_path)
    scenario.path.rename(tmp_path / "phone_moves.py")
    done = _edgesim(command, tmp_path, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    if "--junit" in command:
        assert (tmp_path / "runs.xml").read_text(encoding="utf-8").count("<testcase ") == 8


@pytest.fixture
def running(tmp_path: Path, environment: dict[str, str]) -> Iterator[dict[str, object]]:
    """A lab that `edgesim up` started, on a loopback network of its own; stopped by Ctrl-C."""
    with free_network(builtin("small")) as network:
        process = subprocess.Popen(
            [*EDGESIM, "up", "--json", "--network", network],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        if line:
            yield json.loads(line)
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_the_live_lab(running: dict[str, object], tmp_path: Path, environment: dict[str, str]) -> None:
    results: dict[str, str] = {}
    for command in [each for each in commands(README) if each.split()[1] in ("sign-in", "control", "netstat")]:
        asks = " --password-stdin" if "sign-in" in command else ""
        done = _edgesim(command + asks, tmp_path, environment, given="alice-secret\n")
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        results[command] = done.stdout
    assert "phone registration" in results["edgesim sign-in alice@example.com"]
    assert "8443" in results["edgesim netstat --host expe"]


def test_blocks_have_a_language() -> None:
    assert {block.language for block in blocks(README)} == {"", "console", "python"}
    assert isinstance(blocks(README)[0], Block)
