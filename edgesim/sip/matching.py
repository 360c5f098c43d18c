"""All transactions of one element: message matching (RFC 3261, 17.1.3 and 17.2.3), and one deadline."""

from __future__ import annotations

import heapq
from itertools import islice
from typing import Any

from edgesim.sip.message import Request, Response
from edgesim.sip.transaction import ClientTransaction, ServerTransaction, Transaction
from edgesim.sip.transaction_events import Deliver, Key, Output, State, Timers
from edgesim.sip.values import Via

SERVERS = 20_000
"""How many transactions a stateful element keeps."""
SEARCHED = 64
"""How many of the oldest are searched for one that is completed."""


def client_key(via: Via, method: str) -> Key:
    """Return the key that matches a response to its transaction (RFC 3261, 17.1.3)."""
    return (via.branch or "", method)


def server_key(message: Request | Response, method: str | None = None) -> Key:
    """Return the key that matches a request, or its response, to a transaction (RFC 3261, 17.2.3); ACK matches its
    INVITE.

    Call-ID, CSeq and the From tag count beside the branch, since a branch may not be unique (RFC 2543, or the magic
    cookie alone), and distinct requests must not pass for retransmissions.
    """
    via = message.top_via
    cseq = message.cseq
    method = method or ("INVITE" if cseq.method == "ACK" else cseq.method)
    return (via.branch or "", via.sent_by, method, message.call_id, str(cseq.number), message.from_.tag or "")


class Transactions:
    """All transactions of one element, matched by key, with one deadline for all."""

    def __init__(self, timers: Timers) -> None:
        self.timers = timers
        self.limit = SERVERS
        self.clients: dict[Key, ClientTransaction] = {}
        self.servers: dict[Key, ServerTransaction] = {}
        self._heap: list[tuple[float, int, Transaction]] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self.clients) + len(self.servers)

    @property
    def deadline(self) -> float | None:
        """When to call `expire` next, or None."""
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
            raise ValueError("a transaction with this branch and method is in progress")
        transaction = ClientTransaction(key, request, reliable=reliable, timers=self.timers, user=user)
        outputs = transaction.start(now)
        self.clients[key] = transaction
        self._after(transaction)
        return transaction, outputs

    def client_transaction(self, response: Response) -> ClientTransaction | None:
        """Return the client transaction of a response."""
        return self.clients.get(client_key(response.top_via, response.cseq.method))

    def response(self, transaction: ClientTransaction, response: Response, now: float) -> list[Output]:
        """Handle a response that matches a client transaction."""
        outputs = transaction.receive(response, now)
        self._after(transaction)
        return outputs

    def incoming(
        self, request: Request, now: float, *, reliable: bool, user: Any = None
    ) -> tuple[ServerTransaction | None, list[Output]]:
        """Handle a request from the wire; a new one yields a `Deliver`.

        The transaction is None for an ACK that matches none: the ACK to a 2xx, which belongs to the user.
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
        """Return whether a request can be accepted; an old completed transaction may be forgotten for a new one.

        A retransmission of a forgotten request counts as new and is answered again.
        """
        if len(self.servers) < self.limit or request.method == "ACK" or server_key(request) in self.servers:
            return True
        for old in islice(self.servers.values(), SEARCHED):
            if old.state not in (State.TRYING, State.PROCEEDING):
                self.forget(old)
                return True
        return False

    def server_transaction(self, request: Request) -> ServerTransaction | None:
        """Return the server transaction of a request."""
        return self.servers.get(server_key(request))

    def cancelled(self, cancel: Request) -> ServerTransaction | None:
        """Return the transaction that a CANCEL matches (RFC 3261, 9.2)."""
        return self.servers.get(server_key(cancel, "INVITE"))

    def respond(self, response: Response, now: float) -> tuple[ServerTransaction, list[Output]] | None:
        """Pass a response to its server transaction; return None if there is none."""
        transaction = self.servers.get(server_key(response))
        if transaction is None:
            return None
        outputs = transaction.respond(response, now)
        self._after(transaction)
        return transaction, outputs

    def cancel(self, transaction: ClientTransaction, now: float) -> list[Output]:
        """Cancel a client transaction on behalf of its user."""
        outputs = transaction.cancel(now)
        self._after(transaction)
        return outputs

    def failed(self, transaction: Transaction, now: float) -> list[Output]:
        """Report to a transaction that its transport failed."""
        outputs = transaction.transport_failed(now)
        self._after(transaction)
        return outputs

    def forget(self, transaction: Transaction) -> None:
        """Drop a transaction whose user has gone."""
        transaction.end()
        self._after(transaction)

    def expire(self, now: float) -> list[tuple[Transaction, list[Output]]]:
        """Fire every timer that is due, in order."""
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
