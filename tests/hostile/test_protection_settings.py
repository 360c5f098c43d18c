"""How far a block reaches, what is exempt, how it is shown and lifted, and the alarm that stands meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.control import Blocked, InProcess, Status, Unblock
from edgesim.edge.protection import Category, Protection
from edgesim.http import basic_authorization
from tests.hostile.guessing import BLOCK_S, TOLERATED, blocks, configuration, digests, play, reached, wrong
from tests.hostile.lab import OUTSIDER, Arena


@pytest.mark.parametrize(
    ("scope", "others"), [("destination port", [True, True]), ("all ports", [False, False])], ids=["port", "all"]
)
def test_each_category_blocks_its_own_ports_or_all_of_them(scope: str, others: list[bool]) -> None:
    async def story(arena: Arena) -> None:
        for number in range(TOLERATED + 1):
            await configuration(arena, wrong(number))
        assert not await reached(arena, 8443)
        assert [await reached(arena, port) for port in (5061, 5222)] == others
        if scope == "all ports":
            return
        await asyncio.sleep(100)
        await digests(arena, [f"guess-{number}" for number in range(TOLERATED + 1)])
        assert [each[2] for each in blocks(arena)] == ["HTTP proxy authorization failure", "SIP authentication failure"]
        assert [await reached(arena, port) for port in (8443, 5061, 5222)] == [False, False, True]
        first, second = (each.event.as_json() for each in arena.entries("protection.blocked"))
        assert first["ports"] == [8443] and 5061 in second["ports"]
        rows = (await InProcess(arena.lab).ask(Blocked())).rows
        assert [each.ports for each in rows] == [(8443,), (5060, 5061)]
        await asyncio.sleep(BLOCK_S - 100)
        assert [await reached(arena, port) for port in (8443, 5061)] == [True, False]
        await asyncio.sleep(100)
        assert await reached(arena, 5061)

    play(story, {"defaults.protection.block_scope": scope})


def test_status_shows_who_is_blocked_and_a_command_lifts_it() -> None:
    async def story(arena: Arena) -> None:
        carrier = InProcess(arena.lab)
        for number in range(TOLERATED + 1):
            await configuration(arena, wrong(number))
        assert await configuration(arena, wrong(9), timeout=10) is None
        status = await carrier.ask(Status())
        assert status.blocked == 1 and status.refused > 0
        (row,) = (await carrier.ask(Blocked())).rows
        assert (row.host, row.address, row.reason) == ("expe", OUTSIDER, "HTTP proxy authorization failure")
        assert BLOCK_S - 60 < row.seconds <= BLOCK_S and row.dropped > 0
        assert (await carrier.ask(Unblock(address=OUTSIDER))).text == f"{OUTSIDER} is no longer blocked"
        assert await configuration(arena, basic_authorization("carol", "carol-secret")) == 200

    play(story)


def test_after_a_block_was_lifted_failures_are_counted_from_the_start() -> None:
    async def story(arena: Arena) -> None:
        for number in range(TOLERATED + 1):
            await configuration(arena, wrong(number))
        await InProcess(arena.lab).ask(Unblock(address=OUTSIDER))
        for number in range(TOLERATED):
            assert await configuration(arena, wrong(number)) == 401
        assert blocks(arena) == []
        await configuration(arena, wrong(TOLERATED))
        assert [address for _, address, _ in blocks(arena)] == [OUTSIDER]
        await InProcess(arena.lab).ask(Unblock(address=OUTSIDER))

    play(story, {"defaults.protection.authorizations_per_period": 100})


def test_a_block_holds_on_the_peer_that_made_it() -> None:
    """Another peer of a cluster knows nothing of it; and a restart of the peer forgets it."""

    async def story(arena: Arena) -> None:
        for number in range(TOLERATED + 1):
            await configuration(arena, wrong(number))
        assert not arena.world.admission.blocked("expc", OUTSIDER, 8443)
        assert arena.world.admission.blocked("expe", OUTSIDER, 8443)
        await arena.lab.restart("expe")
        assert blocks(arena) == []
        await arena.lab.settle(150)  # C tries the zone again after 120 s

    play(story)


@pytest.mark.parametrize(
    "changes",
    [
        {"defaults.protection.exempt": [f"{OUTSIDER}/32", "192.0.2.0/24"]},
        {"defaults.protection.http_authorization_failure": False},
        {"defaults.protection.trigger_level": 10},
    ],
    ids=["exempt", "off", "level 10"],
)
def test_exemptions_categories_and_level_are_settings(changes: dict[str, Any]) -> None:
    async def story(arena: Arena) -> None:
        for number in range(TOLERATED + 2):
            assert await configuration(arena, wrong(number, f"user{number}")) == 401
        assert blocks(arena) == []

    play(story, changes)


def test_failures_of_many_addresses_are_bounded() -> None:
    async def story(arena: Arena) -> None:
        protection: Protection = arena.world.hosts["expe"].service.protection

        async def many() -> None:
            for number in range(500):
                protection.count(Category.HTTP_PROTOCOL, (f"192.0.{number // 250}.{number % 250}", 4000))

        await arena.lab.node("expe").host.run(many())
        assert len(protection._failures) == 100

    play(story, {"defaults.protection.addresses": 100})


INNER = "10.0.20.10"
ON_C = {"defaults.protection.intrusion_protection_on_c": True, "defaults.protection.intrusion_protection_on_e": False}


@pytest.mark.parametrize(
    ("changes", "blocked"),
    [
        (ON_C, True),
        ({"defaults.protection.intrusion_protection_on_e": False}, False),
        (ON_C | {"defaults.protection.exempt": [f"{INNER}/32"]}, False),
        (ON_C | {"defaults.protection.sip_authentication_failure": False}, False),
        (ON_C | {"expressway_c.0.release": "X12.7", "expressway_e.0.release": "X12.7"}, False),
    ],
    ids=["on", "off by default", "exempt", "category off", "before X14.0"],
)
def test_protection_on_c_blocks_e_with_everybody_behind_it(changes: dict[str, Any], blocked: bool) -> None:
    """Expressway Administrator Guide X15.5, "Automated Protection in MRA Deployments"."""

    async def story(arena: Arena) -> None:
        assert len(await digests(arena, [f"guess-{number}" for number in range(TOLERATED)])) == TOLERATED + 2
        assert blocks(arena) == []
        await digests(arena, ["another guess"])
        await asyncio.sleep(1)
        assert blocks(arena) == ([("expc", INNER, "SIP authentication failure")] if blocked else [])
        signs_in = await configuration(arena, basic_authorization("carol", "carol-secret"))
        assert signs_in == (None if blocked else 200)
        await asyncio.sleep(120)
        states = [each.event.as_json()["state"] for each in arena.entries("zone.state") if each.node == "expc"]
        failed = [each for each in states if each == "Failed"]
        assert bool(failed) == blocked
        if blocked:
            assert await configuration(arena, basic_authorization("carol", "carol-secret")) == 502
            await asyncio.sleep(BLOCK_S)
            assert blocks(arena) == []
            await arena.lab.settle(150)
        assert await configuration(arena, basic_authorization("carol", "carol-secret")) == 200

    play(story, changes)


def alarms(arena: Arena) -> list[tuple[str, str, str]]:
    found = [(each.node, each.event.as_json()) for each in arena.entries("alarm")]
    return [(node, event["state"], event["description"]) for node, event in found]


X15 = {"expressway_e.0.release": "X15.0", "expressway_c.0.release": "X15.0"}


def test_an_alarm_stands_while_addresses_are_blocked() -> None:
    async def story(arena: Arena) -> None:
        began = asyncio.get_running_loop().time()
        for number in range(TOLERATED + 1):
            assert alarms(arena) == []
            await configuration(arena, wrong(number))
        await asyncio.sleep(1)
        text = f"HTTP proxy authorization failure Access to Expressway is blocked for new IP addresses - {OUTSIDER}"
        raised = ("expe", "raised", text)
        assert alarms(arena) == [raised]
        assert arena.entries("alarm")[0].event.as_json() | {"description": ""} == {
            "id": "40056",
            "state": "raised",
            "severity": "warning",
            "title": "fail2ban banned any IP address",
            "description": "",
        }
        protection: Protection = arena.world.hosts["expe"].service.protection

        async def another() -> None:
            for _ in range(TOLERATED + 1):
                protection.count(Category.HTTP_PROTOCOL, ("192.0.2.77", 4000))

        await asyncio.sleep(100)
        await arena.lab.node("expe").host.run(another())
        await asyncio.sleep(1)
        assert len(blocks(arena)) == 2
        assert alarms(arena) == [raised]
        await asyncio.sleep(BLOCK_S - 50)
        assert [each[1] for each in blocks(arena)] == ["192.0.2.77"]
        assert alarms(arena) == [raised]
        await asyncio.sleep(100)
        assert alarms(arena) == [raised, ("expe", "lowered", text)]
        lowered = arena.entries("alarm")[-1].at_ns / 1e9
        assert BLOCK_S + 100 < lowered - began < BLOCK_S + 110

    play(story, X15)


def test_an_alarm_is_lowered_when_the_block_is_lifted_by_hand_and_raised_again() -> None:
    async def story(arena: Arena) -> None:
        for user in ("carol", "dora"):
            for number in range(TOLERATED + 1):
                await configuration(arena, wrong(number, user))
            await asyncio.sleep(1)
            await InProcess(arena.lab).ask(Unblock(address=OUTSIDER))
        assert [state for _, state, _ in alarms(arena)] == ["raised", "lowered"] * 2

    play(story, X15)


@pytest.mark.parametrize(
    ("changes", "states"), [({}, []), (X15 | {"defaults.protection.alarm_lowered": "never"}, ["raised"])]
)
def test_there_is_no_alarm_before_x15_and_it_may_stay_raised(changes: dict[str, Any], states: list[str]) -> None:
    async def story(arena: Arena) -> None:
        for number in range(TOLERATED + 1):
            await configuration(arena, wrong(number))
        await InProcess(arena.lab).ask(Unblock(address=OUTSIDER))
        assert [state for _, state, _ in alarms(arena)] == states

    play(story, changes)
