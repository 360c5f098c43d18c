"""Hostile datagrams on the multiplexed media ports: nothing comes back, and the journal is not buried."""

from __future__ import annotations

import pytest

from edgesim.journal import events
from tests.hostile.case import Case
from tests.hostile.lab import DOORS, Arena, Door, under_attack

INPUTS = {
    "one octet": b"x",
    "three octets": b"\x00\x00\x01",
    "channel 0": bytes(4) + b"\x80\x00" + bytes(170),
    "a channel that is not there": b"\x00\x00\x00\x01\x80\x00" + bytes(170),
    "a keep-alive of no channel": b"\xff\xff\xff\xff",
    "a packet too large": b"\x00\x00\x00\x01" + bytes(1501),
    "the largest datagram": b"\xff" * 65_000,
    "DNS": b"BB\x01\x00\x00\x01" + bytes(20),
    "SIP": b"OPTIONS sip:expe.example.com SIP/2.0\r\n\r\n",
}


@pytest.mark.parametrize("door", [door for door in DOORS if door.dialect == "media-udp"], ids=str)
def test_hostile_datagrams(door: Door) -> None:
    async def story(arena: Arena) -> None:
        start = len(arena.lab.journal)
        await arena.strike_all(door, [Case(name=name, pieces=[octets]) for name, octets in INPUTS.items()])
        assert len(arena.lab.journal.select(kind=events.Malformed.kind, node="expe", start=start)) == 1

    under_attack(story)
