"""The live world with a process for each host."""

from edgesim.world.processes.host import Answer, HostWorld
from edgesim.world.processes.process import ElsewhereError, NoAnswer, Process
from edgesim.world.processes.world import ProcessWorld

__all__ = ["Answer", "ElsewhereError", "HostWorld", "NoAnswer", "Process", "ProcessWorld"]
