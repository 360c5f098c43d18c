"""What plays a story by each carrier."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.control.players import Story, in_process, over_http


@pytest.fixture(params=[in_process, over_http])
def play(request: pytest.FixtureRequest) -> Callable[[Story], None]:
    player: Callable[[Story], None] = request.param
    return player
