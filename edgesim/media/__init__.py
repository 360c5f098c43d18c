"""Media between clients, Expressway-E, Expressway-C and endpoints inside: framing, channels, ports."""

from edgesim.media.channel import Channel, Leg, Send, Side
from edgesim.media.endpoint import MediaEndpoint
from edgesim.media.flow import Flow, FlowTimes
from edgesim.media.framing import Frame, MediaError, MediaLimits, pack, unpack
from edgesim.media.ports import MediaPort, PortPairs
from edgesim.media.relay import ChannelRunner

__all__ = [
    "Channel",
    "ChannelRunner",
    "Flow",
    "FlowTimes",
    "Frame",
    "Leg",
    "MediaEndpoint",
    "MediaError",
    "MediaLimits",
    "MediaPort",
    "PortPairs",
    "Send",
    "Side",
    "pack",
    "unpack",
]
