"""What honest clients and servers said, damaged at random (but the same in every run), to the ports that heard it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from edgesim.clients.jabber import Jabber
from tests.hostile.lab import DOORS, Arena, Door, under_attack
from tests.hostile.xmpp_inputs import HEADER

HEARD = {
    "http": ("http.request",),
    "sip": ("sip.request", "sip.response"),
    "sip-udp": ("sip.request",),
    "xmpp": ("xmpp.stanza", "xmpp.stream"),
    "dns": ("dns.query",),
    "dns-udp": ("dns.query",),
}
EACH = 150
"""Inputs a port."""


async def samples(arena: Arena, door: Door) -> list[bytes]:
    """Let carol sign in and out, outside and inside, and return what the door's host heard of it."""
    start = len(arena.journal)
    for machine in ("jabber-3", "inside-1"):
        carol = Jabber(arena.lab.node(machine), arena.lab.deployment.user("carol"))
        assert (await carol.sign_in()).ok
        await carol.sign_out()
    found = [
        entry.payload
        for kind in HEARD[door.dialect]
        for entry in arena.entries(kind, start)
        if entry.node == door.host and entry.payload
    ]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("door", [door for door in DOORS if door.dialect in HEARD], ids=str)
def test_damaged_copies_of_what_was_heard(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    async def story(arena: Arena) -> None:
        heard = await samples(arena, door)
        if not heard:  # a subscriber that nobody needed: what its publisher heard will do
            other = next(each for each in DOORS if each.dialect == door.dialect and each.port == door.port)
            heard = await samples(arena, other)
        bob = asyncio.get_running_loop().create_task(arena.bob_signs_in(), name="bob")
        for number in range(EACH):
            octets = arena.mutated(heard[number % len(heard)])
            if door.dialect == "dns":
                octets = len(octets).to_bytes(2, "big") + octets
            wire = await arena.open(door)
            if door.dialect == "xmpp":
                wire.send(HEADER)
            wire.send(octets)
            await wire.quiet(0.3)
            wire.hang_up()
        await bob
        await arena.alice_refreshes()

    with caplog.at_level(logging.ERROR):
        under_attack(story)
    assert not [record.getMessage() for record in caplog.records if record.exc_info]
