"""How many connections and sign-ins may come at once, and who keeps a place."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from edgesim.clients.jabber import Jabber
from edgesim.world.admission import Refusal
from tests.hostile.guessing import TOLERATED, configuration, door, play, wrong
from tests.hostile.lab import OUTSIDER, Arena


def test_eight_wrong_passwords_from_elsewhere_lock_a_user_out() -> None:
    """Rate control counts a user's authorizations whatever the address: two strangers keep carol out, as documented."""

    async def story(arena: Arena) -> None:
        for number in range(TOLERATED):
            await configuration(arena, wrong(number))
        carol = Jabber(arena.lab.node("jabber-3"), arena.lab.deployment.user("carol"))
        for number in range(3):
            arena.world.admission.unblock(None, OUTSIDER)
            await configuration(arena, wrong(number))
        result = await carol.sign_in()
        assert not result.ok
        assert [each.event.as_json()["status"] for each in arena.entries("http.response")][-1] == 429
        await carol.sign_out()

    play(story)


@pytest.mark.parametrize(("release", "limited"), [("X14.1", False), ("X14.2", True), ("X14.3", True)])
def test_from_x14_2_on_many_connections_at_once_are_delayed(release: str, limited: bool) -> None:
    """Thirty connections at once: twenty are taken, the SYNs of the others are sent again a second later."""

    async def story(arena: Arena) -> None:
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(1)
        crowd = await asyncio.gather(*(arena.open(door(8443), raw=True) for _ in range(30)))
        took = asyncio.get_running_loop().time() - began - 1
        assert (1 <= took < 1.5) if limited else took < 0.5
        reported = [each.event.as_json() for each in arena.entries("tcp.refused")]
        assert [each["count"] for each in reported] == ([1] if limited else [])
        refused = sum(arena.world.admission.refused.values())
        assert refused in (range(8, 11) if limited else (0,))  # the rate of 100 a second lets one more in every 10 ms
        for wire in crowd:
            wire.hang_up()

    play(story, {"expressway_e.0.release": release, "expressway_c.0.release": release})


def test_the_connection_rate_limit_can_be_switched_off() -> None:
    async def story(arena: Arena) -> None:
        for wire in await asyncio.gather(*(arena.open(door(5061), raw=True) for _ in range(30))):
            wire.hang_up()
        assert not arena.entries("tcp.refused")

    play(story, {"defaults.protection.connection_rate_mode": "off"})


def test_connections_of_signed_in_clients_are_kept_when_a_port_is_full() -> None:
    """Ports that take one connection: those of alice outside, and of bob on the company's network, stay theirs."""

    async def story(arena: Arena) -> None:
        bob = Jabber(arena.lab.node("inside-1"), arena.lab.deployment.user("bob"))
        assert (await bob.sign_in()).ok
        usual = arena.world.admission.limits
        arena.world.admission.limits = replace(usual, per_port=1)
        taken = [door(5061), door(5222), door(5060, "10.0.40.11"), door(5222, "10.0.40.21")]
        for each in taken:
            with pytest.raises(ConnectionRefusedError):
                await arena.open(each, raw=True)
        assert {reason for _, _, reason in arena.world.admission.refused} == {Refusal.PORT}
        arena.world.admission.limits = usual
        await bob.sign_out()

    play(story)
