"""The results of a resolver: answers and failures."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from edgesim.dns.message import MalformedDns, Received
from edgesim.dns.records import Record, Srv, same_name


class Status(Enum):
    """The outcome of a query."""

    ANSWER = "answer"
    NXDOMAIN = "NXDOMAIN"
    NODATA = "NODATA"
    SERVFAIL = "SERVFAIL"
    REFUSED = "REFUSED"
    FAILED = "failed"
    TIMEOUT = "timed out"
    UNREACHABLE = "no server reachable"


class DnsError(socket.gaierror):
    """A name did not resolve, reported as by ``getaddrinfo``; `status` says why."""

    codes = (socket.EAI_AGAIN, "temporary failure in name resolution")

    def __init__(self, answer: Answer) -> None:
        super().__init__(self.codes[0], f"{answer.name} {answer.type}: {self.codes[1]} ({answer.status.value})")
        self.answer = answer

    @property
    def status(self) -> Status:
        """The outcome of the query."""
        return self.answer.status


class NoSuchName(DnsError):
    """NXDOMAIN: the name does not exist."""

    codes = (socket.EAI_NONAME, "no such name")


class NoData(DnsError):
    """NODATA: the name exists, but has no record of this type."""

    codes = (socket.EAI_NONAME, "no record of this type")


class ServerFailure(DnsError):
    """The servers answered with SERVFAIL, REFUSED or another error."""

    codes = (socket.EAI_FAIL, "the name server failed")


class NoAnswer(DnsError):
    """No server answered in time, or none was reachable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of a query: records of the requested type, and the aliases that led to them.

    ``ttl`` is how long it may be cached, in seconds; ``server`` is the server that answered, or None.
    """

    name: str
    type: str
    status: Status
    records: tuple[Record, ...] = ()
    aliases: tuple[Record, ...] = ()
    ttl: int = 0
    server: tuple[str, int] | None = None
    cached: bool = False

    def __bool__(self) -> bool:
        return self.status is Status.ANSWER

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    @property
    def negative(self) -> bool:
        """Whether a server denied the existence of the name or type."""
        return self.status in (Status.NXDOMAIN, Status.NODATA)

    @property
    def values(self) -> tuple[str, ...]:
        """The values of the records, for types with text values."""
        return tuple(record.value for record in self.records if isinstance(record.value, str))

    @property
    def services(self) -> tuple[Srv, ...]:
        """The SRV values, as received."""
        return tuple(record.value for record in self.records if isinstance(record.value, Srv))

    def check(self) -> Answer:
        """Return the answer itself; raise the matching `DnsError` if it failed."""
        match self.status:
            case Status.ANSWER:
                return self
            case Status.NXDOMAIN:
                raise NoSuchName(self)
            case Status.NODATA:
                raise NoData(self)
            case Status.TIMEOUT | Status.UNREACHABLE:
                raise NoAnswer(self)
            case _:
                raise ServerFailure(self)


_STATUS = {
    dns.rcode.NOERROR: Status.NODATA,
    dns.rcode.NXDOMAIN: Status.NXDOMAIN,
    dns.rcode.SERVFAIL: Status.SERVFAIL,
    dns.rcode.REFUSED: Status.REFUSED,
}


def belongs(message: Received, identifier: int, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> bool:
    """Return whether a message answers the query (RFC 5452, section 9.1)."""
    if message.identifier != identifier:
        return False
    if message.question is None:
        # A server that could not parse the question may omit it, but only in an error.
        return message.rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
    return message.question == (name, kind, dns.rdataclass.IN)


def interpret(message: Received, name: str, kind: str, *, negative_ttl: int) -> Answer:
    """Return the answer that a message gives for ``name``. Raises `MalformedDns` for a loop of aliases.

    ``negative_ttl`` limits how long a negative answer may be cached, in seconds; one without SOA is not cached (RFC
    2308, section 5).
    """
    aliases, end = _follow(message.answer, name, kind)
    records = tuple(record for record in message.answer if record.type == kind and same_name(record.name, end))
    if message.rcode == dns.rcode.NOERROR and records:
        ttl = min(record.ttl for record in (*records, *aliases))
        return Answer(name=name, type=kind, status=Status.ANSWER, records=records, aliases=aliases, ttl=ttl)
    status = _STATUS.get(message.rcode, Status.FAILED)
    ttl = min(message.denial, negative_ttl) if status in (Status.NXDOMAIN, Status.NODATA) else 0
    return Answer(name=name, type=kind, status=status, aliases=aliases, ttl=ttl)


def _follow(records: tuple[Record, ...], name: str, kind: str) -> tuple[tuple[Record, ...], str]:
    aliases: list[Record] = []
    if kind != "CNAME":
        by_owner = {record.name.lower(): record for record in records if record.type == "CNAME"}
        while (alias := by_owner.get(name.rstrip(".").lower())) is not None:
            if alias in aliases:
                raise MalformedDns(f"CNAME loop at {name}")
            aliases.append(alias)
            name = str(alias.value)
    return tuple(aliases), name


def final_name(answer: Answer) -> str:
    """Return the name at the end of the aliases."""
    return str(answer.aliases[-1].value) if answer.aliases else answer.name
