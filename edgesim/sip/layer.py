"""The transaction layer of one endpoint: performs the outputs of its transactions, with one timer for all.

It sits between connections and transaction users (RFC 3261, 5): the user of a client transaction is a `ClientUser`; the
user of a server transaction gets requests through ``deliver`` and responds with `TransactionLayer.respond`, at once or
later.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Protocol

from edgesim.sip.connection import Connection
from edgesim.sip.errors import SipTransportError
from edgesim.sip.matching import Transactions
from edgesim.sip.message import Request, Response
from edgesim.sip.transaction import ClientTransaction, ServerTransaction, Transaction
from edgesim.sip.transaction_events import (
    Cancel,
    Deliver,
    Output,
    Send,
    State,
    TimedOut,
    Timers,
    TransportFailed,
    Trying,
)


class ClientUser(Protocol):
    """The user of a client transaction, notified of responses or of failure."""

    @property
    def connection(self) -> Connection:
        """The connection the request was sent on."""

    def answered(self, response: Response) -> None:
        """A response arrived: provisional, final, or a further 2xx to an INVITE."""

    def timed_out(self) -> None:
        """No response within timer B or F, or in time after a CANCEL."""

    def failed(self) -> None:
        """The request could not be sent, or its connection was lost."""


class _Canceller:
    """The user of a CANCEL's transaction; only the INVITE's response matters."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def answered(self, response: Response) -> None:
        """Ignore: the 200 only acknowledges the CANCEL."""

    def timed_out(self) -> None:
        """Ignore: the INVITE has its own time limit."""

    def failed(self) -> None:
        """Ignore: the INVITE fails too."""


class TransactionLayer:
    """``deliver`` gets each new request and the ACK to a 2xx; ``answer`` builds the 100 to a pending INVITE.

    ``failed`` is called when a `ClientUser` raises, with the response it was given, or None if there was none.
    """

    def __init__(
        self,
        timers: Timers,
        *,
        limit: int,
        context: contextvars.Context,
        deliver: Callable[[Request, Connection], None],
        answer: Callable[[Request, int], Response],
        failed: Callable[[Exception, Response | None, Connection], None],
    ) -> None:
        self.transactions = Transactions(timers)
        self.transactions.limit = limit
        self._deliver = deliver
        self._answer = answer
        self._failed = failed
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    # ---- client side

    def request(self, request: Request, user: ClientUser) -> ClientTransaction:
        """Send a request in a client transaction. Raises `ValueError` if its branch is in use."""
        transaction, outputs = self.transactions.request(
            request, self._loop.time(), reliable=user.connection.reliable, user=user
        )
        self._carry(transaction, outputs)
        self._arm()
        return transaction

    def cancel(self, transaction: ClientTransaction) -> None:
        """Cancel an INVITE (RFC 3261, 9.1); has no effect after its final response."""
        if transaction.invite:
            self._carry(transaction, self.transactions.cancel(transaction, self._loop.time()))
            self._arm()

    def forget(self, transaction: Transaction) -> None:
        """Drop a transaction whose user has gone."""
        self.transactions.forget(transaction)
        self._arm()

    # ---- server side

    def respond(self, response: Response) -> bool:
        """Send a response through its server transaction; return false if there is none."""
        if not self.transactions.servers:
            return False
        found = self.transactions.respond(response, self._loop.time())
        if found is None:
            return False
        self._carry(*found)
        self._arm()
        return True

    def remember(self, request: Request, context: object) -> None:
        """Store the user's object with a request's server transaction, if it has one."""
        transaction = self.transactions.server_transaction(request)
        if transaction is not None:
            transaction.context = context

    def unanswered(self) -> list[Request]:
        """Return the received requests without a final response."""
        waiting = (State.TRYING, State.PROCEEDING)
        return [each.request for each in self.transactions.servers.values() if each.state in waiting]

    # ---- called by connections

    def incoming(self, request: Request, connection: Connection) -> bool:
        """Handle a request from the wire; return false if there is no room for it."""
        if not self.transactions.room(request):
            return False
        transaction, outputs = self.transactions.incoming(
            request, self._loop.time(), reliable=connection.reliable, user=connection
        )
        if transaction is None:
            self._deliver(request, connection)
        else:
            self._carry(transaction, outputs, connection)
        self._arm()
        return True

    def response(self, response: Response, connection: Connection) -> bool:
        """Handle a response from the wire; return false if no transaction of this connection matches.

        A response on another stream than its request's is not from the peer that was asked.
        """
        if not self.transactions.clients:
            return False
        transaction = self.transactions.client_transaction(response)
        if transaction is None or (connection.reliable and transaction.user.connection is not connection):
            return False
        self._carry(transaction, self.transactions.response(transaction, response, self._loop.time()))
        self._arm()
        return True

    def connection_lost(self, connection: Connection) -> None:
        """A connection ended: its client transactions fail, its server transactions need no response."""
        now = self._loop.time()
        for client in [*self.transactions.clients.values()]:
            if client.user.connection is connection:
                self._carry(client, self.transactions.failed(client, now))
                self.transactions.forget(client)
        for server in [*self.transactions.servers.values()]:
            if server.user is connection:
                self.transactions.forget(server)
        self._arm()

    def close(self) -> None:
        """End all transactions; waiting users are notified of the failure."""
        for transaction in [*self.transactions.clients.values(), *self.transactions.servers.values()]:
            self._carry(transaction, self.transactions.failed(transaction, self._loop.time()))
            self.transactions.forget(transaction)
        self._arm()

    # ---- inside

    def _carry(self, transaction: Transaction, outputs: list[Output], source: Connection | None = None) -> None:
        """Perform the outputs of a transaction; ``source`` is the connection of the message that caused them."""
        if isinstance(transaction, ClientTransaction):
            self._carry_for(transaction, transaction.user, outputs)
        elif isinstance(transaction, ServerTransaction):
            connection: Connection = transaction.user
            for output in outputs:
                match output:
                    case Send(message):
                        if not self._sent(transaction, message, connection):
                            return
                    case Deliver(message):
                        assert isinstance(message, Request)
                        self._deliver(message, source or connection)
                    case Trying():
                        self.respond(self._answer(transaction.request, 100))

    def _carry_for(self, transaction: ClientTransaction, user: ClientUser, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Send(message):
                    if not self._sent(transaction, message, user.connection):
                        return
                case Cancel(request):
                    self.request(request, _Canceller(user.connection))
                case _:
                    self._report(user, output)

    def _report(self, user: ClientUser, output: Output) -> None:
        """Notify a user; an exception of its does not stop the transactions."""
        response: Response | None = None
        try:
            match output:
                case Deliver(Response() as message):
                    response = message
                    user.answered(message)
                case TimedOut():
                    user.timed_out()
                case TransportFailed():
                    user.failed()
        except Exception as error:
            self._failed(error, response, user.connection)

    def _sent(self, transaction: Transaction, message: Request | Response, connection: Connection) -> bool:
        try:
            connection.send_now(message)
        except SipTransportError:
            self._carry(transaction, self.transactions.failed(transaction, self._loop.time()))
            return False
        return True

    def _arm(self) -> None:
        """Keep one timer at the earliest deadline."""
        deadline = self.transactions.deadline
        timer = self._timer
        if deadline is None:
            if timer is not None:
                timer.cancel()
                self._timer = None
        elif timer is None or deadline < self._timer_at:
            if timer is not None:
                timer.cancel()
            self._timer_at = deadline
            self._timer = self._loop.call_at(deadline, self._expire, context=self._context)

    def _expire(self) -> None:
        self._timer = None
        # Rounding must not make a deadline that was reached appear to lie ahead.
        now = max(self._loop.time(), self._timer_at)
        for transaction, outputs in self.transactions.expire(now):
            self._carry(transaction, outputs)
        self._arm()
