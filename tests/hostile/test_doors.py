"""No port is forgotten: what the lab listens on is what the other tests attack."""

from __future__ import annotations

from tests.hostile.lab import DOORS, Arena, under_attack


def test_every_listening_port_is_attacked() -> None:
    async def story(arena: Arena) -> None:
        listening = {
            (row.host, *row.local, row.protocol)
            for row in arena.world.sockets()
            if row.state == "LISTEN" or (row.protocol == "udp" and row.remote is None)
        }
        attacked = {
            (door.host, door.address, door.port, "udp" if door.dialect.endswith("-udp") else "tcp") for door in DOORS
        }
        assert attacked == listening

    under_attack(story)
