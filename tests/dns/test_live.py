"""The same name server and resolver on real sockets, and `dig` sees what the resolver sees."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from edgesim.dns import DnsServer, Resolver, Status
from edgesim.journal import Journal
from edgesim.world import Host, Interface
from edgesim.world.live import LiveWorld
from tests.dns.lab import LIMITS, OPTIONS, views
from tests.simrun import bench, idle
from tests.tools import tool

_PLACE = f"127.{1 + os.getpid() % 63}.77"
SERVER, CLIENT, PORT = f"{_PLACE}.53", f"{_PLACE}.5", 15353
"""Addresses of this process's own, so that suites may run side by side."""


def play(story: Callable[[Resolver, Journal], Awaitable[None]]) -> None:
    world = bench(LiveWorld())
    journal = Journal(world)

    async def serve(made: Host) -> DnsServer:
        server = DnsServer(journal.recorder(made), views(), limits=LIMITS)
        await server.listen(SERVER, PORT, view="outside")
        return server

    async def main() -> None:
        world.add_host("ns1", [Interface(name="lan1", address=SERVER, zone="internet")], serve)
        client = world.add_host("client", [Interface(name="lan1", address=CLIENT, zone="internet")], idle)
        await world.start("ns1")
        await world.start("client")
        resolver = Resolver(client, journal.recorder(client), [(SERVER, PORT)], options=OPTIONS)
        try:
            await client.run(story(resolver, journal))
        finally:
            await world.stop("ns1")
            await world.stop("client")

    world.run(main())


async def dig(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        tool("dig"), f"@{SERVER}", "-p", str(PORT), "+tries=1", "+time=5", *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output
    return output.decode()


def test_resolver_over_real_sockets() -> None:
    async def story(resolver: Resolver, journal: Journal) -> None:
        assert await resolver.lookup("edge.example.com") == ("10.0.10.21",)
        assert len((await resolver.query("_many._tcp.example.com", "SRV")).services) == 40
        assert (await resolver.query("nobody.example.com")).status is Status.NXDOMAIN
        assert [entry.node for entry in journal if entry.kind == "dns.query"] == ["ns1"] * 4

    play(story)


def test_dig_sees_the_same_over_udp_and_tcp() -> None:
    async def story(resolver: Resolver, journal: Journal) -> None:
        seen = {
            f"{s.priority} {s.weight} {s.port} {s.target}." for s in await resolver.srv("_collab-edge._tls.example.com")
        }
        for transport in ("+notcp", "+tcp"):
            assert set((await dig("SRV", "_collab-edge._tls.example.com", "+short", transport)).splitlines()) == seen
        whole = await dig("SRV", "_many._tcp.example.com", "+noedns")
        assert ";; Truncated, retrying in TCP mode." in whole
        assert "ANSWER: 40" in whole
        missing = await dig("A", "nobody.example.com")
        assert "status: NXDOMAIN" in missing
        assert "recursion requested but not available" not in missing
        assert "SOA\tns1.example.com." in missing
        transports = [entry.event.transport for entry in journal if entry.kind == "dns.query"]
        assert "tcp" in transports

    play(story)
