"""DNS messages under strict limits: reading, and the response to unreadable ones (RFC 1035, section 4; RFC 6891).

`dnspython` reads and writes the octets. Before it parses a message, the size and record counts are checked, so that no
message is expensive to parse.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.SOA
import dns.renderer
import dns.wire

from edgesim.dns.records import Record, from_rdata

HEADER = struct.Struct("!HHHHHH")


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsLimits:
    """Limits of a server, in octets and seconds."""

    udp_plain: int
    """The largest UDP answer without EDNS."""
    udp_edns: int
    """The largest UDP answer, whatever EDNS offers."""
    query: int = 4096
    """The largest query."""
    tcp_idle: float = 10.0
    """How long a TCP connection may be idle (RFC 7766, section 6.2.3)."""
    tcp_message: float = 10.0
    """How long a query over TCP may take from its first octet to its last, and responses may wait to be read."""
    tcp_unsent: int = 65536
    """The octets of responses that may wait for a TCP client before no more of its queries are read."""
    tcp_connections: int = 128
    """How many TCP connections a server keeps open; further ones are closed at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLimits:
    """Limits of the responses that a resolver reads."""

    octets: int = 16384
    """The largest response."""
    records: int = 256
    """The most records in all its sections."""
    labels: int = 4096
    """The most labels in all its names, including those reached by compression."""


DEFAULT = AnswerLimits()


class MalformedDns(Exception):
    """The message violates the protocol."""


class Rejection(Enum):
    """What happens to a query that cannot be answered normally."""

    DROP = "dropped"
    FORMERR = "FORMERR"
    NOTIMP = "NOTIMP"
    REFUSED = "REFUSED"
    BADVERS = "BADVERS"


class BadQuery(MalformedDns):
    """A query that is not answered normally; ``verdict`` says what happens instead."""

    def __init__(self, verdict: Rejection, reason: str) -> None:
        super().__init__(reason)
        self.verdict = verdict


# The exceptions that dnspython raises for bad octets: its own, and in places those of the values in them.
_BAD = (dns.exception.DNSException, ValueError, struct.error, IndexError, KeyError, OverflowError, NotImplementedError)


def read_query(octets: bytes, limits: DnsLimits) -> dns.message.Message:
    """Parse a query with exactly one question. Raises `BadQuery`."""
    if len(octets) < HEADER.size:
        raise BadQuery(Rejection.DROP, f"{len(octets)} octets, shorter than a header")
    _, flags, questions, answers, authorities, additionals = HEADER.unpack_from(octets)
    if flags & dns.flags.QR:
        # Answering a response would let two servers talk to each other indefinitely.
        raise BadQuery(Rejection.DROP, "expected a query, got an answer")
    opcode = dns.opcode.from_flags(flags)
    if opcode != dns.opcode.QUERY:
        raise BadQuery(Rejection.NOTIMP, f"opcode {dns.opcode.to_text(opcode)}")
    if len(octets) > limits.query:
        raise BadQuery(Rejection.FORMERR, f"a query of {len(octets)} octets")
    if questions != 1:
        raise BadQuery(Rejection.FORMERR, f"expected one question, got {questions}")
    if answers or authorities or additionals > 2:
        raise BadQuery(Rejection.FORMERR, "a query with answer or authority records")
    try:
        query = dns.message.from_wire(octets)
    except _BAD as error:
        raise BadQuery(Rejection.FORMERR, _reason(error)) from error
    if query.edns > 0:
        raise BadQuery(Rejection.BADVERS, f"EDNS version {query.edns}")
    return query


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A response as a resolver reads it: its answer section, and what the protocol needs of the rest.

    ``question`` is the name, type and class that it repeats, if any; ``denial`` is the negative TTL in seconds, from
    the SOA in its authority section (RFC 2308, section 5).
    """

    identifier: int
    rcode: dns.rcode.Rcode
    truncated: bool
    question: tuple[dns.name.Name, dns.rdatatype.RdataType, int] | None
    answer: tuple[Record, ...]
    denial: int


def read_answer(octets: bytes, limits: AnswerLimits = DEFAULT) -> Received:
    """Parse a response. Raises `MalformedDns` if it is not one or exceeds the limits."""
    if len(octets) < HEADER.size:
        raise MalformedDns(f"{len(octets)} octets, shorter than a header")
    identifier, flags, questions, *counts = HEADER.unpack_from(octets)
    if not flags & dns.flags.QR:
        raise MalformedDns("expected an answer, got a query")
    if dns.opcode.from_flags(flags) != dns.opcode.QUERY:
        raise MalformedDns("an answer with an opcode other than QUERY")
    if len(octets) > limits.octets or questions > 1 or sum(counts) > limits.records:
        raise MalformedDns(f"{len(octets)} octets with {questions} questions and {sum(counts)} records")
    try:
        return _Reader(octets, limits).read(identifier, flags, bool(questions), counts)
    except _BAD as error:
        raise MalformedDns(_reason(error)) from error


class _Reader:
    """Reads sections one record at a time.

    `dns.message.from_wire` collects records in sets and spends milliseconds on each name of many labels; a short
    message whose names all point to one long name would take it a second.
    """

    def __init__(self, octets: bytes, limits: AnswerLimits) -> None:
        self.parser = dns.wire.Parser(octets, HEADER.size)
        self.labels = limits.labels

    def read(self, identifier: int, flags: int, asked: bool, counts: list[int]) -> Received:
        question = None
        if asked:
            name = self.name()
            kind, rdclass = self.parser.get_struct("!HH")
            question = (name, dns.rdatatype.RdataType.make(kind), rdclass)
        answer = [from_rdata(*each) for _ in range(counts[0]) if (each := self.record()) is not None]
        authority = [each for _ in range(counts[1]) if (each := self.record()) is not None]
        extended = [self.option() for _ in range(counts[2])]
        if self.parser.remaining():
            raise MalformedDns("octets after the last record")
        return Received(
            identifier=identifier,
            rcode=dns.rcode.from_flags(flags, max(extended, default=0)),
            truncated=bool(flags & dns.flags.TC),
            question=question,
            answer=tuple(answer),
            denial=next(
                (min(ttl, rdata.minimum) for _, ttl, rdata in authority if isinstance(rdata, dns.rdtypes.ANY.SOA.SOA)),
                0,
            ),
        )

    def name(self) -> dns.name.Name:
        name = dns.name.from_wire_parser(self.parser)
        self._spend(len(name))
        return name

    def record(self) -> tuple[dns.name.Name, int, dns.rdata.Rdata] | None:
        """Read one record; None if its class is not IN."""
        name = self.name()
        kind, rdclass, ttl, size = self.parser.get_struct("!HHIH")
        with self.parser.restrict_to(size):
            rdata = dns.rdata.from_wire_parser(rdclass, dns.rdatatype.RdataType.make(kind), self.parser)
        for field in ("target", "exchange", "mname", "rname"):
            self._spend(len(getattr(rdata, field, ())))
        # RFC 2181, section 8: a TTL with the highest bit set counts as zero.
        return (name, ttl if ttl < 1 << 31 else 0, rdata) if rdclass == dns.rdataclass.IN else None

    def option(self) -> int:
        """Skip one additional record; return the flags of an OPT record, which hold the upper bits of the response
        code.
        """
        self.name()
        kind, _, ttl, size = self.parser.get_struct("!HHIH")
        self.parser.get_bytes(size)
        return int(ttl) if kind == dns.rdatatype.OPT else 0

    def _spend(self, labels: int) -> None:
        self.labels -= labels
        if self.labels < 0:
            raise MalformedDns("too many labels in names")


def write(message: dns.message.Message) -> bytes:
    """Return a message's octets, records in order."""
    # Message.to_wire is not used: it shuffles even the single OPT record, with the machine's randomness.
    renderer: Any = dns.renderer.Renderer(message.id, message.flags, 65535)  # type: ignore[no-untyped-call]  # dnspython's own gap
    for question in message.question:
        renderer.add_question(question.name, question.rdtype, question.rdclass)
    additional = [*message.additional, *([message.opt] if message.opt is not None else [])]
    sections = (
        (dns.renderer.ANSWER, message.answer),
        (dns.renderer.AUTHORITY, message.authority),
        (dns.renderer.ADDITIONAL, additional),
    )
    for section, rrsets in sections:
        for rrset in rrsets:
            renderer.add_rrset(section, rrset, want_shuffle=False)
    renderer.write_header()
    octets: bytes = renderer.get_wire()
    return octets


def refusal(octets: bytes, rcode: dns.rcode.Rcode) -> bytes:
    """Return a header-only response to a query whose header could be read."""
    identifier, flags, *_ = HEADER.unpack_from(octets)
    opcode_and_rd = flags & (0x7800 | dns.flags.RD)
    return HEADER.pack(identifier, dns.flags.QR | opcode_and_rd | rcode, 0, 0, 0, 0)


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text.rstrip(".")[:120]
