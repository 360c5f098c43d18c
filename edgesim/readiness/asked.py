"""What the lab's DNS answers in a deployment, for rules: asked of the very views that its name servers serve."""

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
    """What the lab's DNS answers: the response code, the records' texts in the order and form of a journal's answer,
    and of the type asked for the values."""

    rcode: str
    texts: tuple[str, ...]
    values: tuple[str | Srv, ...]


class _ByIdentity:
    """A deployment as the key of a cache: deployments are compared field by field otherwise."""

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
    """Ask the very view that the lab's name server serves: through aliases and wildcards."""
    wanted = from_text(kind)
    found = _view(_ByIdentity(deployment), view).find(absolute(name), wanted)
    records = [from_rdata(rrset.name, rrset.ttl, rdata) for rrset in found.answer for rdata in rrset]
    return Answered(
        rcode=to_text(found.rcode),
        texts=tuple(each.text() for each in records),
        values=tuple(each.value for each in records if each.type == kind),
    )


def services(deployment: Deployment, view: View, name: str) -> tuple[Srv, ...]:
    """Return what an SRV name leads to in one view, in the order of its records."""
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
    """Return the field that decides about a record of the DNS: what keeps the derived one away (``dns.without[1]``),
    else the record that stands in its place (``dns.extra[0]``), else the records as such."""
    for index, each in enumerate(deployment.dns.without):
        if (each.view, each.name.lower(), each.type) == (view, name.lower(), kind):
            return ("dns", "without", index)
    for index, one in enumerate(deployment.dns.extra):
        if (one.view, one.name.lower()) == (view, name.lower()) and one.type in (kind, "CNAME"):
            return ("dns", "extra", index)
    return ("dns", "extra")


def lacking(part: str) -> Test:
    """Return a condition on a DNS answer: none of its records contains ``part``."""
    return Test(f"lacking {part!r}", lambda found: not any(part.lower() in text.lower() for text in found))
