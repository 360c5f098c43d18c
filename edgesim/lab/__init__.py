"""A deployment in a world."""

from edgesim.lab.certificates import Certificates
from edgesim.lab.lab import RunningLab, minted
from edgesim.lab.loopback import on_loopback
from edgesim.lab.networks import free_network

__all__ = ["Certificates", "RunningLab", "free_network", "minted", "on_loopback"]
