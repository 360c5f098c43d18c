"""A simulated Jabber on four platforms."""

from edgesim.clients.jabber.client import Jabber
from edgesim.clients.jabber.stages import TRANSITIONS, Result, SignIn, Stage, StageFailed

__all__ = ["TRANSITIONS", "Jabber", "Result", "SignIn", "Stage", "StageFailed"]
