"""Media through the edge."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.journal.events.base import Event, kind


@kind("media.flow")
@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFlow(Event):
    """Media between a host and the entry's peer: ``open`` or ``failed`` (a pinhole), ``started``, ``statistics``,
    ``stopped``.

    ``leg`` is the side of the host: ``client``, ``multiplexed``, ``inside``, or ``endpoint`` for one that sends and
    receives itself. Counts are those since the flow was set up; ``refused`` are packets that belonged to no flow.
    """

    channel: str
    leg: str
    state: str
    packets_in: int
    packets_out: int
    octets_in: int
    octets_out: int
    refused: int = 0
    reason: str = ""

    def summary(self) -> str:
        counts = f"{self.packets_in} in, {self.packets_out} out"
        return f"media {self.channel}, {self.leg}: {self.state}{f' ({self.reason})' if self.reason else ''}; {counts}"
