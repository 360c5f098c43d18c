"""Fixtures of the TLS layer's tests."""

from __future__ import annotations

import pytest

from tests.world.tls_scene import Scene


@pytest.fixture(params=[False, True], ids=["client", "server"])
def scene(request: pytest.FixtureRequest) -> Scene:
    made = Scene(server=request.param)
    made.shake()
    return made
