"""A deployment in a world."""

from edgesim.lab.certificates import Certificates
from edgesim.lab.lab import Lab
from edgesim.lab.loopback import on_loopback

__all__ = ["Certificates", "Lab", "on_loopback"]
