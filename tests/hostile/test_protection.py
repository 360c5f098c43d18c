"""Guessing and breaking protocols ends in a block: the sixth failure of an address, for ten minutes, on that peer."""

from __future__ import annotations

import asyncio

import asyncssh
import pytest

from edgesim.edge.protection import Category, Protection
from edgesim.http import basic_authorization
from tests.hostile.guessing import BLOCK_S, TOLERATED, blocks, configuration, digests, door, play, sasl, wrong
from tests.hostile.lab import HEADER, OUTSIDER, Arena


def test_the_sixth_wrong_password_blocks_the_address_for_ten_minutes() -> None:
    async def story(arena: Arena) -> None:
        for number in range(TOLERATED):
            assert await configuration(arena, wrong(number)) == 401
        assert blocks(arena) == []
        assert await configuration(arena, wrong(TOLERATED)) == 401
        assert blocks(arena) == [("expe", OUTSIDER, "HTTP proxy authorization failure")]
        began = asyncio.get_running_loop().time()
        assert await configuration(arena, basic_authorization("carol", "carol-secret"), timeout=60) is None
        took = asyncio.get_running_loop().time() - began
        assert 60 <= round(took, 6) <= 60.001  # silence to the end, not a reset; timers fire at ticks of 1 ms
        (reported,) = arena.entries("protection.blocked")
        assert (reported.node, reported.event.as_json()["address"]) == ("expe", OUTSIDER)
        assert reported.event.as_json()["seconds"] == BLOCK_S
        await asyncio.sleep(BLOCK_S - 60)
        assert await configuration(arena, basic_authorization("carol", "carol-secret")) == 200
        assert [each.event.as_json()["address"] for each in arena.entries("protection.unblocked")] == [OUTSIDER]

    play(story)


def test_failures_that_are_long_ago_and_requests_without_credentials_do_not_count() -> None:
    async def story(arena: Arena) -> None:
        for number in range(6 * TOLERATED):  # twice as many failures as are tolerated at a time
            assert await configuration(arena, None) == 401
            if number % 3 == 0:
                assert await configuration(arena, wrong(number)) == 401
            await asyncio.sleep(100)
        assert blocks(arena) == []

    play(story)


def test_the_sixth_wrong_digest_blocks_the_address() -> None:
    async def story(arena: Arena) -> None:
        heard = await digests(arena, [f"guess-{number}" for number in range(30)] + ["alice-secret"])
        assert heard == [407, 407, 407, 403] * 2  # a request without an answer, and three guesses
        assert blocks(arena) == [("expe", OUTSIDER, "SIP authentication failure")]

    play(story)


def test_each_registration_may_be_challenged_and_a_c_that_knows_no_user_is_no_failure() -> None:
    """What clients of one NAT do when their C was restarted: each digest meets a C that never saw its user."""

    async def story(arena: Arena) -> None:
        heard = await digests(arena, ["carol-secret"] * 20, "carol")  # C met no password of hers
        assert heard[:24] == [407, 407, 407, 403] * 6
        assert blocks(arena) == []

    play(story)


def test_malformed_requests_count_as_protocol_violations() -> None:
    async def story(arena: Arena) -> None:
        for _ in range(TOLERATED + 1):
            assert blocks(arena) == []
            wire = await arena.open(door(8443))
            wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
            assert (await wire.quiet()).startswith(b"HTTP/1.1 400 ")
            wire.hang_up()
        assert blocks(arena) == [("expe", OUTSIDER, "HTTP proxy protocol violation")]

    play(story)


def test_broken_xml_counts_as_a_protocol_violation_and_hanging_up_does_not() -> None:
    async def story(arena: Arena) -> None:
        for _ in range(TOLERATED + 1):
            assert blocks(arena) == []
            for octets in (HEADER, HEADER + b"<a></b>"):
                wire = await arena.open(door(5222))
                wire.send(octets)
                await wire.quiet()
                wire.hang_up()
        assert blocks(arena) == [("expe", OUTSIDER, "XMPP protocol violation")]

    play(story)


@pytest.mark.parametrize("counted", [True, False])
def test_wrong_passwords_in_a_chat_count_where_the_default_says_so(counted: bool) -> None:
    async def story(arena: Arena) -> None:
        for number in range(TOLERATED + 1):
            assert blocks(arena) == []
            assert b"<not-authorized/>" in await sasl(arena, f"guess-{number}")
        found = [("expe", OUTSIDER, "XMPP protocol violation")] if counted else []
        assert blocks(arena) == found

    play(story, {"defaults.protection.xmpp_authentication_failure": counted})


def test_the_sixth_ssh_login_without_the_key_blocks_the_address() -> None:
    async def story(arena: Arena) -> None:
        key = asyncssh.generate_private_key("ssh-ed25519")

        async def knock() -> None:
            with pytest.raises(asyncssh.PermissionDenied):
                await asyncssh.connect(
                    "10.0.20.10", 2222, username="portforwarding", client_keys=[key], known_hosts=None, config=None
                )

        for _ in range(TOLERATED + 1):
            assert blocks(arena) == []
            await arena.insider.run(knock())
        await asyncio.sleep(1)
        assert [each[2] for each in blocks(arena)] == ["SSH tunnels authorization failure"]

    play(story)


def test_what_is_not_ssh_counts_as_a_protocol_violation() -> None:
    async def story(arena: Arena) -> None:
        for octets in [b"", b"GET / HTTP/1.1\r\n\r\n" * 50] * (TOLERATED + 1):
            wire = await arena.open(door(2222, "10.0.20.10"))
            wire.send(octets)
            await wire.quiet(3)
            wire.hang_up()
            await asyncio.sleep(1)
        assert [each[2] for each in blocks(arena)] == ["SSH tunnels protocol violation"]

    play(story)


def test_a_c_with_a_wrong_password_is_not_blocked() -> None:
    async def story(arena: Arena) -> None:
        protection: Protection = arena.world.hosts["expe"].service.protection
        for _ in range(20):
            protection.count(Category.SSH_AUTHORIZATION, ("10.0.30.10", 30000))
        await asyncio.sleep(1)
        assert blocks(arena) == []

    play(story)
