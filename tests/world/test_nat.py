"""Address translation: who sees which address, what turns round, and what a firewall cannot tell apart."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.journal import Journal, events
from edgesim.journal.world_events import watch_world
from edgesim.world import Capability, Host, Interface, here
from edgesim.world.events import FirewallBlocked
from edgesim.world.firewall import parse_rule
from edgesim.world.live import LiveWorld
from edgesim.world.nat import Binding, Bindings, parse_nat
from edgesim.world.sim import SimWorld
from edgesim.world.topology import Firewall, Network, Zone
from tests.simrun import host, idle, sim_run
from tests.world.echo import Echo, ask, socket_on

PUBLIC, PRIVATE, CLIENT, CORE = "203.0.113.10", "10.0.10.10", "198.51.100.25", "10.0.30.10"
STATIC = f"static {PUBLIC} = {PRIVATE}"
ZONES = (Zone(name="internet", outward=None), Zone(name="dmz", outward="internet"), Zone(name="inside", outward="dmz"))


def external(*nat: str, **options: Any) -> Firewall:
    rules = tuple(map(parse_rule, options.pop("rules", ("allow tcp any -> dmz:80", "allow udp any -> dmz:5000-5001"))))
    outward = parse_rule("allow any any -> internet")
    translations = tuple(map(parse_nat, nat))
    return Firewall(
        name="external", outer="internet", inner="dmz", rules=(*rules, outward), nat=translations, **options
    )


def internal(*nat: str) -> Firewall:
    rules = (parse_rule("allow any inside -> any"),)
    return Firewall(name="internal", outer="dmz", inner="inside", rules=rules, nat=tuple(map(parse_nat, nat)))


async def stage(world: SimWorld, *walls: Firewall) -> tuple[Host, Host, Host, list[Any]]:
    """Return a client on the internet, an edge in the DMZ that listens, a core inside, and what the edge saw."""
    world.paths.install(Network(zones=ZONES, firewalls=walls))
    client = await host(world, "client", CLIENT, "internet")
    edge = await host(world, "edge", PRIVATE, "dmz")
    core = await host(world, "core", CORE, "inside")
    seen: list[Any] = []

    class Noting(Echo):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            seen.append((transport.get_extra_info("sockname"), transport.get_extra_info("peername")))

    await edge.run(asyncio.get_running_loop().create_server(Noting, PRIVATE, 80))
    await client.run(asyncio.get_running_loop().create_server(Noting, CLIENT, 80))
    return client, edge, core, seen


async def dial(source: Host, address: str) -> tuple[str, int]:
    """Open and close a connection; return the peer as the dialling side sees it."""

    async def talk() -> Any:
        _, writer = await asyncio.open_connection(address, 80)
        peer = writer.get_extra_info("peername")
        writer.close()
        return peer

    result: tuple[str, int] = await source.run(talk())
    return result


def test_a_static_mapping_works_both_ways() -> None:
    async def main(world: SimWorld) -> None:
        client, edge, _, seen = await stage(world, external(STATIC), internal())
        assert await dial(client, PUBLIC) == (PUBLIC, 80)
        ((own, peer),) = seen
        assert own == (PRIVATE, 80)
        assert peer[0] == CLIENT
        assert await dial(edge, CLIENT) == (CLIENT, 80)
        assert seen[1][1][0] == PUBLIC, "the private host shows the public address"
        assert seen[1][1][1] >= 49152, "and keeps its port"

    sim_run(main)


def test_the_private_address_leads_nowhere_from_beyond_the_firewall() -> None:
    async def main(world: SimWorld) -> None:
        reported: list[Any] = []
        world.observe(reported.append)
        client, _, core, _ = await stage(world, external(STATIC), internal())
        with pytest.raises(TimeoutError):
            await dial(client, PRIVATE)
        (event,) = [each for each in reported if isinstance(each, FirewallBlocked)]
        assert "public address only" in event.rule
        assert await dial(core, PRIVATE) == (PRIVATE, 80), "from inside it is just an address"

    sim_run(main)


def test_rules_name_what_lies_behind_a_mapping() -> None:
    async def main(world: SimWorld) -> None:
        client, *_ = await stage(world, external(STATIC, rules=(f"allow tcp client -> {PRIVATE}:80",)))
        assert await ask(client, PUBLIC) == b"heyhey"
        world.paths.install(
            Network(zones=ZONES, firewalls=(external(STATIC, rules=(f"allow tcp any -> {PUBLIC}:80",)),))
        )
        with pytest.raises(TimeoutError):
            await ask(client, PUBLIC)

    sim_run(main)


def test_a_source_translation_gives_address_and_port_and_answers_find_back() -> None:
    async def main(world: SimWorld) -> None:
        _, _, core, seen = await stage(world, external(), internal("source inside -> dmz as 10.0.10.1"))
        assert await ask(core, PRIVATE) == b"heyhey"
        assert await ask(core, CLIENT) == b"heyhey"
        assert await ask(core, PRIVATE) == b"heyhey"
        peers = [peer for _, peer in seen]
        assert peers[0] == ("10.0.10.1", 1024)
        assert peers[1][0] == CORE, "the way to the internet is not meant"
        assert peers[2] == ("10.0.10.1", 1025), "each flow has a port of its own"

    sim_run(main)


def test_a_source_translation_may_be_for_one_host_only() -> None:
    async def main(world: SimWorld) -> None:
        _, _, core, seen = await stage(world, internal("source core -> dmz as 10.0.10.1"))
        other = await host(world, "other", "10.0.30.11", "inside")
        await dial(core, PRIVATE)
        await dial(other, PRIVATE)
        assert [peer[0] for _, peer in seen] == ["10.0.10.1", "10.0.30.11"]

    sim_run(main)


def test_beyond_a_translation_a_rule_sees_the_translated_source() -> None:
    async def main(world: SimWorld) -> None:
        zones = [Zone(name="cloud", outward=None)]
        zones += [Zone(name=each.name, outward=each.outward or "cloud") for each in ZONES]
        rules = (parse_rule("drop any core -> any"), parse_rule("allow tcp 203.0.113.1 -> any"))
        cloud = Firewall(name="cloud", outer="cloud", inner="internet", rules=rules)
        outward = (parse_rule("allow any any -> cloud"),)
        nat = (parse_nat("source inside -> cloud as 203.0.113.1"),)
        outer = Firewall(name="outer", outer="internet", inner="dmz", rules=outward, nat=nat)
        world.paths.install(Network(zones=tuple(zones), firewalls=(cloud, outer, internal())))
        core, edge = await host(world, "core", CORE), await host(world, "edge", PRIVATE, "dmz")
        there = await host(world, "there", "192.0.2.1", "cloud")
        await there.run(asyncio.get_running_loop().create_server(Echo, "192.0.2.1", 80))
        assert await ask(core, "192.0.2.1") == b"heyhey", "nobody out there knows that it is core"
        with pytest.raises(TimeoutError):
            await ask(edge, "192.0.2.1")

    sim_run(main)


@pytest.mark.parametrize(("address", "shown"), [(None, PUBLIC), ("10.0.10.1", "10.0.10.1")])
def test_what_turns_round_comes_back_with_the_firewalls_address(address: str | None, shown: str) -> None:
    async def main(world: SimWorld) -> None:
        _, edge, core, seen = await stage(world, external(STATIC, reflection=True, address=address), internal())
        assert await dial(core, PUBLIC) == (PUBLIC, 80)
        assert await dial(edge, PUBLIC) == (PUBLIC, 80), "the edge reaches itself too"
        assert [(own, peer[0]) for own, peer in seen] == [((PRIVATE, 80), shown)] * 2

    sim_run(main)


def test_what_turns_round_may_keep_its_source() -> None:
    async def main(world: SimWorld) -> None:
        _, _, core, seen = await stage(world, external(STATIC, reflection=True, keeps_source=True), internal())
        assert await ask(core, PUBLIC) == b"heyhey"
        assert seen[0][1][0] == CORE

    sim_run(main)


def test_without_reflection_the_public_address_is_lost_from_inside() -> None:
    async def main(world: SimWorld) -> None:
        reported: list[Any] = []
        world.observe(reported.append)
        client, _, core, _ = await stage(world, external(STATIC), internal())
        with pytest.raises(TimeoutError):
            await dial(core, PUBLIC)
        (event,) = [each for each in reported if isinstance(each, FirewallBlocked)]
        assert (event.host, event.firewall, event.rule) == ("core", "external", f"{STATIC}: no reflection")
        assert await dial(client, PUBLIC) == (PUBLIC, 80)

    sim_run(main)


def test_reflected_flows_are_checked_as_outgoing() -> None:
    async def main(world: SimWorld) -> None:
        wall = external(STATIC, reflection=True, rules=(f"reject tcp any -> {PUBLIC}:80",))
        _, _, core, _ = await stage(world, wall, internal())
        with pytest.raises(OSError, match="no route"):
            await dial(core, PUBLIC)

    sim_run(main)


def test_behind_a_shared_address_answers_go_to_the_static_mapping() -> None:
    async def main(world: SimWorld) -> None:
        reported: list[Any] = []
        world.observe(reported.append)
        shared = external(STATIC, f"source inside -> internet as {PUBLIC}")
        client, edge, core, seen = await stage(world, shared, internal())
        with pytest.raises(TimeoutError):
            await dial(core, CLIENT)
        assert not seen, "the client's SYN-ACK went to the edge"
        (event,) = [each for each in reported if isinstance(each, FirewallBlocked)]
        assert event.rule == f"{STATIC}: answers to {PUBLIC} go there"
        assert await dial(client, PUBLIC) == (PUBLIC, 80)
        far = await socket_on(client, 5000, answers=True)
        port = 1025
        near, misled = await socket_on(core, 5000), await socket_on(edge, port)
        world.paths.install(
            Network(
                zones=ZONES,
                firewalls=(external(STATIC, *map(str, shared.nat[1:]), rules=("allow udp any -> edge",)), internal()),
            )
        )
        near.transport.sendto(b"where am I?", (CLIENT, 5000))
        await asyncio.sleep(1)
        assert far.heard[0][1] == (PUBLIC, port)
        assert near.heard == []
        assert misled.heard == [(b"re: where am I?", (CLIENT, 5000))]

    sim_run(main)


def test_udp_is_translated_in_both_directions() -> None:
    async def main(world: SimWorld) -> None:
        walls = external(STATIC, "source inside -> internet as 203.0.113.1"), internal()
        client, edge, core, _ = await stage(world, *walls)
        served, far = await socket_on(edge, 5000, answers=True), await socket_on(client, 5001)
        far.transport.sendto(b"in", (PUBLIC, 5000))
        await asyncio.sleep(1)
        assert served.heard == [(b"in", (CLIENT, 5001))]
        assert far.heard == [(b"re: in", (PUBLIC, 5000))], "the answer comes from where the question went"
        echo, own = await socket_on(client, 5003, answers=True), await socket_on(core, 5002)
        own.transport.sendto(b"out", (CLIENT, 5003))
        await asyncio.sleep(1)
        assert echo.heard == [(b"out", ("203.0.113.1", 1024))]
        assert own.heard == [(b"re: out", (CLIENT, 5003))]

    sim_run(main)


def test_one_address_may_be_in_two_zones_and_means_the_nearest() -> None:
    async def main(world: SimWorld) -> None:
        zones = (*ZONES, Zone(name="branch", outward="internet"))
        nat = (parse_nat("source branch -> internet as 203.0.113.2"),)
        rules = (parse_rule("allow any branch -> any"),)
        branch = Firewall(name="branch", outer="internet", inner="branch", rules=rules, nat=nat)
        world.paths.install(Network(zones=zones, firewalls=(branch, internal())))
        near, twin = await host(world, "near", "10.0.30.1"), await host(world, "twin", CORE)
        there, other = await host(world, "there", "10.0.40.1", "branch"), await host(world, "other", CORE, "branch")
        for each in (twin, other):
            await each.run(asyncio.get_running_loop().create_server(lambda: Named(here()), CORE, 80))
        assert await name(near) == b"twin"
        assert await name(there) == b"other"
        with pytest.raises(ValueError, match="belongs to other"):
            world.add_host("third", [Interface(name="lan1", address=CORE, zone="branch")], idle)
        assert world.peer(there, (CORE, 80)) is other
        assert world.peer(near, (CORE, 80)) is twin

    class Named(asyncio.Protocol):
        def __init__(self, own: Host) -> None:
            self.own = own

        def connection_made(self, transport: Any) -> None:
            transport.write(self.own.name.encode())
            transport.close()

    async def name(source: Host) -> bytes:
        async def talk() -> bytes:
            reader, writer = await asyncio.open_connection(CORE, 80)
            try:
                return await reader.read()
            finally:
                writer.close()

        return await source.run(talk())

    sim_run(main)


def test_the_journal_keeps_names_behind_translated_addresses_and_shows_those() -> None:
    async def main(world: SimWorld) -> None:
        journal = Journal(world)
        watch_world(journal)
        walls = external(STATIC, reflection=True), internal("source core -> dmz as 10.0.10.1")
        client, edge, core, seen = await stage(world, *walls)
        for source, public in ((client, PUBLIC), (core, PRIVATE), (core, PUBLIC)):
            await dial(source, public)
            await asyncio.sleep(1)
        opened = list(journal.select(kind=events.TcpOpened.kind))
        assert [(entry.node, entry.peer) for entry in opened] == [
            ("client", "edge"),
            ("core", "edge"),
            ("core", "edge"),
        ]
        assert [entry.event.remote for entry in opened] == [f"{PUBLIC}:80", f"{PRIVATE}:80", f"{PUBLIC}:80"]
        ended = {entry.peer: entry.event for entry in journal.select(kind=events.TcpClosed.kind, node="edge")}
        assert list(ended) == ["client", "core"]
        assert ended["client"].remote.startswith(f"{CLIENT}:")
        seen_as = [entry.event.remote for entry in journal.select(kind=events.TcpClosed.kind, node="edge")]
        assert seen_as[1:] == ["10.0.10.1:1024", f"{PUBLIC}:1024"]
        recorder = journal.recorder(edge)
        assert all(recorder.is_lab(peer) for _, peer in seen)
        assert not recorder.is_lab(("192.0.2.1", 5))

    sim_run(main)


def test_ports_come_round_again() -> None:
    bindings, there = Bindings(), ("10.0.0.2", 80)

    def flow(source: str, port: int, protocol: str = "tcp") -> Binding:
        return Binding(protocol, source, ("10.0.0.1", port), there)

    first = bindings.port("192.0.2.1", flow("a", 1))
    assert bindings.port("192.0.2.1", flow("a", 1)) == first
    assert bindings.port("192.0.2.2", flow("a", 1)) == first, "each address has its own"
    assert bindings.port("192.0.2.1", flow("a", 1, "udp")) == first + 1
    for number in range(65535 - 1024 - 1):
        bindings.port("192.0.2.1", flow("b", number))
    assert bindings.holder(("192.0.2.1", first)) == "a"
    assert bindings.port("192.0.2.1", flow("c", 1)) == first, "the oldest flow yields"
    assert bindings.holder(("192.0.2.1", first)) == "c"
    assert bindings.port("192.0.2.1", flow("a", 1)) == first + 1


def test_the_live_world_says_that_it_translates_nothing() -> None:
    assert Capability.NAT in SimWorld.capabilities
    assert Capability.NAT not in LiveWorld.capabilities
