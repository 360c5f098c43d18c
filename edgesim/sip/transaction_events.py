"""The events and outputs of transactions: the vocabulary of the tables in `edgesim.sip.transaction`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from edgesim.sip.errors import SipError
from edgesim.sip.message import Request, Response

Message = Request | Response


class TransactionMisuse(SipError):
    """A transaction was used in a way that its state does not allow: a bug in the calling code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """The base values of RFC 3261, table 4, in seconds; the lettered timers derive from them."""

    t1: float
    t2: float
    t4: float
    d: float = 32.0


class State(Enum):
    """The states of all four machines."""

    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    ACCEPTED = auto()
    TERMINATED = auto()


class On(Enum):
    """The events of a transaction."""

    PROVISIONAL = auto()
    SUCCESS = auto()
    FAILURE = auto()
    REQUEST = auto()
    ACK = auto()
    CANCEL = auto()
    """The user of a client transaction no longer wants a response."""
    LINGER_TIMER = auto()
    """D, I, J, K, L or M: late retransmissions have died out."""
    GIVE_UP_TIMER = auto()
    """B, F or H: no response; also 64*T1 after a CANCEL (RFC 3261, 9.1)."""
    RESEND_TIMER = auto()
    """A, E or G: retransmit."""
    TRYING_TIMER = auto()
    """The user of a server transaction has not answered an INVITE within `TRYING_AFTER`."""
    TRANSPORT_ERROR = auto()


TIMERS = (On.LINGER_TIMER, On.GIVE_UP_TIMER, On.RESEND_TIMER, On.TRYING_TIMER)
"""The order in which timers due at the same time fire."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send this message on the wire."""

    message: Message


@dataclass(frozen=True, slots=True)
class Deliver:
    """Deliver this message to the transaction's user."""

    message: Message


@dataclass(frozen=True, slots=True)
class Cancel:
    """Begin a client transaction for this CANCEL."""

    request: Request


@dataclass(frozen=True, slots=True)
class Trying:
    """Answer the request with a 100."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """No response arrived in time."""


@dataclass(frozen=True, slots=True)
class TransportFailed:
    """The transport could not send a message."""


Output = Send | Deliver | Cancel | Trying | TimedOut | TransportFailed
Key = tuple[str, ...]
