"""Stories of an attacker, who breaks a protocol or guesses until it is blocked."""

from __future__ import annotations

import asyncio

from edgesim.edge.protection import Category
from tests.deployment.probes.base import attacked
from tests.hostile.guessing import door, sasl
from tests.hostile.lab import HEADER, Arena

TIMES = 7
"""More than are tolerated."""


async def _repeated(arena: Arena, port: int, octets: bytes, address: str = "203.0.113.10") -> None:
    for _ in range(TIMES):
        wire = await arena.open(door(port, address))
        wire.send(octets)
        await wire.quiet(3)
        wire.hang_up()
        await asyncio.sleep(1)


@attacked({"protection.http_protocol_violation": False})
async def broken_requests(arena: Arena) -> None:
    await _repeated(arena, 8443, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")


@attacked({"protection.xmpp_protocol_violation": False})
async def broken_xml(arena: Arena) -> None:
    await _repeated(arena, 5222, HEADER + b"<a></b>")


@attacked({"protection.ssh_protocol_violation": False})
async def what_is_no_ssh(arena: Arena) -> None:
    await _repeated(arena, 2222, b"GET / HTTP/1.1\r\n\r\n" * 50, "10.0.20.10")


@attacked({"protection.xmpp_authentication_failure": False})
async def guessed_passwords_in_a_chat(arena: Arena) -> None:
    for number in range(TIMES - 1):
        await sasl(arena, f"guess-{number}")


@attacked({"protection.ssh_authorization_failure": False})
async def keys_that_are_not_known(arena: Arena) -> None:
    protection = arena.world.hosts["expe"].service.protection
    for _ in range(TIMES):
        protection.count(Category.SSH_AUTHORIZATION, ("10.0.30.99", 30000))
    await asyncio.sleep(1)
