"""Resource records, and the order in which SRV targets are tried (RFC 2782)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.IN.SRV


class Srv(NamedTuple):
    """An SRV target. An empty ``target`` means that the service is decidedly not available (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


class Record(NamedTuple):
    """A resource record of class IN; ``name`` has no final dot, ``ttl`` is in seconds.

    ``value`` is an `Srv` for type SRV, else text as in a zone file, with names without final dot.
    """

    name: str
    type: str
    ttl: int
    value: str | Srv

    def text(self) -> str:
        """Return type and value, e.g. ``SRV 10 10 8443 expe.example.com`` or ``A 10.0.30.11``."""
        value = " ".join(str(part) for part in self.value) if isinstance(self.value, tuple) else self.value
        return f"{self.type} {value}"


class RecordLike(Protocol):
    """The input of a zone: `Record`, or anything with the same fields (an SRV's value may be a plain tuple)."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def ttl(self) -> int: ...
    @property
    def value(self) -> str | tuple[int, int, int, str]: ...


class Draw(Protocol):
    """A stream of randomness."""

    def randint(self, a: int, b: int) -> int: ...


def order(records: Iterable[Srv], entropy: Draw) -> tuple[Srv, ...]:
    """Return SRV records in the order in which to try them: by priority, then weighted at random (RFC 2782).

    Each record that has a rival takes one draw; equal input and an equal stream give equal order.
    """
    by_priority: dict[int, list[Srv]] = {}
    for record in records:
        by_priority.setdefault(record.priority, []).append(record)
    ordered: list[Srv] = []
    for priority in sorted(by_priority):
        # "Arrange all SRV RRs in any order, except that all those with weight 0 are placed at the beginning."
        left = sorted(by_priority[priority], key=lambda record: record.weight != 0)
        while len(left) > 1:
            pick = entropy.randint(0, sum(record.weight for record in left))
            running = 0
            for index, record in enumerate(left):
                running += record.weight
                if running >= pick:
                    ordered.append(left.pop(index))
                    break
        ordered += left
    return tuple(ordered)


def by_weight(records: Iterable[Srv]) -> tuple[Srv, ...]:
    """Return SRV records by priority, then by descending weight, without randomness."""
    return tuple(sorted(records, key=lambda record: (record.priority, -record.weight)))


def absolute(name: str) -> dns.name.Name:
    """Return a name as a `dnspython` name. Raises `ValueError` if it is not a domain name."""
    try:
        return dns.name.from_text(name if name else ".")
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(f"{name!r} is not a domain name: {error}") from error


def plain(name: dns.name.Name) -> str:
    """Return a name in text, without final dot; the root is the empty string."""
    return name.to_text(omit_final_dot=True) if name != dns.name.root else ""


def reverse_name(address: str) -> str:
    """Return the name of an address in in-addr.arpa or ip6.arpa (RFC 1035, section 3.5). Raises `ValueError`."""
    return ipaddress.ip_address(address).reverse_pointer


def to_rdata(record: RecordLike) -> dns.rdata.Rdata:
    """Return a record's data as `dnspython` rdata. Raises `ValueError` for a value invalid for its type."""
    value = " ".join(str(part) for part in record.value) if isinstance(record.value, tuple) else record.value
    if isinstance(record.value, tuple) and not record.value[3]:
        value += "."
    try:
        kind = dns.rdatatype.from_text(record.type)
        return dns.rdata.from_text(dns.rdataclass.IN, kind, value, origin=dns.name.root, relativize=False)
    except (dns.exception.DNSException, UnicodeError, ValueError) as error:
        raise ValueError(f"{record.name} {record.type} {value!r}: {error}") from error


def from_rdata(name: dns.name.Name, ttl: int, rdata: dns.rdata.Rdata) -> Record:
    """Return `dnspython` rdata as a record."""
    kind = dns.rdatatype.to_text(rdata.rdtype)
    value: str | Srv
    if isinstance(rdata, dns.rdtypes.IN.SRV.SRV):
        value = Srv(rdata.priority, rdata.weight, rdata.port, plain(rdata.target))
    elif rdata.rdtype in (dns.rdatatype.CNAME, dns.rdatatype.PTR, dns.rdatatype.NS):
        value = plain(rdata.target)  # type: ignore[attr-defined]  # these three types have one
    else:
        value = rdata.to_text()
    return Record(plain(name), kind, ttl, value)


def same_name(one: str, other: str) -> bool:
    """Return whether two names are the same domain name, ignoring case and a final dot."""
    return one.rstrip(".").lower() == other.rstrip(".").lower()


def with_reverse(records: Sequence[RecordLike]) -> tuple[RecordLike, ...]:
    """Return the records plus, for each address without one, a PTR to the first name with that address."""
    have = {record.name.lower() for record in records if record.type == "PTR"}
    made: dict[str, Record] = {}
    for record in records:
        wild = record.name.startswith("*.")
        if record.type in ("A", "AAAA") and isinstance(record.value, str) and not wild:
            name = reverse_name(record.value)
            if name not in have:
                made.setdefault(name, Record(name, "PTR", record.ttl, record.name))
    return (*records, *made.values())
