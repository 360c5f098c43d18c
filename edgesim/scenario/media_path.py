"""Both ends of a deployment's ``mra.media_probe``: a client's machine outside, and the inside host that sends back."""

from __future__ import annotations

import struct

from edgesim.lab import RunningLab
from edgesim.media import FlowTimes, MediaEndpoint
from edgesim.media.ports import Address
from edgesim.node import Node

FRAME = 160
"""Octets of 20 ms of PCMU (RFC 3551, section 4.5.14)."""
SAMPLES = 160


class MediaPath:
    """The ends of a path for media: RTP and RTCP ports on either side. What the inside host gets, it returns.

    `send` puts one packet of each on the way; their arrival is in the journal (`MediaFlow` of leg ``endpoint``).
    """

    def __init__(self, client: tuple[MediaEndpoint, ...], inside: tuple[MediaEndpoint, ...], edge: Address) -> None:
        self.client = client
        self.inside = inside
        self.edge = edge
        self._sent = 0

    @classmethod
    async def open(cls, lab: RunningLab, client: Node) -> MediaPath:
        """Open the ports. Raises `OSError` where one is taken."""
        deployment = lab.deployment
        probe, media = deployment.mra.media_probe, deployment.defaults.media
        assert probe is not None and probe.edge is not None and probe.edge_port is not None
        edge = next(each for each in deployment.expressway_e if each.name == probe.edge)
        times = FlowTimes(statistics=media.statistics_s, silence=media.silence_s)
        kinds = ("probe RTP", "probe RTCP")

        async def opened(node: Node, port: int, *, echo: bool) -> tuple[MediaEndpoint, ...]:
            address = node.host.address()
            return tuple(
                [
                    await MediaEndpoint.open(node.journal, kind, address, port and port + place, echo=echo, times=times)
                    for place, kind in enumerate(kinds)
                ]
            )

        node = lab.node(probe.to)
        inside = await node.host.run(opened(node, probe.port, echo=True), name="media endpoint")
        outside = await client.host.run(opened(client, 0, echo=False), name="media endpoint")
        return cls(outside, inside, (edge.public_address, probe.edge_port))

    def send(self) -> None:
        """Send one RTP packet and one RTCP packet from the client."""
        rtp, rtcp = self.client
        self._sent += 1
        source = 0x65646765
        header = struct.pack("!BBHII", 0x80, 0, self._sent & 0xFFFF, SAMPLES * self._sent & 0xFFFFFFFF, source)
        rtp.send(header + bytes([0xFF]) * FRAME, self.edge)
        report = struct.pack("!BBHI", 0x80, 201, 1, source)  # a receiver report of nothing (RFC 3550, section 6.4.2)
        rtcp.send(report, (self.edge[0], self.edge[1] + 1))

    async def close(self) -> None:
        """Give the ports back."""
        for endpoint in (*self.client, *self.inside):
            endpoint.close()
