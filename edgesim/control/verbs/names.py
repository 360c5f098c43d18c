"""Verbs on the DNS: questions as a host asks them, and name servers that fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from edgesim.control.carrier import ControlError
from edgesim.control.command import WAITS, Done, HostCommand, Site, verb
from edgesim.dns import Failure
from edgesim.node import Node

__all__ = ["DnsFails", "FailDns", "LiftDnsFailure", "Resolve", "Resolved"]

Name = Annotated[str, Field(max_length=255)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The answer to a query: its status, and the records, each as type and value: ``A 10.0.30.11``."""

    status: str
    records: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsFails:
    """The number of a failure of a name server."""

    number: int


@verb("resolve")
class Resolve(HostCommand[Resolved]):
    """Ask for records of one type as a host asks: its resolver, its name servers."""

    question: Name
    type: Annotated[str, Field(max_length=16)] = "A"

    @property
    def limit_s(self) -> float | None:
        return WAITS

    async def work(self, site: Site, node: Node) -> Resolved:
        try:
            answer = await node.host.run(_asked(node, self.question, self.type), name="question")
        except ValueError as error:
            raise ControlError(str(error)) from None
        return answer


async def _asked(node: Node, name: str, kind: str) -> Resolved:
    answer = await node.resolver.query(name, kind)
    return Resolved(status=answer.status.value, records=tuple(record.text() for record in answer.records))


@verb("fail-dns")
class FailDns(HostCommand[DnsFails]):
    """Make a name server fail for queries for ``question`` (``*.example.com``: all below; none: all), of ``type``.

    ``rcode`` is its answer (none: no answer); ``times`` how often at most.
    """

    question: Name | None = None
    type: Annotated[str, Field(max_length=16)] | None = None
    rcode: Literal["SERVFAIL", "REFUSED", "FORMERR", "NOTIMP", "NXDOMAIN"] | None = "SERVFAIL"
    times: Annotated[int, Field(ge=1)] | None = None

    async def work(self, site: Site, node: Node) -> DnsFails:
        failure = Failure(name=self.question, type=self.type, rcode=self.rcode, times=self.times)
        return DnsFails(number=site.lab.held.fail_dns(node, failure))


@verb("lift-dns-failure")
class LiftDnsFailure(HostCommand[Done]):
    """End a failure of a name server."""

    needs_up = False

    number: int

    async def work(self, site: Site, node: Node) -> Done:
        site.lab.held.lift_dns(node, self.number)
        return Done(text=f"{node.name} answers again")
