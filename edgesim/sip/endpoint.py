"""A SIP endpoint over asyncio: listens, connects, matches answers to requests, journals what arrives.

A *stateful* endpoint (a user agent: Unified CM, a phone) runs every request it receives through a server transaction;
a stateless one (a proxy: the Expressways) gets each message as it came and forwards it itself. In both, requests of its
own (`SipEndpoint.request`) run in client transactions. Handlers are called in order of arrival, in the context of
the host; one that returns a coroutine has it run as a task of the host.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ssl as ssl_module
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from edgesim.journal import Recorder, events
from edgesim.journal.suspects import suspected
from edgesim.sip import journalling, stun
from edgesim.sip.connection import (
    Address,
    Connection,
    DatagramSocket,
    StreamConnection,
    StunHook,
)
from edgesim.sip.errors import SipProtocolError, SipTimeout, SipTransportError
from edgesim.sip.framing import SipLimits
from edgesim.sip.message import Request, Response
from edgesim.sip.transaction import (
    ClientTransaction,
    Deliver,
    Output,
    Send,
    State,
    TimedOut,
    Timers,
    Transaction,
    Transactions,
)
from edgesim.world import Host
from edgesim.world.pace import Pace, PaceLimits

Work = Coroutine[Any, Any, None] | None
RequestHandler = Callable[[Request, Connection], Work]
ResponseHandler = Callable[[Response, Connection], Work]
ConnectionHandler = Callable[[Connection], None]
LossHandler = Callable[[Connection, Exception | None], None]
TransportName = Literal["tcp", "tls", "udp"]

PORT_ATTEMPTS = 64
"""How many ports of a range are tried before the last error is given to the caller."""


@dataclass(slots=True)
class _Asker:
    """Who waits for the answer to a request."""

    connection: Connection
    answer: asyncio.Future[Response]
    provisional: Callable[[Response], None] | None


def _answer_stun(message: stun.StunMessage, connection: Connection) -> stun.StunMessage | None:
    return stun.respond(message, connection.peer)


class SipEndpoint:
    """All SIP connections of one program on a host.

    ``on_request`` and ``on_response`` get what no transaction absorbs: new requests (ACK to a 2xx too), and responses
    that answer none of this endpoint's own requests. ``on_stun`` answers STUN requests (None: silence); ``stun=False``
    makes STUN octets garbage. ``answer`` makes answers, from a request and a status, where no handler does.
    Attributes may be changed at any time; limits and ``stun`` act on later connections.
    """

    def __init__(
        self,
        host: Host,
        recorder: Recorder,
        *,
        on_request: RequestHandler | None = None,
        on_response: ResponseHandler | None = None,
        on_connection: ConnectionHandler | None = None,
        on_lost: LossHandler | None = None,
        on_stun: StunHook = _answer_stun,
        answer: Callable[[Request, int], Response] | None = None,
        answer_crlf: bool = True,
        stun: bool = True,
        stateful: bool = True,
        journal_keepalives: bool = True,
        limits: SipLimits | None = None,
        timers: Timers | None = None,
        name: str = "sip",
    ) -> None:
        self.host = host
        self.recorder = recorder
        self.on_request = on_request
        self.on_response = on_response
        self.on_connection = on_connection
        self.on_lost = on_lost
        self.on_stun = on_stun
        self.answer = answer or self._plain_answer
        self.answer_crlf = answer_crlf
        self.stun = stun
        self.stateful = stateful
        self.journal_keepalives = journal_keepalives
        self.limits = limits or SipLimits()
        self.name = name
        self.transactions = Transactions(timers)
        self.stun_entropy = host.entropy(f"{name} stun")
        self._tags = host.entropy(f"{name} tags")
        self._servers: list[asyncio.Server] = []
        self._sockets: list[DatagramSocket] = []
        self._connections: dict[int, StreamConnection] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._task_number = 0
        self._next_port = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._context = host.context()
        self._loop = asyncio.get_running_loop()
        self.transactions.limit = self.limits.transactions
        self._closed = False
        self._service = f"{name} #{len(host.services) + 1}"
        host.services[self._service] = self

    # ---- opening and closing

    @property
    def connections(self) -> tuple[StreamConnection, ...]:
        """The open TCP and TLS connections, oldest first."""
        return tuple(self._connections.values())

    async def listen(
        self,
        address: str,
        port: int,
        transport: TransportName = "tcp",
        *,
        ssl: ssl_module.SSLContext | None = None,
        handshake_timeout: float = 5.0,
    ) -> Address:
        """Accept connections or datagrams; return the address and port. Raises `OSError`.

        ``handshake_timeout``, in seconds, bounds a TLS handshake.
        """
        if transport == "udp":
            _, socket = await self._loop.create_datagram_endpoint(
                lambda: DatagramSocket(self), local_addr=(address, port)
            )
            self._sockets.append(socket)
            return socket.local
        if (transport == "tls") != (ssl is not None):
            raise ValueError("TLS needs a context, and TCP none")

        def accept() -> StreamConnection:
            return StreamConnection(self, accepted=True, transport=transport)

        if ssl is None:
            server = await self._loop.create_server(accept, address, port)
        else:
            server = await self._loop.create_server(
                accept, address, port, ssl=ssl, ssl_handshake_timeout=handshake_timeout, ssl_shutdown_timeout=5.0
            )
        self._servers.append(server)
        bound = server.sockets[0].getsockname() if server.sockets else (address, port)
        return bound[0], bound[1]

    async def connect(
        self,
        address: str,
        port: int,
        transport: TransportName = "tcp",
        *,
        ssl: ssl_module.SSLContext | None = None,
        server_hostname: str | None = None,
        local_address: str | None = None,
        local_port_range: tuple[int, int] | None = None,
        connect_timeout: float = 10.0,
        handshake_timeout: float = 5.0,
    ) -> Connection:
        """Open a connection. Raises `OSError`: `TimeoutError`, `ssl.SSLError`, `ConnectionRefusedError` ...

        The two time limits (seconds) default to Expressway's (Cisco Expressway Administrator Guide, "Protocols").
        ``local_port_range`` is inclusive; its ports are used in turn.
        """
        if transport == "udp":
            _, socket = await self._loop.create_datagram_endpoint(
                lambda: DatagramSocket(self), local_addr=(local_address or "0.0.0.0", 0)
            )
            self._sockets.append(socket)
            return socket.flow((address, port), accepted=False)
        if (transport == "tls") != (ssl is not None):
            raise ValueError("TLS needs a context, and TCP none")
        attempts = PORT_ATTEMPTS if local_port_range else 1
        while True:
            attempts -= 1
            try:
                return await self._connect(
                    address,
                    port,
                    transport,
                    ssl,
                    server_hostname,
                    self._local(local_address, local_port_range),
                    connect_timeout,
                    handshake_timeout,
                )
            except OSError as error:
                if attempts < 1 or error.errno != errno.EADDRINUSE:
                    raise

    def _local(self, address: str | None, ports: tuple[int, int] | None) -> Address | None:
        if ports is None:
            return (address, 0) if address is not None else None
        first, last = ports
        port = first + self._next_port % (last - first + 1)
        self._next_port += 1
        return (address or "0.0.0.0", port)

    async def _connect(
        self,
        address: str,
        port: int,
        transport: TransportName,
        ssl: ssl_module.SSLContext | None,
        server_hostname: str | None,
        local: Address | None,
        connect_timeout: float,
        handshake_timeout: float,
    ) -> Connection:
        options: dict[str, Any] = {"local_addr": local}
        if ssl is not None:
            options |= {
                "ssl": ssl,
                "server_hostname": server_hostname if server_hostname is not None else address,
                "ssl_handshake_timeout": handshake_timeout,
                "ssl_shutdown_timeout": 5.0,
            }
        async with asyncio.timeout(connect_timeout) as bound:

            def connected() -> StreamConnection:
                # TCP is up; what is left is the handshake, which has a bound of its own and some time to tell of it.
                bound.reschedule(self._loop.time() + handshake_timeout + 1.0)
                return StreamConnection(self, accepted=False, transport=transport)

            _, connection = await self._loop.create_connection(connected, address, port, **options)
        return connection

    async def close(self, grace: float = 2.0) -> None:
        """Close everything; connections that are not gone after ``grace`` seconds are cut."""
        self._closed = True
        self.host.services.pop(self._service, None)
        for server in self._servers:
            server.close()
        for socket in self._sockets:
            socket.close()
        for task in [*self._tasks.values()]:
            task.cancel()
        connections = [*self._connections.values()]
        for connection in connections:
            connection.close()
        try:
            async with asyncio.timeout(grace):
                for connection in connections:
                    await connection.wait_closed()
        except TimeoutError:
            for connection in connections:
                connection.abort()
            for connection in connections:
                await connection.wait_closed()
        for socket in self._sockets:
            await socket.closed
        self._servers.clear()
        self._sockets.clear()
        for transaction in [*self.transactions.clients.values(), *self.transactions.servers.values()]:
            self._carry(transaction, self.transactions.failed(transaction, self._loop.time()))
            self.transactions.forget(transaction)
        self._arm()

    def unfinished(self) -> list[str]:
        """Return the requests received that had no final response yet, one line each."""
        waiting = [
            each for each in self.transactions.servers.values() if each.state in (State.TRYING, State.PROCEEDING)
        ]
        return [f"a request that nobody answered: {each.request!r}" for each in waiting]

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
        B or F. Raises `SipTimeout`, `SipTransportError`; `ValueError` if the branch is in use.
        """
        answer: asyncio.Future[Response] = self._loop.create_future()
        transaction, outputs = self.transactions.request(
            request,
            self._loop.time(),
            reliable=connection.reliable,
            user=_Asker(connection, answer, provisional),
        )
        try:
            self._carry(transaction, outputs)
            self._arm()
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
            if not answer.done() or answer.cancelled() or answer.exception() is not None:
                self.transactions.forget(transaction)
                self._arm()

    def answer_by_transaction(self, response: Response) -> bool:
        """Send a response by the server transaction it belongs to; false where there is none."""
        if not self.transactions.servers:
            return False
        found = self.transactions.respond(response, self._loop.time())
        if found is None:
            return False
        self._carry(*found)
        self._arm()
        return True

    # ---- what connections report

    def pace_of(self, connection: StreamConnection) -> Pace:
        """Return the pace of a new stream."""
        bounds = self.limits
        limits = PaceLimits(
            congested=bounds.congested, message_time=bounds.message_time, unread_time=bounds.unread_time
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

    def connection_made(self, connection: StreamConnection) -> None:
        """A stream is up (after its TLS handshake)."""
        self._connections[id(connection)] = connection
        if self._closed:
            connection.abort()
        elif self.on_connection is not None:
            self.on_connection(connection)

    def connection_lost(self, connection: Connection, exc: Exception | None) -> None:
        """A stream ended, or a flow was forgotten: its transactions fail."""
        self._connections.pop(id(connection), None)
        now = self._loop.time()
        for client in [*self.transactions.clients.values()]:
            if client.user.connection is connection:
                self._carry(client, self.transactions.failed(client, now))
                self.transactions.forget(client)
        for server in [*self.transactions.servers.values()]:
            if server.user is connection:
                self.transactions.forget(server)
        self._arm()
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
            found = self.transactions.response(message, self._loop.time()) if self.transactions.clients else None
            if found is not None:
                self._carry(*found)
                self._arm()
            else:
                self._call(self.on_response, message, connection)
        elif self.stateful:
            if not self.transactions.room(message):
                self._refuse_load(message, connection)
                return
            transaction, outputs = self.transactions.incoming(
                message, self._loop.time(), reliable=connection.reliable, user=connection
            )
            self._carry(transaction, outputs, connection)
            self._arm()
        else:
            self._call(self.on_request, message, connection)

    def _got_unsound(self, error: SipProtocolError, message: Request | Response, connection: Connection) -> None:
        """A message that is framed well but lacks what every message has: answer 400, go on."""
        answer = None
        if isinstance(message, Request) and message.method != "ACK" and "Via" in message:
            answer = self.answer(message, error.status or 400)
        self._malformed(error, bytes(message), connection, f"answered {answer.status}" if answer else "ignored")
        if answer is not None:
            connection.send_now(answer)

    def got_garbage(self, error: SipProtocolError, connection: Connection) -> None:
        """Octets that are no message: answer if anything can be, and close a stream whose framing is lost."""
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

    def _carry(
        self, transaction: Transaction | None, outputs: list[Output], connection: Connection | None = None
    ) -> None:
        """Do what a transaction puts out."""
        asker = transaction.user if isinstance(transaction, ClientTransaction) else None
        for output in outputs:
            if isinstance(output, Send):
                assert transaction is not None
                carrier: Connection = asker.connection if asker is not None else transaction.user
                try:
                    carrier.send_now(output.message)
                except SipTransportError:
                    self._carry(transaction, self.transactions.failed(transaction, self._loop.time()), connection)
                    return
            elif isinstance(output, Deliver):
                message = output.message
                if isinstance(message, Request):
                    carrier = connection if connection is not None else transaction.user  # type: ignore[union-attr]  # an ACK without a transaction comes with its connection
                    self._call(self.on_request, message, carrier)
                else:
                    assert asker is not None
                    self._answered(message, asker)
            elif asker is not None and not asker.answer.done():
                if isinstance(output, TimedOut):
                    asker.answer.set_exception(SipTimeout("no final response"))
                else:
                    asker.answer.set_exception(SipTransportError("connection lost"))

    def _answered(self, response: Response, asker: _Asker) -> None:
        if asker.answer.done():
            # Another 2xx of a forked INVITE, or a retransmission of one: the user acknowledges each.
            self._call(self.on_response, response, asker.connection)
        elif response.status >= 200:
            asker.answer.set_result(response)
        elif asker.provisional is not None:
            asker.provisional(response)

    def _call(self, handler: Callable[[Any, Connection], Work] | None, message: Any, connection: Connection) -> None:
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
        # Rounding must not make a deadline that was reached look like one to come.
        now = max(self._loop.time(), self._timer_at)
        for transaction, outputs in self.transactions.expire(now):
            self._carry(transaction, outputs)
        self._arm()
