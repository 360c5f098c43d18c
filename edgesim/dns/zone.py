"""The data of a name server: views of the name space, each with its own records.

A view answers for every name: for those in its zones authoritatively, for the rest like a resolver for which they do
not exist (or, optionally, with REFUSED). There is no delegation: the lab's DNS is complete. Records whose first label
is ``*`` are wildcards: they supply the records of names that do not exist (RFC 4592).
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
"""How many CNAMEs are followed for one query."""
WILDCARD = dns.name.Name((b"*",))
SOA_TIMES = (3600, 600, 86400)
"""Refresh, retry and expire of the zones' SOA, in seconds; no server in the lab transfers zones."""


@dataclass(slots=True, kw_only=True)
class Found:
    """A view's result for a query: the sections of the response, the response code, and whether it is authoritative."""

    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    authoritative: bool = True
    answer: list[dns.rrset.RRset] = field(default_factory=list)
    authority: list[dns.rrset.RRset] = field(default_factory=list)
    additional: list[dns.rrset.RRset] = field(default_factory=list)


class View:
    """One view: records by name and type, and their zones.

    ``apexes`` are the zone names; by default they derive from the records: the domain of an SRV, the domain above a
    host, the /24 above a PTR, the topmost of each. ``server`` is the host name in the zones' SOA and NS. ``strangers``
    is the response for names outside all zones, ``NXDOMAIN`` or ``REFUSED``. ``negative_ttl`` is how long a resolver
    may cache a negative answer, in seconds. Raises `ValueError` for an invalid record.
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
        """Answer a query of class IN."""
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
        """Return the apex of the zone that contains a name, or None."""
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
            raise ValueError(f"{record.name}: a CNAME must be the only record of its name (RFC 1034, section 3.6.2)")

    def _crown(self, apex: dns.name.Name, server: str | None) -> None:
        """Add the zone's SOA, and its NS if the server has a name."""
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
        """Record that a name exists, with every name between it and its zone's apex (RFC 8020)."""
        apex = self.zone_of(name)
        self._names[name] = None
        while apex is not None and name != apex:
            name = name.parent()
            self._names[name] = None

    def _sets_of(self, name: dns.name.Name) -> dict[dns.rdatatype.RdataType, dns.rrset.RRset]:
        """Return a name's record sets by type; for a name that does not exist, those synthesised from a wildcard."""
        if name in self._names:
            return self._sets.get(name, {})
        source = self._source_of_synthesis(name)
        return {
            kind: dns.rrset.from_rdata_list(name, each.ttl, list(each))
            for kind, each in (self._sets[source] if source is not None else {}).items()
        }

    def _source_of_synthesis(self, name: dns.name.Name) -> dns.name.Name | None:
        """Return the wildcard directly below the closest encloser of a name (RFC 4592, section 3.3.1)."""
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
        """Return the addresses of SRV targets, which the resolver needs next (RFC 2782)."""
        targets = dict.fromkeys(
            rdata.target for rrset in held if rrset.rdtype == dns.rdatatype.SRV for rdata in rrset
        )  # fmt: skip
        return [rrset for target in targets for rrset in self._held(target, dns.rdatatype.A)]

    def _deny(self, name: dns.name.Name, found: Found) -> None:
        """Deny: no such name, or no record of the type, with the SOA that gives the negative TTL."""
        apex = self.zone_of(name)
        if apex is None:
            if found.answer:  # an alias that leads outside the zones
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
    """An injected failure. ``None`` matches every view, name or type; ``*.example.com`` all names below.

    ``rcode`` is e.g. ``SERVFAIL`` or ``REFUSED``; None: no response. ``times`` limits how often it applies.
    """

    view: str | None = None
    name: str | None = None
    type: str | None = None
    rcode: str | None = "SERVFAIL"
    times: int | None = None

    def concerns(self, view: str, name: str, kind: str) -> bool:
        """Return whether a query in a view matches this failure."""
        if self.view not in (None, view) or self.type not in (None, kind):
            return False
        if self.name is None:
            return True
        if self.name.startswith("*."):
            return name.lower().rstrip(".").endswith(self.name[1:].lower())
        return same_name(self.name, name)


class Views:
    """The views of a name server, by name, and its injected failures."""

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
        """Replace the view of the same name, like a zone that was edited and reloaded."""
        self._views[view.name] = view

    def fail(self, failure: Failure) -> Callable[[], None]:
        """Inject a failure; return a function that removes it."""
        number = next(self._numbers)
        self._failures[number] = (failure, 0)

        def lift() -> None:
            self._failures.pop(number, None)

        return lift

    def strike(self, view: str, name: str, kind: str) -> Failure | None:
        """Return the first failure that matches a query, and count it; None if there is none."""
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
