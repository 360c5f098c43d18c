"""What a name server knows: views of the name space, each with its own records.

A view answers for every name: for those in its zones with authority, for the rest as a resolver for which they do not
exist (or, on demand, refuses). There is no delegation: the lab's DNS is all the DNS there is. Records whose first label
is ``*`` are wildcards: names that do not exist get their records from them (RFC 4592).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dns.flags
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.SOA
import dns.rrset

from edgesim.dns.records import RecordLike, absolute, same_name, to_rdata, with_reverse

MAX_ALIASES = 8
"""How many CNAMEs are followed for one question."""
WILDCARD = dns.name.Name((b"*",))
SOA_TIMES = (3600, 600, 86400)
"""Refresh, retry and expire of the zones' SOA, in seconds; nothing in the lab transfers zones."""


@dataclass(slots=True, kw_only=True)
class Found:
    """What a view has for a question: the sections of the answer, the response code, and whether it has authority."""

    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    authoritative: bool = True
    answer: list[dns.rrset.RRset] = field(default_factory=list)
    authority: list[dns.rrset.RRset] = field(default_factory=list)
    additional: list[dns.rrset.RRset] = field(default_factory=list)


class View:
    """One view: records by name and type, and the zones to which they belong.

    ``apexes`` are the zones' names; by default they follow from the records: the domain to which an SRV belongs, the
    domain above a host, the /24 above a PTR, the uppermost of each. ``server`` is the host name in the zones' SOA and
    NS. ``strangers`` is the answer to names in no zone, ``NXDOMAIN`` or ``REFUSED``. ``negative_ttl`` is how long a
    resolver may remember that something is not there, in seconds. Raises `ValueError` for a record that is none.
    """

    def __init__(
        self,
        name: str,
        records: Iterable[RecordLike] = (),
        *,
        apexes: Iterable[str] = (),
        server: str | None = None,
        strangers: str = "NXDOMAIN",
        negative_ttl: int,
        reverse: bool = False,
    ) -> None:
        self.name = name
        self.records: tuple[RecordLike, ...] = tuple(records)
        if reverse:
            self.records = with_reverse(self.records)
        self.strangers = dns.rcode.from_text(strangers)
        self.negative_ttl = negative_ttl
        self._sets: dict[dns.name.Name, dict[dns.rdatatype.RdataType, dns.rrset.RRset]] = {}
        self._names: dict[dns.name.Name, None] = {}
        for record in self.records:
            self._add(record)
        wanted = [absolute(apex) for apex in apexes] or _uppermost(_apex_of(record) for record in self.records)
        self.apexes = tuple(wanted)
        for apex in self.apexes:
            self._crown(apex, server)
        for name_ in tuple(self._sets):
            self._claim(name_)

    def find(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Found:
        """Answer a question of class IN."""
        found = Found(authoritative=self.zone_of(name) is not None)
        seen: list[dns.name.Name] = []
        while True:
            seen.append(name)
            alias = self._sets_of(name).get(dns.rdatatype.CNAME)
            if alias is None or kind in (dns.rdatatype.CNAME, dns.rdatatype.ANY):
                break
            found.answer.append(alias)
            name = alias[0].target
            if name in seen or len(seen) > MAX_ALIASES:
                return Found(rcode=dns.rcode.SERVFAIL, authoritative=False)
        held = self._held(name, kind)
        if held:
            found.answer += held
            found.additional = self._glue(held)
        else:
            self._deny(name, found)
        return found

    def zone_of(self, name: dns.name.Name) -> dns.name.Name | None:
        """Return the apex of the zone in which a name is, or None."""
        inside = [apex for apex in self.apexes if name.is_subdomain(apex)]
        return max(inside, key=len, default=None)

    def __repr__(self) -> str:
        return f"<View {self.name}: {len(self.records)} records>"

    def _add(self, record: RecordLike) -> None:
        name, rdata = absolute(record.name), to_rdata(record)
        sets = self._sets.setdefault(name, {})
        held = sets.get(rdata.rdtype)
        if held is None:
            held = sets[rdata.rdtype] = dns.rrset.RRset(name, dns.rdataclass.IN, rdata.rdtype)
        held.add(rdata, record.ttl)
        if dns.rdatatype.CNAME in sets and (len(sets) > 1 or len(sets[dns.rdatatype.CNAME]) > 1):
            raise ValueError(f"{record.name}: a CNAME stands alone (RFC 1034, section 3.6.2)")

    def _crown(self, apex: dns.name.Name, server: str | None) -> None:
        """Give a zone the SOA (and the NS, if the server has a name) that every zone has."""
        host = absolute(server) if server else dns.name.Name((b"ns", *apex.labels))
        sets = self._sets.setdefault(apex, {})
        soa = self._soa(host, dns.name.Name((b"hostmaster", *apex.labels)))
        sets.setdefault(dns.rdatatype.SOA, dns.rrset.from_rdata(apex, 3600, soa))
        if server:
            sets.setdefault(dns.rdatatype.NS, dns.rrset.from_text(apex, 3600, "IN", "NS", host.to_text()))

    def _soa(self, host: dns.name.Name, mailbox: dns.name.Name) -> dns.rdata.Rdata:
        kind: Any = dns.rdtypes.ANY.SOA.SOA
        soa: dns.rdata.Rdata = kind(
            dns.rdataclass.IN, dns.rdatatype.SOA, host, mailbox, 1, *SOA_TIMES, self.negative_ttl
        )
        return soa

    def _claim(self, name: dns.name.Name) -> None:
        """Note that a name exists, and every name between it and its zone's apex (RFC 8020)."""
        apex = self.zone_of(name)
        self._names[name] = None
        while apex is not None and name != apex:
            name = name.parent()
            self._names[name] = None

    def _sets_of(self, name: dns.name.Name) -> dict[dns.rdatatype.RdataType, dns.rrset.RRset]:
        """Return the record sets of a name by their types; of one that does not exist, those made from a wildcard."""
        if name in self._names:
            return self._sets.get(name, {})
        source = self._source_of_synthesis(name)
        return {
            kind: dns.rrset.from_rdata_list(name, each.ttl, list(each))
            for kind, each in (self._sets[source] if source is not None else {}).items()
        }

    def _source_of_synthesis(self, name: dns.name.Name) -> dns.name.Name | None:
        """Return the wildcard right below the longest existing ancestor of a name (RFC 4592, section 3.3.1)."""
        apex = self.zone_of(name)
        while apex is not None and name != apex:
            name = name.parent()
            if name in self._names:
                source = WILDCARD.concatenate(name)
                return source if source in self._sets else None
        return None

    def _held(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> list[dns.rrset.RRset]:
        sets = self._sets_of(name)
        if kind == dns.rdatatype.ANY:
            return list(sets.values())
        return [sets[kind]] if kind in sets else []

    def _glue(self, held: Sequence[dns.rrset.RRset]) -> list[dns.rrset.RRset]:
        """Return the addresses of SRV targets: what a resolver asks next (RFC 2782)."""
        targets = dict.fromkeys(
            rdata.target for rrset in held if rrset.rdtype == dns.rdatatype.SRV for rdata in rrset
        )  # fmt: skip
        return [rrset for target in targets for rrset in self._held(target, dns.rdatatype.A)]

    def _deny(self, name: dns.name.Name, found: Found) -> None:
        """Say that there is nothing: no such name, or no such type at it, with the SOA that says for how long."""
        apex = self.zone_of(name)
        if apex is None:
            if found.answer:  # an alias that leads out of the zones
                found.rcode = dns.rcode.NXDOMAIN if self.strangers == dns.rcode.NXDOMAIN else dns.rcode.NOERROR
            else:
                found.rcode = self.strangers
            if found.rcode == dns.rcode.NXDOMAIN:
                root = dns.name.root
                soa = self._soa(dns.name.Name((b"ns", b"")), dns.name.Name((b"hostmaster", b"")))
                found.authority = [dns.rrset.from_rdata(root, self.negative_ttl, soa)]
            return
        if name not in self._names and not self._sets_of(name):
            found.rcode = dns.rcode.NXDOMAIN
        soa_set = self._sets[apex][dns.rdatatype.SOA]
        # RFC 2308, section 3: the lesser of the SOA's own TTL and its minimum field.
        found.authority = [dns.rrset.from_rdata(apex, min(soa_set.ttl, soa_set[0].minimum), soa_set[0])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failure on demand. ``None`` stands for every view, name or type; ``*.example.com`` for all names below.

    ``rcode`` is e.g. ``SERVFAIL`` or ``REFUSED``; None is silence. ``times`` limits how often it strikes.
    """

    view: str | None = None
    name: str | None = None
    type: str | None = None
    rcode: str | None = "SERVFAIL"
    times: int | None = None

    def concerns(self, view: str, name: str, kind: str) -> bool:
        """Return whether a question in a view meets this failure."""
        if self.view not in (None, view) or self.type not in (None, kind):
            return False
        if self.name is None:
            return True
        if self.name.startswith("*."):
            return name.lower().rstrip(".").endswith(self.name[1:].lower())
        return same_name(self.name, name)


class Views:
    """The views of a name server, by name, and the failures asked for."""

    def __init__(self, views: Iterable[View] | Mapping[str, View]) -> None:
        every = views.values() if isinstance(views, Mapping) else views
        self._views = {view.name: view for view in every}
        self._failures: dict[int, tuple[Failure, int]] = {}
        self._numbers = itertools.count()

    def __getitem__(self, name: str) -> View:
        return self._views[name]

    def __iter__(self) -> Iterator[View]:
        return iter(self._views.values())

    def replace(self, view: View) -> None:
        """Put a view in the place of the one of its name: the zone was edited and loaded again."""
        self._views[view.name] = view

    def fail(self, failure: Failure) -> Callable[[], None]:
        """Let questions fail from now on; return what ends it."""
        number = next(self._numbers)
        self._failures[number] = (failure, 0)

        def lift() -> None:
            self._failures.pop(number, None)

        return lift

    def strike(self, view: str, name: str, kind: str) -> Failure | None:
        """Return the first failure that concerns a question, and count it; None if there is none."""
        for number, (failure, struck) in self._failures.items():
            if failure.concerns(view, name, kind):
                if failure.times is not None and struck + 1 >= failure.times:
                    del self._failures[number]
                else:
                    self._failures[number] = (failure, struck + 1)
                return failure
        return None


def _apex_of(record: RecordLike) -> dns.name.Name:
    name = absolute(record.name)
    if name.is_wild():
        name = name.parent()
        if record.type != "SRV":
            return name
    if record.type == "SRV":
        while name.labels[0].startswith(b"_"):
            name = name.parent()
        return name
    return name.parent() if len(name) > 2 else name


def _uppermost(apexes: Iterable[dns.name.Name]) -> list[dns.name.Name]:
    kept: list[dns.name.Name] = []
    for apex in sorted(dict.fromkeys(apexes), key=len):
        if not any(apex.is_subdomain(above) for above in kept) and apex != dns.name.root:
            kept.append(apex)
    return kept
