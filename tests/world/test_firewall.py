"""Firewalls as packets meet them: what they let through, what they answer, what they remember; in both worlds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.world import SECOND, Host, Interface, World
from edgesim.world.events import ConnectionFailed, DatagramDropped, FirewallBlocked
from edgesim.world.firewall import parse_rule
from edgesim.world.sim import SimWorld
from edgesim.world.topology import Firewall, Network, Zone
from tests.simrun import host, idle, sim_run
from tests.world.echo import Echo, ask, socket_on
from tests.world.worlds import FAR, NEAR, both, play

ZONES = (Zone(name="internet", outward=None), Zone(name="dmz", outward="internet"), Zone(name="inside", outward="dmz"))


OUT, IN = "198.51.100.1", "10.0.30.1"


def wall(*rules: str, **options: Any) -> Firewall:
    """Return a firewall between dmz and inside."""
    between = {"name": "wall", "outer": "dmz", "inner": "inside", **options}
    return Firewall(rules=tuple(map(parse_rule, rules)), **between)


def network(*walls: Firewall) -> Network:
    """Return the three zones with these firewalls."""
    return Network(zones=ZONES, firewalls=walls)


async def pair(world: SimWorld, *walls: Firewall) -> tuple[Host, Host, list[Any]]:
    """Return a host outside and one inside, both listening on TCP 80 and 443, and what the world tells."""
    world.paths.install(network(*walls))
    reported: list[Any] = []
    world.observe(reported.append)
    hosts = [await host(world, "out", OUT, "internet"), await host(world, "in", IN, "inside")]
    for each in hosts:
        for port in (80, 443):
            await each.run(asyncio.get_running_loop().create_server(Echo, each.address(), port))
    return hosts[0], hosts[1], reported


def blocked(reported: list[Any]) -> list[FirewallBlocked]:
    return [event for event in reported if isinstance(event, FirewallBlocked)]


def test_answers_come_back_through_a_firewall_that_lets_nothing_in() -> None:
    async def main(world: SimWorld) -> None:
        out, inner, reported = await pair(world, wall("allow any inside -> any"))
        assert await ask(inner, OUT) == b"heyhey"
        assert not blocked(reported)
        with pytest.raises(TimeoutError):
            await ask(out, IN)
        (event,) = blocked(reported)
        assert (event.host, event.firewall, event.rule, event.verdict) == ("out", "wall", "otherwise drop", "drop")
        assert (event.zone, event.protocol, event.remote) == ("internet", "tcp", (IN, 80))

    sim_run(main)


def test_a_drop_costs_every_retry_of_the_syn_and_a_reject_one_round_trip() -> None:
    async def main(world: SimWorld) -> None:
        out, _, reported = await pair(world, wall("reject tcp any -> inside:443"))
        start = world.now()
        with pytest.raises(TimeoutError):
            await ask(out, IN, 80)
        assert world.now() - start == 127 * SECOND
        start = world.now()
        with pytest.raises(OSError, match="no route"):
            await ask(out, IN, 443)
        assert world.now() - start < SECOND
        assert [event.verdict for event in blocked(reported)] == ["drop", "reject"], (
            "once a flow, however often it tries"
        )
        assert [e.reason for e in reported if isinstance(e, ConnectionFailed)] == ["timed out", "unreachable"]

    sim_run(main)


def test_every_firewall_on_the_way_has_to_accept() -> None:
    async def main(world: SimWorld) -> None:
        outer = Firewall(name="outer", outer="internet", inner="dmz", rules=(parse_rule("allow tcp any -> in:80"),))
        inner = wall("allow tcp internet -> inside:443", "allow tcp 198.51.100.0/24 -> 10.0.30.1:80")
        out, _, reported = await pair(world, outer, inner)
        assert await ask(out, IN, 80) == b"heyhey"
        with pytest.raises(TimeoutError):
            await ask(out, IN, 443)
        assert [event.firewall for event in blocked(reported)] == ["outer"]

    sim_run(main)


def test_a_rule_may_name_ports_of_the_source() -> None:
    async def main(world: SimWorld) -> None:
        out, _, _ = await pair(world, wall("allow tcp out:25000-25001 -> in:80"))

        async def dial(port: int) -> None:
            _, writer = await asyncio.open_connection(IN, 80, local_addr=(OUT, port))
            writer.close()

        await out.run(dial(25001))
        with pytest.raises(TimeoutError):
            await out.run(dial(25002))

    sim_run(main)


def test_a_rule_that_is_installed_meanwhile_lets_the_next_syn_through() -> None:
    async def main(world: SimWorld) -> None:
        out, _, _ = await pair(world, wall())
        attempt = out.spawn(ask(out, IN), name="attempt")
        await asyncio.sleep(2)
        world.paths.install(network(wall("allow any any -> any")))
        start = world.now()
        assert await attempt == b"heyhey"
        assert world.now() - start < 2 * SECOND

    sim_run(main)


def test_a_connection_that_idles_out_stalls_until_its_own_timers_notice() -> None:
    async def main(world: SimWorld) -> None:
        _, inner, reported = await pair(world, wall("allow any inside -> any", idle_tcp_ns=60 * SECOND))

        async def story() -> None:
            reader, writer = await asyncio.open_connection(OUT, 80)
            for _ in range(3):  # whatever passes keeps the state alive
                await asyncio.sleep(50)
                writer.write(b"hey")
                assert await reader.readexactly(6) == b"heyhey"
            await asyncio.sleep(61)
            writer.write(b"hey")
            start = world.now()
            with pytest.raises(TimeoutError):
                await reader.readexactly(6)
            assert world.now() - start >= 900 * SECOND, "no reset: silence, until the user timeout"

        await inner.run(story())
        (event,) = blocked(reported)
        assert (event.host, event.rule) == ("in", "no state: idle for more than 60 s")

    sim_run(main)


def test_udp_answers_ride_on_state_and_come_too_late_when_it_has_idled_out() -> None:
    async def main(world: SimWorld) -> None:
        out, inner, reported = await pair(world, wall("allow udp inside -> any", idle_udp_ns=30 * SECOND))
        far, near = await socket_on(out, 5000), await socket_on(inner, 5001)
        near.transport.sendto(b"1", (OUT, 5000))
        await asyncio.sleep(29)
        for _ in range(2):  # answers keep the state alive too
            far.transport.sendto(b"2", (IN, 5001))
            await asyncio.sleep(29)
        assert [data for data, _ in near.heard] == [b"2", b"2"]
        await asyncio.sleep(2)
        far.transport.sendto(b"3", (IN, 5001))
        far.transport.sendto(b"4", (IN, 5001))
        await asyncio.sleep(1)
        assert len(near.heard) == 2
        assert [event.rule for event in blocked(reported)] == ["otherwise drop"], "told once"
        assert [event.reason for event in reported if isinstance(event, DatagramDropped)] == ["firewall"] * 2

    sim_run(main)


def test_a_rejected_datagram_is_answered_by_an_error_that_connected_sockets_hear() -> None:
    async def main(world: SimWorld) -> None:
        out, inner, _ = await pair(world, wall("reject udp any -> inside"))
        await socket_on(inner, 5000)
        near = await socket_on(out, 5001, to=(IN, 5000))
        near.transport.sendto(b"1")
        await asyncio.sleep(1)
        assert [type(error) for error in near.errors] == [ConnectionRefusedError]

    sim_run(main)


def test_zones_of_a_tree_meet_at_their_common_root() -> None:
    async def main(world: SimWorld) -> None:
        zones = (*ZONES, Zone(name="branch", outward="internet", site="Oslo"))
        branch = Firewall(
            name="branch", outer="internet", inner="branch", rules=(parse_rule("allow any branch -> any"),)
        )
        world.paths.install(Network(zones=zones, firewalls=(branch, wall("allow tcp branch -> inside:80"))))
        there, inner = await host(world, "there", "10.9.0.1", "branch"), await host(world, "in", IN)
        for each in (there, inner):
            await each.run(asyncio.get_running_loop().create_server(Echo, each.address(), 80))
        assert await ask(there, IN) == b"heyhey"
        with pytest.raises(TimeoutError):
            await ask(inner, "10.9.0.1")

    sim_run(main)


@pytest.mark.parametrize(
    "broken",
    [
        Network(zones=()),
        Network(zones=(*ZONES, Zone(name="moon", outward=None))),
        Network(zones=(*ZONES, Zone(name="moon", outward="mars"))),
        Network(zones=(*ZONES, Zone(name="a", outward="b"), Zone(name="b", outward="a"))),
        network(Firewall(name="far", outer="internet", inner="inside")),
        network(wall(), wall()),
    ],
)
def test_what_is_no_tree_of_zones_is_refused(broken: Network) -> None:
    with pytest.raises(ValueError, match="zone"):
        SimWorld().paths.install(broken)


@both
def test_the_rules_hold_in_both_worlds(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> list[Any]:
        outside = "127.200.200.200" if kind == "sim" else FAR.rsplit(".", 1)[0] + ".9"
        world.paths.install(network(wall("allow tcp internet -> near:4000", "reject tcp any -> near:4001")))
        reported: list[Any] = []
        world.observe(reported.append)
        out = world.add_host("out", [Interface(name="lan1", address=outside, zone="internet")], idle)
        await world.start("out")
        for port in (4000, 4001):
            await near.run(asyncio.get_running_loop().create_server(Echo, NEAR, port))
        assert await ask(far, NEAR, 4001) == b"heyhey", "nothing stands within a zone"
        assert await ask(out, NEAR, 4000) == b"heyhey"
        with pytest.raises(OSError, match="no route"):
            await ask(out, NEAR, 4001)
        return blocked(reported)

    (event,) = play(kind, story)
    assert (event.host, event.rule, event.zone) == ("out", "reject tcp any -> near:4001", "internet")


def test_one_seed_gives_the_same_story() -> None:
    def once() -> list[Any]:
        async def main(world: SimWorld) -> list[Any]:
            out, inner, reported = await pair(world, wall("allow any inside -> any", "reject tcp any -> in:443"))
            await ask(inner, OUT)
            for port in (80, 443):
                with pytest.raises(OSError):
                    await ask(out, IN, port)
            return reported

        return sim_run(main)

    assert once() == once()


def test_addresses_that_no_host_has_are_not_remembered() -> None:
    async def story(world: SimWorld) -> None:
        out, _, _ = await pair(world)

        def remembered() -> int:
            return sum(len(each) for each in vars(world.paths).values() if isinstance(each, dict))

        assert world.paths.owner(out, IN) is world.hosts["in"]
        before = remembered()
        for number in range(256):
            assert world.paths.owner(out, f"203.0.113.{number}") is None
        assert remembered() == before

    sim_run(story)
