"""Expressway-C's media: for each channel C opens a pinhole to E from its own port, and keeps it open.

The internal firewall admits nothing unsolicited, so C sends first: a keep-alive at once, repeated at the retry interval
of the traversal zone's probes until E answers, and then at their interval. Source: "Expressway IP Port Usage
Configuration Guide, Mobile and Remote Access" (C 36000-59999 to E 2776/2777, or 36000-36011 on a large system). The
framing is `edgesim.media.framing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from edgesim.deployment import hosts
from edgesim.dns import DnsError
from edgesim.media import (
    Channel,
    ChannelRunner,
    Flow,
    FlowTimes,
    Frame,
    Leg,
    MediaError,
    MediaLimits,
    MediaPort,
    PortPairs,
    Side,
)
from edgesim.media.framing import pack, unpack
from edgesim.media.ports import Address
from edgesim.node import Node

KINDS = ("RTP", "RTCP")
AddressLookup = Callable[[], Awaitable[str]]


class Pinhole:
    """One channel of C: the pinhole to E, opened and kept open, and the port towards the endpoint inside."""

    def __init__(self, node: Node, number: int, name: str, *, inside: Address) -> None:
        media = node.defaults.media
        limits = MediaLimits(packet=media.packet_bytes)
        times = FlowTimes(statistics=media.statistics_s, silence=media.silence_s)
        self._node = node
        self._number = number
        self._limits = limits
        self._keepalive = pack(Frame(channel=number, packet=b""), limits)
        self._edge = Leg(Flow(name, "multiplexed", times), relatch=media.relatch_s)
        endpoint = Leg(Flow(name, "inside", times), peer=inside, relatch=media.relatch_s)
        self.relayed = ChannelRunner(
            Channel(number, outer=self._edge, inner=endpoint, limits=limits), node.journal, {Side.OUTER: self._send}
        )
        self._port: MediaPort | None = None
        self._state = ("", "")
        self._answered = asyncio.Event()

    def use(self, port: MediaPort, inside: MediaPort) -> None:
        """Set the sockets towards E and towards the endpoint."""
        self._port = port
        self.relayed.outlets[Side.INNER] = inside.send

    def _send(self, packet: bytes, target: Address) -> None:
        if self._port is not None:
            self._port.send(pack(Frame(channel=self._number, packet=packet), self._limits), target)

    def from_edge(self, datagram: bytes, source: Address) -> None:
        """Handle a datagram from E."""
        try:
            frame = unpack(datagram, self._limits)
        except MediaError:
            self._edge.flow.refuse()
            return
        # Only E's own multiplexed port is accepted: the pinhole has no other peer.
        if source != self._edge.peer or frame.channel != self._number:
            self._edge.flow.refuse()
            return
        self._answered.set()
        if not frame.keepalive:
            self.relayed.take(Side.OUTER, frame.packet, source)

    def from_inside(self, packet: bytes, source: Address) -> None:
        """Handle a packet from the endpoint."""
        self.relayed.take(Side.INNER, packet, source)

    async def keep(self, where: AddressLookup, port: int) -> None:
        """Open the pinhole to E's port and keep it open, until cancelled."""
        links = self._node.defaults.links
        while True:
            try:
                self.relayed.point(Side.OUTER, (await where(), port))
            except (OSError, DnsError) as error:
                self._enter("failed", str(error) or type(error).__name__)
            else:
                await self._probe(links.probe_retry_count, links.probe_retry_s)
            await asyncio.sleep(links.probe_keepalive_s)

    async def _probe(self, repeats: int, patience: float) -> None:
        """Send a keep-alive, and repeat it until a response arrives."""
        self._answered.clear()
        for _ in range(repeats + 1):
            assert self._port is not None and self._edge.peer is not None
            self._port.send(self._keepalive, self._edge.peer)
            try:
                async with asyncio.timeout(patience):
                    await self._answered.wait()
            except TimeoutError:
                continue
            self._enter("open")
            return
        self._enter("failed", "no answer from E")

    def _enter(self, state: str, reason: str = "") -> None:
        if (state, reason) != self._state:
            self._state = (state, reason)
            self.relayed.report(Side.OUTER, state, reason)


@dataclass(slots=True, eq=False)
class Medium:
    """A medium relayed by C: RTP and RTCP, with their ports and tasks."""

    pinholes: tuple[Pinhole, Pinhole]
    ports: tuple[MediaPort, ...]
    tasks: tuple[asyncio.Task[None], ...]


class MediaSide:
    """The media relay of an Expressway-C."""

    def __init__(self, node: Node) -> None:
        self.node = node
        ports = node.defaults.ports
        self._ports = PortPairs(ports.media_first, ports.media_last)
        self._media: dict[int, Medium] = {}

    async def start(self) -> None:
        """Open the channel configured in the deployment. Raises `OSError`."""
        probe = self.node.deployment.mra.media_probe
        if probe is None or probe.core != self.node.name or probe.edge is None:
            return
        edge = self.node.deployment.host(probe.edge).spec
        assert isinstance(edge, hosts.ExpresswayE)
        number = self.node.defaults.media.probe_channel
        pairs = self.node.defaults.ports.multiplexed(edge.size)
        inside = (self.node.deployment.host(probe.to).address, probe.port)
        await self.open(number, "probe", edge=self._peer(edge), ports=pairs[number % len(pairs)], inside=inside)

    def _peer(self, edge: hosts.ExpresswayE) -> str:
        """Return the address by which C reaches an E: its peer address in the traversal zone."""
        lab = self.node.deployment
        peers = lab.traversal_zone.peer_addresses
        place = [each.name for each in lab.expressway_e].index(edge.name)
        return peers[place] if place < len(peers) else edge.inner_fqdn

    async def open(self, number: int, name: str, *, edge: str, ports: tuple[int, int], inside: Address) -> Medium:
        """Relay between the channel ``number`` of E, at its multiplexed ``ports``, and the endpoint's RTP port
        ``inside`` (RTCP is the next one). Raises `OSError`."""
        rtp, rtcp = (
            Pinhole(self.node, number, f"{name} {kind}", inside=(inside[0], inside[1] + place))
            for place, kind in enumerate(KINDS)
        )
        address = self.node.host.address()
        outer = await self._ports.open(address, rtp.from_edge, rtcp.from_edge)
        try:
            inner = await self._ports.open(address, rtp.from_inside, rtcp.from_inside)
        except OSError:
            for port in outer:
                port.close()
            raise
        for pinhole, port, own in zip((rtp, rtcp), outer, inner, strict=True):
            pinhole.use(port, own)

        async def where() -> str:
            return (await self.node.resolver.lookup(edge))[0]

        tasks = tuple(
            self.node.host.spawn(pinhole.keep(where, port), name=f"pinhole to {edge}:{port}")
            for pinhole, port in zip((rtp, rtcp), ports, strict=True)
        )
        medium = self._media[number] = Medium(pinholes=(rtp, rtcp), ports=(*outer, *inner), tasks=tasks)
        return medium

    def close(self, number: int) -> None:
        """Close a medium; not an error if there is none."""
        medium = self._media.pop(number, None)
        if medium is None:
            return
        for task in medium.tasks:
            task.cancel()
        for pinhole in medium.pinholes:
            pinhole.relayed.close()
        for port in medium.ports:
            port.close()

    async def stop(self) -> None:
        """Close every medium."""
        for number in tuple(self._media):
            self.close(number)
