"""Hostile DNS over UDP and TCP."""

from __future__ import annotations

import pytest

from tests.hostile.dns_inputs import DATAGRAMS, STREAM
from tests.hostile.lab import DOORS, Arena, Door, under_attack


@pytest.mark.parametrize("door", [door for door in DOORS if door.dialect in ("dns", "dns-udp")], ids=str)
def test_hostile_queries(door: Door) -> None:
    async def story(arena: Arena) -> None:
        await arena.strike_all(door, STREAM if door.dialect == "dns" else DATAGRAMS)

    under_attack(story)
