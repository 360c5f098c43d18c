"""Hostile SIP on every SIP port: of Expressway-E, to clients and to C; of Expressway-C; of Unified CM."""

from __future__ import annotations

import pytest

from tests.hostile.lab import DOORS, Arena, Door, under_attack
from tests.hostile.sip_inputs import MESSAGES, STREAM


@pytest.mark.parametrize("door", [door for door in DOORS if door.dialect == "sip"], ids=str)
def test_hostile_messages(door: Door) -> None:
    async def story(arena: Arena) -> None:
        await arena.strike_all(door, [*STREAM, *MESSAGES])
        await arena.alice_refreshes()

    under_attack(story)


@pytest.mark.parametrize("door", [door for door in DOORS if door.dialect == "sip-udp"], ids=str)
def test_hostile_datagrams(door: Door) -> None:
    async def story(arena: Arena) -> None:
        await arena.strike_all(door, MESSAGES)

    under_attack(story)
