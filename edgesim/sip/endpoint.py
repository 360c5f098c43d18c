"""A SIP endpoint over asyncio: matches answers to requests, journals what arrives, calls the program's handlers.

A *stateful* endpoint (a user agent: Unified CM, a phone) runs every request it receives through a server transaction,
one for ``"INVITE"`` (a proxy whose connections are all reliable: the Expressways) those that calls begin with, a
stateless one none: it gets each message as it came. In all, requests of its own (`SipEndpoint.request`) run in client
transactions. Handlers are called in order of arrival, in the context of the host; one that returns a coroutine has it
run as a task of the host. An answer may come at any time later, by `Connection.send`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Literal

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
RequestHandler = Callable[[Request, Connection], Handling]
ResponseHandler = Callable[[Response, Connection], Handling]
CancelHandler = Callable[[Request, Connection], None]
LossHandler = Callable[[Connection, Exception | None], None]

CALLING = ("INVITE", "ACK")
"""What a proxy whose connections are all reliable runs through transactions."""


class _Asker:
    """Who waits for the answer to a request."""

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
                # Another 2xx of a forked INVITE, or one that is not awaited: the user acknowledges each.
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

    ``on_request`` and ``on_response`` get what no transaction absorbs: new requests (ACK to a 2xx too), and responses
    that answer none of this endpoint's own requests. ``on_stun`` answers STUN requests (None: silence); ``stun=False``
    makes STUN octets garbage. ``on_cancel`` hears of an INVITE that was cancelled before it was answered, and may
    answer it: else it gets a 487. ``answer`` makes answers, from a request and a status, where no handler does.
    Attributes may be changed at any time; limits and ``stun`` act on later connections.
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
        """Close everything; connections that are not gone after ``grace`` seconds are cut."""
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
        """Return the requests received that had no final response yet, one line each."""
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

        ``provisional`` is called with each 1xx. ``timeout``, in seconds, is a limit of the caller's own besides timer
        B or F. Whoever waits no longer for the answer to an INVITE cancels it; should it be accepted all the same,
        ``on_response`` gets the 2xx. Raises `SipTimeout`, `SipTransportError`; `ValueError` if the branch is in use.
        """
        asker = _Asker(self, connection, provisional)
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
        """Cancel an INVITE that `request` sent: its final response, as a rule 487, ends the wait (RFC 3261, 9.1)."""
        transaction = self.transactions.clients.get(client_key(invite.top_via, invite.method))
        if transaction is not None:
            self.layer.cancel(transaction)

    def respond(self, response: Response) -> bool:
        """Send a response by its server transaction; false where such requests have none.

        One that comes after its transaction is over goes nowhere: the other side has its answer.
        """
        return self.layer.respond(response) or self._serves(response.cseq.method)

    def _serves(self, method: str) -> bool:
        return self.stateful is True or (self.stateful == "INVITE" and method in CALLING)

    def stray(self, response: Response, connection: Connection) -> None:
        """Give ``on_response`` what answers nothing that is still awaited."""
        self._call(self.on_response, response, connection)

    # ---- what connections report

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
        """A peer does not read what it is sent: it is dropped."""
        self.recorder.emit(events.Note(text="SIP: the peer does not read; connection dropped"), peer=connection.peer)

    def idle_too_long(self, connection: Connection) -> None:
        """A peer said nothing for too long: its connection is closed."""
        (source, source_port), (local, local_port) = connection.peer, connection.local
        text = (
            f'Module="network.tcp" Src-ip="{source}" Src-port="{source_port}" Dst-ip="{local}" '
            f'Dst-port="{local_port}" Detail="TCP Connection Closed" Reason="Idle countdown expired"'
        )
        self.recorder.emit(events.Note(text=text), peer=connection.peer)

    def connection_lost(self, connection: Connection, exc: Exception | None) -> None:
        """A stream ended, or a flow was forgotten: its transactions fail."""
        self.forget(connection)
        self.layer.connection_lost(connection)
        if self.on_lost is not None:
            self.on_lost(connection, exc)

    def got_message(self, message: Request | Response, connection: Connection) -> None:
        """A whole message arrived."""
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
        """A request is new to the user."""
        if request.method == "CANCEL" and self.stateful is True:
            invite = self.transactions.cancelled(request)
            if invite is not None and (invite.user is connection or not connection.reliable):
                self._cancelled(request, invite, connection)
                return
        self._call(self.on_request, request, connection)

    def _cancelled(self, cancel: Request, invite: ServerTransaction, connection: Connection) -> None:
        """Answer a CANCEL, and the INVITE that it ends if that has no answer yet (RFC 3261, 9.2).

        Whoever still works on the INVITE may answer it all the same: that is too late and changes nothing.
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
        """A message that is framed well but lacks what every message has: answer 400, go on."""
        answer = None
        if isinstance(message, Request) and message.method != "ACK" and "Via" in message:
            answer = self.answer(message, error.status or 400)
        self._malformed(error, bytes(message), connection, f"answered {answer.status}" if answer else "ignored")
        if answer is not None:
            connection.send_now(answer)

    def got_garbage(self, error: MalformedMessage, connection: Connection) -> None:
        """Octets that are not a message: answer if anything can be, and close a stream whose framing is lost."""
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
        """A CRLF keep-alive arrived."""
        if self.journal_keepalives:
            self.recorder.received(
                events.SipKeepalive(form=form, transport=connection.transport), peer=connection.peer, payload=data
            )

    def saw_stun(self, message: stun.StunMessage, connection: Connection, data: bytes) -> None:
        """A STUN message arrived."""
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

    def _call(
        self, handler: Callable[[Any, Connection], Handling] | None, message: Any, connection: Connection
    ) -> None:
        if handler is None:
            return
        try:
            work = handler(message, connection)
        except Exception as error:
            self._handler_failed(error, message, connection)
            return
        if work is not None and not self.work(work, message, connection):
            self._refuse_load(message, connection)

    def work(self, work: Coroutine[Any, Any, None], message: Any, connection: Connection) -> bool:
        """Run what a message asks for as a task; False where too much is under way.

        A client's connection with enough of it is not read meanwhile.
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

    def _refuse_load(self, message: Request | Response, connection: Connection) -> None:
        """Answer a request for which there is no room; nothing is remembered of it."""
        if isinstance(message, Request) and message.method != "ACK":
            with contextlib.suppress(SipTransportError):
                connection.send_now(self.answer(message, 503))

    def _user_failed(self, error: Exception, response: Response | None, connection: Connection) -> None:
        """Whoever asked raised when it was answered, or when it was not."""
        if response is not None:
            self._handler_failed(error, response, connection)
        elif not isinstance(error, SipError):
            context = {"message": f"{self.host.name}: the user of a SIP transaction failed", "exception": error}
            self._loop.call_exception_handler(context)

    def _handler_failed(self, error: BaseException, message: Any, connection: Connection) -> None:
        """A handler raised: a protocol or transport error is the peer's doing, anything else our own mistake."""
        status = 500
        if isinstance(error, SipProtocolError):
            self._malformed(error, bytes(message), connection, f"answered {error.status or 400}")
            status = error.status or 400
        elif not isinstance(error, SipTransportError):
            context = {"message": f"{self.host.name}: SIP handler failed on {message!r}", "exception": error}
            self._loop.call_exception_handler(context)
        if isinstance(message, Request) and message.method != "ACK":
            with contextlib.suppress(SipTransportError):
                connection.send(self.answer(message, status))
