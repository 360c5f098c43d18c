"""Stories of strangers who break no rule: they ask a lot, slowly, or by many connections."""

from __future__ import annotations

import asyncio

from tests.deployment.probes.base import attacked
from tests.hostile.guessing import door
from tests.hostile.lab import Arena

REQUEST = b"GET /ZXhhbXBsZS5jb20/get_edge_config HTTP/1.1\r\nHost: expe.example.com\r\n\r\n"


@attacked({"edge.client_requests_burst": 2})
async def many_requests_on_one_connection(arena: Arena) -> None:
    wire = await arena.open(door(8443))
    wire.send(REQUEST * 20)
    await wire.quiet()


@attacked({"edge.client_requests_per_s": 50.0})
async def more_requests_than_come_at_once(arena: Arena) -> None:
    wire = await arena.open(door(8443))
    wire.send(REQUEST * 120)
    await asyncio.sleep(10)


@attacked({"edge.message_s": 5.0})
async def half_a_request(arena: Arena) -> None:
    wire = await arena.open(door(8443))
    wire.send(REQUEST[:20])
    await asyncio.sleep(20)


@attacked({"doors.connections_per_port": 4, "doors.connections_per_address": 4})
async def silent_connections(arena: Arena) -> None:
    wires = [await arena.open(door(8443)) for _ in range(6)]
    await asyncio.sleep(1)
    for wire in wires:
        wire.hang_up()
