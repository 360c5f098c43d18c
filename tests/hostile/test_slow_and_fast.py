"""Who does not read, who stops in the middle, and who sends more than others can take: the harm is their own."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.hostile.lab import DOORS, Arena, Door, Wire, under_attack

CLIENTS = next(door for door in DOORS if door.host == "expe" and door.dialect == "xmpp")
INSIDE = next(door for door in DOORS if door.host == "imp-pub" and door.dialect == "xmpp")
BODY = b"x" * 30_000
AT_ANY_RATE = {"defaults.im.client_octets_per_s": 100_000_000.0, "defaults.im.client_octets_burst": 100_000_000}
"""Senders are not slowed for their own rate, so that only those who do not read slow them."""


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

    under_attack(story, changes=AT_ANY_RATE)


def test_a_sender_waits_while_its_output_is_not_read() -> None:
    """IM and Presence stands still for a while: nothing is lost, and nobody is disconnected for it."""
    count = 100

    async def story(arena: Arena) -> None:
        sender, address = await signed_in(arena, CLIENTS, "carol")
        start = len(arena.journal)
        await arena.world.freeze("imp-pub")
        for _ in range(count):
            sender.send(message(address))
        await asyncio.sleep(5)
        [link] = [each for each in arena.world.hosts["expe"].service.xmpp._links if each.up]
        waiting = [link.waiting(session) for session in link.sessions_open]
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


def test_a_slow_chat_client_stops_its_own_stream_at_every_hop_and_no_others() -> None:
    """The client's socket fills, then E gives C no more credit for that session, then C gives IM and Presence none."""
    window, congested, full = 65_536, 65_536, 262_144  # of a session on a link, at E's client, at IM and Presence

    async def story(arena: Arena) -> None:
        sender, _ = await signed_in(arena, INSIDE, "carol")
        slow, slow_at = await signed_in(arena, CLIENTS, "carol")
        other, other_at = await signed_in(arena, CLIENTS, "carol")
        services = {name: arena.world.hosts[name].service for name in ("expe", "expc", "imp-pub")}
        e, c, imp = services["expe"].xmpp, services["expc"].xmpp, services["imp-pub"]
        [at_e] = [link for link in e._links if link.up]
        mine, theirs = list(at_e.sessions_open)[-2:]
        edge_leg, server_leg = (c.edges[0].connection, mine), c._across[c.edges[0].connection, mine]
        [at_imp] = [link for link in imp._links if link.up]
        client = e._links[at_e][mine].connection

        def held() -> dict[str, int]:
            return {
                "E": client.unsent,
                "C": edge_leg[0].waiting(mine),
                "IM and Presence": at_imp.waiting(server_leg[1]),
            }

        def arrived(session: str) -> int:
            return sum(
                len(entry.payload or b"")
                for entry in arena.entries("xcp.route", start)
                if entry.node == "expe" and entry.event.session == session
            )

        slow.transport.pause_reading()
        start, most, slowest = len(arena.journal), dict.fromkeys(held(), 0), 0.0
        loop = asyncio.get_running_loop()
        for number in range(300):
            sender.send(message(slow_at))
            if number % 30 == 29:
                began, before = loop.time(), len(other.heard)
                other.send(message(other_at, b"%d, are you there?" % number))
                async with asyncio.timeout(5):
                    while b"there?" not in other.heard[before:]:
                        other.news.clear()
                        await other.news.wait()
                slowest = max(slowest, loop.time() - began)
            else:
                await asyncio.sleep(0.02)
            most = {hop: max(octets, held()[hop]) for hop, octets in most.items()}
        # Nine megabytes were sent; a window, and the message that did not fit, is the most that any hop keeps.
        assert congested < most["E"] <= congested + 2 * window, most
        assert 0 < most["C"] <= window, most
        assert most["IM and Presence"] <= full + 2 * len(BODY), most
        assert arrived(mine) < 1_000_000, "E read on for a client that does not"  # the rest is in sockets' buffers
        assert arrived(theirs) > 0
        assert slowest < 0.5, "others had to wait for the slow client"
        # The client wakes up in time: what was kept for it comes, whole and in order, and the session goes on.
        taken = held()
        slow.transport.resume_reading()
        await slow.quiet()
        assert (
            bytes(slow.heard).count(b"<body>" + BODY + b"</body>") >= sum(taken.values()) // len(message(slow_at)) - 1
        )
        assert sum(held().values()) == 0
        sender.send(message(slow_at, b"awake?"))
        assert b"awake?" in await slow.quiet()
        assert not any("does not read" in entry.event.summary() for entry in arena.entries("malformed", start))
        for wire in (sender, slow, other):
            wire.hang_up()
        await asyncio.sleep(1)

    under_attack(story, changes=AT_ANY_RATE)
