"""The tutorial is true: its files are written and its commands run, in its order; the CI file calls what there is."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from edgesim.cli.group import cli
from tests.cli.command import PLAIN, plain
from tests.documents import REPOSITORY, Block, blocks

TUTORIAL = (REPOSITORY / "docs" / "tutorial-first-scenario.md").read_text(encoding="utf-8")
CI = REPOSITORY / "docs" / "examples" / "ci-junit.yml"
EXIT_CODES = {"COULD NOT RUN": 2, "FAILED": 1}
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def matches(said: str, happened: str) -> bool:
    """Compare what a document shows with what a command printed.

    A line ``...`` stands for any lines, ``...`` within a line for any text; blanks and numbers may differ.
    """

    def bare(line: str) -> str:
        return " ".join(_NUMBER.sub("0", line).split())

    lines = [bare(line) for line in happened.splitlines()]
    lines = [line for line in lines if line]
    pattern = ""
    for line in filter(None, map(bare, said.splitlines())):
        if line == "...":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += ".*?".join(
                re.escape(part.strip()) if part != "..." else "" for part in re.split(r"(\.\.\.)", line)
            )
            pattern += r"[^\n]*\n" if line.endswith("...") else r" ?\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None


def run(command: str, folder: Path) -> tuple[str, int]:
    """Run a command in a folder; return what it printed and its exit code. edgesim runs in this process."""
    words = shlex.split(command)
    environment = {name: value for name, value in plain().items() if not name.startswith(("PYTEST", "EDGESIM"))}
    environment |= {"PYTHONIOENCODING": "utf-8", "COLUMNS": "160"}
    if words[0] == "edgesim":
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            done = CliRunner().invoke(cli, words[1:], env={**PLAIN, **environment}, prog_name="edgesim")
        return done.output, done.exit_code
    assert words[0] == "pytest", command
    finished = subprocess.run(
        [sys.executable, "-m", *words, "-p", "no:cacheprovider"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    return finished.stdout, finished.returncode


def write(block: Block, folder: Path) -> None:
    name = block.text.splitlines()[0].removeprefix("# ")
    assert name.endswith(".py"), "a file's first line names it"
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")


def test_the_tutorial_is_true(tmp_path: Path) -> None:
    count = 0
    for block in blocks(TUTORIAL):
        if block.language == "python":
            write(block, tmp_path)
            continue
        assert block.language == "console"
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, said = part.partition("\n")
            happened, code = run(command, tmp_path)
            assert matches(said, happened), f"$ {command}\n{happened}"
            expected = next((code for word, code in EXIT_CODES.items() if re.search(f"^{word}", said, re.MULTILINE)), 0)
            assert code == expected, f"$ {command}\n{happened}"
            count += 1
    assert count >= 10


def test_the_last_hint_of_its_third_step_is_true(tmp_path: Path) -> None:
    third = next(block for block in blocks(TUTORIAL, "python") if "mutations=[HostDown" in block.text)
    without = third.text.replace('        await lab.crash("imp-pub")\n', "        pass\n")
    assert without != third.text
    write(Block("python", without), tmp_path)
    happened, code = run("edgesim run scenarios/chat_down.py", tmp_path)
    assert code == 1 and "expected  never XmppSession(state='bound')" in happened


@pytest.mark.parametrize(
    ("said", "happened", "fits"),
    [
        ("a\n...\nb", "a\nx\ny\nb\n", True),
        ("a\n...\nb", "a\nb\n", True),
        ("a\nb", "a\nx\nb\n", False),
        ("took 1.5 s", "took   22 s\n", True),
        ("took ... s", "took quite some s\n", True),
        ("start, ...", "start, and more\n", True),
        ("a", "a\nb\n", False),
    ],
)
def test_how_output_is_compared(said: str, happened: str, fits: bool) -> None:
    assert matches(said, happened) == fits


def test_the_ci_file_calls_what_there_is(tmp_path: Path) -> None:
    workflow = yaml.safe_load(CI.read_text(encoding="utf-8"))
    steps = workflow["jobs"]["scenarios"]["steps"]
    commands = [step["run"] for step in steps if "run" in step and not step["run"].startswith("pip")]
    assert len(commands) == 3
    write(blocks(TUTORIAL, "python")[2], tmp_path)
    for command in commands:
        command = command.replace("${{ matrix.shard }}", "1").replace("1..100", "1..2")
        happened, code = run(command, tmp_path)
        assert code == 0, f"$ {command}\n{happened}"
    for report in ("pytest-1.xml", "seeds-1.xml"):
        assert "<testcase" in (tmp_path / "reports" / report).read_text(encoding="utf-8")


# ---- the reference


REFERENCE = (REPOSITORY / "docs" / "scenarios.md").read_text(encoding="utf-8")
KINDS = (REPOSITORY / "docs" / "journal.md").read_text(encoding="utf-8").partition("## Kinds")[2]
"""The table of matchers, to which the reference points."""


def test_the_reference_names_everything_there_is() -> None:
    import inspect

    from edgesim import scenario
    from edgesim.world import faults

    words = set(re.findall(r"\w+", REFERENCE))
    matchers = set(re.findall(r"^\| `[a-z.]+` \| `(\w+)` \|", KINDS, re.MULTILINE))
    assert [name for name in scenario.__all__ if name not in words | matchers] == WELL_KNOWN
    arguments = inspect.signature(scenario.scenario).parameters
    assert [name for name in arguments if f"| `{name}` |" not in REFERENCE] == []
    rules = [
        name for name, value in vars(faults).items() if isinstance(value, type) and issubclass(value, faults.Fault)
    ]
    assert [name for name in rules if name not in words] == ["Fault"]
    verbs = {name for name in dir(scenario.Lab) if not name.startswith("_")}
    assert verbs - words <= {"expectations", "clean_up", "unread", "never_entered"}, "what the engine uses"


WELL_KNOWN = [
    "ExpectationError",
    "Matcher",
    "Mutation",
    "Outcome",
    "Outside",
    "ScriptedHost",
    "Test",
    "Verdict",
]
"""What a scenario meets without naming it."""


def test_the_references_first_example_passes(tmp_path: Path) -> None:
    from edgesim.scenario import Outcome
    from edgesim.scenario.discover import scenarios_in
    from edgesim.scenario.run import Options
    from edgesim.scenario.run import run as once
    from edgesim.scenario.sweep import shortcomings, verify

    path = tmp_path / "example.py"
    path.write_text(blocks(REFERENCE, "python")[0].text, encoding="utf-8")
    [example] = scenarios_in(path)
    assert once(example, Options()).verdict.outcome is Outcome.PASSED
    assert shortcomings(example, verify(example)) == []
