"""Shared options of the suite."""

from __future__ import annotations

import pytest

from tests import fuzz


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-examples", type=int, default=None, help="inputs per parser in fuzz tests (default 2000)")


def pytest_configure(config: pytest.Config) -> None:
    wanted = config.getoption("--fuzz-examples")
    if wanted:
        fuzz.EXAMPLES = wanted
