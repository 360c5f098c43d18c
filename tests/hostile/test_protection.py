"""Guessing and breaking protocols ends in a block: the sixth failure of an address, for ten minutes, on that peer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import asyncssh
import pytest

from edgesim.clients.jabber import Jabber
from edgesim.control import Blocked, InProcess, Status, Unblock
from edgesim.edge.descriptor import control_url
from edgesim.edge.protection import Category, Protection
from edgesim.http import HttpClient, HttpError, basic_authorization
from edgesim.pki import client_context
from edgesim.world.admission import Refusal
from edgesim.world.sim import SimWorld
from tests.hostile.lab import DOORS, HEADER, OUTSIDER, Arena, Door

TOLERATED, BLOCK_S = 5, 600


def door(port: int, address: str = "203.0.113.10") -> Door:
    (found,) = [each for each in DOORS if (each.address, each.port) == (address, port) and "udp" not in each.dialect]
    return found


def play(story: Callable[[Arena], Awaitable[None]], changes: dict[str, Any] | None = None) -> None:
    """Run a story in a lab that is protected, with alice signed in; in the end bob can sign in."""
    world = SimWorld(1)
    arena = Arena(world, protected=True, changes=changes)

    async def whole() -> None:
        await arena.start()
        await story(arena)
        await arena.bob_signs_in()
        await arena.alice.sign_out()
        await arena.lab.stop()

    world.run(whole())
    assert not world.errors(), world.unhandled


async def configuration(arena: Arena, authorization: str | None, timeout: float = 20) -> int | None:
    """Ask for the edge configuration from outside; None where nothing comes back."""

    async def ask() -> int | None:
        client = HttpClient(arena.lab.node("jabber-3").journal, ssl=client_context(None))
        headers = [("Host", "expe.example.com:8443")]
        if authorization is not None:
            headers.append(("Authorization", authorization))
        url = control_url("get_edge_config?service_name=_cisco-uds", domain="example.com", edge="expe.example.com")
        try:
            answer = await client.request("GET", url, headers=headers, address="203.0.113.10", timeout=timeout)
        except HttpError:
            return None
        finally:
            await client.close()
        return answer.status

    return await arena.outsider.run(ask())


def wrong(number: int, user: str = "carol") -> str:
    return basic_authorization(user, f"wrong-{number}")


def blocks(arena: Arena) -> list[tuple[str, str, str]]:
    return [(each.host, each.address, each.reason) for each in arena.world.admission.blocks()]


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


async def reached(arena: Arena, port: int) -> bool:
    """Whether a connection to a port of E opens within ten seconds."""
    try:
        async with asyncio.timeout(10):
            wire = await arena.open(door(port), raw=True)
    except TimeoutError:
        return False
    wire.hang_up()
    return True


@pytest.mark.parametrize(
    ("scope", "others"), [("destination port", [True, True]), ("all ports", [False, False])], ids=["port", "all"]
)
def test_a_block_is_of_the_destination_port_and_each_category_has_its_own(scope: str, others: list[bool]) -> None:
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


def test_failures_that_are_long_ago_and_requests_without_credentials_do_not_count() -> None:
    async def story(arena: Arena) -> None:
        for number in range(3 * TOLERATED):
            assert await configuration(arena, None) == 401
            if number % 3 == 0:
                assert await configuration(arena, wrong(number)) == 401
            await asyncio.sleep(100)
        assert blocks(arena) == []

    play(story)


async def digests(arena: Arena, passwords: list[str], user: str = "alice") -> list[int]:
    """Answer E's challenges with each password in turn; return the statuses that came back.

    Where there is no challenge, at first and after a 403, it asks for one.
    """
    wire = await arena.open(door(5061))
    statuses: list[int] = []
    challenge = b""
    left = list(passwords)
    for number in range(2 * len(passwords)):
        answer = ""
        nonce = re.search(rb'nonce="([^"]+)"', challenge)
        if nonce is not None:
            if not left:
                break
            password = left.pop(0)
            realm, uri = "expe.example.com", "sip:ucm-pub.inside.example.com"
            ha1 = hashlib.md5(f"{user}:{realm}:{password}".encode()).hexdigest()
            ha2 = hashlib.md5(f"REGISTER:{uri}".encode()).hexdigest()
            text = f"{ha1}:{nonce[1].decode()}:00000001:c0ffee:auth:{ha2}"
            answer = (
                f'Proxy-Authorization: Digest username="{user}",realm="{realm}",uri="{uri}",'
                f'nonce="{nonce[1].decode()}",'
                f'response="{hashlib.md5(text.encode()).hexdigest()}",qop=auth,nc=00000001,cnonce="c0ffee"\r\n'
            )
        wire.heard.clear()
        wire.send(
            (
                "REGISTER sip:ucm-pub.inside.example.com SIP/2.0\r\n"
                f"Via: SIP/2.0/TLS {OUTSIDER}:50000;branch=z9hG4bK{number}\r\n"
                "Route: <sip:10.0.30.10:5061;transport=tls;zone-id=3;directed;lr>\r\n"
                f"From: <sip:1001@ucm-pub.inside.example.com>;tag=1\r\nTo: <sip:1001@ucm-pub.inside.example.com>\r\n"
                f"Call-ID: guess\r\nCSeq: {number + 1} REGISTER\r\nMax-Forwards: 70\r\n"
                f"Contact: <sip:x@{OUTSIDER}:50000;transport=tls>\r\n{answer}Content-Length: 0\r\n\r\n"
            ).encode()
        )
        challenge = await wire.quiet(2)
        status = re.match(rb"SIP/2\.0 ([0-9]{3})", challenge)
        if status is None:
            break
        statuses.append(int(status[1]))
    wire.hang_up()
    return statuses


def test_guessing_digests_is_over_after_six() -> None:
    async def story(arena: Arena) -> None:
        heard = await digests(arena, [f"guess-{number}" for number in range(30)] + ["alice-secret"])
        assert heard == [407, 407, 407, 403] * 2  # a request without an answer, and three guesses
        assert blocks(arena) == [("expe", OUTSIDER, "SIP authentication failure")]

    play(story)


def test_each_registration_may_be_challenged_and_a_c_that_knows_nobody_is_no_failure() -> None:
    """What clients of one NAT do when their C was restarted: each digest meets a C that never saw its user."""

    async def story(arena: Arena) -> None:
        heard = await digests(arena, ["carol-secret"] * 20, "carol")  # C met no password of hers
        assert heard[:24] == [407, 407, 407, 403] * 6
        assert blocks(arena) == []

    play(story)


def test_broken_requests_are_a_violation() -> None:
    async def story(arena: Arena) -> None:
        for _ in range(TOLERATED + 1):
            assert blocks(arena) == []
            wire = await arena.open(door(8443))
            wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
            assert (await wire.quiet()).startswith(b"HTTP/1.1 400 ")
            wire.hang_up()
        assert blocks(arena) == [("expe", OUTSIDER, "HTTP proxy protocol violation")]

    play(story)


def test_broken_xml_is_a_violation_and_hanging_up_is_none() -> None:
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


async def sasl(arena: Arena, password: str) -> bytes:
    wire = await arena.open(door(5222))
    await arena.start_tls(door(5222), wire)
    secret = base64.b64encode(f"\0carol\0{password}".encode())
    wire.heard.clear()
    wire.send(HEADER + b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + secret + b"</auth>")
    heard = await wire.quiet()
    wire.hang_up()
    return heard


@pytest.mark.parametrize("counted", [True, False])
def test_wrong_passwords_in_a_chat_count_where_the_default_says_so(counted: bool) -> None:
    async def story(arena: Arena) -> None:
        for number in range(TOLERATED + 1):
            assert blocks(arena) == []
            assert b"<not-authorized/>" in await sasl(arena, f"guess-{number}")
        found = [("expe", OUTSIDER, "XMPP protocol violation")] if counted else []
        assert blocks(arena) == found

    play(story, {"defaults.protection.xmpp_authentication_failure": counted})


def test_ssh_without_the_key_is_refused_five_times() -> None:
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


def test_what_is_no_ssh_is_a_violation() -> None:
    async def story(arena: Arena) -> None:
        for octets in [b"", b"GET / HTTP/1.1\r\n\r\n" * 50] * (TOLERATED + 1):
            wire = await arena.open(door(2222, "10.0.20.10"))
            wire.send(octets)
            await wire.quiet(3)
            wire.hang_up()
            await asyncio.sleep(1)
        assert [each[2] for each in blocks(arena)] == ["SSH tunnels protocol violation"]

    play(story)


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


def test_a_c_with_a_wrong_password_is_not_blocked() -> None:
    async def story(arena: Arena) -> None:
        protection: Protection = arena.world.hosts["expe"].service.protection  # type: ignore[union-attr]  # an E
        for _ in range(20):
            protection.count(Category.SSH_AUTHORIZATION, ("10.0.30.10", 30000))
        await asyncio.sleep(1)
        assert blocks(arena) == []

    play(story)


def test_failures_of_many_addresses_are_bounded() -> None:
    async def story(arena: Arena) -> None:
        protection: Protection = arena.world.hosts["expe"].service.protection  # type: ignore[union-attr]  # an E

        async def many() -> None:
            for number in range(500):
                protection.count(Category.HTTP_PROTOCOL, (f"192.0.{number // 250}.{number % 250}", 4000))

        await arena.lab.node("expe").host.run(many())
        assert len(protection._failures) == 100

    play(story, {"defaults.protection.addresses": 100})


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
def test_a_crowd_of_newcomers_waits_from_x14_2_on(release: str, limited: bool) -> None:
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


def test_the_rate_can_be_switched_off() -> None:
    async def story(arena: Arena) -> None:
        for wire in await asyncio.gather(*(arena.open(door(5061), raw=True) for _ in range(30))):
            wire.hang_up()
        assert not arena.entries("tcp.refused")

    play(story, {"defaults.protection.connection_rate_mode": "off"})


def test_who_is_signed_in_gives_way_to_no_stranger() -> None:
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
        protection: Protection = arena.world.hosts["expe"].service.protection  # type: ignore[union-attr]  # an E

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
def test_the_alarm_before_x15_and_where_it_stays(changes: dict[str, Any], states: list[str]) -> None:
    async def story(arena: Arena) -> None:
        for number in range(TOLERATED + 1):
            await configuration(arena, wrong(number))
        await InProcess(arena.lab).ask(Unblock(address=OUTSIDER))
        assert [state for _, state, _ in alarms(arena)] == states

    play(story, changes)
