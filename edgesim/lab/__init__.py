"""A deployment in a world."""

from edgesim.lab.certificates import Certificates
from edgesim.lab.lab import Lab
from edgesim.lab.loopback import on_loopback
from edgesim.lab.networks import free_network

__all__ = ["Certificates", "Lab", "free_network", "on_loopback"]
