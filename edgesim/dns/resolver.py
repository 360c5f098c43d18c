"""A stub resolver: queries its servers, accepts only matching responses, and distinguishes failures."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from edgesim.deployment.defaults import Defaults
from edgesim.dns.answers import Answer, NoData, Status, belongs, final_name, interpret
from edgesim.dns.message import DEFAULT, AnswerLimits, MalformedDns, Received, read_answer, write
from edgesim.dns.records import Srv, absolute, by_weight, order, plain, reverse_name
from edgesim.journal import Recorder, events
from edgesim.journal.keys import Key
from edgesim.world import SECOND, Entropy, Host

Address = tuple[str, int]
FIRST_PORT, LAST_PORT = 49152, 65535
"""The dynamic ports, from which source ports are drawn (RFC 6335, section 6)."""
PORT_DRAWS = 8
"""How often a source port is drawn before the system chooses one."""
CACHE_SIZE = 1024
"""The size of a cache, in answers; the oldest is evicted first."""
SERVICES = 256
"""For how many services a resolver keeps the stream that orders their targets; the oldest is evicted first."""
MAX_ALIASES = 8
"""How many times an alias causes another query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverOptions:
    """Settings of a resolver. Times are in seconds."""

    timeout: float
    """How long to wait for one server's response."""
    attempts: int
    """How often to try the list of servers."""
    edns: int | None = None
    """The payload size offered by EDNS; None: no EDNS, as in most stub resolvers."""
    cache: bool = False
    """Whether answers are cached for their TTL, in lab time."""
    negative_ttl: int
    """The maximum time to cache a negative answer."""
    ipv6: bool = False
    """Whether a lookup also queries IPv6 addresses, and returns the family first whose response came first."""
    resolution_delay: float
    """How much later than the IPv4 response the IPv6 response may come and still be first (RFC 8305, section 3)."""
    search: tuple[str, ...] = ()
    """Search domains for a name without a dot."""
    weighted: bool = True
    """Whether SRV targets of equal priority are drawn by weight (RFC 2782); else they come by descending weight."""


def options_of(defaults: Defaults) -> ResolverOptions:
    """Return the resolver settings of these defaults."""
    return ResolverOptions(
        timeout=defaults.dns.query_timeout_s,
        attempts=defaults.dns.attempts,
        negative_ttl=defaults.dns.negative_ttl,
        resolution_delay=defaults.client.resolution_delay_s,
    )


class Resolver:
    """The resolver of a host. ``servers`` are addresses, or (address, port) pairs, tried in this order.

    ``keys`` correlate its journal entries, for a host that has one user.
    """

    def __init__(
        self,
        host: Host,
        recorder: Recorder,
        servers: Sequence[str | Address],
        *,
        options: ResolverOptions,
        limits: AnswerLimits = DEFAULT,
        keys: Sequence[Key] = (),
    ) -> None:
        self.host = host
        self.options = options
        self.limits = limits
        self.keys = tuple(keys)
        self.servers: tuple[Address, ...] = tuple((one, 53) if isinstance(one, str) else one for one in servers)
        self._recorder = recorder
        self._ids = host.entropy("dns/query")
        self._weights: dict[str, Entropy] = {}
        self._cache: dict[tuple[str, str], tuple[int, Answer]] = {}

    # ---- queries

    async def query(self, name: str, qtype: str = "A") -> Answer:
        """Query records of one type. `Answer.status` is the outcome; `Answer.check` raises for failures.

        Raises `ValueError` for an invalid domain name or type.
        """
        kind = dns.rdatatype.from_text(qtype)
        wanted = absolute(name)
        name, qtype = plain(wanted), dns.rdatatype.to_text(kind)
        if (held := self._remembered(name, qtype)) is not None:
            return held
        answer = await self._ask_all(wanted, kind)
        self._remember(answer)
        return answer

    async def srv(self, name: str) -> tuple[Srv, ...]:
        """Return the targets of a service in the order in which to try them (RFC 2782), drawn anew each time.

        Raises `DnsError` if there is none, or if the only target is ``.``: the service is decidedly not available.
        """
        answer = (await self.query(name, "SRV")).check()
        services = answer.services
        if len(services) == 1 and not services[0].target:
            raise NoData(replace(answer, status=Status.NODATA))
        if not self.options.weighted:
            return by_weight(services)
        stream = self._weights.pop(answer.name, None) or self.host.entropy(f"dns/srv {answer.name}")
        self._weights[answer.name] = stream
        if len(self._weights) > SERVICES:
            del self._weights[next(iter(self._weights))]
        return order(services, stream)

    async def lookup(self, name: str) -> tuple[str, ...]:
        """Return the addresses of a name, following aliases and the search list. An address is returned unchanged.

        They are IPv4 addresses, unless the host queries IPv6 too (`ResolverOptions.ipv6`): then both queries run in
        parallel, and the family whose response came first leads; the other is the fallback. Raises `DnsError` if there
        is none.
        """
        try:
            return (str(ipaddress.ip_address(name)),)
        except ValueError:
            pass
        answer, found = await self._addresses(name)
        if "." not in name.rstrip("."):
            for domain in self.options.search:
                if found:
                    break
                answer, found = await self._addresses(f"{name.rstrip('.')}.{domain}")
        return found or answer.check().values

    async def reverse(self, address: str) -> tuple[str, ...]:
        """Return the names of an address. Raises `DnsError` if there is none, `ValueError` for an invalid address."""
        return (await self.query(reverse_name(address), "PTR")).check().values

    def flush(self) -> None:
        """Clear the cache."""
        self._cache.clear()

    async def _addresses(self, name: str) -> tuple[Answer, tuple[str, ...]]:
        """Return the answer to the IPv4 query, and all addresses in the order in which to try them."""
        if not self.options.ipv6:
            older = await self._address(name, "A")
            return older, older.values
        absolute(name)  # refuse an invalid name before any query
        # RFC 8305, section 3: AAAA first, A immediately after it.
        asking = self.host.spawn(self._timed(name, "AAAA"), name=f"AAAA of {name}")
        try:
            await asyncio.sleep(0)  # start the AAAA query
            older, older_at = await self._timed(name, "A")
            newer, newer_at = await asking
        finally:
            asking.cancel()
        if newer_at <= older_at + self.options.resolution_delay:
            return older, (*newer.values, *older.values)
        return older, (*older.values, *newer.values)

    async def _timed(self, name: str, qtype: str) -> tuple[Answer, float]:
        answer = await self._address(name, qtype)
        return answer, asyncio.get_running_loop().time()

    async def _address(self, name: str, qtype: str) -> Answer:
        answer = await self.query(name, qtype)
        for _ in range(MAX_ALIASES):
            if answer.status is not Status.NODATA or not answer.aliases:
                break
            answer = await self.query(final_name(answer), qtype)
        return answer

    # ---- cache

    def _remembered(self, name: str, qtype: str) -> Answer | None:
        until, answer = self._cache.get((name.lower(), qtype), (0, None))
        left = (until - self.host.world.now()) // SECOND
        if answer is None or left <= 0:
            return None
        return replace(answer, name=name, ttl=left, cached=True)

    def _remember(self, answer: Answer) -> None:
        if not self.options.cache or answer.ttl <= 0:
            return
        key = (answer.name.lower(), answer.type)
        self._cache.pop(key, None)
        if len(self._cache) >= CACHE_SIZE:
            del self._cache[next(iter(self._cache))]
        self._cache[key] = (self.host.world.now() + answer.ttl * SECOND, answer)

    # ---- exchanges

    async def _ask_all(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Answer:
        """Query the servers in turn until one answers; a failure reports the last response."""
        last = Answer(name=plain(name), type=dns.rdatatype.to_text(kind), status=Status.UNREACHABLE)
        for _ in range(self.options.attempts):
            heard = False
            for server in self.servers:
                answer = await self._ask(server, name, kind)
                if answer or answer.negative:
                    return answer
                heard = heard or answer.server is not None
                if answer.server is not None or last.server is None:
                    last = answer
            if heard:  # a server's denial is final
                break
        reason = last.status.value if self.servers else "no name server is configured"
        failed = events.DnsFailed(name=last.name, qtype=last.type, reason=reason)
        self._recorder.emit(failed, keys=self.keys)
        return last

    async def _ask(self, server: Address, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Answer:
        """Query one server, over UDP and, if the response was truncated, over TCP."""
        exchange = _Exchange(self, server, name, kind)
        try:
            async with asyncio.timeout(self.options.timeout):
                message = await exchange.udp()
                if message.truncated:
                    message = await exchange.tcp()
            answer = interpret(message, exchange.name, exchange.type, negative_ttl=self.options.negative_ttl)
        except TimeoutError:
            return exchange.end(Status.TIMEOUT)
        except MalformedDns:
            return exchange.end(Status.FAILED)
        except (OSError, EOFError):
            return exchange.end(Status.UNREACHABLE)
        return replace(answer, server=server)


class _Exchange:
    """One query to one server."""

    def __init__(self, resolver: Resolver, server: Address, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> None:
        self.resolver = resolver
        self.server = server
        self.qname = name
        self.qtype = kind
        self.name = plain(name)
        self.type = dns.rdatatype.to_text(kind)
        self.recorder = resolver._recorder
        self.identifier = resolver._ids.randrange(1 << 16)
        edns = resolver.options.edns
        query = dns.message.make_query(
            name, kind, use_edns=False if edns is None else 0, payload=edns, id=self.identifier
        )  # fmt: skip
        self.octets = write(query)

    def end(self, status: Status) -> Answer:
        """Return a failed answer."""
        return Answer(name=self.name, type=self.type, status=status)

    async def udp(self) -> Received:
        """Query over UDP from a random source port (RFC 5452, section 9.2)."""
        protocol = _Answers(self)
        transport = await self._socket(protocol)
        try:
            self._sent("udp")
            transport.sendto(self.octets)
            return await protocol.answer
        finally:
            transport.close()

    async def tcp(self) -> Received:
        """Query again over TCP. Raises `MalformedDns` if the response answers another question."""
        reader, writer = await asyncio.open_connection(*self.server)
        try:
            self._sent("tcp")
            writer.write(len(self.octets).to_bytes(2, "big") + self.octets)
            size = int.from_bytes(await reader.readexactly(2), "big")
            if size > self.resolver.limits.octets:
                self._malformed(b"", f"an answer of {size} octets", "ignored")
                raise MalformedDns("too large")
            message = self.received(await reader.readexactly(size), "tcp")
            if message is None:
                raise MalformedDns("the answer does not match the query")
            return message
        finally:
            writer.close()

    def received(self, octets: bytes, transport: str) -> Received | None:
        """Parse and journal a response; None if it does not match the query."""
        try:
            message = read_answer(octets, self.resolver.limits)
            if not belongs(message, self.identifier, self.qname, self.qtype):
                raise MalformedDns("an answer to a different question")
            interpret(message, self.name, self.type, negative_ttl=0)
        except MalformedDns as error:
            self._malformed(octets, str(error), "ignored")
            return None
        event = events.DnsAnswer(
            name=self.name,
            qtype=self.type,
            rcode=dns.rcode.to_text(message.rcode),
            answers=tuple(record.text() for record in message.answer),
            truncated=message.truncated,
            transport=transport,
        )
        self.recorder.received(event, peer=self.server, payload=octets, keys=self.resolver.keys)
        return message

    def _sent(self, transport: str) -> None:
        event = events.DnsQuery(name=self.name, qtype=self.type, transport=transport)
        self.recorder.sent(event, peer=self.server, payload=self.octets, keys=self.resolver.keys)

    def _malformed(self, octets: bytes, reason: str, answer: str) -> None:
        event = events.Malformed(protocol="dns", reason=reason, answer=answer)
        self.recorder.received(event, peer=self.server, payload=octets, keys=self.resolver.keys)

    async def _socket(self, protocol: _Answers) -> Any:
        loop = asyncio.get_running_loop()
        for draw in range(PORT_DRAWS + 1):
            port = self.resolver._ids.randint(FIRST_PORT, LAST_PORT) if draw < PORT_DRAWS else 0
            try:
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: protocol, local_addr=("0.0.0.0", port), remote_addr=self.server
                )
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return transport
        raise OSError(errno.EADDRINUSE, "no UDP port is free")


class _Answers(asyncio.DatagramProtocol):
    """Waits for the one datagram that answers the question; others are written down and change nothing."""

    def __init__(self, exchange: _Exchange) -> None:
        self.exchange = exchange
        self.answer: asyncio.Future[Received] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.answer.done() or (addr[0], addr[1]) != self.exchange.server:
            return
        message = self.exchange.received(data, "udp")
        if message is not None:
            self.answer.set_result(message)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc or ConnectionAbortedError("the socket was closed"))
            self.answer.exception()  # the waiter may be gone
