"""Resolver and name server over simulated UDP and TCP."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import dns.flags
import dns.message
import dns.rrset
import pytest

from edgesim.dns import (
    DnsServer,
    Failure,
    NoAnswer,
    NoData,
    NoSuchName,
    Record,
    Resolver,
    ServerFailure,
    Srv,
    Status,
    Views,
)
from edgesim.journal import Journal, events
from edgesim.world import Host
from edgesim.world.sim import SimWorld
from tests.dns.lab import LIMITS, OPTIONS, OUTSIDE, View, query, views
from tests.simrun import calm, host, sim_run

NS1, NS2, CLIENT = "10.0.30.53", "10.0.30.54", "10.0.30.5"
Story = Callable[["Lab"], Awaitable[None]]


class Lab:
    """A name server, perhaps a second, and a client in a simulated world."""

    def __init__(self, world: SimWorld) -> None:
        self.world = world
        self.journal = Journal(world)
        self.views: Views = views()
        self.servers: dict[str, DnsServer] = {}
        self.client: Host

    async def name_server(self, name: str, address: str, view: str = "outside", zones: Views | None = None) -> None:
        async def factory(made: Host) -> DnsServer:
            server = DnsServer(self.journal.recorder(made), zones or self.views, limits=LIMITS)
            await server.listen(address, 53, view=view)
            self.servers[name] = server
            return server

        await host(self.world, name, address, factory=factory)

    def resolver(self, servers: tuple[Any, ...] = (NS1,), **options: Any) -> Resolver:
        return Resolver(self.client, self.journal.recorder(self.client), servers, options=replace(OPTIONS, **options))

    def kinds(self, node: str) -> list[str]:
        return [entry.kind for entry in self.journal if entry.node == node]


def play(story: Story, **options: Any) -> None:
    async def main(world: SimWorld) -> None:
        lab = Lab(world)
        await lab.name_server("ns1", NS1)
        lab.client = await host(world, "client", CLIENT)
        await lab.client.run(story(lab), name="story")

    sim_run(main, **options)


def test_lookup_srv_alias_and_literal() -> None:
    async def story(lab: Lab) -> None:
        resolver = lab.resolver()
        assert await resolver.lookup("expe1.example.com") == ("10.0.10.21",)
        assert await resolver.lookup("edge.example.com") == ("10.0.10.21",)
        assert await resolver.lookup("192.0.2.7") == ("192.0.2.7",)
        targets = await resolver.srv("_collab-edge._tls.example.com")
        assert sorted(target.target for target in targets) == ["expe1.example.com", "expe2.example.com"]
        answer = await resolver.query("edge.example.com")
        assert [record.text() for record in answer.aliases] == ["CNAME expe1.example.com"]
        assert answer.ttl == 300

    play(story)


def test_both_ends_write_down_what_they_received() -> None:
    async def story(lab: Lab) -> None:
        await lab.resolver().query("expe1.example.com")
        asked, answered = [entry for entry in lab.journal if entry.kind.startswith("dns.")]
        assert (asked.node, asked.peer, asked.direction) == ("ns1", "client", "in")
        assert asked.event == events.DnsQuery(name="expe1.example.com", qtype="A", transport="udp")
        assert (answered.node, answered.peer, answered.direction) == ("client", "ns1", "in")
        assert answered.event == events.DnsAnswer(
            name="expe1.example.com",
            qtype="A",
            rcode="NOERROR",
            answers=("A 10.0.10.21",),
            truncated=False,
            transport="udp",
        )
        assert dns.message.from_wire(answered.payload).id == dns.message.from_wire(asked.payload).id

    play(story)


def test_failures_are_distinguished() -> None:
    async def story(lab: Lab) -> None:
        resolver = lab.resolver(attempts=2)
        assert (await resolver.query("nobody.example.com")).status is Status.NXDOMAIN
        assert (await resolver.query("expe1.example.com", "SRV")).status is Status.NODATA
        with pytest.raises(NoSuchName):
            await resolver.srv("_cisco-uds._tcp.example.com")
        with pytest.raises(NoData):
            (await resolver.query("expe1.example.com", "TXT")).check()
        with pytest.raises(socket.gaierror) as caught:
            await resolver.lookup("nobody.example.com")
        assert caught.value.errno == socket.EAI_NONAME
        lab.views.fail(Failure(name="expe2.example.com"))
        with pytest.raises(ServerFailure):
            await resolver.lookup("expe2.example.com")
        lab.views.fail(Failure(name="expe1.example.com", rcode=None))
        started = lab.world.now()
        with pytest.raises(NoAnswer) as silent:
            await resolver.lookup("expe1.example.com")
        assert silent.value.status is Status.TIMEOUT
        assert (lab.world.now() - started) // 1_000_000_000 == 4  # two attempts of two seconds
        assert lab.kinds("client")[-1] == "dns.failed"

    play(story)


def test_service_that_is_decidedly_not_there() -> None:
    async def story(lab: Lab) -> None:
        await lab.name_server("ns2", NS2, "inside")
        with pytest.raises(NoData):
            await lab.resolver((NS2,)).srv("_nothing._tcp.example.com")
        assert await lab.resolver((NS2,)).reverse("10.0.40.11") == ("cucm1.example.com",)

    play(story)


def test_truncated_answer_is_asked_for_again_over_tcp() -> None:
    async def story(lab: Lab) -> None:
        answer = await lab.resolver().query("_many._tcp.example.com", "SRV")
        assert len(answer.services) == 40
        seen = [entry.event for entry in lab.journal if isinstance(entry.event, events.DnsAnswer)]
        assert [(event.transport, event.truncated, len(event.answers)) for event in seen] == [
            ("udp", True, 0),
            ("tcp", False, 40),
        ]

    play(story)


def test_next_server_is_asked_when_the_first_is_down_or_fails() -> None:
    async def story(lab: Lab) -> None:
        await lab.name_server("ns2", NS2, zones=views())
        both = lab.resolver((NS1, NS2))
        lab.views.fail(Failure())
        assert (await both.query("expe1.example.com")).server == (NS2, 53)
        await lab.world.crash("ns1")
        started = lab.world.now()
        assert (await both.query("expe1.example.com")).server == (NS2, 53)
        assert lab.world.now() - started < 1_000_000_000  # refused at once, not timed out
        assert (await lab.resolver((NS1,)).query("expe1.example.com")).status is Status.UNREACHABLE
        assert (await lab.resolver(()).query("expe1.example.com")).status is Status.UNREACHABLE

    play(story)


def test_cache_honours_ttl_on_lab_time() -> None:
    async def story(lab: Lab) -> None:
        resolver = lab.resolver(cache=True)

        def asked() -> int:
            return lab.kinds("ns1").count("dns.query")

        await resolver.query("edge.example.com")
        await asyncio.sleep(100)
        held = await resolver.query("EDGE.example.com")
        assert (held.cached, held.ttl, asked()) == (True, 200, 1)
        await asyncio.sleep(201)
        assert not (await resolver.query("edge.example.com")).cached
        assert asked() == 2
        await resolver.query("nobody.example.com")
        assert (await resolver.query("nobody.example.com")).cached
        await asyncio.sleep(61)
        assert not (await resolver.query("nobody.example.com")).cached
        resolver.flush()
        assert not (await resolver.query("edge.example.com")).cached
        lab.views.fail(Failure(name="expe2.example.com", times=1))
        assert not await resolver.query("expe2.example.com")
        assert await resolver.query("expe2.example.com")

    play(story)


def test_search_list() -> None:
    async def story(lab: Lab) -> None:
        assert await lab.resolver(search=("example.org", "example.com")).lookup("expe1") == ("10.0.10.21",)
        with pytest.raises(NoSuchName):
            await lab.resolver().lookup("expe1")

    play(story)


def test_a_thousand_sign_ins_spread_by_weight() -> None:
    """Cisco, "Mobile and Remote Access Through Cisco Expressway Deployment Guide": one SRV record for each E node."""

    async def story(lab: Lab) -> None:
        resolver = lab.resolver(cache=True)
        firsts = Counter([(await resolver.srv("_collab-edge._tls.example.com"))[0].target for _ in range(1000)])
        assert abs(firsts["expe1.example.com"] - 500) < 64
        assert firsts.total() == 1000

    play(story)


def test_names_that_are_none() -> None:
    async def story(lab: Lab) -> None:
        for name in ("a" * 64 + ".example.com", "a..b"):
            with pytest.raises(ValueError):
                await lab.resolver().query(name)

    play(story)


class Impostor(asyncio.DatagramProtocol):
    """A name server that answers with arbitrary octets."""

    def __init__(self, make: Callable[[bytes], list[bytes]]) -> None:
        self.make = make

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        for octets in self.make(data):
            self.transport.sendto(octets, addr)


def forged(data: bytes, **changes: Any) -> bytes:
    message = dns.message.make_response(dns.message.from_wire(data))
    question = message.question[0].name
    message.answer.append(
        dns.rrset.from_text(changes.get("owner", question), 60, "IN", "A", changes.get("a", "192.0.2.66"))
    )
    if "ask" in changes:
        message.question = query(changes["ask"]).question
    octets = bytearray(message.to_wire(want_shuffle=False))
    if "id" in changes:
        octets[:2] = ((int.from_bytes(octets[:2], "big") + 1) & 0xFFFF).to_bytes(2, "big")
    if "query" in changes:
        octets[2] &= 0x7F
    return bytes(octets)


@pytest.mark.parametrize(
    "make",
    [
        lambda data: forged(data, id=True),
        lambda data: forged(data, ask="other.example.com"),
        lambda data: forged(data, query=True),
        lambda data: forged(data)[:-3],
        lambda data: data[:2] + b"\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01",
        lambda data: b"junk",
    ],
)
def test_only_the_answer_to_the_question_counts(make: Callable[[bytes], bytes]) -> None:
    async def story(lab: Lab) -> None:
        async def factory(_: Host) -> Any:
            loop = asyncio.get_running_loop()
            protocol = Impostor(lambda data: [make(data), forged(data, a="192.0.2.1")])
            await loop.create_datagram_endpoint(lambda: protocol, local_addr=(NS2, 53))

            class Service:
                async def stop(self) -> None: ...

            return Service()

        await host(lab.world, "impostor", NS2, factory=factory)
        assert await lab.resolver((NS2,)).lookup("expe1.example.com") == ("192.0.2.1",)
        assert lab.kinds("client") == ["malformed", "dns.answer"]

    play(story)


def test_an_answer_for_another_owner_is_no_answer() -> None:
    async def story(lab: Lab) -> None:
        async def factory(_: Host) -> Any:
            protocol = Impostor(lambda data: [forged(data, owner="victim.example.com.")])
            await asyncio.get_running_loop().create_datagram_endpoint(lambda: protocol, local_addr=(NS2, 53))

            class Service:
                async def stop(self) -> None: ...

            return Service()

        await host(lab.world, "impostor", NS2, factory=factory)
        assert (await lab.resolver((NS2,)).query("expe1.example.com")).status is Status.NODATA

    play(story)


async def exchange(octets: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(NS1, 53)
    writer.write(octets)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def framed(octets: bytes) -> bytes:
    return len(octets).to_bytes(2, "big") + octets


def test_tcp_carries_many_queries_and_closes_on_nonsense() -> None:
    async def story(lab: Lab) -> None:
        reader, writer = await asyncio.open_connection(NS1, 53)
        first, second = query("expe1.example.com", id=1).to_wire(), query("expe2.example.com", id=2).to_wire()
        both = framed(first) + framed(second)
        writer.write(both[:1])
        await asyncio.sleep(1)
        writer.write(both[1:])
        for identifier in (1, 2):
            size = int.from_bytes(await reader.readexactly(2), "big")
            assert dns.message.from_wire(await reader.readexactly(size)).id == identifier
        assert await exchange(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""
        assert await exchange(b"\x00\x05junk!") == b""
        assert lab.kinds("ns1")[-2:] != ["dns.query", "dns.query"]
        assert [entry.kind for entry in lab.journal if entry.node == "ns1"].count("malformed") == 2
        # the first connection still works
        writer.write(framed(first))
        assert await reader.readexactly(2)
        writer.close()

    play(story)


def test_idle_tcp_connection_is_closed() -> None:
    async def story(lab: Lab) -> None:
        reader, writer = await asyncio.open_connection(NS1, 53)
        started = lab.world.now()
        assert await reader.read() == b""
        assert 10 <= (lab.world.now() - started) / 1e9 < 11
        writer.close()
        await asyncio.sleep(1)
        assert lab.servers["ns1"].connections == {}

    play(story)


def test_view_is_chosen_by_the_clients_address() -> None:
    async def story(lab: Lab) -> None:
        async def factory(made: Host) -> DnsServer:
            choose = lambda peer: "inside" if peer[0] == CLIENT else "outside"  # noqa: E731 - it reads better here
            server = DnsServer(lab.journal.recorder(made), lab.views, choose=choose, limits=LIMITS)
            await server.listen(NS2)
            return server

        await host(lab.world, "ns2", NS2, factory=factory)
        other = await host(lab.world, "other", "10.0.30.6")
        assert await lab.resolver((NS2,)).lookup("expe1.example.com") == ("10.0.20.21",)
        outside = Resolver(other, lab.journal.recorder(other), (NS2,), options=OPTIONS)
        assert await other.run(outside.lookup("expe1.example.com")) == ("10.0.10.21",)

    play(story)


def test_zone_can_be_edited_while_it_runs() -> None:
    async def story(lab: Lab) -> None:
        resolver = lab.resolver()
        record = Record("_cisco-uds._tcp.example.com", "SRV", 60, Srv(10, 10, 8443, "expe1.example.com"))
        lab.views.replace(View("outside", [*OUTSIDE.records, record]))
        assert (await resolver.srv("_cisco-uds._tcp.example.com"))[0].target == "expe1.example.com"
        lab.views.replace(OUTSIDE)
        assert not await resolver.query("_cisco-uds._tcp.example.com", "SRV")

    play(story)


def test_a_seed_gives_one_exchange_and_another_seed_another() -> None:
    def run(seed: int) -> list[bytes]:
        payloads: list[bytes] = []

        async def story(lab: Lab) -> None:
            for _ in range(3):
                await lab.resolver().srv("_collab-edge._tls.example.com")
            payloads.extend(entry.payload for entry in lab.journal)

        play(story, seed=seed)
        return payloads

    assert run(3) == run(3)
    assert run(3) != run(4)


BOTH_KINDS = Views(
    [
        View(
            "outside",
            [
                Record("both.example.com", "A", 60, "10.0.10.1"),
                Record("both.example.com", "AAAA", 60, "2001:db8::1"),
                Record("older.example.com", "A", 60, "10.0.10.2"),
                Record("newer.example.com", "AAAA", 60, "2001:db8::3"),
            ],
        )
    ]
)


def test_a_host_with_ipv6_tries_the_kind_of_address_first_whose_answer_came_first() -> None:
    async def story(lab: Lab) -> None:
        await lab.name_server("ns2", NS2, zones=BOTH_KINDS)
        resolver = lab.resolver((NS2,), ipv6=True)
        assert {(await resolver.lookup("both.example.com"))[0] for _ in range(20)} == {"2001:db8::1"}  # asked first
        lab.world.lay(calm(jitter=0.1))
        first = Counter([(await resolver.lookup("both.example.com"))[0] for _ in range(200)])
        assert 60 <= first["2001:db8::1"] <= 140
        patient = lab.resolver((NS2,), ipv6=True, resolution_delay=0.5)
        assert {await patient.lookup("both.example.com") for _ in range(50)} == {("2001:db8::1", "10.0.10.1")}
        assert await resolver.lookup("older.example.com") == ("10.0.10.2",)
        assert await resolver.lookup("newer.example.com") == ("2001:db8::3",)
        with pytest.raises(NoSuchName):
            await resolver.lookup("neither.example.com")
        with pytest.raises(NoData):
            await lab.resolver((NS2,)).lookup("newer.example.com")
        with pytest.raises(ValueError):
            await resolver.lookup("no..name")

    play(story)
