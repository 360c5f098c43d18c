"""The pytest plugin: scenario files as tests, and the fixture ``lab`` for any test.

Only pytest is imported here. The rest (`edgesim.scenario.pytest_scenarios`, `edgesim.scenario.pytest_lab`) comes in
with the first scenario file or the first use of the fixture, so that an installed but unused plugin costs nothing.
"""

from __future__ import annotations

import fnmatch
import inspect
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from edgesim.scenario.pytest_lab import TestLab

FOLDER = "scenarios"
"""Files below a folder of this name are looked at for scenarios, unless the ini option says otherwise."""
INI = "edgesim_scenarios"
SEEDS = "edgesim_seeds"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("edgesim", "edgesim: simulated labs")
    group.addoption(
        "--edgesim-seed", type=int, default=None, metavar="N", help="the one seed of scenarios and labs (default: 1)"
    )
    parser.addini(
        SEEDS, type="args", default=[], help="seeds under which each scenario file's scenarios run (default: 1)"
    )
    parser.addini(
        INI,
        type="args",
        default=[],
        help="patterns of scenario files, relative to the root directory (default: Python files below scenarios/)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "edgesim(deployment='small', changes={}, seed=1, without=[], limit=600.0, pins=[]): what `lab` is built from",
    )


# ---- scenario files


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the scenarios of a file that declares any; nothing is imported for other files."""
    if file_path.suffix != ".py" or file_path.name.startswith(("_", "conftest.")):
        return None
    named = parent.session.isinitpath(file_path)
    if not (named or _is_scenario_file(file_path, parent.config)) or not _mentions_scenarios(file_path):
        return None
    from edgesim.scenario.pytest_scenarios import ScenarioFile

    return ScenarioFile.from_parent(parent, path=file_path, seeds=seeds)


def _is_scenario_file(path: Path, config: pytest.Config) -> bool:
    try:
        relative = path.relative_to(config.rootpath)
    except ValueError:
        relative = path
    patterns = config.getini(INI)
    if patterns:
        return any(fnmatch.fnmatch(relative.as_posix(), pattern) for pattern in patterns)
    return FOLDER in relative.parts[:-1]


def _mentions_scenarios(path: Path) -> bool:
    try:
        text = path.read_bytes()
    except OSError:
        return False
    return b"edgesim" in text and b"@scenario" in text


def seeds(config: pytest.Config) -> list[int]:
    """Return the seeds of scenario files: the option's one, or those of the ini file. The first is that of labs."""
    given = config.getoption("--edgesim-seed")
    if given is not None:
        return [given]
    try:
        return [int(each) for each in config.getini(SEEDS)] or [1]
    except ValueError:
        raise pytest.UsageError(f"{SEEDS}: numbers, such as 1 2") from None


# ---- the fixture


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[TestLab]:
    """A simulated lab, built when the test uses it.

    An ``async def`` test gets the `edgesim.scenario.Lab` of a running lab and is itself run inside the lab's world, on
    its clock. Any other test, or fixture, gets an object with ``run(async_function)``, which does so with the function.
    The marker ``edgesim`` says what to build. What the test leaves behind in the lab is an error at its teardown.
    """
    from edgesim.scenario.pytest_lab import TestLab, Wanted

    marker = request.node.get_closest_marker("edgesim")
    try:
        wanted = Wanted(**{"seed": seeds(request.config)[0], **(marker.kwargs if marker else {})})
        if marker and marker.args:
            raise TypeError("it takes keywords only")
    except TypeError as error:
        raise pytest.UsageError(f"{request.node.nodeid}: marker edgesim: {error}") from None
    made = TestLab(request.node.nodeid, wanted)
    yield made
    left = made.left
    if left:
        pytest.fail("\n".join(["the test left something behind in its lab:", *left]), pytrace=False)


class LabFunction(pytest.Function):
    """An ``async def`` test that asks for a lab: it runs inside the lab's world, whichever plugin runs other async
    tests.
    """

    def iter_markers_with_node(self, name: str | None = None) -> Iterator[tuple[pytest.Item, pytest.Mark]]:
        """Iterate over the markers but ``asyncio``: pytest-asyncio has no part in this test."""
        for node, mark in super().iter_markers_with_node(name):
            if mark.name != "asyncio":
                yield node, mark  # type: ignore[misc]  # nodes in general; typed more narrowly here for readers

    def runtest(self) -> None:
        """Run the test in its lab."""
        story = self.obj

        def test(**arguments: Any) -> None:
            made: TestLab = arguments.pop("lab")
            made.run(lambda stage: story(lab=stage, **arguments))

        self.obj = test
        try:
            super().runtest()
        finally:
            self.obj = story


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pycollect_makeitem() -> Generator[None, Any, Any]:
    """Claim ``async def`` tests that ask for our fixture, after pytest-asyncio had its say."""
    made = yield
    if isinstance(made, list):
        return [_claimed(item) for item in made]
    return _claimed(made)


def _claimed(item: Any) -> Any:
    if not isinstance(item, pytest.Function) or isinstance(item, LabFunction) or not _asks_for_lab(item):
        return item
    claimed = LabFunction.from_parent(
        item.parent,
        name=item.name,
        callspec=getattr(item, "callspec", None),
        fixtureinfo=item._fixtureinfo,
        originalname=item.originalname,
    )
    claimed.own_markers = [mark for mark in item.own_markers if mark.name != "asyncio"]
    return claimed


def _asks_for_lab(item: pytest.Function) -> bool:
    info = item._fixtureinfo
    if "lab" not in info.argnames or not inspect.iscoroutinefunction(item.obj):
        return False
    known = info.name2fixturedefs.get("lab")
    return known is not None and known[-1].func.__module__ == __name__  # another fixture of that name is not ours


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show a failed test's own lines, the ladder, and the line that replays it, where the test used a lab."""
    made: Any = getattr(item, "funcargs", {}).get("lab")
    ours = type(made).__module__ == "edgesim.scenario.pytest_lab"
    if ours and call.excinfo is not None and not item.config.getoption("fulltrace"):
        from edgesim.scenario.pytest_lab import leave_out_own_frames

        leave_out_own_frames(call.excinfo.value, item.path)
        call.excinfo = pytest.ExceptionInfo.from_exception(call.excinfo.value)
    report = yield
    if ours and report.when == "call" and report.failed:
        text = made.explain()
        if text:
            report.sections.append(("edgesim", text))
    return report
