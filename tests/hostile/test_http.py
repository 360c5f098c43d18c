"""Hostile HTTP on every web port: smuggling, limits, damaged text."""

from __future__ import annotations

import pytest

from tests.hostile.http_inputs import CASES
from tests.hostile.lab import DOORS, Arena, Door, under_attack


@pytest.mark.parametrize("door", [door for door in DOORS if door.dialect == "http"], ids=str)
def test_hostile_requests(door: Door) -> None:
    async def story(arena: Arena) -> None:
        await arena.strike_all(door, CASES)
        await arena.alice_refreshes()

    under_attack(story)
