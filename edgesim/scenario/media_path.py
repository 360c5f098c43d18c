"""Both ends of a deployment's ``mra.media_probe``: a client's machine outside, and the inside host that sends back."""

from __future__ import annotations

from edgesim.control import Carrier, CloseMedia, OpenMedia, ReceiveMedia, SendMedia
from edgesim.deployment import Deployment

End = tuple[str, int]
"""A host, and the number of an end of a media path there."""


class MediaPath:
    """The ends of a path for media: RTP and RTCP ports on either side. What the inside host gets, it returns.

    `send` puts one packet of each on the way; their arrival is in the journal (`MediaFlow` of leg ``endpoint``).
    """

    def __init__(
        self, carrier: Carrier, client: tuple[str, int], inside: tuple[str, int], edge: tuple[str, int]
    ) -> None:
        self._carrier = carrier
        self.client = client
        self.inside = inside
        self.edge = edge

    @classmethod
    async def open(cls, carrier: Carrier, deployment: Deployment, client: str) -> MediaPath:
        """Open the ports, on the machine ``client`` and on the probe's inside host. Raises `ControlError`."""
        probe = deployment.mra.media_probe
        assert probe is not None
        edge = next(each for each in deployment.expressway_e if each.name == probe.edge)
        inside = await carrier.ask(OpenMedia(host=probe.to, port=probe.port, echo=True))
        outside = await carrier.ask(OpenMedia(host=client))
        ends = (client, outside.number), (probe.to, inside.number)
        return cls(carrier, *ends, (edge.public_address, probe.edge_port))

    async def send(self) -> None:
        """Send one RTP packet and one RTCP packet from the client."""
        host, number = self.client
        address, port = self.edge
        await self._carrier.ask(SendMedia(host=host, number=number, address=address, port=port))

    async def receive(self, *, within: float = 10.0) -> bytes:
        """Return the next RTP packet that came back to the client. Raises `TookTooLong`."""
        host, number = self.client
        return bytes.fromhex((await self._carrier.ask(ReceiveMedia(host=host, number=number, within=within))).octets)

    async def close(self) -> None:
        """Give the ports back."""
        for host, number in (self.client, self.inside):
            await self._carrier.ask(CloseMedia(host=host, number=number))
