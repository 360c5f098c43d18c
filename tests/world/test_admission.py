"""Who may connect: limits for a port, an address and all together, rates, and blocked addresses."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from edgesim.deployment.defaults import Defaults
from edgesim.lab.doors import limits as lab_limits
from edgesim.world import Host, Interface, World
from edgesim.world.admission import Admission, Block, Rates, Refusal
from edgesim.world.events import AddressBlocked, AddressUnblocked, ConnectionsRefused, FirewallBlocked, WorldEvent
from edgesim.world.live import LiveWorld
from edgesim.world.live.network import REPORTED_AT_ONCE
from edgesim.world.sim import SimWorld
from tests.simrun import bench, idle
from tests.world.connections import Talk, until
from tests.world.worlds import FAR, NEAR, OUTSIDE, both, tls_pair

PORT = 4000
SECOND = 10**9
layered = pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])


class Doors:
    """A server at ``far`` and two callers: what connections to it do."""

    def __init__(self, world: World, near: Host, other: Host, far: Host) -> None:
        self.world = world
        self.near, self.other, self.far = near, other, far
        self.doors = world.admission
        self.accepted: list[Talk] = []
        self.reported: list[WorldEvent] = []
        self._secure: tuple[Any, Any] = (None, None)
        world.observe(self.reported.append)

    async def listen(self, *, secure: bool = False, port: int = PORT) -> None:
        self._secure = tls_pair() if secure else (None, None)

        def accept() -> Talk:
            self.accepted.append(Talk())
            return self.accepted[-1]

        async def work() -> Any:
            return await asyncio.get_running_loop().create_server(accept, FAR, port, ssl=self._secure[0])

        await self.far.run(work())

    async def dial(self, host: Host | None = None, port: int = PORT) -> Talk:
        """Connect, and see that the server has taken it. Raises `OSError`."""

        async def work() -> Talk:
            tls = {"ssl": self._secure[1], "server_hostname": "far.example.com"} if self._secure[1] else {}
            _, made = await asyncio.get_running_loop().create_connection(Talk, FAR, port, **tls)
            return made

        made = await (host or self.near).run(work())
        made.transport.write(b"x")
        await until(lambda: made.lost.done() or self._served(made))
        if made.lost.done():
            raise ConnectionResetError(errno.ECONNRESET, "reset")
        return made

    def _served(self, made: Talk) -> bool:
        mine = made.transport.get_extra_info("sockname")[:2]
        return any(
            each.received and each.transport.get_extra_info("peername")[:2] == mine
            for each in self.accepted
            if each.transport is not None and each.transport.get_extra_info("peername")
        )

    def proved(self, made: Talk) -> None:
        """The server says that a client has shown who it is."""
        self.far.proved(PORT, made.transport.get_extra_info("sockname")[:2])

    def refusals(self) -> list[tuple[str, int]]:
        return [(each.reason, each.count) for each in self.reported if isinstance(each, ConnectionsRefused)]

    def limit(self, **limits: Any) -> None:
        self.doors.limits = replace(self.doors.limits, **limits)


def play(kind: str, story: Callable[[Doors], Awaitable[None]]) -> None:
    world: Any = bench(SimWorld(1) if kind == "sim" else LiveWorld(1))

    async def main() -> None:
        made = [
            world.add_host(name, [Interface(name="lan1", address=address, zone="inside")], idle)
            for name, address in (("near", NEAR), ("other", OUTSIDE), ("far", FAR))
        ]
        for host in made:
            await world.start(host.name)
        await story(Doors(world, *made))

    world.run(main())
    assert not world.errors(), world.unhandled


async def refused(work: Awaitable[Any]) -> None:
    with pytest.raises((ConnectionError, ssl.SSLError)):
        await work


@both
@layered
def test_the_oldest_silent_connection_gives_way(kind: str, secure: bool) -> None:
    async def story(lab: Doors) -> None:
        await lab.listen(secure=secure)
        lab.limit(per_port=3)
        first, second, third = [await lab.dial() for _ in range(3)]
        lab.proved(first)
        fourth = await lab.dial(lab.other)
        await until(second.lost.done)
        assert not any(each.lost.done() for each in (first, third, fourth))
        assert lab.doors.connections() == 3
        assert lab.refusals() == [(Refusal.GAVE_WAY.value, 1)]

    play(kind, story)


@both
def test_those_who_proved_themselves_stay_and_the_newcomer_goes(kind: str) -> None:
    async def story(lab: Doors) -> None:
        await lab.listen()
        lab.limit(per_port=2)
        there = [await lab.dial(), await lab.dial(lab.other)]
        for each in there:
            lab.proved(each)
        await refused(lab.dial(lab.other))
        assert not any(each.lost.done() for each in there)
        assert lab.refusals() == [(Refusal.PORT.value, 1)]
        there[0].transport.close()
        await until(lambda: lab.doors.connections() == 1)
        await lab.dial(lab.other)

    play(kind, story)


@both
def test_the_address_with_most_connections_makes_room(kind: str) -> None:
    async def story(lab: Doors) -> None:
        await lab.listen()
        lab.limit(total=4)
        patient = await lab.dial(lab.other)
        crowd = [await lab.dial() for _ in range(12)]
        assert not patient.lost.done()
        assert [each.lost.done() for each in crowd] == [True] * 9 + [False] * 3
        assert lab.doors.connections() == 4

    play(kind, story)


@both
def test_one_address_has_its_own_limit(kind: str) -> None:
    async def story(lab: Doors) -> None:
        await lab.listen()
        lab.limit(per_address=2)
        there = [await lab.dial() for _ in range(2)]
        for each in there:
            lab.proved(each)
        await refused(lab.dial())
        await lab.dial(lab.other)
        assert not any(each.lost.done() for each in there)
        assert lab.refusals() == [(Refusal.ADDRESS.value, 1)]

    play(kind, story)


@both
def test_products_are_exempt(kind: str) -> None:
    async def story(lab: Doors) -> None:
        await lab.listen()
        lab.doors.products = frozenset({"near"})
        lab.limit(per_port=1, per_address=1, total=1)
        lab.doors.throttle("far", (PORT,), per_second=0.001, burst=1)
        there = [await lab.dial() for _ in range(5)]
        assert not any(each.lost.done() for each in there)
        assert lab.doors.connections() == 0

    play(kind, story)


@both
@layered
def test_a_rate_makes_who_comes_too_fast_wait(kind: str, secure: bool) -> None:
    """The SYN is dropped and sent again after a second; the bucket is full again then."""

    async def story(lab: Doors) -> None:
        await lab.listen(secure=secure)
        lab.doors.throttle("far", (PORT, PORT + 1), per_second=2, burst=2)
        began = lab.world.now()
        made = await asyncio.gather(*(lab.dial() for _ in range(3)))
        assert 0.9 <= (lab.world.now() - began) / SECOND < 2
        assert not any(each.lost.done() for each in made)
        assert lab.refusals() == [(Refusal.RATE.value, 1)]

    play(kind, story)


@both
def test_a_rate_of_each_address_leaves_others_alone(kind: str) -> None:
    async def story(lab: Doors) -> None:
        await lab.listen()
        lab.doors.throttle("far", (PORT,), per_second=1, burst=1, each_address=True)
        began = lab.world.now()
        await asyncio.gather(lab.dial(), lab.dial(lab.other))
        assert (lab.world.now() - began) / SECOND < 0.9

    play(kind, story)


@both
def test_who_waits_for_the_rate_ends_with_the_host(kind: str) -> None:
    async def story(lab: Doors) -> None:
        await lab.listen()
        lab.doors.throttle("far", (PORT,), per_second=0.1, burst=1)
        await lab.dial()
        waiting = asyncio.get_running_loop().create_task(lab.dial())
        await asyncio.sleep(0.1)
        await lab.world.crash("far")
        await refused(waiting)
        assert lab.doors.connections() == 0

    play(kind, story)


@both
@layered
def test_a_blocked_address_gets_nothing_through(kind: str, secure: bool) -> None:
    async def story(lab: Doors) -> None:
        await lab.listen(secure=secure)
        open_before, others = await lab.dial(), await lab.dial(lab.other)
        lab.doors.block("far", NEAR, seconds=3 if kind == "live" else 600, reason="guessing")
        if kind == "live":
            await until(open_before.lost.done)
            await refused(lab.dial())
        else:
            open_before.transport.write(b"more")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(120):
                    await lab.dial()
            assert not open_before.lost.done()  # silence, not a reset
            assert bytes(lab.accepted[0].received) == b"x"
        assert not others.lost.done()
        await lab.dial(lab.other)
        (block,) = lab.doors.blocks()
        assert (block.host, block.address, block.reason) == ("far", NEAR, "guessing")
        assert block.dropped >= 1
        await asyncio.sleep(3.1 if kind == "live" else 600)
        await lab.dial()
        assert lab.doors.blocks() == ()
        blocked, unblocked = [each for each in lab.reported if isinstance(each, AddressBlocked | AddressUnblocked)]
        assert isinstance(unblocked, AddressUnblocked) and unblocked.address == NEAR and unblocked.dropped >= 1
        assert isinstance(blocked, AddressBlocked) and blocked.host == "far"

    play(kind, story)


@both
@layered
def test_a_host_hears_nothing_from_an_address_that_it_blocks_and_dialled(kind: str, secure: bool) -> None:
    async def story(lab: Doors) -> None:
        await lab.listen(secure=secure)
        caller = await lab.dial()
        lab.doors.block("near", FAR, seconds=600, reason="guessing")
        if kind == "live":
            await until(caller.lost.done)
        else:
            lab.accepted[0].transport.write(b"more")
            await asyncio.sleep(100)
            assert not caller.lost.done()
            assert bytes(caller.received) == b""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5 if kind == "live" else 100):
                await lab.dial()
        assert len(lab.accepted) == 1
        await lab.dial(lab.other)
        lab.doors.unblock("near", FAR)
        await lab.dial()

    play(kind, story)


@both
def test_watchers_hear_of_each_block_of_their_host(kind: str) -> None:
    async def story(lab: Doors) -> None:
        heard: list[tuple[str, int]] = []

        def reported(block: Block) -> None:
            heard.append((block.address, len(lab.doors.blocks())))

        lab.doors.watch("far", reported)
        for address, seconds in ((NEAR, 0.2), ("192.0.2.9", 0.2), ("192.0.2.10", 600.0)):
            lab.doors.block("far", address, seconds=seconds, reason="x")
        lab.doors.block("other", NEAR, seconds=600, reason="x")
        await asyncio.sleep(0.3)
        assert len(lab.doors.blocks()) == 2
        assert [address for address, _ in heard] == [NEAR, "192.0.2.9", "192.0.2.10", "192.0.2.9", NEAR]
        lab.doors.unwatch("far", reported)
        lab.doors.unblock("far", "192.0.2.10")
        assert len(heard) == 5

    play(kind, story)


@both
def test_a_block_can_be_lifted_and_goes_with_the_host_that_made_it(kind: str) -> None:
    async def story(lab: Doors) -> None:
        await lab.listen()
        lab.doors.block("far", NEAR, seconds=600, reason="x", silent=False)
        lab.doors.block("other", NEAR, seconds=600, reason="x", silent=False)
        await refused(lab.dial())
        assert lab.doors.unblock("far", NEAR) == 1
        await lab.dial()
        assert [each.host for each in lab.doors.blocks()] == ["other"]
        await lab.world.crash("other")
        assert lab.doors.blocks() == ()

    play(kind, story)


def test_a_blocked_address_gets_no_datagram_through() -> None:
    async def story(lab: Doors) -> None:
        heard: list[bytes] = []

        class Ear(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                heard.append(data)

        loop = asyncio.get_running_loop()
        await lab.far.run(loop.create_datagram_endpoint(Ear, (FAR, PORT)))
        sender, _ = await lab.near.run(loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(FAR, PORT)))
        sender.sendto(b"before")
        await until(lambda: heard)
        lab.doors.block("far", NEAR, seconds=10, reason="x")
        sender.sendto(b"during")
        await asyncio.sleep(11)
        sender.sendto(b"after")
        await until(lambda: len(heard) == 2)
        assert heard == [b"before", b"after"]

    play("sim", story)


# ---- bounds of what strangers make grow


def doors(now: Callable[[], int] = lambda: 0, **limits: Any) -> tuple[Admission, list[WorldEvent]]:
    reported: list[WorldEvent] = []
    made = Admission(now, reported.append, silence=True)
    made.limits = replace(lab_limits(Defaults()), **limits)
    return made, reported


def test_many_blocked_addresses_are_bounded() -> None:
    made, _ = doors(blocks=100)
    for number in range(1000):
        made.block("expe", f"10.0.{number // 250}.{number % 250}", seconds=600, reason="x")
    assert len(made.blocks()) == 100
    assert made.blocks()[-1].address == "10.0.3.249"


def test_a_block_for_the_same_reason_replaces_the_former_and_no_other() -> None:
    time = 0
    made, _ = doors(lambda: time, blocks=2)
    made.block("expe", "10.0.0.1", seconds=600, reason="x")
    made.block("expe", "10.0.0.2", seconds=60, reason="x")
    made.block("expe", "10.0.0.2", seconds=120, reason="x")
    assert [(block.address, block.until_ns / SECOND) for block in made.blocks()] == [
        ("10.0.0.1", 600),
        ("10.0.0.2", 120),
    ]
    time = 90 * SECOND
    assert made.blocked("expe", "10.0.0.2", 5061)
    time = 121 * SECOND
    assert not made.blocked("expe", "10.0.0.2", 5061)
    assert made.unblock("expe", "10.0.0.1") == 1
    assert not made.blocked("expe", "10.0.0.1", 5061)


def test_many_refusals_make_few_events() -> None:
    time = 0
    made, reported = doors(lambda: time, report_every_s=10.0)
    made.block("expe", "10.0.0.1", seconds=600, reason="x")
    reported.clear()
    for number in range(60_000):
        time = number * SECOND // 1000
        assert made.check("expe", 8443, ("10.0.0.1", number), caller=None) is Refusal.BLOCKED
    assert [getattr(each, "count", None) for each in reported] == [1, *[10_000] * 5]
    assert made.refused["expe", 8443, Refusal.BLOCKED] == 60_000


def test_a_crowd_comes_and_goes_without_a_trace() -> None:
    made, _ = doors()
    visits = [
        made.enter("expe", 5061, (f"10.0.0.{number % 7}", number), caller=None, end=lambda: None)
        for number in range(500)
    ]
    for visit in visits[::3]:
        assert visit is not None
        made.proved("expe", 5061, visit.source)
    for visit in [*visits, *visits]:
        assert visit is not None
        made.leave(visit)
    assert made.connections() == made.connections("expe") == 0
    assert not made._doors and not made._visits and not made._all._levels and not made._all._unproved


def test_blocked_strangers_are_reported_one_by_one_at_a_limited_rate() -> None:
    """An inside port of a live lab: no firewall lets the internet in there, and the kernel takes whoever comes."""
    world = bench(LiveWorld(1))
    stopped: list[WorldEvent] = []
    world.observe(lambda event: stopped.append(event) if isinstance(event, FirewallBlocked) else None)

    async def main() -> None:
        far = world.add_host("far", [Interface(name="lan1", address=FAR, zone="inside")], idle)
        await world.start("far")
        await far.run(asyncio.get_running_loop().create_server(Talk, FAR, PORT))
        for _ in range(REPORTED_AT_ONCE + 30):
            with contextlib.suppress(ConnectionError):
                reader, writer = await asyncio.open_connection(FAR, PORT)
                assert await reader.read() == b""
                writer.close()

    world.run(main())
    assert REPORTED_AT_ONCE <= len(stopped) < REPORTED_AT_ONCE + 15
    assert world.admission.refused["far", PORT, Refusal.FIREWALL] == REPORTED_AT_ONCE + 30 - len(stopped)


def test_a_rate_that_was_not_used_is_saved_up_to_its_burst() -> None:
    rate = Rates(10, 5, each_address=False, most=10)
    for now in (0, 3600 * 10**9):
        assert [rate.take("192.0.2.1", now) for _ in range(6)] == [True] * 5 + [False]
    assert rate.take("192.0.2.2", 3600 * 10**9 + 10**8), "a tenth of a second brings one more"
