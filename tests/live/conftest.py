"""One live lab a module: real programs talk to it, and after the last test nothing may be left of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.lab import LiveLab, live_lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveLab]:
    with live_lab(tmp_path_factory.mktemp("live")) as running:
        yield running
    assert not running.left
