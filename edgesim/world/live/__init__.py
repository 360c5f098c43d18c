"""The live world."""

from edgesim.world.live.network import AddressInUseError
from edgesim.world.live.world import Beginning, LiveWorld

__all__ = ["AddressInUseError", "Beginning", "LiveWorld"]
