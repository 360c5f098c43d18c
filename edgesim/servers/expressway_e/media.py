"""Expressway-E's media: client-side ports, and multiplexed ports shared by all channels towards Expressway-C.

C opens the pinhole: its first datagram, which names the channel, tells E the address of that channel's C. On a large
system six pairs of multiplexed ports share the channels. Source: "Expressway IP Port Usage Configuration Guide, Mobile
and Remote Access"; the framing is `edgesim.media.framing`.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.deployment import hosts
from edgesim.journal import events
from edgesim.media import Channel, ChannelRunner, Flow, FlowTimes, Frame, Leg, MediaError, MediaLimits, MediaPort, Side
from edgesim.media.framing import pack, unpack
from edgesim.media.ports import Address, open_pair
from edgesim.node import Node

KINDS = ("RTP", "RTCP")


@dataclass(slots=True, eq=False)
class Medium:
    """A medium relayed by E: its two channels, RTP and RTCP, and the ports that clients send to."""

    channels: tuple[ChannelRunner, ChannelRunner]
    ports: tuple[MediaPort, MediaPort]


class MultiplexedPort:
    """One port towards C, with its channels."""

    def __init__(self, node: Node, limits: MediaLimits) -> None:
        self.channels: dict[int, ChannelRunner] = {}
        self._node = node
        self._limits = limits
        self._strangers: dict[str, None] = {}
        self._port: MediaPort | None = None

    async def open(self, address: str, port: int) -> None:
        """Listen. Raises `OSError`."""
        self._port = await MediaPort.open(address, port, self._receive)

    def close(self) -> None:
        """Release the port."""
        if self._port is not None:
            self._port.close()

    def send(self, channel: int, packet: bytes, target: Address) -> None:
        """Send a packet of a channel to C."""
        if self._port is not None:
            self._port.send(pack(Frame(channel=channel, packet=packet), self._limits), target)

    def _receive(self, datagram: bytes, source: Address) -> None:
        try:
            frame = unpack(datagram, self._limits)
            channel = self.channels[frame.channel]
        except (MediaError, KeyError) as error:
            self._refuse(str(error) if isinstance(error, MediaError) else f"no channel {error}", datagram, source)
            return
        if not frame.keepalive:
            channel.take(Side.INNER, frame.packet, source)
        elif channel.keepalive(Side.INNER, source) and self._port is not None:
            self._port.send(datagram, source)

    def _refuse(self, reason: str, datagram: bytes, source: Address) -> None:
        """Journal only the first bad datagram of each host."""
        if source[0] not in self._strangers and len(self._strangers) < 64:
            self._strangers[source[0]] = None
            event = events.Malformed(protocol="multiplexed media", reason=reason, answer="dropped")
            self._node.journal.received(event, peer=source, payload=datagram[:64])


class MediaSide:
    """The media relay of an Expressway-E."""

    def __init__(self, node: Node) -> None:
        spec = node.spec.spec
        assert isinstance(spec, hosts.ExpresswayE)
        self.node = node
        self._spec = spec
        media = node.defaults.media
        self._limits = MediaLimits(packet=media.packet_bytes)
        self._times = FlowTimes(statistics=media.statistics_s, silence=media.silence_s)
        self._pairs = [
            (pair, (MultiplexedPort(node, self._limits), MultiplexedPort(node, self._limits)))
            for pair in node.defaults.ports.multiplexed(spec.size)
        ]
        self._media: dict[int, Medium] = {}

    async def start(self) -> None:
        """Open the multiplexed ports, and the channel configured in the deployment. Raises `OSError`."""
        for ports, pair in self._pairs:
            for port, multiplexed in zip(ports, pair, strict=True):
                await multiplexed.open(self._spec.inner_address, port)
        probe = self.node.deployment.mra.media_probe
        if probe is not None and probe.edge == self.node.name:
            await self.open(self.node.defaults.media.probe_channel, "probe", probe.edge_port)

    async def open(self, number: int, name: str, port: int) -> Medium:
        """Relay between clients at ``port`` and the next, and the channel ``number`` of C. Raises `OSError`."""
        _, pair = self._pairs[number % len(self._pairs)]
        channels = [self._channel(number, f"{name} {kind}", shared) for kind, shared in zip(KINDS, pair, strict=True)]
        rtp, rtcp = channels
        ports = await open_pair(
            self._spec.outer,
            port,
            lambda packet, source: rtp.take(Side.OUTER, packet, source),
            lambda packet, source: rtcp.take(Side.OUTER, packet, source),
        )
        for channel, shared, own in zip(channels, pair, ports, strict=True):
            shared.channels[number] = channel
            channel.outlets[Side.OUTER] = own.send
        medium = self._media[number] = Medium(channels=(rtp, rtcp), ports=ports)
        return medium

    def _channel(self, number: int, name: str, shared: MultiplexedPort) -> ChannelRunner:
        relatch = self.node.defaults.media.relatch_s
        legs = (Leg(Flow(name, leg, self._times), relatch=relatch) for leg in ("client", "multiplexed"))
        channel = Channel(number, outer=next(legs), inner=next(legs), limits=self._limits)
        outlets = {Side.INNER: lambda packet, target: shared.send(number, packet, target)}
        return ChannelRunner(channel, self.node.journal, outlets)

    def close(self, number: int) -> None:
        """Close a medium; not an error if there is none."""
        medium = self._media.pop(number, None)
        if medium is None:
            return
        _, pair = self._pairs[number % len(self._pairs)]
        for channel, shared, own in zip(medium.channels, pair, medium.ports, strict=True):
            channel.close()
            shared.channels.pop(number, None)
            own.close()

    async def stop(self) -> None:
        """Close every medium and the multiplexed ports."""
        for number in tuple(self._media):
            self.close(number)
        for _, pair in self._pairs:
            for multiplexed in pair:
                multiplexed.close()
