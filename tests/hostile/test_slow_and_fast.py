"""Who does not read, who stops in the middle, and who sends more than others can take: the harm is their own."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.hostile.lab import DOORS, Arena, Door, Wire, under_attack

CLIENTS = next(door for door in DOORS if door.host == "expe" and door.dialect == "xmpp")
INSIDE = next(door for door in DOORS if door.host == "imp-pub" and door.dialect == "xmpp")
BODY = b"x" * 30_000


async def signed_in(arena: Arena, door: Door, user: str) -> tuple[Wire, bytes]:
    """Return a session of a user and its full address."""
    wire = await arena.open(door)
    await arena.authenticate(door, wire, user)
    found = re.search(rb"<jid>([^<]+)</jid>", bytes(wire.heard))
    assert found
    return wire, found[1]


def message(to: bytes, body: bytes = BODY) -> bytes:
    return b"<message to='" + to + b"' type='chat'><body>" + body + b"</body></message>"


@pytest.mark.parametrize("door", [CLIENTS, INSIDE], ids=str)
def test_a_fast_sender_of_messages_is_slowed_and_a_receiver_that_does_not_read_is_dropped(door: Door) -> None:
    count = 400

    async def story(arena: Arena) -> None:
        sender, _ = await signed_in(arena, door, "carol")
        deaf, deaf_at = await signed_in(arena, door, "carol")
        other, other_at = await signed_in(arena, CLIENTS, "carol")
        deaf.transport.pause_reading()
        start = len(arena.journal)
        for _ in range(count):
            sender.send(message(deaf_at))
        for _ in range(600):
            if not sender.transport.get_write_buffer_size():
                break
            await asyncio.sleep(0.1)
        assert not sender.transport.get_write_buffer_size()
        # Meanwhile others of the same node write to each other.
        other.send(message(other_at, b"are you there?"))
        assert b"are you there?" in await other.quiet()
        await sender.quiet()
        assert not sender.closed.is_set()
        assert bytes(sender.heard).count(b"<resource-constraint") > count // 2
        assert len(arena.entries("xmpp.stanza", start)) >= count
        await asyncio.sleep(40)
        assert any("does not read" in entry.event.summary() for entry in arena.entries("malformed", start)), (
            "the receiver was dropped for another reason"
        )
        assert not sender.closed.is_set()
        for wire in (sender, deaf, other):
            wire.hang_up()
        await asyncio.sleep(1)

    under_attack(story)


def test_a_sender_waits_while_nobody_takes_what_it_sends() -> None:
    """IM and Presence stands still for a while: nothing is lost, and nobody is disconnected for it."""
    count = 100

    async def story(arena: Arena) -> None:
        sender, address = await signed_in(arena, CLIENTS, "carol")
        start = len(arena.journal)
        await arena.world.freeze("imp-pub")
        for _ in range(count):
            sender.send(message(address))
        await asyncio.sleep(5)
        [link] = [each for each in arena.world.hosts["expe"].service.xmpp._links if each.up]  # type: ignore[attr-defined]
        waiting = [link.link.waiting(session) for session in link.link.sessions_open]
        assert 0 < sum(waiting) < 1 << 18  # of three megabytes most are still the sender's
        await arena.world.thaw("imp-pub")
        await sender.quiet()
        assert not sender.closed.is_set()
        assert bytes(sender.heard).count(BODY) == count
        assert len(arena.entries("xmpp.stanza", start)) >= count
        sender.hang_up()
        await asyncio.sleep(1)

    under_attack(story)


@pytest.mark.parametrize("door", [CLIENTS, INSIDE], ids=str)
def test_half_a_stanza_has_its_time(door: Door) -> None:
    async def story(arena: Arena) -> None:
        wire, address = await signed_in(arena, door, "carol")
        loop = asyncio.get_running_loop()
        await asyncio.sleep(100)  # a client may be silent, and say white space
        wire.send(b" ")
        await asyncio.sleep(100)
        assert not wire.closed.is_set()
        began = loop.time()
        for octet in message(address, b"a long story"):
            wire.send(bytes((octet,)))
            await asyncio.sleep(1)
            if wire.closed.is_set():
                break
        assert 29 < loop.time() - began < 33
        assert b"<connection-timeout" in wire.heard

    under_attack(story)
