"""One contract for both worlds: datagrams."""

from __future__ import annotations

import asyncio
from typing import Any

from edgesim.world import Host, Interface, World
from edgesim.world.topology import outward_only
from tests.simrun import idle
from tests.world.connections import until
from tests.world.worlds import FAR, NEAR, OUTSIDE, both, play


@both
def test_a_datagram_reaches_the_socket_that_is_bound_to_its_address(kind: str) -> None:
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.transport.sendto(b"echo " + data, addr)

    class Keep(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.got: list[tuple[bytes, str]] = []

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.got.append((data, addr[0]))

    async def story(world: World, near: Host, far: Host) -> list[tuple[bytes, str]]:
        loop = asyncio.get_running_loop()

        async def listen() -> Any:
            return (await loop.create_datagram_endpoint(Echo, local_addr=(FAR, 4000)))[0]

        async def ask() -> Keep:
            transport, protocol = await loop.create_datagram_endpoint(Keep, remote_addr=(FAR, 4000))
            assert transport.get_extra_info("sockname")[0] == NEAR
            transport.sendto(b"one")
            transport.sendto(b"two")
            await until(lambda: len(protocol.got) == 2)
            transport.close()
            return protocol

        server = await far.run(listen())
        protocol = await near.run(ask())
        server.close()
        await asyncio.sleep(0.01)
        assert world.sockets() == []
        return protocol.got

    assert play(kind, story) == [(b"echo one", FAR), (b"echo two", FAR)]


@both
def test_only_answers_come_inward_through_a_firewall(kind: str) -> None:
    """An unconnected socket inside gets what answers its datagram, from there alone; others meet the firewall."""

    class Keep(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.got: list[bytes] = []
            self.heard = asyncio.Event()

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.got.append(data)
            self.heard.set()

    async def story(world: World, near: Host, far: Host) -> None:
        world.paths.install(outward_only(("dmz", "inside")))
        outside = world.add_host("outside", [Interface(name="lan1", address=OUTSIDE, zone="dmz")], idle)
        await world.start("outside")
        loop = asyncio.get_running_loop()

        async def bind(address: str, port: int) -> Keep:
            made: Keep = (await loop.create_datagram_endpoint(Keep, local_addr=(address, port)))[1]
            return made

        inner, asked = await near.run(bind(NEAR, 4000)), await outside.run(bind(OUTSIDE, 4000))
        other = await outside.run(bind(OUTSIDE, 4001))
        asked.transport.sendto(b"too early", (NEAR, 4000))
        inner.transport.sendto(b"question", (OUTSIDE, 4000))
        async with asyncio.timeout(10):
            await asked.heard.wait()
        other.transport.sendto(b"from another port", (NEAR, 4000))
        asked.transport.sendto(b"answer", (NEAR, 4000))
        async with asyncio.timeout(10):
            await inner.heard.wait()
        await asyncio.sleep(0.1)
        assert inner.got == [b"answer"]
        for each in (inner, asked, other):
            each.transport.close()

    play(kind, story)


@both
def test_a_datagram_to_a_closed_port_is_reported_to_a_connected_socket(kind: str) -> None:
    class Hear(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.error: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

        def error_received(self, exc: Exception) -> None:
            if not self.error.done():
                self.error.set_result(exc)

    async def story(world: World, near: Host, far: Host) -> Exception:
        async def ask() -> Exception:
            transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
                Hear, remote_addr=(FAR, 4009)
            )
            transport.sendto(b"anybody?")
            try:
                return await asyncio.wait_for(protocol.error, 10)
            finally:
                transport.close()

        return await near.run(ask())

    assert isinstance(play(kind, story), ConnectionRefusedError)
