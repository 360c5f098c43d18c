"""An authoritative name server over UDP and TCP (RFC 1035, RFC 6891, RFC 7766)."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from edgesim.dns.message import BadQuery, DnsLimits, Rejection, read_query, refusal, write
from edgesim.dns.records import from_rdata, plain
from edgesim.dns.zone import View, Views
from edgesim.journal import Recorder, events
from edgesim.world.pace import Pace, PaceLimits

Address = tuple[str, int]
ChooseView = Callable[[Address], str]
"""Chooses the view for a client's address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A server's reply to one message. ``octets`` None: no response; ``malformed``: the fault of a bad query."""

    octets: bytes | None
    name: str | None = None
    type: str | None = None
    rcode: str | None = None
    records: tuple[str, ...] = ()
    truncated: bool = False
    malformed: str | None = None


def answer(
    query: bytes, view: View, transport: str = "udp", *, limits: DnsLimits, views: Views | None = None
) -> bytes | None:
    """Return the response to a query in a view; None: no response. ``transport`` is ``udp`` or ``tcp``."""
    return respond(query, view, transport, limits=limits, views=views).octets


def respond(
    query: bytes, view: View, transport: str = "udp", *, limits: DnsLimits, views: Views | None = None
) -> Reply:
    """Answer a query, and describe it. ``views`` supplies the injected failures."""
    try:
        asked = read_query(query, limits)
    except BadQuery as error:
        return _reject(query, error, limits)
    question = asked.question[0]
    name, kind = plain(question.name), dns.rdatatype.to_text(question.rdtype)
    reply = dns.message.make_response(asked, our_payload=limits.udp_edns)
    reply.flags |= dns.flags.RA
    failure = views.strike(view.name, name, kind) if views else None
    if failure is not None and failure.rcode is None:
        return Reply(octets=None, name=name, type=kind)
    if failure is not None:
        reply.set_rcode(dns.rcode.from_text(failure.rcode or "SERVFAIL"))
    elif question.rdclass not in (dns.rdataclass.IN, dns.rdataclass.ANY) or _is_meta(question.rdtype):
        reply.set_rcode(dns.rcode.REFUSED)
    else:
        found = view.find(question.name, question.rdtype)
        reply.set_rcode(found.rcode)
        if found.authoritative:
            reply.flags |= dns.flags.AA
        reply.answer, reply.authority, reply.additional = found.answer, found.authority, found.additional
    octets = _fit(reply, _room(asked, transport, limits))
    return Reply(
        octets=octets,
        name=name,
        type=kind,
        rcode=dns.rcode.to_text(reply.rcode()),
        records=texts(reply.answer),
        truncated=bool(reply.flags & dns.flags.TC),
    )


def texts(section: Iterable[dns.rrset.RRset]) -> tuple[str, ...]:
    """Return a section's records as text: type and value."""
    return tuple(from_rdata(rrset.name, rrset.ttl, rdata).text() for rrset in section for rdata in rrset)


def _is_meta(kind: dns.rdatatype.RdataType) -> bool:
    return dns.rdatatype.is_metatype(kind) and kind != dns.rdatatype.ANY


def _room(asked: dns.message.Message, transport: str, limits: DnsLimits) -> int:
    if transport == "tcp":
        return 65535
    # RFC 6891, section 6.2.3: values lower than 512 mean 512.
    return min(max(asked.payload, 512), limits.udp_edns) if asked.edns >= 0 else limits.udp_plain


def _fit(reply: dns.message.Message, room: int) -> bytes:
    """Write a response within ``room`` octets: without additional records if needed, last truncated (RFC 2181, 9)."""
    octets = write(reply)
    if len(octets) > room:
        reply.additional = []
        octets = write(reply)
    if len(octets) > room:
        reply.flags |= dns.flags.TC
        reply.answer, reply.authority = [], []
        octets = write(reply)
    return octets


def _reject(query: bytes, error: BadQuery, limits: DnsLimits) -> Reply:
    match error.verdict:
        case Rejection.DROP:
            return Reply(octets=None, malformed=str(error))
        case Rejection.BADVERS:
            # RFC 6891, section 6.1.3: the upper bits of the response code need an OPT record of the supported version.
            reply = dns.message.make_response(dns.message.from_wire(query), our_payload=limits.udp_edns)
            reply.use_edns(0, 0, limits.udp_edns)
            reply.set_rcode(dns.rcode.BADVERS)
            return Reply(octets=write(reply), rcode="BADVERS", malformed=str(error))
        case verdict:
            rcode = dns.rcode.from_text(verdict.value)
            return Reply(octets=refusal(query, rcode), rcode=verdict.value, malformed=str(error))


class DnsServer:
    """A name server on a host.

    Each listening address serves one view, or ``choose`` selects the view by the client's address.
    """

    def __init__(
        self,
        recorder: Recorder,
        views: Views | Mapping[str, View] | Iterable[View],
        *,
        limits: DnsLimits,
        choose: ChooseView | None = None,
    ) -> None:
        self.views = views if isinstance(views, Views) else Views(views)
        self.limits = limits
        self.connections: dict[int, _Stream] = {}
        self._recorder = recorder
        self._choose = choose
        self._udp: list[asyncio.DatagramTransport] = []
        self._tcp: list[asyncio.AbstractServer] = []

    async def listen(self, address: str, port: int = 53, *, view: str | None = None) -> None:
        """Serve UDP and TCP on an address; ``view`` is the view's name there. Raises `OSError`, `ValueError`."""
        if view is None and self._choose is None:
            raise ValueError("a listening address needs a view, or the server a way to choose one")
        if view is not None:
            self.views[view]  # raise KeyError here rather than at the first query
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self, view), local_addr=(address, port))
        self._udp.append(transport)
        self._tcp.append(await loop.create_server(lambda: _Stream(self, view), address, port))

    async def close(self) -> None:
        """Stop listening and close every connection."""
        for server in self._tcp:
            server.close()
        for transport in self._udp:
            transport.close()
        for stream in tuple(self.connections.values()):
            stream.end()
        self._tcp, self._udp = [], []

    async def stop(self) -> None:
        """Same as `close`: a name server is a service of its host."""
        await self.close()

    def handle(self, query: bytes, peer: Address, transport: str, view: str | None) -> bytes | None:
        """Answer one message and journal it."""
        chosen = self.views[view if view is not None else self._choose(peer) if self._choose else ""]
        reply = respond(query, chosen, transport, limits=self.limits, views=self.views)
        if reply.malformed is not None:
            event = events.Malformed(protocol="dns", reason=reply.malformed, answer=reply.rcode or "dropped")
            self._recorder.received(event, peer=peer, payload=query)
        else:
            asked = events.DnsQuery(name=reply.name or "", qtype=reply.type or "", transport=transport)
            self._recorder.received(asked, peer=peer, payload=query)
        if reply.octets is not None and reply.malformed is None:
            reported = events.DnsAnswer(
                name=reply.name or "",
                qtype=reply.type or "",
                rcode=reply.rcode or "",
                answers=reply.records,
                truncated=reply.truncated,
                transport=transport,
            )
            self._recorder.sent(reported, peer=peer, payload=reply.octets)
        return reply.octets

    def note(self, event: events.Event, peer: Address, payload: bytes) -> None:
        """Journal input that is not a message."""
        self._recorder.received(event, peer=peer, payload=payload)


BURST = 16
"""How many queries of one connection are answered per turn."""


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer, view: str | None) -> None:
        self.server = server
        self.view = view

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        peer = (addr[0], addr[1])
        octets = self.server.handle(data, peer, "udp", self.view)
        if octets is not None:
            self.transport.sendto(octets, addr)


class _Stream(asyncio.Protocol):
    """One TCP connection: queries in sequence, each preceded by its length in two octets."""

    def __init__(self, server: DnsServer, view: str | None) -> None:
        self.server = server
        self.view = view
        self.buffer = bytearray()
        self.peer: Address = ("", 0)
        self.transport: Any = None
        limits = server.limits
        self.pace = Pace(
            PaceLimits(congested=limits.tcp_unsent, message_time=limits.tcp_message, unread_time=limits.tcp_message),
            asyncio.get_running_loop(),
            contextvars.copy_context(),
            go_on=self.take,
            end=self._out_of_time,
        )
        self.pace.idle = limits.tcp_idle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        peer = transport.get_extra_info("peername")
        self.peer = (peer[0], peer[1])
        if len(self.server.connections) >= self.server.limits.tcp_connections:
            self.transport.abort()
            return
        self.server.connections[id(self)] = self
        self.pace.start(self.transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.pace.held:
            self.take()

    def take(self) -> None:
        """Answer the complete queries."""
        queries = self._answer()
        self.pace.took(queries, partial=len(self.buffer) > 0)

    def _answer(self) -> int:
        queries = 0
        while len(self.buffer) >= 2 and not self.pace.held:
            size = int.from_bytes(self.buffer[:2], "big")
            if size < 12 or size > self.server.limits.query:
                event = events.Malformed(protocol="dns", reason=f"a message of {size} octets", answer="closed")
                self.server.note(event, self.peer, bytes(self.buffer))
                self.buffer.clear()
                self.end()
                return queries
            if len(self.buffer) < 2 + size:
                return queries
            queries += 1
            query = bytes(self.buffer[2 : 2 + size])
            del self.buffer[: 2 + size]
            octets = self.server.handle(query, self.peer, "tcp", self.view)
            if octets is not None and not self.transport.is_closing():
                self.transport.write(len(octets).to_bytes(2, "big") + octets)
            if queries % BURST == 0:
                self.pace.turn_over()
        return queries

    def pause_writing(self) -> None:
        self.pace.pause_writing(shared=False)

    def resume_writing(self) -> None:
        self.pace.resume_writing()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, _: Exception | None) -> None:
        self.server.connections.pop(id(self), None)
        self.pace.stop()

    def end(self) -> None:
        """Close the connection cleanly."""
        self.transport.close()
        self.pace.closing()

    def _out_of_time(self, why: str) -> None:
        if why == "unread":
            self.transport.abort()
        else:
            self.end()
