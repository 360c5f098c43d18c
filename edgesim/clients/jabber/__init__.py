"""A simulated Jabber on four platforms."""

from edgesim.clients.common.stages import Result, StageFailed
from edgesim.clients.jabber.client import Jabber
from edgesim.clients.jabber.stages import TRANSITIONS, SignIn, Stage

__all__ = ["TRANSITIONS", "Jabber", "Result", "SignIn", "Stage", "StageFailed"]
