"""Verbs on the ends of a media path: a port for RTP and one for RTCP on a host, which send, receive and echo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from edgesim.control.carrier import ControlError
from edgesim.control.command import WAITS, Done, HostCommand, Seconds, Site, verb
from edgesim.node import Node

__all__ = ["CloseMedia", "MediaOpened", "MediaPacket", "OpenMedia", "ReceiveMedia", "SendMedia"]

Port = Annotated[int, Field(ge=1, le=65534)]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaOpened:
    """The number of an end of a media path."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPacket:
    """A packet as it arrived, in hexadecimal digits."""

    octets: str


@verb("open-media")
class OpenMedia(HostCommand[MediaOpened]):
    """Open an end of a media path on a host: RTP on ``port``, RTCP on the next; any two ports if none is given.

    With ``echo`` it returns what it gets.
    """

    port: Port | None = None
    echo: bool = False

    @property
    def limit_s(self) -> float | None:
        return WAITS

    async def work(self, site: Site, node: Node) -> MediaOpened:
        try:
            return MediaOpened(number=await site.lab.held.open_media(node, self.port or 0, echo=self.echo))
        except OSError as error:
            raise ControlError(f"{node.name} has no port for media: {error}") from None


@verb("send-media")
class SendMedia(HostCommand[Done]):
    """Send an RTP packet to a port, and an RTCP packet to the next."""

    number: int
    address: str
    port: Port

    async def work(self, site: Site, node: Node) -> Done:
        site.lab.held.media(node, self.number).send((self.address, self.port))
        return Done(text="sent")


@verb("receive-media")
class ReceiveMedia(HostCommand[MediaPacket]):
    """The next RTP packet that arrived at an end of a media path, waited for ``within`` seconds."""

    number: int
    within: Seconds = 10.0

    @property
    def limit_s(self) -> float | None:
        return self.within

    async def work(self, site: Site, node: Node) -> MediaPacket:
        packet, _ = await site.lab.held.media(node, self.number).rtp.receive()
        return MediaPacket(octets=packet.hex())


@verb("close-media")
class CloseMedia(HostCommand[Done]):
    """Close an end of a media path; one that is closed already is not an error."""

    needs_up = False

    number: int

    async def work(self, site: Site, node: Node) -> Done:
        site.lab.held.close_media(node, self.number)
        return Done(text="closed")
