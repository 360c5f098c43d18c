"""The framing of multiplexed media: many channels share one UDP port of Expressway-E.

Each datagram begins with its channel number, four octets in network order, like the multiplexID of ITU-T H.460.19
(2008, clause 8); the media packet follows unchanged. Expressway's framing is not public, so this one is the testbed's
own. An empty packet is a keep-alive: C sends it to open the pinhole in the firewall and keep it open, and E returns it
unchanged. Number 0 is not a channel.
"""

from __future__ import annotations

from dataclasses import dataclass

HEADER = 4
HIGHEST = 2**32 - 1


class MediaError(ValueError):
    """A datagram or channel number that violates the framing; the text says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLimits:
    """Limits: octets of one media packet. A media packet of a call fits in one Ethernet frame."""

    packet: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A datagram of a multiplexed port: its channel and media packet; an empty packet is a keep-alive."""

    channel: int
    packet: bytes

    @property
    def keepalive(self) -> bool:
        """Whether it is a keep-alive."""
        return not self.packet


def pack(frame: Frame, limits: MediaLimits) -> bytes:
    """Return the octets of a frame. Raises `MediaError`."""
    if not 1 <= frame.channel <= HIGHEST:
        raise MediaError(f"channel {frame.channel} is not between 1 and {HIGHEST}")
    if len(frame.packet) > limits.packet:
        raise MediaError(f"a packet of {len(frame.packet)} octets, more than {limits.packet}")
    return frame.channel.to_bytes(HEADER) + frame.packet


def unpack(datagram: bytes, limits: MediaLimits) -> Frame:
    """Return the frame that a datagram holds. Raises `MediaError`."""
    if len(datagram) < HEADER:
        raise MediaError(f"{len(datagram)} octets, fewer than a channel's number has")
    channel = int.from_bytes(datagram[:HEADER])
    if not channel:
        raise MediaError("channel 0")
    if len(datagram) > HEADER + limits.packet:
        raise MediaError(f"a packet of {len(datagram) - HEADER} octets, more than {limits.packet}")
    return Frame(channel=channel, packet=datagram[HEADER:])
