"""The pytest plugin, as its users see it: pytest in a process of its own, beside pytest-asyncio and without it."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command import plain

SCOPE = ["-o", "asyncio_default_fixture_loop_scope=function"]
MODES = {
    "strict": ["-o", "asyncio_mode=strict", *SCOPE],
    "auto": ["-o", "asyncio_mode=auto", *SCOPE],
    "absent": ["-p", "no:asyncio"],
}
Suite = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Write files and run pytest on them; every warning is an error."""

    def run(files: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        command = [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "-rA"]
        command += options if any("asyncio" in option for option in options) else [*MODES["strict"], *options]
        environment = {name: value for name, value in plain().items() if not name.startswith("PYTEST")}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    return run


HEAD = """
from edgesim.scenario import Lab, Note, scenario
from edgesim.world import Capability

SERVERS = ("expe", "expc", "ucm-pub", "ucm-sub", "imp-pub")
"""
SCENARIOS = (
    HEAD
    + '''

@scenario(without=SERVERS, tags=["smoke"])
async def passes(lab: Lab) -> None:
    """It passes."""
    lab.report(draw=lab.entropy("x").randrange(10**6))
    lab.check(True, "an assertion")


@scenario(without=SERVERS)
async def fails(lab: Lab) -> None:
    """It fails."""
    lab.note("the only entry of its kind")
    async with lab.step("the step in which it fails"):
        await lab.expect(Note(text="what never comes"), within=2)


@scenario(without=SERVERS)
async def asserts_nothing(lab: Lab) -> None:
    pass


@scenario(without=SERVERS, needs=[Capability.EXTERNAL_CLIENTS])
async def needs_another_world(lab: Lab) -> None:
    lab.check(True, "an assertion")
'''
)


def test_scenario_files_are_collected_as_tests(suite: Suite, tmp_path: Path) -> None:
    strangers = "raise RuntimeError('no scenario file: it must not be imported')\n"
    done = suite(
        {
            "scenarios/sub/some.py": SCENARIOS,
            "scenarios/other.py": strangers,
            "scenarios/_private.py": SCENARIOS,
            "elsewhere/more.py": SCENARIOS,
        },
        "--junit-xml=junit.xml",
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed, 1 skipped, 1 error" in done.stdout.splitlines()[-1], done.stdout
    lines = done.stdout
    assert "PASSED scenarios/sub/some.py::passes" in lines
    assert "FAILED scenarios/sub/some.py::fails" in lines
    assert "ERROR scenarios/sub/some.py::asserts_nothing" in lines
    assert "SKIPPED" in lines and "unsupported: clients that are real programs" in lines

    assert "scenarios/sub/some.py:20: It fails." in lines
    assert "expected  Note(text='what never comes') within 2 s" in lines
    assert "instead   nothing came at all" in lines
    assert "because   the scenario asserts nothing: expect, never, none, check or receive" in lines
    assert "step      the step in which it fails" in lines
    assert "the ladder around it (entry" in lines and "── the step in which it fails ──" in lines
    assert "replay    edgesim run scenarios/sub/some.py::fails --seed=1" in lines

    cases = {case.get("name"): case for case in ElementTree.parse(tmp_path / "junit.xml").iter("testcase")}
    kinds = {name: [child.tag for child in case if child.tag != "properties"] for name, case in cases.items()}
    assert kinds == {
        "passes": [],
        "fails": ["failure"],
        "asserts_nothing": ["error"],
        "needs_another_world": ["skipped"],
    }
    properties = {each.get("name"): each.get("value") for each in cases["passes"].iter("property")}
    assert properties["seed"] == "1" and str(properties["draw"]).isdigit()


def test_the_seed_is_an_option_and_so_are_the_files(suite: Suite, tmp_path: Path) -> None:
    def draw(seed: str, *more: str) -> str:
        files = {"stories/one.py": SCENARIOS, "scenarios/two.py": SCENARIOS}
        done = suite(files, "--edgesim-seed", seed, "--junit-xml=junit.xml", "-k", "smoke", *more)
        assert "PASSED stories/one.py::passes" in done.stdout and "two.py" not in done.stdout
        values = ElementTree.parse(tmp_path / "junit.xml").iter("property")
        return next(str(each.get("value")) for each in values if each.get("name") == "draw")

    assert draw("1", "-o", "edgesim_scenarios=stories/*.py") != draw("2", "stories/one.py::passes")


def test_a_file_that_is_broken_is_an_error_of_collection(suite: Suite) -> None:
    done = suite({"scenarios/some.py": SCENARIOS + "\nno_such_name\n"})
    assert done.returncode == 2 and "NameError: name 'no_such_name' is not defined" in done.stdout


# ---- the fixture

LAB_TESTS = """
import asyncio
import pytest
from edgesim.control import Hosts
from edgesim.scenario import Lab, DnsQuery, Note

CLIENTS_ONLY = pytest.mark.edgesim(
    without=["expe", "expc", "ucm-pub", "ucm-sub", "imp-pub"], pins=["start", "timers", "actors"]
)
pytestmark = CLIENTS_ONLY


@pytest.fixture
def number():
    return 42


async def test_runs_on_the_labs_clock(lab: Lab, number):
    assert isinstance(lab, Lab)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.sleep(500)
    assert (loop.time() - began, number) == (500, 42)
    assert type(loop).__name__ == "SimLoop"


@pytest.mark.parametrize("text", ["a", "b"])
async def test_expects(lab, text):
    lab.note(text)
    await lab.expect(Note(text=text))


class TestMethods:
    @pytest.fixture(autouse=True)
    def remember(self, request):
        self.word = "kept"

    async def test_in_a_class(self, lab):
        assert self.word == "kept"
        lab.note(self.word)

    def test_sync_in_a_class(self, lab):
        assert lab.run(self.one) == 1

    async def one(self, lab):
        return 1


@pytest.mark.edgesim(changes={"users.alice.password": "other"}, without=["expe", "expc", "imp-pub"], seed=7)
async def test_marker(lab):
    assert lab.deployment.user("alice").password == "other"
    assert lab.seed == 7
    states = {host.name: host.state for host in (await lab.ask(Hosts())).hosts}
    assert states["ucm-pub"] == "up" and states["expe"] == "off"


def test_sync(lab):
    async def story(lab):
        await lab.wait(5)
        lab.note("done")
        return lab.now

    assert lab.run(story) == 5
    assert [entry.event.text for entry in lab.journal.select(kind="note")] == ["done"]
    first = len(lab.journal)
    assert lab.run(story) == 5 and len(lab.journal) == first


@pytest.fixture
def users_of(lab):
    async def names(lab):
        return [user.id for user in lab.deployment.users]

    return lab.run(names)


def test_fixture_that_uses_it(users_of):
    assert users_of == ["alice", "bob", "carol"]
"""

OWN = """
import pytest
import asyncio


@pytest.mark.asyncio
async def test_of_pytest_asyncio():
    assert type(asyncio.get_running_loop()).__name__ != "SimLoop"
"""


MINE = """
import pytest


@pytest.fixture
def lab():
    return "mine"


def test_mine(lab):
    assert lab == "mine"
"""
MINE_MARKED = (
    MINE
    + """

@pytest.mark.asyncio
async def test_async(lab):
    assert lab == "mine"
"""
)


@pytest.mark.parametrize("mode", MODES)
def test_labs_in_sync_and_async_tests(suite: Suite, mode: str) -> None:
    """Whether pytest-asyncio is there or not, in both modes, with its marks or without; and nobody else's tests."""
    files = {"test_lab.py": LAB_TESTS, "test_mine.py": MINE}
    count = 9
    if mode != "absent":
        marked = LAB_TESTS.replace("pytestmark = CLIENTS_ONLY", "pytestmark = [pytest.mark.asyncio, CLIENTS_ONLY]")
        marked = marked.replace("async def test_expects", "@pytest.mark.asyncio\nasync def test_expects")
        async_only = "\n\n\n".join(
            part
            for part in marked.split("\n\n\n")
            if not part.startswith(("class", "def test", "@pytest.fixture\ndef u"))
        )
        files |= {"test_own.py": OWN, "test_marked.py": async_only, "test_mine.py": MINE_MARKED}
        count += 1 + 4 + 1
    done = suite(files, *MODES[mode])
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{count} passed" in done.stdout.splitlines()[-1], done.stdout


def test_failures_show_the_ladder_and_leaks_are_errors_of_the_teardown(suite: Suite) -> None:
    text = """
import asyncio
import pytest
from edgesim.scenario import Note

pytestmark = pytest.mark.edgesim(
    without=["expe", "expc", "ucm-pub", "ucm-sub", "imp-pub"], pins=["start", "timers", "actors"]
)


async def test_expectation(lab):
    lab.note("the only one")
    await lab.expect(Note(text="another"), within=1)


async def test_assert(lab):
    lab.note("something happened")
    assert lab.now == 17


async def test_never(lab):
    lab.never(Note(text="forbidden"))
    lab.note("forbidden")
    await asyncio.sleep(1)
    raise RuntimeError("not reached")


async def test_leak(lab):
    (await lab.script("jabber-1")).node.host.spawn(asyncio.sleep(500), name="forgotten")


@pytest.mark.edgesim(limit=30)
async def test_limit(lab):
    await asyncio.sleep(100)


@pytest.mark.edgesim(deplyoment="small")
async def test_misspelt(lab):
    pass
"""
    done = suite({"test_lab.py": text}, "--edgesim-seed=5")
    last = done.stdout.splitlines()[-1]
    assert "4 failed, 1 passed, 2 errors" in last, done.stdout + done.stderr
    out = done.stdout
    assert "expected Note(text='another') within 1 s" in out and "but text was 'the only one'" in out
    assert "assert 0.0 == 17" in out, "assertions are explained as ever"
    assert "the ladder around it (entry" in out and "»" in out
    assert "seed 5: pytest --edgesim-seed=5 test_lab.py::test_assert" in out
    assert "expected never Note(text='forbidden')" in out and "not reached" not in out.replace('RuntimeError("not', "")
    assert "the test left something behind in its lab:\njabber-1 left a task: jabber-1: forgotten" in out
    assert "no end after 30 s of lab time; the story waits at test_lab.py:34 in test_limit" in out
    assert "marker edgesim: " in out and "deplyoment" in out


FAILING = """
import pytest
from edgesim.scenario import Note

pytestmark = pytest.mark.edgesim(without=["expe", "expc", "ucm-pub", "ucm-sub", "imp-pub"])


async def helper(lab):
    assert lab.now == 17, "of the helper"


async def test_expectation(lab):
    await lab.expect(Note(text="another"), within=1)  # line 13


async def test_of_a_wrong_name(lab):
    lab.address("nosuch")  # line 17


async def test_in_a_helper(lab):
    await helper(lab)  # line 21


def test_sync(lab):
    lab.run(helper)  # line 25


async def test_with_a_cause(lab):
    try:
        lab.address("nosuch")
    except LookupError as error:
        raise RuntimeError("after it") from error  # line 32
"""


@pytest.mark.parametrize("style", ["auto", "short", "native"])
def test_a_traceback_ends_in_the_tests_own_code(suite: Suite, style: str) -> None:
    out = suite({"test_lab.py": FAILING}, f"--tb={style}").stdout
    assert out.count("seed 1: pytest --edgesim-seed=1 test_lab.py::") == 5, out
    assert [line for line in out.splitlines() if "edgesim/" in line or "asyncio/" in line] == []
    for number in (9, 13, 17, 21, 25, 32):
        assert f"test_lab.py:{number}: " in out or f'test_lab.py", line {number}, in' in out, out


def test_the_full_trace_shows_every_frame(suite: Suite) -> None:
    out = suite({"test_lab.py": FAILING}, "--full-trace", "-k", "test_expectation").stdout
    assert "edgesim/scenario/expect.py:" in out and "edgesim/world/sim/world.py:" in out


def test_an_error_before_the_tests_own_code_keeps_its_frames(suite: Suite) -> None:
    text = FAILING.replace("without=", "changes={'clients.0.nosuch': 1}, without=")
    out = suite({"test_lab.py": text}, "-k", "test_expectation").stdout
    assert "1 failed" in out and "edgesim/scenario/pytest_lab.py:" in out, out


# ---- unused


def test_an_unused_plugin_costs_nothing(suite: Suite) -> None:
    done = suite(
        {
            "test_plain.py": """
import sys

HEAVY = ("edgesim.world", "edgesim.journal", "edgesim.deployment", "asyncssh", "slixmpp", "cryptography", "pydantic")


def test_nothing_heavy_is_imported():
    assert "edgesim.scenario.plugin" in sys.modules
    assert [name for name in HEAVY if name in sys.modules] == []
    assert [name for name in sys.modules if name.startswith("edgesim")] == [
        "edgesim", "edgesim.scenario", "edgesim.scenario.plugin"
    ]
""",
            "scenarios/behave_steps.py": "def given(): ...\n",
        },
        *MODES["absent"],
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_help_names_the_options(suite: Suite) -> None:
    done = suite({}, "--help")
    assert "--edgesim-seed" in done.stdout and "edgesim_scenarios" in done.stdout
    assert "@pytest.mark.edgesim(deployment='small'" in suite({}, "--markers").stdout


def test_scenario_files_run_under_each_seed_of_the_ini_file(suite: Suite) -> None:
    text = HEAD + "@scenario(without=SERVERS)\nasync def asks(lab: Lab) -> None:\n    lab.check(True, 'it ran')\n"
    files = {"scenarios/one.py": text, "pytest.ini": "[pytest]\nedgesim_seeds = 1 7\n"}
    both = suite(files).stdout
    assert "PASSED scenarios/one.py::asks\n" in both and "PASSED scenarios/one.py::asks[7]\n" in both
    assert "2 passed" in both
    assert "1 passed" in suite(files, "--edgesim-seed=3").stdout
    wrong = suite({**files, "pytest.ini": "[pytest]\nedgesim_seeds = few\n"})
    assert "edgesim_seeds: numbers" in wrong.stdout + wrong.stderr
