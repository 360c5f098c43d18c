"""The four transactions of RFC 3261, section 17, with the corrections of RFC 6026, without IO.

A transaction takes messages and the time, and gives outputs: messages to send, messages for its user, its end. The
behaviour is the four tables at the end of the file: (state, event) to (next state, actions). A pair that is not in a
table is an event that changes nothing. Times are seconds of any steady clock.
"""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from typing import Any

from edgesim.sip.message import Request, Response
from edgesim.sip.values import Via

SERVERS = 20_000
"""How many requests a stateful element remembers at once."""
SEARCHED = 64
"""How many of the oldest are looked at for one that is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """The base values of RFC 3261, table 4, in seconds; the lettered timers follow from them."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
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
    RESEND_TIMER = auto()
    """A, E or G: retransmit."""
    GIVE_UP_TIMER = auto()
    """B, F or H: nobody answers."""
    LINGER_TIMER = auto()
    """D, I, J, K, L or M: late retransmissions have died out."""
    TRANSPORT_ERROR = auto()


class Do(Enum):
    """What a transaction does about it."""

    SEND = "_send"
    """(Re)send the request, or the last response."""
    ACK = "_ack"
    DELIVER = "_deliver"
    RESEND_LATER = "_resend_later"
    SLOW_DOWN = "_slow_down"
    STOP = "_stop"
    LINGER = "_linger"
    GIVE_UP_LATER = "_give_up_later"
    TIMED_OUT = "_timed_out"
    FAILED = "_failed"


@dataclass(frozen=True, slots=True)
class Send:
    """Put this message on the wire."""

    message: Request | Response


@dataclass(frozen=True, slots=True)
class Deliver:
    """Give this message to the transaction's user."""

    message: Request | Response


@dataclass(frozen=True, slots=True)
class TimedOut:
    """Nobody answered in time."""


@dataclass(frozen=True, slots=True)
class TransportFailed:
    """The transport could not carry a message."""


Output = Send | Deliver | TimedOut | TransportFailed
Table = dict[tuple[State, On], tuple[State, tuple[Do, ...]]]
Key = tuple[str, ...]


class Transaction(ABC):
    """One transaction. ``user`` is for whoever uses it; it means nothing here."""

    __slots__ = (
        "_ack_message",
        "_give_up",
        "_interval",
        "_invite",
        "_linger_until",
        "_now",
        "_out",
        "_resend",
        "_table",
        "invite",
        "key",
        "last",
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
        self.last: Request | Response | None = None
        self._ack_message: Request | None = None
        self._interval = timers.t1
        self._resend: float | None = None
        self._give_up: float | None = None
        self._linger_until: float | None = None
        self._now = 0.0
        self._out: list[Output] = []
        self.state = State.TERMINATED
        self._table: Table = {}

    @property
    def terminated(self) -> bool:
        """Whether it is over."""
        return self.state is State.TERMINATED

    @property
    def deadline(self) -> float | None:
        """When `expire` wants to be called next, or None."""
        if self.state is State.TERMINATED:
            return None
        return min((at for at in (self._resend, self._give_up, self._linger_until) if at is not None), default=None)

    def expire(self, now: float) -> list[Output]:
        """Let the timers that are due fire."""
        out: list[Output] = []
        while self.state is not State.TERMINATED:
            deadline = self.deadline
            if deadline is None or deadline > now:
                break
            if deadline == self._linger_until:
                self._linger_until = None
                out += self._on(On.LINGER_TIMER, now)
            elif deadline == self._give_up:
                self._give_up = None
                out += self._on(On.GIVE_UP_TIMER, now)
            else:
                self._resend = None
                out += self._on(On.RESEND_TIMER, now)
        return out

    def transport_failed(self, now: float) -> list[Output]:
        """Say that a message could not be carried."""
        return self._on(On.TRANSPORT_ERROR, now)

    def _on(self, event: On, now: float, message: Request | Response | None = None) -> list[Output]:
        step = self._table.get((self.state, event))
        if step is None:
            return []
        self._now = now
        out: list[Output] = []
        self._out = out
        self.state, actions = step
        for action in actions:
            getattr(self, action.value)(message)
        self._out = []
        return out

    # ---- actions

    def _send(self, message: Request | Response | None) -> None:
        if self.last is not None:
            self._out.append(Send(self.last))

    def _deliver(self, message: Request | Response | None) -> None:
        if message is not None:
            self._out.append(Deliver(message))

    def _resend_later(self, message: Request | Response | None) -> None:
        """Arm A, E or G and double it; A alone has no ceiling (RFC 3261, 17.1.1.2)."""
        if self.reliable:
            return
        self._resend = self._now + self._interval
        self._interval *= 2
        if not (self.invite and isinstance(self, ClientTransaction)):
            self._interval = min(self._interval, self.timers.t2)

    def _slow_down(self, message: Request | Response | None) -> None:
        """Timer E runs at T2 once a provisional response came (RFC 3261, 17.1.2.2)."""
        self._interval = self.timers.t2

    def _give_up_later(self, message: Request | Response | None) -> None:
        self._give_up = self._now + 64 * self.timers.t1

    def _stop(self, message: Request | Response | None) -> None:
        self._resend = self._give_up = None

    def _linger(self, message: Request | Response | None) -> None:
        wait = self._linger_time()
        if wait > 0:
            self._linger_until = self._now + wait
        else:
            self.state = State.TERMINATED

    @abstractmethod
    def _linger_time(self) -> float:
        """Return how long it lingers once it has ended, in seconds."""

    def _timed_out(self, message: Request | Response | None) -> None:
        self._out.append(TimedOut())

    def _failed(self, message: Request | Response | None) -> None:
        self._out.append(TransportFailed())

    def _ack(self, message: Request | Response | None) -> None:
        """Acknowledge a final response that is no success (RFC 3261, 17.1.1.3)."""
        if isinstance(message, Response):
            self._ack_message = ack_for(self.request, message)
        if self._ack_message is not None:
            self._out.append(Send(self._ack_message))


class ClientTransaction(Transaction):
    """A transaction of the side that asks."""

    __slots__ = ()

    def start(self, now: float) -> list[Output]:
        """Send the request and arm the timers (A and B, or E and F)."""
        self._table = CLIENT_INVITE if self.invite else CLIENT_OTHER
        self.state = State.CALLING if self.invite else State.TRYING
        self.last = self.request
        self._now = now
        self._give_up_later(None)
        self._resend_later(None)
        return [Send(self.request)]

    def receive(self, response: Response, now: float) -> list[Output]:
        """Take a response that matches this transaction."""
        event = On.PROVISIONAL if response.status < 200 else On.SUCCESS if response.status < 300 else On.FAILURE
        return self._on(event, now, response)

    def _linger_time(self) -> float:
        if not self.invite:
            return 0.0 if self.reliable else self.timers.t4
        if self.state is State.ACCEPTED:
            return 64 * self.timers.t1
        return 0.0 if self.reliable else self.timers.d


class ServerTransaction(Transaction):
    """A transaction of the side that answers."""

    __slots__ = ()

    def start(self, now: float) -> list[Output]:
        """Take the request that makes the transaction; it is for the user to deliver."""
        self._table = SERVER_INVITE if self.invite else SERVER_OTHER
        self.state = State.PROCEEDING if self.invite else State.TRYING
        self._now = now
        return [Deliver(self.request)]

    def receive(self, request: Request, now: float) -> list[Output]:
        """Take a retransmission, or the ACK to an INVITE."""
        return self._on(On.ACK if request.method == "ACK" else On.REQUEST, now, request)

    def respond(self, response: Response, now: float) -> list[Output]:
        """Send a response. One that the state does not allow (a second final one) is not sent."""
        event = On.PROVISIONAL if response.status < 200 else On.SUCCESS if response.status < 300 else On.FAILURE
        if (self.state, event) in self._table:
            self.last = response
        return self._on(event, now, response)

    def _linger_time(self) -> float:
        if self.state is State.ACCEPTED:
            return 64 * self.timers.t1
        if self.reliable:
            return 0.0
        return self.timers.t4 if self.invite else 64 * self.timers.t1


def ack_for(request: Request, response: Response) -> Request:
    """Return the ACK to a response from 300 up: the INVITE's URI, top Via, Route; To from the response."""
    return Request.build(
        "ACK",
        request.uri,
        [
            ("Via", str(request.top_via)),
            *((("Max-Forwards", "70"),) if "Max-Forwards" in request else ()),
            *(("Route", route) for route in request.get_all("Route")),
            ("From", request.get("From") or ""),
            ("To", response.get("To") or request.get("To") or ""),
            ("Call-ID", request.call_id),
            ("CSeq", f"{request.cseq.number} ACK"),
        ],
    )


def client_key(via: Via, method: str) -> Key:
    """Return what a response is matched by (RFC 3261, 17.1.3)."""
    return (via.branch or "", method)


def server_key(message: Request | Response, method: str | None = None) -> Key:
    """Return what a request, or the response to it, is matched by (RFC 3261, 17.2.3); ACK finds its INVITE.

    Call-ID, CSeq and the tag in From count beside the branch: a branch may say nothing (that of RFC 2543, or the magic
    cookie alone), and what it cannot tell apart is no retransmission.
    """
    via = message.top_via
    cseq = message.cseq
    method = method or ("INVITE" if cseq.method == "ACK" else cseq.method)
    return (via.branch or "", via.sent_by, method, message.call_id, str(cseq.number), message.from_.tag or "")


class Transactions:
    """All transactions of one element, matched by key, with one next deadline for all."""

    def __init__(self, timers: Timers | None = None) -> None:
        self.timers = timers or Timers()
        self.limit = SERVERS
        self.clients: dict[Key, ClientTransaction] = {}
        self.servers: dict[Key, ServerTransaction] = {}
        self._heap: list[tuple[float, int, Transaction]] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self.clients) + len(self.servers)

    @property
    def deadline(self) -> float | None:
        """When `expire` wants to be called next, or None."""
        heap = self._heap
        while heap and heap[0][2].deadline != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def request(
        self, request: Request, now: float, *, reliable: bool, user: Any = None
    ) -> tuple[ClientTransaction, list[Output]]:
        """Begin a client transaction. Raises `ValueError` if its key is in use, `SipProtocolError` without a Via."""
        key = client_key(request.top_via, request.method)
        if key in self.clients:
            raise ValueError("a transaction with this branch and method is under way")
        transaction = ClientTransaction(key, request, reliable=reliable, timers=self.timers, user=user)
        outputs = transaction.start(now)
        self.clients[key] = transaction
        self._after(transaction)
        return transaction, outputs

    def response(self, response: Response, now: float) -> tuple[ClientTransaction, list[Output]] | None:
        """Take a response from the wire; None where it belongs to no transaction."""
        transaction = self.clients.get(client_key(response.top_via, response.cseq.method))
        if transaction is None:
            return None
        outputs = transaction.receive(response, now)
        self._after(transaction)
        return transaction, outputs

    def incoming(
        self, request: Request, now: float, *, reliable: bool, user: Any = None
    ) -> tuple[ServerTransaction | None, list[Output]]:
        """Take a request from the wire. A `Deliver` among the outputs is new to the user.

        The transaction is None for an ACK that matches none: that of a 2xx, which is the user's.
        """
        key = server_key(request)
        transaction = self.servers.get(key)
        if transaction is None:
            if request.method == "ACK":
                return None, [Deliver(request)]
            transaction = ServerTransaction(key, request, reliable=reliable, timers=self.timers, user=user)
            outputs = transaction.start(now)
            self.servers[key] = transaction
        else:
            outputs = transaction.receive(request, now)
        self._after(transaction)
        return transaction, outputs

    def room(self, request: Request) -> bool:
        """Say whether a request can be taken; for a new one, an old one that is answered may be forgotten.

        A retransmission of a forgotten request is new, and gets its answer anew.
        """
        if len(self.servers) < self.limit or request.method == "ACK" or server_key(request) in self.servers:
            return True
        for old in islice(self.servers.values(), SEARCHED):
            if old.state not in (State.TRYING, State.PROCEEDING):
                self.forget(old)
                return True
        return False

    def cancelled(self, cancel: Request) -> ServerTransaction | None:
        """Return the transaction that a CANCEL means (RFC 3261, 9.2)."""
        return self.servers.get(server_key(cancel, "INVITE"))

    def respond(self, response: Response, now: float) -> tuple[ServerTransaction, list[Output]] | None:
        """Answer by the transaction that a response belongs to; None where there is none."""
        transaction = self.servers.get(server_key(response))
        if transaction is None:
            return None
        outputs = transaction.respond(response, now)
        self._after(transaction)
        return transaction, outputs

    def failed(self, transaction: Transaction, now: float) -> list[Output]:
        """Say that a transaction's transport failed."""
        outputs = transaction.transport_failed(now)
        self._after(transaction)
        return outputs

    def forget(self, transaction: Transaction) -> None:
        """Drop a transaction whose user has gone."""
        transaction.state = State.TERMINATED
        self._after(transaction)

    def expire(self, now: float) -> list[tuple[Transaction, list[Output]]]:
        """Let every timer that is due fire, in the order in which they are due."""
        fired: list[tuple[Transaction, list[Output]]] = []
        while (deadline := self.deadline) is not None and deadline <= now:
            transaction = heapq.heappop(self._heap)[2]
            fired.append((transaction, transaction.expire(now)))
            self._after(transaction)
        return fired

    def _after(self, transaction: Transaction) -> None:
        deadline = transaction.deadline
        if transaction.terminated:
            table: dict[Key, Any] = self.clients if isinstance(transaction, ClientTransaction) else self.servers
            if table.get(transaction.key) is transaction:
                del table[transaction.key]
        elif deadline is not None:
            self._sequence += 1
            heapq.heappush(self._heap, (deadline, self._sequence, transaction))
        if len(self._heap) > 64 and len(self._heap) > 4 * len(self):
            self._heap = [entry for entry in self._heap if entry[2].deadline == entry[0]]
            heapq.heapify(self._heap)


CLIENT_INVITE: Table = {
    (State.CALLING, On.RESEND_TIMER): (State.CALLING, (Do.SEND, Do.RESEND_LATER)),
    (State.CALLING, On.GIVE_UP_TIMER): (State.TERMINATED, (Do.TIMED_OUT,)),
    (State.CALLING, On.TRANSPORT_ERROR): (State.TERMINATED, (Do.FAILED,)),
    (State.CALLING, On.PROVISIONAL): (State.PROCEEDING, (Do.STOP, Do.DELIVER)),
    (State.CALLING, On.SUCCESS): (State.ACCEPTED, (Do.STOP, Do.DELIVER, Do.LINGER)),
    (State.CALLING, On.FAILURE): (State.COMPLETED, (Do.STOP, Do.ACK, Do.DELIVER, Do.LINGER)),
    (State.PROCEEDING, On.PROVISIONAL): (State.PROCEEDING, (Do.DELIVER,)),
    (State.PROCEEDING, On.SUCCESS): (State.ACCEPTED, (Do.DELIVER, Do.LINGER)),
    (State.PROCEEDING, On.FAILURE): (State.COMPLETED, (Do.ACK, Do.DELIVER, Do.LINGER)),
    (State.PROCEEDING, On.TRANSPORT_ERROR): (State.TERMINATED, (Do.FAILED,)),
    (State.COMPLETED, On.FAILURE): (State.COMPLETED, (Do.ACK,)),
    (State.COMPLETED, On.TRANSPORT_ERROR): (State.TERMINATED, (Do.FAILED,)),
    (State.COMPLETED, On.LINGER_TIMER): (State.TERMINATED, ()),
    (State.ACCEPTED, On.SUCCESS): (State.ACCEPTED, (Do.DELIVER,)),
    (State.ACCEPTED, On.LINGER_TIMER): (State.TERMINATED, ()),
}
"""RFC 3261, figure 5, with RFC 6026, figure 5."""

CLIENT_OTHER: Table = {
    (State.TRYING, On.RESEND_TIMER): (State.TRYING, (Do.SEND, Do.RESEND_LATER)),
    (State.TRYING, On.GIVE_UP_TIMER): (State.TERMINATED, (Do.TIMED_OUT,)),
    (State.TRYING, On.TRANSPORT_ERROR): (State.TERMINATED, (Do.FAILED,)),
    (State.TRYING, On.PROVISIONAL): (State.PROCEEDING, (Do.SLOW_DOWN, Do.DELIVER)),
    (State.TRYING, On.SUCCESS): (State.COMPLETED, (Do.STOP, Do.DELIVER, Do.LINGER)),
    (State.TRYING, On.FAILURE): (State.COMPLETED, (Do.STOP, Do.DELIVER, Do.LINGER)),
    (State.PROCEEDING, On.RESEND_TIMER): (State.PROCEEDING, (Do.SEND, Do.RESEND_LATER)),
    (State.PROCEEDING, On.GIVE_UP_TIMER): (State.TERMINATED, (Do.TIMED_OUT,)),
    (State.PROCEEDING, On.TRANSPORT_ERROR): (State.TERMINATED, (Do.FAILED,)),
    (State.PROCEEDING, On.PROVISIONAL): (State.PROCEEDING, (Do.DELIVER,)),
    (State.PROCEEDING, On.SUCCESS): (State.COMPLETED, (Do.STOP, Do.DELIVER, Do.LINGER)),
    (State.PROCEEDING, On.FAILURE): (State.COMPLETED, (Do.STOP, Do.DELIVER, Do.LINGER)),
    (State.COMPLETED, On.LINGER_TIMER): (State.TERMINATED, ()),
}
"""RFC 3261, figure 6."""

SERVER_INVITE: Table = {
    (State.PROCEEDING, On.REQUEST): (State.PROCEEDING, (Do.SEND,)),
    (State.PROCEEDING, On.PROVISIONAL): (State.PROCEEDING, (Do.SEND,)),
    (State.PROCEEDING, On.SUCCESS): (State.ACCEPTED, (Do.SEND, Do.LINGER)),
    (State.PROCEEDING, On.FAILURE): (State.COMPLETED, (Do.SEND, Do.RESEND_LATER, Do.GIVE_UP_LATER)),
    (State.PROCEEDING, On.TRANSPORT_ERROR): (State.TERMINATED, (Do.FAILED,)),
    (State.COMPLETED, On.REQUEST): (State.COMPLETED, (Do.SEND,)),
    (State.COMPLETED, On.RESEND_TIMER): (State.COMPLETED, (Do.SEND, Do.RESEND_LATER)),
    (State.COMPLETED, On.GIVE_UP_TIMER): (State.TERMINATED, (Do.TIMED_OUT,)),
    (State.COMPLETED, On.TRANSPORT_ERROR): (State.TERMINATED, (Do.FAILED,)),
    (State.COMPLETED, On.ACK): (State.CONFIRMED, (Do.STOP, Do.LINGER)),
    (State.CONFIRMED, On.LINGER_TIMER): (State.TERMINATED, ()),
    (State.ACCEPTED, On.SUCCESS): (State.ACCEPTED, (Do.SEND,)),
    (State.ACCEPTED, On.ACK): (State.ACCEPTED, (Do.DELIVER,)),
    (State.ACCEPTED, On.LINGER_TIMER): (State.TERMINATED, ()),
}
"""RFC 3261, figure 7, with RFC 6026, figure 7."""

SERVER_OTHER: Table = {
    (State.TRYING, On.PROVISIONAL): (State.PROCEEDING, (Do.SEND,)),
    (State.TRYING, On.SUCCESS): (State.COMPLETED, (Do.SEND, Do.LINGER)),
    (State.TRYING, On.FAILURE): (State.COMPLETED, (Do.SEND, Do.LINGER)),
    (State.TRYING, On.TRANSPORT_ERROR): (State.TERMINATED, (Do.FAILED,)),
    (State.PROCEEDING, On.REQUEST): (State.PROCEEDING, (Do.SEND,)),
    (State.PROCEEDING, On.PROVISIONAL): (State.PROCEEDING, (Do.SEND,)),
    (State.PROCEEDING, On.SUCCESS): (State.COMPLETED, (Do.SEND, Do.LINGER)),
    (State.PROCEEDING, On.FAILURE): (State.COMPLETED, (Do.SEND, Do.LINGER)),
    (State.PROCEEDING, On.TRANSPORT_ERROR): (State.TERMINATED, (Do.FAILED,)),
    (State.COMPLETED, On.REQUEST): (State.COMPLETED, (Do.SEND,)),
    (State.COMPLETED, On.TRANSPORT_ERROR): (State.TERMINATED, (Do.FAILED,)),
    (State.COMPLETED, On.LINGER_TIMER): (State.TERMINATED, ()),
}
"""RFC 3261, figure 8."""
