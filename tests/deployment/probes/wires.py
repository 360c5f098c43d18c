"""Stories about the wires: two programs on hosts of a lab, and a network between them that fails."""

from __future__ import annotations

import asyncio

from edgesim.lab import RunningLab
from tests.deployment.probes.base import media
from tests.servers.test_expressway_media import there_and_back

ONE, OTHER, PORT = "inside-1", "inside-2", 9000


class _Closes(asyncio.Protocol):
    """Closes its connection as soon as anything comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.close()


async def _listen(lab: RunningLab) -> asyncio.Server:
    host = lab.node(ONE).host

    async def listen() -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(_Closes, host.address(), PORT)

    return await host.run(listen())


async def _connect(lab: RunningLab, name: str = OTHER) -> asyncio.Transport:
    address = lab.node(ONE).host.address()

    async def connect() -> asyncio.Transport:
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, address, PORT)
        return transport

    return await lab.node(name).host.run(connect())


@media({"network.tcp_rto_min_s": 0.5, "network.tcp_rto_max_s": 10.0, "network.tcp_user_timeout_s": 100.0})
async def what_is_sent_into_a_partition(lab: RunningLab) -> None:
    server = await _listen(lab)
    wire = await _connect(lab)
    with lab.world.paths.partitioned(ONE, OTHER):
        wire.write(b"hello")
        await asyncio.sleep(300)
    await asyncio.sleep(300)
    wire.abort()
    server.close()


@media({"network.tcp_initial_rto_s": 0.7})
async def a_call_into_a_partition(lab: RunningLab) -> None:
    server = await _listen(lab)
    with lab.world.paths.partitioned(ONE, OTHER):
        calling = asyncio.ensure_future(_connect(lab))
        await asyncio.sleep(2)
    (await calling).abort()
    await asyncio.sleep(1)
    server.close()


@media({"network.loopback_ms": 5.0})
async def a_program_that_calls_its_own_host(lab: RunningLab) -> None:
    server = await _listen(lab)
    (await _connect(lab, ONE)).abort()
    await asyncio.sleep(1)
    server.close()


@media({"network.udp_payload_bytes": 1000})
async def a_large_datagram(lab: RunningLab) -> None:
    address = lab.node(ONE).host.address()

    async def send() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(address, PORT))
        for octets in (2000, 500):
            transport.sendto(bytes(octets))
            await asyncio.sleep(1)
        transport.close()

    await lab.node(OTHER).host.run(send())


@media(
    {"network.other_zone_ms": 50.0},
    {
        "network.zones": [{"name": each} for each in ("internet", "branch", "outer-dmz", "dmz", "inside")],
        "network.firewalls": [
            {"name": "router", "between": ["internet", "branch"], "rules": ["allow any any -> any"]},
            {"name": "external", "between": ["branch", "outer-dmz"], "rules": ["allow any any -> any"]},
        ],
        "clients.0.zone": "branch",
    },
)
async def media_between_zones_without_a_latency_of_their_own(lab: RunningLab) -> None:
    path = await there_and_back(lab)
    await path.close()
