"""One typed command set over a running lab, with two carriers: in process, and HTTP on a loopback port.

Its verbs are those of `edgesim.control.verbs`; each file there lists the names that it adds here.
"""

from edgesim.control import verbs
from edgesim.control.carrier import Carrier, ControlError, LabGone, TookTooLong, Unsupported
from edgesim.control.client import HttpCarrier
from edgesim.control.command import Command, Done, Text, Where
from edgesim.control.in_process import InProcess
from edgesim.control.server import ControlServer
from edgesim.control.verbs import COMMANDS
from edgesim.control.verbs.certificates import *
from edgesim.control.verbs.clients import *
from edgesim.control.verbs.faults import *
from edgesim.control.verbs.journal import *
from edgesim.control.verbs.leftovers import *
from edgesim.control.verbs.lifecycle import *
from edgesim.control.verbs.links import *
from edgesim.control.verbs.media import *
from edgesim.control.verbs.names import *
from edgesim.control.verbs.paths import *
from edgesim.control.verbs.protection import *
from edgesim.control.verbs.services import *
from edgesim.control.verbs.views import *

__all__ = [
    "COMMANDS",
    "Carrier",
    "Command",
    "ControlError",
    "ControlServer",
    "Done",
    "HttpCarrier",
    "InProcess",
    "LabGone",
    "Text",
    "TookTooLong",
    "Unsupported",
    "Where",
]
__all__ += [name for subject in verbs.SUBJECTS for name in subject.__all__]
