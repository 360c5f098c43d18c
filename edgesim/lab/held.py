"""State that one verb begins on a host and another ends, by number: ends of media paths, failures of name servers."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from dataclasses import dataclass

from edgesim.dns import Failure
from edgesim.lab.abilities import ServesNames
from edgesim.media import FlowTimes, MediaEndpoint
from edgesim.media.ports import Address
from edgesim.node import Node

FRAME = 160
"""Octets of 20 ms of PCMU (RFC 3551, section 4.5.14)."""
SAMPLES = 160
SOURCE = 0x65646765
"""The SSRC of what an end sends."""


class NotHeld(LookupError):
    """There is nothing of that number."""


@dataclass(slots=True)
class MediaEnd:
    """An end of a media path: a port for RTP, and the next one for RTCP."""

    rtp: MediaEndpoint
    rtcp: MediaEndpoint
    sent: int = 0

    @classmethod
    async def open(cls, node: Node, port: int, *, echo: bool) -> MediaEnd:
        """Open the ports, any two where ``port`` is 0. Raises `OSError` where one is taken."""
        media = node.defaults.media
        times = FlowTimes(statistics=media.statistics_s, silence=media.silence_s)
        address = node.host.address()

        async def opened() -> MediaEnd:
            rtp = await MediaEndpoint.open(node.journal, "probe RTP", address, port, echo=echo, times=times)
            second = port and port + 1
            rtcp = await MediaEndpoint.open(node.journal, "probe RTCP", address, second, echo=echo, times=times)
            return cls(rtp, rtcp)

        return await node.host.run(opened(), name="media endpoint")

    def send(self, to: Address) -> None:
        """Send an RTP packet to a port, and an RTCP packet to the next one."""
        self.sent += 1
        header = struct.pack("!BBHII", 0x80, 0, self.sent & 0xFFFF, SAMPLES * self.sent & 0xFFFFFFFF, SOURCE)
        self.rtp.send(header + bytes([0xFF]) * FRAME, to)
        report = struct.pack("!BBHI", 0x80, 201, 1, SOURCE)  # a receiver report of nothing (RFC 3550, section 6.4.2)
        self.rtcp.send(report, (to[0], to[1] + 1))

    def close(self) -> None:
        """Give the ports back."""
        self.rtp.close()
        self.rtcp.close()


class Held:
    """The state that commands hold in a lab."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._media: dict[tuple[str, int], MediaEnd] = {}
        self._failures: dict[tuple[str, int], Callable[[], None]] = {}

    async def open_media(self, node: Node, port: int, *, echo: bool) -> int:
        """Open an end of a media path on a host; return its number. Raises `OSError`."""
        end = await MediaEnd.open(node, port, echo=echo)
        number = next(self._numbers)
        self._media[node.name, number] = end
        return number

    def media(self, node: Node, number: int) -> MediaEnd:
        """Return an end of a media path. Raises `NotHeld`."""
        try:
            return self._media[node.name, number]
        except KeyError:
            raise NotHeld(f"{node.name} has no end {number} of a media path") from None

    def close_media(self, node: Node, number: int) -> None:
        """Close an end of a media path; one that is closed, or never was, is not an error."""
        end = self._media.pop((node.name, number), None)
        if end is not None:
            end.close()

    def fail_dns(self, node: Node, failure: Failure) -> int:
        """Have a name server fail from now on; return the number. Raises `NotHeld` for any other host."""
        service = node.host.service
        if not isinstance(service, ServesNames):
            raise NotHeld(f"{node.name} is not a name server")
        number = next(self._numbers)
        self._failures[node.name, number] = service.views.fail(failure)
        return number

    def lift_dns(self, node: Node, number: int) -> None:
        """End a failure of a name server. Raises `NotHeld`."""
        try:
            lift = self._failures.pop((node.name, number))
        except KeyError:
            raise NotHeld(f"{node.name} has no failure {number}") from None
        lift()
