"""The live world."""

from edgesim.world.live.network import AddressInUseError
from edgesim.world.live.world import LiveWorld

__all__ = ["AddressInUseError", "LiveWorld"]
