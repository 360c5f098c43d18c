"""The simulated world."""

from edgesim.world.sim.loop import DeadlockError, LivelockError
from edgesim.world.sim.tripwire import TripwireError
from edgesim.world.sim.world import SimWorld

__all__ = ["DeadlockError", "LivelockError", "SimWorld", "TripwireError"]
