"""Stories about media on its way through both Expressways."""

from __future__ import annotations

import asyncio

from edgesim.lab import RunningLab
from edgesim.media import MediaEndpoint
from tests.deployment.probes.base import media
from tests.servers.test_expressway_media import PACKET, TIMES, there_and_back


@media({"media.packet_bytes": 100})
async def a_packet_of_media(lab: RunningLab) -> None:
    path = await there_and_back(lab)
    await path.close()


@media({"media.relatch_s": 1.0})
async def another_takes_a_silent_medium_over(lab: RunningLab) -> None:
    path = await there_and_back(lab)
    node = lab.node("jabber-2")
    other = await node.host.run(MediaEndpoint.open(node.journal, "stray", node.host.address(), times=TIMES))
    await asyncio.sleep(3)
    other.send(PACKET, path.edge)
    await asyncio.sleep(1)
    other.close()
    await path.close()


@media(
    {
        "ports.edge_media_first": 36004,
        "ports.media_last": 59997,
        "ports.turn": 3480,
        "ports.turn_relay_first": 24002,
        "ports.turn_relay_last": 29997,
    },
    {"mra.media_probe": None, "expressway_e.expe.turn_server": True},
)
async def datagrams_to_the_documented_ports_of_expressway_e(lab: RunningLab) -> None:
    await _knock(lab, "jabber-1", "203.0.113.10", 36002, 59999, 3478, 24000, 29999)


@media({"ports.multiplex_rtp": 2774, "ports.multiplex_rtcp": 2778})
async def datagrams_to_the_multiplexed_ports(lab: RunningLab) -> None:
    await _knock(lab, "expc", "10.0.20.10", 2776, 2777)


@media({"ports.multiplex_large_last": 36009}, {"expressway_e.expe.size": "large"})
async def datagrams_to_the_multiplexed_ports_of_a_large_system(lab: RunningLab) -> None:
    await _knock(lab, "expc", "10.0.20.10", 36011)


async def _knock(lab: RunningLab, host: str, address: str, *ports: int) -> None:
    node = lab.node(host)
    end = await node.host.run(MediaEndpoint.open(node.journal, "knock", node.host.address(), times=TIMES))
    for port in ports:
        end.send(PACKET, (address, port))
    await asyncio.sleep(1)
    end.close()
