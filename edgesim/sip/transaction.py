"""The four transactions of RFC 3261, section 17, with the corrections of RFC 6026, sans-IO.

A transaction takes messages and the time, and returns outputs: messages to send, messages for its user, its end. The
behaviour is in the four tables at the end of the file: (state, event) to (next state, actions), or to `IGNORED` for an
event without effect. A pair in no table is a bug and raises. Times are seconds of any monotonic clock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from edgesim.sip.message import Request, Response
from edgesim.sip.transaction_events import (
    TIMERS,
    Cancel,
    Deliver,
    Key,
    Message,
    On,
    Output,
    Send,
    State,
    TimedOut,
    Timers,
    TransactionMisuse,
    TransportFailed,
    Trying,
)

TRYING_AFTER = 0.2
"""Seconds after which an INVITE without a response from the user gets a 100 (RFC 3261, 17.2.1)."""


class Transaction(ABC):
    """One transaction. ``user`` is for its user and has no meaning here."""

    __slots__ = (
        "_table",
        "_timers",
        "interval",
        "invite",
        "key",
        "last",
        "now",
        "out",
        "reliable",
        "request",
        "state",
        "timers",
        "user",
    )

    def __init__(self, key: Key, request: Request, *, reliable: bool, timers: Timers, user: Any = None) -> None:
        self.key = key
        self.request = request
        self.reliable = reliable
        self.timers = timers
        self.user = user
        self.invite = request.method == "INVITE"
        self.last: Message | None = None
        """What is retransmitted: the request, or the last response."""
        self.interval = timers.t1
        self.now = 0.0
        self.out: list[Output] = []
        self.state = State.TERMINATED
        self._timers: dict[On, float] = {}
        self._table: Table = {}

    @property
    def terminated(self) -> bool:
        """Whether the transaction has terminated."""
        return self.state is State.TERMINATED

    @property
    def deadline(self) -> float | None:
        """When to call `expire` next, or None."""
        return min(self._timers.values()) if self._timers else None

    def expire(self, now: float) -> list[Output]:
        """Fire the timers that are due."""
        out: list[Output] = []
        while self._timers and (deadline := min(self._timers.values())) <= now:
            timer = next(timer for timer in TIMERS if self._timers.get(timer) == deadline)
            del self._timers[timer]
            out += self._on(timer, now)
        return out

    def transport_failed(self, now: float) -> list[Output]:
        """Report that a message could not be sent."""
        return self._on(On.TRANSPORT_ERROR, now)

    def end(self) -> None:
        """Terminate immediately."""
        self.state = State.TERMINATED
        self._timers.clear()

    def arm(self, timer: On, seconds: float) -> None:
        """Set a timer to fire ``seconds`` from now."""
        self._timers[timer] = self.now + seconds

    def disarm(self, timer: On) -> None:
        """Stop a timer if it is running."""
        self._timers.pop(timer, None)

    @abstractmethod
    def linger_time(self) -> float:
        """Return how long the transaction lingers after completion, in seconds."""

    @property
    def most_interval(self) -> float | None:
        """The maximum retransmission interval, in seconds, or None."""
        return self.timers.t2

    def _on(self, event: On, now: float, message: Message | None = None) -> list[Output]:
        try:
            step = self._table[self.state, event]
        except KeyError:
            raise TransactionMisuse(
                f"{type(self).__name__} of {self.request.method}: {event.name} while {self.state.name}"
            ) from None
        if step is None:
            return []
        self.now = now
        out: list[Output] = []
        self.out = out
        self.state, actions = step
        for action in actions:
            action(self, message)
        if self.state is State.TERMINATED:
            self._timers.clear()
        self.out = []
        return out


class ClientTransaction(Transaction):
    """A client transaction."""

    __slots__ = ("ack", "cancelling")

    def __init__(self, key: Key, request: Request, *, reliable: bool, timers: Timers, user: Any = None) -> None:
        super().__init__(key, request, reliable=reliable, timers=timers, user=user)
        self.ack: Request | None = None
        """The ACK to a final response other than 2xx."""
        self.cancelling = False
        """Whether its user no longer wants a response."""

    def start(self, now: float) -> list[Output]:
        """Send the request and arm the timers (A and B, or E and F)."""
        self._table = CLIENT_INVITE if self.invite else CLIENT_OTHER
        self.state = State.CALLING if self.invite else State.TRYING
        self.last = self.request
        self.now = now
        give_up_later(self, None)
        resend_later(self, None)
        return [Send(self.request)]

    def receive(self, response: Response, now: float) -> list[Output]:
        """Take a response that matches this transaction."""
        return self._on(_event_of(response), now, response)

    def cancel(self, now: float) -> list[Output]:
        """Cancel an INVITE (RFC 3261, 9.1), deferred until a provisional response has arrived."""
        return self._on(On.CANCEL, now)

    @property
    def most_interval(self) -> float | None:
        """Timer A has no maximum (RFC 3261, 17.1.1.2)."""
        return None if self.invite else self.timers.t2

    def linger_time(self) -> float:
        """Timer D, K or M."""
        if not self.invite:
            return 0.0 if self.reliable else self.timers.t4
        if self.state is State.ACCEPTED:
            return 64 * self.timers.t1
        return 0.0 if self.reliable else self.timers.d


class ServerTransaction(Transaction):
    """A server transaction."""

    __slots__ = ("context",)

    def __init__(self, key: Key, request: Request, *, reliable: bool, timers: Timers, user: Any = None) -> None:
        super().__init__(key, request, reliable=reliable, timers=timers, user=user)
        self.context: Any = None
        """Free for the transaction's user."""

    def start(self, now: float) -> list[Output]:
        """Take the request that creates the transaction and deliver it to the user."""
        self._table = SERVER_INVITE if self.invite else SERVER_OTHER
        self.state = State.PROCEEDING if self.invite else State.TRYING
        self.now = now
        if self.invite:
            self.arm(On.TRYING_TIMER, TRYING_AFTER)
        return [Deliver(self.request)]

    def receive(self, request: Request, now: float) -> list[Output]:
        """Handle a retransmission, or the ACK to an INVITE."""
        return self._on(On.ACK if request.method == "ACK" else On.REQUEST, now, request)

    def respond(self, response: Response, now: float) -> list[Output]:
        """Send a response. A second final response is dropped unless the state allows it."""
        return self._on(_event_of(response), now, response)

    def linger_time(self) -> float:
        """Timer I, J or L."""
        if self.state is State.ACCEPTED:
            return 64 * self.timers.t1
        if self.reliable:
            return 0.0
        return self.timers.t4 if self.invite else 64 * self.timers.t1


def _event_of(response: Response) -> On:
    return On.PROVISIONAL if response.status < 200 else On.SUCCESS if response.status < 300 else On.FAILURE


# ---- actions


def resend(transaction: Transaction, message: Message | None) -> None:
    """Retransmit the request or the last response."""
    if transaction.last is not None:
        transaction.out.append(Send(transaction.last))


def answer(transaction: Transaction, message: Message | None) -> None:
    """Send the user's response, and keep it for retransmissions of the request."""
    assert message is not None
    transaction.last = message
    transaction.disarm(On.TRYING_TIMER)
    transaction.out.append(Send(message))


def deliver(transaction: Transaction, message: Message | None) -> None:
    """Deliver the message to the user."""
    assert message is not None
    transaction.out.append(Deliver(message))


def acknowledge(transaction: Transaction, message: Message | None) -> None:
    """Acknowledge a final response other than 2xx (RFC 3261, 17.1.1.3), always with the same ACK."""
    assert isinstance(transaction, ClientTransaction) and isinstance(message, Response)
    if transaction.ack is None:
        transaction.ack = ack_for(transaction.request, message)
    transaction.out.append(Send(transaction.ack))


def resend_later(transaction: Transaction, message: Message | None) -> None:
    """Arm A, E or G, and double its interval up to the maximum; a reliable transport needs none."""
    if transaction.reliable:
        return
    transaction.arm(On.RESEND_TIMER, transaction.interval)
    most = transaction.most_interval
    transaction.interval *= 2
    if most is not None:
        transaction.interval = min(transaction.interval, most)


def slow_down(transaction: Transaction, message: Message | None) -> None:
    """Set timer E to T2 after a provisional response (RFC 3261, 17.1.2.2)."""
    transaction.interval = transaction.timers.t2


def give_up_later(transaction: Transaction, message: Message | None) -> None:
    """Arm B, F or H."""
    transaction.arm(On.GIVE_UP_TIMER, 64 * transaction.timers.t1)


def stop(transaction: Transaction, message: Message | None) -> None:
    """Stop the retransmission and timeout timers."""
    transaction.disarm(On.RESEND_TIMER)
    transaction.disarm(On.GIVE_UP_TIMER)


def linger(transaction: Transaction, message: Message | None) -> None:
    """Arm D, I, J, K, L or M; at zero the transaction terminates at once."""
    wait = transaction.linger_time()
    if wait > 0:
        transaction.arm(On.LINGER_TIMER, wait)
    else:
        transaction.state = State.TERMINATED


def try_(transaction: Transaction, message: Message | None) -> None:
    """Answer the INVITE with a 100."""
    transaction.out.append(Trying())


def want_cancel(transaction: Transaction, message: Message | None) -> None:
    """Defer the CANCEL until a provisional response arrives (RFC 3261, 9.1)."""
    assert isinstance(transaction, ClientTransaction)
    transaction.cancelling = True


def cancel(transaction: Transaction, message: Message | None) -> None:
    """Send the CANCEL, once, and wait at most 64*T1 for the final response (RFC 3261, 9.1)."""
    assert isinstance(transaction, ClientTransaction)
    if not transaction.cancelling:
        transaction.cancelling = True
        _cancel_now(transaction)


def cancel_if_wanted(transaction: Transaction, message: Message | None) -> None:
    """Send a deferred CANCEL."""
    assert isinstance(transaction, ClientTransaction)
    if transaction.cancelling:
        _cancel_now(transaction)


def _cancel_now(transaction: ClientTransaction) -> None:
    transaction.out.append(Cancel(cancel_for(transaction.request)))
    give_up_later(transaction, None)


def time_out(transaction: Transaction, message: Message | None) -> None:
    """Report a timeout to the user."""
    transaction.out.append(TimedOut())


def fail(transaction: Transaction, message: Message | None) -> None:
    """Report a transport failure to the user."""
    transaction.out.append(TransportFailed())


def ack_for(request: Request, response: Response) -> Request:
    """Return the ACK to a response of 300 or above: the INVITE's URI, top Via and Route; To from the response."""
    return _beside(request, "ACK", response.get("To") or request.get("To") or "")


def cancel_for(request: Request) -> Request:
    """Return the CANCEL of a request: its URI, top Via, Route, From, To, Call-ID (RFC 3261, 9.1)."""
    return _beside(request, "CANCEL", request.get("To") or "")


def _beside(request: Request, method: str, to: str) -> Request:
    return Request.build(
        method,
        request.uri,
        [
            ("Via", str(request.top_via)),
            *((("Max-Forwards", "70"),) if "Max-Forwards" in request else ()),
            *(("Route", route) for route in request.get_all("Route")),
            ("From", request.get("From") or ""),
            ("To", to),
            ("Call-ID", request.call_id),
            ("CSeq", f"{request.cseq.number} {method}"),
        ],
    )


# ---- the tables

Action = Callable[[Transaction, Message | None], None]
Step = tuple[State, tuple[Action, ...]]
Table = dict[tuple[State, On], Step | None]
IGNORED: Step | None = None

CLIENT_INVITE: Table = {
    (State.CALLING, On.RESEND_TIMER): (State.CALLING, (resend, resend_later)),
    (State.CALLING, On.GIVE_UP_TIMER): (State.TERMINATED, (time_out,)),
    (State.CALLING, On.TRANSPORT_ERROR): (State.TERMINATED, (fail,)),
    (State.CALLING, On.CANCEL): (State.CALLING, (want_cancel,)),
    (State.CALLING, On.PROVISIONAL): (State.PROCEEDING, (stop, deliver, cancel_if_wanted)),
    (State.CALLING, On.SUCCESS): (State.ACCEPTED, (stop, deliver, linger)),
    (State.CALLING, On.FAILURE): (State.COMPLETED, (stop, acknowledge, deliver, linger)),
    (State.PROCEEDING, On.PROVISIONAL): (State.PROCEEDING, (deliver,)),
    (State.PROCEEDING, On.CANCEL): (State.PROCEEDING, (cancel,)),
    (State.PROCEEDING, On.GIVE_UP_TIMER): (State.TERMINATED, (time_out,)),
    (State.PROCEEDING, On.SUCCESS): (State.ACCEPTED, (stop, deliver, linger)),
    (State.PROCEEDING, On.FAILURE): (State.COMPLETED, (stop, acknowledge, deliver, linger)),
    (State.PROCEEDING, On.TRANSPORT_ERROR): (State.TERMINATED, (fail,)),
    (State.COMPLETED, On.PROVISIONAL): IGNORED,
    (State.COMPLETED, On.SUCCESS): IGNORED,
    (State.COMPLETED, On.FAILURE): (State.COMPLETED, (acknowledge,)),
    (State.COMPLETED, On.CANCEL): IGNORED,
    (State.COMPLETED, On.TRANSPORT_ERROR): (State.TERMINATED, (fail,)),
    (State.COMPLETED, On.LINGER_TIMER): (State.TERMINATED, ()),
    (State.ACCEPTED, On.PROVISIONAL): IGNORED,
    (State.ACCEPTED, On.SUCCESS): (State.ACCEPTED, (deliver,)),
    (State.ACCEPTED, On.FAILURE): IGNORED,
    (State.ACCEPTED, On.CANCEL): IGNORED,
    (State.ACCEPTED, On.TRANSPORT_ERROR): IGNORED,
    (State.ACCEPTED, On.LINGER_TIMER): (State.TERMINATED, ()),
    (State.TERMINATED, On.CANCEL): IGNORED,
    (State.TERMINATED, On.TRANSPORT_ERROR): IGNORED,
}
"""RFC 3261, figure 5, with RFC 6026, figure 5, and CANCEL as in RFC 3261, 9.1."""

CLIENT_OTHER: Table = {
    (State.TRYING, On.RESEND_TIMER): (State.TRYING, (resend, resend_later)),
    (State.TRYING, On.GIVE_UP_TIMER): (State.TERMINATED, (time_out,)),
    (State.TRYING, On.TRANSPORT_ERROR): (State.TERMINATED, (fail,)),
    (State.TRYING, On.PROVISIONAL): (State.PROCEEDING, (slow_down, deliver)),
    (State.TRYING, On.SUCCESS): (State.COMPLETED, (stop, deliver, linger)),
    (State.TRYING, On.FAILURE): (State.COMPLETED, (stop, deliver, linger)),
    (State.PROCEEDING, On.RESEND_TIMER): (State.PROCEEDING, (resend, resend_later)),
    (State.PROCEEDING, On.GIVE_UP_TIMER): (State.TERMINATED, (time_out,)),
    (State.PROCEEDING, On.TRANSPORT_ERROR): (State.TERMINATED, (fail,)),
    (State.PROCEEDING, On.PROVISIONAL): (State.PROCEEDING, (deliver,)),
    (State.PROCEEDING, On.SUCCESS): (State.COMPLETED, (stop, deliver, linger)),
    (State.PROCEEDING, On.FAILURE): (State.COMPLETED, (stop, deliver, linger)),
    (State.COMPLETED, On.PROVISIONAL): IGNORED,
    (State.COMPLETED, On.SUCCESS): IGNORED,
    (State.COMPLETED, On.FAILURE): IGNORED,
    (State.COMPLETED, On.TRANSPORT_ERROR): IGNORED,
    (State.COMPLETED, On.LINGER_TIMER): (State.TERMINATED, ()),
    (State.TERMINATED, On.TRANSPORT_ERROR): IGNORED,
}
"""RFC 3261, figure 6."""

SERVER_INVITE: Table = {
    (State.PROCEEDING, On.REQUEST): (State.PROCEEDING, (resend,)),
    (State.PROCEEDING, On.ACK): IGNORED,
    (State.PROCEEDING, On.TRYING_TIMER): (State.PROCEEDING, (try_,)),
    (State.PROCEEDING, On.PROVISIONAL): (State.PROCEEDING, (answer,)),
    (State.PROCEEDING, On.SUCCESS): (State.ACCEPTED, (answer, linger)),
    (State.PROCEEDING, On.FAILURE): (State.COMPLETED, (answer, resend_later, give_up_later)),
    (State.PROCEEDING, On.TRANSPORT_ERROR): (State.PROCEEDING, (fail,)),
    (State.COMPLETED, On.REQUEST): (State.COMPLETED, (resend,)),
    (State.COMPLETED, On.SUCCESS): IGNORED,
    (State.COMPLETED, On.FAILURE): IGNORED,
    (State.COMPLETED, On.RESEND_TIMER): (State.COMPLETED, (resend, resend_later)),
    (State.COMPLETED, On.GIVE_UP_TIMER): (State.TERMINATED, (time_out,)),
    (State.COMPLETED, On.TRANSPORT_ERROR): (State.COMPLETED, (fail,)),
    (State.COMPLETED, On.ACK): (State.CONFIRMED, (stop, linger)),
    (State.CONFIRMED, On.REQUEST): IGNORED,
    (State.CONFIRMED, On.ACK): IGNORED,
    (State.CONFIRMED, On.SUCCESS): IGNORED,
    (State.CONFIRMED, On.FAILURE): IGNORED,
    (State.CONFIRMED, On.TRANSPORT_ERROR): IGNORED,
    (State.CONFIRMED, On.LINGER_TIMER): (State.TERMINATED, ()),
    (State.ACCEPTED, On.REQUEST): IGNORED,
    (State.ACCEPTED, On.SUCCESS): (State.ACCEPTED, (answer,)),
    (State.ACCEPTED, On.FAILURE): IGNORED,
    (State.ACCEPTED, On.ACK): (State.ACCEPTED, (deliver,)),
    (State.ACCEPTED, On.TRANSPORT_ERROR): (State.ACCEPTED, (fail,)),
    (State.ACCEPTED, On.LINGER_TIMER): (State.TERMINATED, ()),
    (State.TERMINATED, On.TRANSPORT_ERROR): IGNORED,
}
"""RFC 3261, figure 7, with RFC 6026, figure 7. A second final response of the user is ignored: a handler that fails
after it responded causes one.
"""

SERVER_OTHER: Table = {
    (State.TRYING, On.REQUEST): IGNORED,
    (State.TRYING, On.PROVISIONAL): (State.PROCEEDING, (answer,)),
    (State.TRYING, On.SUCCESS): (State.COMPLETED, (answer, linger)),
    (State.TRYING, On.FAILURE): (State.COMPLETED, (answer, linger)),
    (State.TRYING, On.TRANSPORT_ERROR): (State.TERMINATED, (fail,)),
    (State.PROCEEDING, On.REQUEST): (State.PROCEEDING, (resend,)),
    (State.PROCEEDING, On.PROVISIONAL): (State.PROCEEDING, (answer,)),
    (State.PROCEEDING, On.SUCCESS): (State.COMPLETED, (answer, linger)),
    (State.PROCEEDING, On.FAILURE): (State.COMPLETED, (answer, linger)),
    (State.PROCEEDING, On.TRANSPORT_ERROR): (State.TERMINATED, (fail,)),
    (State.COMPLETED, On.REQUEST): (State.COMPLETED, (resend,)),
    (State.COMPLETED, On.SUCCESS): IGNORED,
    (State.COMPLETED, On.FAILURE): IGNORED,
    (State.COMPLETED, On.TRANSPORT_ERROR): (State.TERMINATED, (fail,)),
    (State.COMPLETED, On.LINGER_TIMER): (State.TERMINATED, ()),
    (State.TERMINATED, On.SUCCESS): IGNORED,
    (State.TERMINATED, On.FAILURE): IGNORED,
    (State.TERMINATED, On.TRANSPORT_ERROR): IGNORED,
}
"""RFC 3261, figure 8; a second final response of the user is ignored, as in `SERVER_INVITE`."""
