"""Defaults of the media path: how channels keep open, whom they listen to, what the journal hears of them."""

from __future__ import annotations

from edgesim.deployment.base import Model
from edgesim.deployment.defaults.known import known


class MediaDefaults(Model):
    """Media channels of C and E. The pinhole's keep-alives have the interval of the zone's probes (`LinkDefaults`)."""

    packet_bytes: int = known(
        1500,
        "the largest media packet: what an Ethernet frame holds; larger ones are counted and dropped",
        tag="proposed",
    )
    relatch_s: float = known(
        5.0,
        "a leg that has heard nothing from its peer for so long sends to whoever sends next, seconds; that media goes "
        "to where it comes from is documented, when another may take over is not",
        tag="proposed",
        ge=0,
    )
    statistics_s: float = known(
        10.0, "the journal gets counts of a running flow every so often, seconds", tag="proposed", gt=0
    )
    silence_s: float = known(
        30.0, "a flow without packets for so long counts as stopped, seconds", tag="proposed", gt=0
    )
    probe_channel: int = known(
        1,
        "number of the channel that a deployment's media_probe sets up; calls will count on from there",
        tag="proposed",
        ge=1,
    )
