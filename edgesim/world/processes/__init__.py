"""The live world with a process for each host."""

from edgesim.world.processes.host import Answer, HostWorld
from edgesim.world.processes.world import ElsewhereError, NoAnswer, ProcessWorld

__all__ = ["Answer", "ElsewhereError", "HostWorld", "NoAnswer", "ProcessWorld"]
