"""The states of a connection that Expressway-C opens for a zone. Source: "Expressway Administrator Guide X15.5, Status
and System Information"."""

from __future__ import annotations

from enum import Enum, auto

from edgesim.deployment.defaults import LinkDefaults
from edgesim.sip.transports import TransportName


class ConnectionState(Enum):
    """The states of a zone's connection to one peer."""

    CHECKING = auto()
    """No result yet."""
    ACTIVE = auto()
    FAILED = auto()

    def text(self, texts: LinkDefaults, transport: TransportName = "tls") -> str:
        """Return the state as named on the status page and in the log."""
        if self is ConnectionState.ACTIVE:
            return texts.active if transport == "tls" else texts.active_tcp
        return texts.failed if self is ConnectionState.FAILED else texts.checking


CHECKING, ACTIVE, FAILED = ConnectionState
