"""SIP over UDP: one socket, with each peer presented as a connection-like flow."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any, cast

from edgesim.sip.connection import Address, Connection, Owner
from edgesim.sip.errors import SipProtocolError, SipTransportError
from edgesim.sip.message import Request, Response
from edgesim.sip.parsing import MalformedMessage, parse_message


class DatagramSocket(asyncio.DatagramProtocol):
    """A UDP socket; each peer that it receives from or sends to is a flow."""

    def __init__(self, endpoint: Owner) -> None:
        self.endpoint = endpoint
        self.flows: OrderedDict[Address, DatagramConnection] = OrderedDict()
        self.wire: asyncio.DatagramTransport | None = None
        self.local: Address = ("", 0)
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = cast(asyncio.DatagramTransport, transport)  # uvloop's own is not a subclass
        self.local = (transport.get_extra_info("sockname") or ("", 0))[:2]

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.flow((address[0], address[1]), accepted=True).got(data)

    def error_received(self, exc: Exception) -> None:
        """Ignore: transactions recover from lost datagrams."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.wire = None
        for flow in [*self.flows.values()]:
            flow.lost(exc)
        self.flows.clear()
        if not self.closed.done():
            self.closed.set_result(None)

    def flow(self, peer: Address, *, accepted: bool) -> DatagramConnection:
        """Return the flow to a peer, creating it if needed; beyond the limit the least recently used one is dropped."""
        flow = self.flows.get(peer)
        if flow is None:
            flow = self.flows[peer] = DatagramConnection(self, peer, accepted=accepted)
            if len(self.flows) > self.endpoint.limits.datagram_peers:
                self.flows.popitem(last=False)[1].lost(None)
        else:
            self.flows.move_to_end(peer)
        return flow

    def close(self) -> None:
        if self.wire is not None:
            self.wire.close()


class DatagramConnection(Connection):
    """A UDP flow: one peer of a socket."""

    transport = "udp"
    reliable = False

    def __init__(self, socket: DatagramSocket, peer: Address, *, accepted: bool) -> None:
        super().__init__(socket.endpoint, accepted=accepted)
        self.socket = socket
        self.peer = peer
        self.local = socket.local
        self._stranger = not self.endpoint.recorder.is_lab(peer)
        self._lost = False

    @property
    def open(self) -> bool:
        return self.socket.wire is not None and not self._lost

    def got(self, data: bytes) -> None:
        """Handle a datagram from this peer."""
        try:
            if not data.strip(b"\r\n\0 "):
                return
            if data[0] <= 0x03 and self.endpoint.stun:
                self._got_stun(data)
                return
            if len(data) > self.endpoint.limits.message:
                raise SipProtocolError("datagram longer than the limit", status=None)
            self.endpoint.got_message(parse_message(data, max_lines=self.endpoint.limits.header_lines), self)
        except SipProtocolError as error:
            malformed = MalformedMessage.of(error)
            malformed.data = malformed.data or data
            self.endpoint.got_garbage(malformed, self)

    def _write(self, message: Request | Response) -> None:
        self._sendto(bytes(message), self._target(message))

    def _target(self, message: Request | Response) -> Address:
        """Return the destination: without ``rport``, a response goes to the port in Via (RFC 3261, 18.2.2; RFC 3581,
        4).
        """
        if isinstance(message, Response) and self.accepted:
            try:
                via = message.top_via
            except SipProtocolError:
                return self.peer
            if "rport" not in via.parameters:
                return (self.peer[0], via.port or 5060)
        return self.peer

    def send_raw(self, data: bytes) -> None:
        self._sendto(data, self.peer)

    def _sendto(self, data: bytes, target: Address) -> None:
        if self.socket.wire is None or self._lost:
            raise SipTransportError(f"{self!r} is closed")
        self.socket.wire.sendto(data, target)

    def lost(self, exc: Exception | None) -> None:
        """The socket closed, or the flow was evicted."""
        self._lost = True
        self._fail_waiters("socket closed")
        self.endpoint.connection_lost(self, exc)

    def close(self) -> None:
        """Drop the flow."""
        if self.socket.flows.pop(self.peer, None) is not None:
            self.lost(None)

    def abort(self) -> None:
        """The same as `close`."""
        self.close()

    async def wait_closed(self) -> None:
        """Return at once."""
