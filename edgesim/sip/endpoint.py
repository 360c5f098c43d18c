"""A SIP endpoint over asyncio: matches responses to requests, journals what arrives, calls the program's handlers.

A *stateful* endpoint (a user agent: Unified CM, a phone) runs every request that it receives through a server
transaction. An endpoint that is stateful for ``"INVITE"`` (a proxy whose connections are all reliable: the Expressways)
does so for INVITE, CANCEL and ACK; a stateless one never does: it gets each message as received. In all of them,
requests sent by `SipEndpoint.request` run in client transactions. Handlers are called in order of arrival, in the
context of the host; a handler that returns a coroutine has it run as a task of the host. `Connection.send` may send a
response at any later time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeVar

from edgesim.journal import Recorder, events
from edgesim.journal.suspects import suspected
from edgesim.sip import journalling, stun
from edgesim.sip.connection import Connection, StreamConnection, StunHook
from edgesim.sip.errors import SipError, SipProtocolError, SipTimeout, SipTransportError
from edgesim.sip.framing import SipLimits
from edgesim.sip.layer import TransactionLayer
from edgesim.sip.matching import Transactions, client_key
from edgesim.sip.message import Request, Response
from edgesim.sip.parsing import MalformedMessage
from edgesim.sip.transaction import ServerTransaction
from edgesim.sip.transaction_events import State, Timers
from edgesim.sip.transports import ConnectionHandler, Transports
from edgesim.world import Host
from edgesim.world.pace import Pace, PaceLimits

Handling = Coroutine[Any, Any, None] | None
M = TypeVar("M", Request, Response)
Message = Request | Response | stun.StunMessage
RequestHandler = Callable[[Request, Connection], Handling]
ResponseHandler = Callable[[Response, Connection], Handling]
CancelHandler = Callable[[Request, Connection], None]
LossHandler = Callable[[Connection, Exception | None], None]

CALLING = ("INVITE", "ACK")
"""The methods that a proxy whose connections are all reliable runs through transactions."""


class _Waiter:
    """The waiter for the response to a request."""

    def __init__(
        self,
        endpoint: SipEndpoint,
        connection: Connection,
        provisional: Callable[[Response], None] | None,
    ) -> None:
        self.connection = connection
        self.answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._endpoint = endpoint
        self._provisional = provisional

    def answered(self, response: Response) -> None:
        if self.answer.done():
            if 200 <= response.status < 300:
                # Another 2xx of a forked INVITE, or one that is no longer awaited: the user acknowledges each.
                self._endpoint.stray(response, self.connection)
        elif response.status >= 200:
            self.answer.set_result(response)
        elif self._provisional is not None:
            self._provisional(response)

    def timed_out(self) -> None:
        self._fail(SipTimeout("no final response"))

    def failed(self) -> None:
        self._fail(SipTransportError("connection lost"))

    def _fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


def _answer_stun(message: stun.StunMessage, connection: Connection) -> stun.StunMessage | None:
    return stun.respond(message, connection.peer)


class SipEndpoint(Transports):
    """All SIP connections of one program on a host.

    ``on_request`` and ``on_response`` get what no transaction absorbs: new requests (and the ACK to a 2xx), and
    responses that match no request of this endpoint. ``on_stun`` answers STUN requests (None: no response); with
    ``stun=False`` STUN octets are garbage. ``on_cancel`` is called when an INVITE is cancelled before its final
    response, and may respond; otherwise the INVITE gets a 487. ``answer`` builds responses, from a request and a
    status, where no handler does. Attributes may be changed at any time; limits and ``stun`` apply to later
    connections.
    """

    def __init__(
        self,
        host: Host,
        recorder: Recorder,
        *,
        limits: SipLimits,
        timers: Timers,
        on_request: RequestHandler | None = None,
        on_response: ResponseHandler | None = None,
        on_cancel: CancelHandler | None = None,
        on_connection: ConnectionHandler | None = None,
        on_lost: LossHandler | None = None,
        on_stun: StunHook = _answer_stun,
        answer: Callable[[Request, int], Response] | None = None,
        answer_crlf: bool = True,
        stun: bool = True,
        stateful: bool | Literal["INVITE"] = True,
        journal_keepalives: bool = True,
        name: str = "sip",
    ) -> None:
        super().__init__()
        self.host = host
        self.recorder = recorder
        self.on_request = on_request
        self.on_response = on_response
        self.on_cancel = on_cancel
        self.on_connection = on_connection
        self.on_lost = on_lost
        self.on_stun = on_stun
        self.answer = answer or self._plain_answer
        self.answer_crlf = answer_crlf
        self.stun = stun
        self.stateful = stateful
        self.journal_keepalives = journal_keepalives
        self.limits = limits
        self.name = name
        self.stun_entropy = host.entropy(f"{name} stun")
        self._tags = host.entropy(f"{name} tags")
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._task_number = 0
        self._context = host.context()
        self.layer = TransactionLayer(
            timers,
            limit=self.limits.transactions,
            context=self._context,
            deliver=self._delivered,
            answer=lambda request, status: self.answer(request, status),
            failed=self._user_failed,
        )
        self._service = f"{name} #{len(host.services) + 1}"
        host.services[self._service] = self

    async def close(self, grace: float = 2.0) -> None:
        """Close all connections and listeners; connections still open after ``grace`` seconds are aborted."""
        self.host.services.pop(self._service, None)
        for task in [*self._tasks.values()]:
            task.cancel()
        await super().close(grace)
        self.layer.close()

    @property
    def transactions(self) -> Transactions:
        """The transactions of this endpoint."""
        return self.layer.transactions

    def unfinished(self) -> list[str]:
        """Return the received requests without a final response, one line each."""
        return [f"an unanswered request: {request!r}" for request in self.layer.unanswered()]

    # ---- asking

    async def request(
        self,
        request: Request,
        connection: Connection,
        *,
        timeout: float | None = None,
        provisional: Callable[[Response], None] | None = None,
    ) -> Response:
        """Send a request in a client transaction and return its final response.

        ``provisional`` is called with each 1xx. ``timeout``, in seconds, is the caller's limit in addition to timer B
        or F. Cancelling the wait for an INVITE sends a CANCEL; if a 2xx arrives nevertheless, ``on_response`` gets it.
        Raises `SipTimeout`, `SipTransportError`; `ValueError` if the branch is in use.
        """
        asker = _Waiter(self, connection, provisional)
        answer = asker.answer
        transaction = self.layer.request(request, asker)
        try:
            if timeout is None:
                return await answer
            try:
                async with asyncio.timeout(timeout):
                    return await answer
            except SipTimeout:
                raise
            except TimeoutError as error:
                raise SipTimeout(f"no final response to {request.method} within {timeout} s") from error
        finally:
            if request.method == "INVITE" and answer.cancelled():
                self.layer.cancel(transaction)
            elif answer.cancelled() or answer.exception() is not None:
                self.layer.forget(transaction)

    def cancel(self, invite: Request) -> None:
        """Cancel an INVITE sent by `request`: its final response, usually 487, ends the wait (RFC 3261, 9.1)."""
        transaction = self.transactions.clients.get(client_key(invite.top_via, invite.method))
        if transaction is not None:
            self.layer.cancel(transaction)

    def respond(self, response: Response) -> bool:
        """Send a response through its server transaction; return false if the request has none.

        A response to a terminated transaction is dropped: the peer already has its final response.
        """
        return self.layer.respond(response) or self._serves(response.cseq.method)

    def _serves(self, method: str) -> bool:
        return self.stateful is True or (self.stateful == "INVITE" and method in CALLING)

    def stray(self, response: Response, connection: Connection) -> None:
        """Pass ``on_response`` a response that nothing awaits."""
        self._call(self.on_response, response, connection)

    # ---- called by connections

    def pace_of(self, connection: StreamConnection) -> Pace:
        """Return the pace of a new stream."""
        bounds = self.limits
        limits = PaceLimits(
            congested=bounds.congested,
            message_time=bounds.message_time,
            unread_time=bounds.unread_time,
            rate=bounds.rate if connection.accepted else None,
            burst=bounds.rate_burst,
        )
        pace = Pace(limits, self._loop, self._context, go_on=connection.take, end=connection.out_of_time)
        pace.idle = self.limits.idle if connection.accepted else None
        return pace

    def unread(self, connection: Connection) -> None:
        """Drop a peer that does not read what it is sent."""
        self.recorder.emit(events.Note(text="SIP: the peer does not read; connection dropped"), peer=connection.peer)

    def idle_too_long(self, connection: Connection) -> None:
        """Close the connection of a peer that was silent for too long."""
        (source, source_port), (local, local_port) = connection.peer, connection.local
        text = (
            f'Module="network.tcp" Src-ip="{source}" Src-port="{source_port}" Dst-ip="{local}" '
            f'Dst-port="{local_port}" Detail="TCP Connection Closed" Reason="Idle countdown expired"'
        )
        self.recorder.emit(events.Note(text=text), peer=connection.peer)

    def connection_lost(self, connection: Connection, exc: Exception | None) -> None:
        """Fail the transactions of a stream that ended or a flow that was dropped."""
        self.forget(connection)
        self.layer.connection_lost(connection)
        if self.on_lost is not None:
            self.on_lost(connection, exc)

    def got_message(self, message: Request | Response, connection: Connection) -> None:
        """Handle a complete message."""
        try:
            message.check()
        except SipProtocolError as error:
            self._got_unsound(error, message, connection)
            return
        self.recorder.received(
            journalling.event_of(message, connection.transport),
            peer=connection.peer,
            payload=bytes(message),
            keys=journalling.keys_of(message),
            secrets=journalling.secrets_of(message),
        )
        if isinstance(message, Response):
            if not self.layer.response(message, connection):
                self.stray(message, connection)
        elif self._serves(message.method):
            if not self.layer.incoming(message, connection):
                self._refuse_load(message, connection)
        else:
            self._delivered(message, connection)

    def _delivered(self, request: Request, connection: Connection) -> None:
        """Pass a new request to its handler."""
        if request.method == "CANCEL" and self.stateful is True:
            invite = self.transactions.cancelled(request)
            if invite is not None and (invite.user is connection or not connection.reliable):
                self._cancelled(request, invite, connection)
                return
        self._call(self.on_request, request, connection)

    def _cancelled(self, cancel: Request, invite: ServerTransaction, connection: Connection) -> None:
        """Answer a CANCEL, and its INVITE if that has no final response yet (RFC 3261, 9.2).

        A response that the INVITE's handler sends afterwards is ignored.
        """
        answer = self.answer(cancel, 200)
        earlier = invite.last
        if isinstance(earlier, Response) and earlier.to.tag is not None:
            answer.replace("To", earlier.get("To") or "")
        connection.send(answer)
        if invite.state is State.PROCEEDING:
            self._call(self.on_cancel, invite.request, connection)
            if invite.state is State.PROCEEDING:
                ended = self.answer(invite.request, 487)
                ended.replace("To", answer.get("To") or "")
                connection.send(ended)

    def _got_unsound(self, error: SipProtocolError, message: Request | Response, connection: Connection) -> None:
        """Answer 400 to a well-framed message that lacks a mandatory header, and continue."""
        answer = None
        if isinstance(message, Request) and message.method != "ACK" and "Via" in message:
            answer = self.answer(message, error.status or 400)
        self._malformed(error, _octets(message), connection, f"answered {answer.status}" if answer else "ignored")
        if answer is not None:
            connection.send_now(answer)

    def got_garbage(self, error: MalformedMessage, connection: Connection) -> None:
        """Answer malformed octets where possible, and close a stream whose framing is lost."""
        answer = None
        if error.request is not None and error.status is not None:
            answer = self.answer(error.request, error.status)
        done = [f"answered {answer.status}"] if answer else []
        closes = connection.reliable and not error.framed
        if closes:
            done.append("closed the connection")
        self._malformed(error, error.data, connection, ", ".join(done) or "ignored")
        try:
            if answer is not None:
                connection.send_now(answer)
        except SipTransportError:
            pass
        if closes:
            connection.close()

    def _malformed(self, error: SipProtocolError, data: bytes, connection: Connection, answer: str) -> None:
        self.recorder.received(
            events.Malformed(protocol="sip", reason=error.reason, answer=answer),
            peer=connection.peer,
            payload=data,
            secrets=suspected(data),
        )

    def saw_keepalive(self, form: str, connection: Connection, data: bytes) -> None:
        """Handle a CRLF keep-alive."""
        if self.journal_keepalives:
            self.recorder.received(
                events.SipKeepalive(form=form, transport=connection.transport), peer=connection.peer, payload=data
            )

    def saw_stun(self, message: stun.StunMessage, connection: Connection, data: bytes) -> None:
        """Handle a STUN message."""
        if self.journal_keepalives:
            self.recorder.received(
                journalling.stun_event(message, connection.transport), peer=connection.peer, payload=data
            )

    def tag(self) -> str:
        """Return a fresh tag of eight hexadecimal digits."""
        return self._tags.token_hex(4)

    # ---- inside

    def _plain_answer(self, request: Request, status: int) -> Response:
        return request.response(status, to_tag=self.tag())

    def _call(self, handler: Callable[[M, Connection], Handling] | None, message: M, connection: Connection) -> None:
        if handler is None:
            return
        try:
            work = handler(message, connection)
        except Exception as error:
            self._handler_failed(error, message, connection)
            return
        if work is not None and not self.work(work, message, connection):
            self._refuse_load(message, connection)

    def work(self, work: Coroutine[Any, Any, None], message: Message, connection: Connection) -> bool:
        """Run a message's work as a task; return false if too many are in progress.

        A client's connection that reaches its limit is not read meanwhile.
        """
        if len(self._tasks) >= self.limits.all_tasks:
            work.close()
            return False
        self._task_number += 1
        number = self._task_number
        task = self.host.spawn(work, name=f"{self.name} {message!r}")
        self._tasks[number] = task
        connection.tasks += 1
        if connection.tasks >= self.limits.tasks:
            connection.hold(self)

        def done(task: asyncio.Task[None]) -> None:
            del self._tasks[number]
            connection.tasks -= 1
            if connection.tasks < self.limits.tasks:
                connection.release(self)
            if not task.cancelled() and (error := task.exception()) is not None:
                self._handler_failed(error, message, connection)

        task.add_done_callback(done)
        return True

    def _refuse_load(self, message: Message, connection: Connection) -> None:
        """Refuse a request for lack of room, without storing anything about it."""
        if isinstance(message, Request) and message.method != "ACK":
            with contextlib.suppress(SipTransportError):
                connection.send_now(self.answer(message, 503))

    def _user_failed(self, error: Exception, response: Response | None, connection: Connection) -> None:
        """Log an exception raised by the user of a client transaction."""
        if response is not None:
            self._handler_failed(error, response, connection)
        elif not isinstance(error, SipError):
            context = {"message": f"{self.host.name}: the user of a SIP transaction failed", "exception": error}
            self._loop.call_exception_handler(context)

    def _handler_failed(self, error: BaseException, message: Message, connection: Connection) -> None:
        """Handle an exception of a handler: protocol and transport errors are the peer's, anything else is a bug."""
        status = 500
        if isinstance(error, SipProtocolError):
            self._malformed(error, _octets(message), connection, f"answered {error.status or 400}")
            status = error.status or 400
        elif not isinstance(error, SipTransportError):
            context = {"message": f"{self.host.name}: SIP handler failed on {message!r}", "exception": error}
            self._loop.call_exception_handler(context)
        if isinstance(message, Request) and message.method != "ACK":
            with contextlib.suppress(SipTransportError):
                connection.send(self.answer(message, status))


def _octets(message: Message) -> bytes:
    return b"" if isinstance(message, stun.StunMessage) else bytes(message)
