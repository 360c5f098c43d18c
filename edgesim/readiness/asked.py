"""DNS queries for rules, answered from the views that the lab's name servers serve."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from dns.rcode import to_text
from dns.rdatatype import from_text

from edgesim import dns
from edgesim.deployment import Deployment
from edgesim.deployment.base import View
from edgesim.dns import Srv, reverse_name
from edgesim.dns.records import absolute, from_rdata
from edgesim.journal.matchers import Test


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer of the lab's DNS: the response code, the records' texts as in a journal's answer, and the values of
    the type queried.
    """

    rcode: str
    texts: tuple[str, ...]
    values: tuple[str | Srv, ...]


class _ByIdentity:
    """A deployment as a cache key, compared by identity rather than field by field."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and other.deployment is self.deployment

    def __hash__(self) -> int:
        return id(self.deployment)


@lru_cache(maxsize=8)
def _view(deployment: _ByIdentity, view: View) -> dns.View:
    return dns.served(deployment.deployment, view)


def ask(deployment: Deployment, view: View, name: str, kind: str) -> Answered:
    """Query a view as the lab's name server serves it: with aliases and wildcards."""
    wanted = from_text(kind)
    found = _view(_ByIdentity(deployment), view).find(absolute(name), wanted)
    records = [from_rdata(rrset.name, rrset.ttl, rdata) for rrset in found.answer for rdata in rrset]
    return Answered(
        rcode=to_text(found.rcode),
        texts=tuple(each.text() for each in records),
        values=tuple(each.value for each in records if each.type == kind),
    )


def services(deployment: Deployment, view: View, name: str) -> tuple[Srv, ...]:
    """Return the SRV records of a name in one view, in their order."""
    found = ask(deployment, view, name, "SRV").values
    return tuple(each for each in found if isinstance(each, Srv) and each.target)


def targets(deployment: Deployment, view: View, name: str) -> tuple[str, ...]:
    """Return the targets of an SRV name in one view, in lower case."""
    return tuple(each.target.lower() for each in services(deployment, view, name))


def addresses(deployment: Deployment, view: View, name: str) -> tuple[str, ...]:
    """Return the IPv4 addresses of a name in one view."""
    return tuple(map(str, ask(deployment, view, name, "A").values))


def reverse(deployment: Deployment, view: View, address: str) -> tuple[str, ...]:
    """Return the names of an address in one view, in lower case."""
    return tuple(str(each).lower() for each in ask(deployment, view, reverse_name(address), "PTR").values)


def field_of(deployment: Deployment, view: View, name: str, kind: str) -> tuple[str | int, ...]:
    """Return the field that determines a DNS record: the one that suppresses the derived record (``dns.without[1]``),
    else the one that replaces it (``dns.extra[0]``), else the list of records.
    """
    for index, each in enumerate(deployment.dns.without):
        if (each.view, each.name.lower(), each.type) == (view, name.lower(), kind):
            return ("dns", "without", index)
    for index, one in enumerate(deployment.dns.extra):
        if (one.view, one.name.lower()) == (view, name.lower()) and one.type in (kind, "CNAME"):
            return ("dns", "extra", index)
    return ("dns", "extra")


def lacking(part: str) -> Test:
    """Return a condition on a DNS answer: no record contains ``part``."""
    return Test(f"lacking {part!r}", lambda found: not any(part.lower() in text.lower() for text in found))
