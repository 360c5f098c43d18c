"""SIP by hand: what a script receives and sends on its connections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from edgesim.node import Node
from edgesim.scenario.expect import Expectations
from edgesim.scenario.scripted.inbox import Inbox, shown
from edgesim.sip import Connection, Request, Response, SipEndpoint
from edgesim.sip.settings import limits_of, timers_of
from edgesim.world import Host

HeaderList = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class SipArrival:
    """A SIP message that a script received, and the connection it came by."""

    message: Request | Response
    connection: Connection
    _host: Host = field(repr=False)

    def answer(
        self,
        status: int,
        reason: str | None = None,
        *,
        headers: HeaderList = (),
        body: bytes = b"",
        to_tag: str | None = "scripted",
    ) -> None:
        """Answer a request, by the connection it came by. Raises `TypeError` for a response."""
        if not isinstance(self.message, Request):
            raise TypeError(f"{self.message!r} is not a request")
        response = self.message.response(status, reason, to_tag=to_tag, headers=list(headers), body=body)
        self._host.context().run(self.connection.send_now, response)

    @property
    def status(self) -> int:
        """A response's status; 0 for a request."""
        return self.message.status if isinstance(self.message, Response) else 0


class ScriptedSip:
    """A SIP port, or a connection, of a scripted host. CRLF and STUN keep-alives are answered without being asked."""

    def __init__(self, node: Node, owner: str, expectations: Expectations) -> None:
        self._node = node
        self.inbox: Inbox[SipArrival] = Inbox(owner, expectations, lambda item: shown(bytes(item.message)))
        self.endpoint = SipEndpoint(
            node.host,
            node.journal,
            limits=limits_of(node.defaults.sip),
            timers=timers_of(node.defaults.sip),
            on_request=self._got,
            on_response=self._got,
            on_lost=self._lost,
            stateful=False,
            name=f"script {owner}",
        )
        self.connection: Connection | None = None

    async def receive(
        self, what: str | int | None = None, *, within: float = 10.0, containing: bytes = b""
    ) -> SipArrival:
        """Return the next message: of a method, of a status, or any. Raises `ExpectationError` if another comes."""

        def fits(item: SipArrival) -> bool:
            message = item.message
            kind = message.method if isinstance(message, Request) else message.status
            return (what is None or kind == what) and containing in bytes(message)

        words = f"{'a message' if what is None else what}{f' containing {containing!r}' if containing else ''}"
        return await self.inbox.next(words, fits, within)

    def ignore(self, *methods: str) -> None:
        """Pass over requests of these methods, e.g. OPTIONS."""
        self.inbox.ignore(lambda item: isinstance(item.message, Request) and item.message.method in methods)

    def send(self, message: Request | Response | bytes, connection: Connection | None = None) -> None:
        """Send a message, or any octets, by a connection: the one that was opened, or the last that something came by.

        Raises `SipTransportError` where it is gone, `LookupError` where there never was one.
        """
        carrier = connection or self.connection
        if carrier is None:
            raise LookupError(f"{self.inbox.owner} has no connection yet")
        context = self._node.host.context()
        if isinstance(message, bytes):
            context.run(carrier.send_raw, message)
        else:
            context.run(carrier.send_now, message)

    def _got(self, message: Request | Response, connection: Connection) -> None:
        self.connection = connection
        self.inbox.put(SipArrival(message, connection, self._node.host))

    def _lost(self, connection: Connection, _: Exception | None) -> None:
        self.inbox.news = f"the connection with {connection.peer[0]}:{connection.peer[1]} ended"

    async def close(self) -> None:
        """Close everything."""
        await self._node.host.run(self.endpoint.close(), name="close SIP")
