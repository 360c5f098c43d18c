"""Shared options of the suite."""

from __future__ import annotations

import os

import pytest

from tests import fuzz
from tests.sampling import sample


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-examples", type=int, default=None, help="inputs per parser in fuzz tests (default 2000)")
    parser.addoption("--defaults-seed", type=int, default=None, help="which tenth of the defaults is changed")
    parser.addoption(
        "--sample", type=int, default=None, help="the most cases of a test, or scenarios of a file, to run"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one worker more than there are processors: some tests wait in real time, and others work meanwhile."""
    return (os.cpu_count() or 1) + 1


def pytest_configure(config: pytest.Config) -> None:
    wanted = config.getoption("--fuzz-examples")
    if wanted:
        fuzz.EXAMPLES = wanted


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    most = config.getoption("--sample")
    if most is None:
        return
    # Cases of one function are a family, and so are the scenarios of one file, under all their seeds.
    kept = sample([(item.path, getattr(item, "originalname", None)) for item in items], most)
    config.hook.pytest_deselected(items=[item for place, item in enumerate(items) if place not in kept])
    items[:] = [item for place, item in enumerate(items) if place in kept]
