"""What happens to transactions and what they put out: the words of the tables in `edgesim.sip.transaction`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from edgesim.sip.errors import SipError
from edgesim.sip.message import Request, Response

Message = Request | Response


class TransactionMisuse(SipError):
    """A transaction was asked for what its state does not allow: a mistake of the code that uses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """The base values of RFC 3261, table 4, in seconds; the lettered timers follow from them."""

    t1: float
    t2: float
    t4: float
    d: float = 32.0


class State(Enum):
    """States of all four machines."""

    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    ACCEPTED = auto()
    TERMINATED = auto()


class On(Enum):
    """What can happen to a transaction."""

    PROVISIONAL = auto()
    SUCCESS = auto()
    FAILURE = auto()
    REQUEST = auto()
    ACK = auto()
    CANCEL = auto()
    """The user of a client transaction wants no answer any more."""
    LINGER_TIMER = auto()
    """D, I, J, K, L or M: late retransmissions have died out."""
    GIVE_UP_TIMER = auto()
    """B, F or H: no answer; also 64*T1 after a CANCEL (RFC 3261, 9.1)."""
    RESEND_TIMER = auto()
    """A, E or G: retransmit."""
    TRYING_TIMER = auto()
    """The user of a server transaction has not answered an INVITE for `TRYING_AFTER`."""
    TRANSPORT_ERROR = auto()


TIMERS = (On.LINGER_TIMER, On.GIVE_UP_TIMER, On.RESEND_TIMER, On.TRYING_TIMER)
"""In the order in which they fire when they are due together."""


@dataclass(frozen=True, slots=True)
class Send:
    """Put this message on the wire."""

    message: Message


@dataclass(frozen=True, slots=True)
class Deliver:
    """Give this message to the transaction's user."""

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
    """No answer came in time."""


@dataclass(frozen=True, slots=True)
class TransportFailed:
    """The transport could not carry a message."""


Output = Send | Deliver | Cancel | Trying | TimedOut | TransportFailed
Key = tuple[str, ...]
