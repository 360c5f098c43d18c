"""A network for the labs of a test file, which no other process uses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgesim.deployment import builtin
from tests.live.lab import own_network


@pytest.fixture(scope="module")
def network() -> Iterator[str]:
    with own_network(builtin("small")) as claimed:
        yield ".".join(claimed.host("expe").address.split(".")[:2])
