"""Service discovery: three SRV queries and their evaluation.

"Planning Guide for Cisco Jabber 11.6", Service Discovery: the queries are separate and simultaneous; ``_cisco-uds``
wins, then ``_cuplogin``, then ``_collab-edge``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgesim.clients.common.stages import StageFailed
from edgesim.dns import DnsError, NoSuchName
from edgesim.node import Node, ServiceTarget

NO_RECORDS = "ServiceDiscoveryHandlerResult return code FAILED_NO_SRV_RECORDS_FOUND"
"""What Jabber logs if no query has an answer (Cisco 221845)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The result of discovery: the side, and the SRV targets of the deciding service, best first."""

    inside: bool
    service: str
    targets: tuple[tuple[str, int], ...]


async def discover(node: Node, domain: str, *, excluded: Sequence[str] = ()) -> Found:
    """Query the services of a domain and decide. Raises `StageFailed` if no service answers."""
    asked = [("CUCM", f"_cisco-uds._tcp.{domain}", True)]
    if node.defaults.client.asks_cuplogin:
        asked.append(("CUP", f"_cuplogin._tcp.{domain}", True))
    asked.append(("", f"_collab-edge._tls.{domain}", False))
    asked = [item for item in asked if item[0] not in excluded]
    if node.defaults.client.srv_queries == "at once":
        tasks = [node.host.spawn(_ask(node, name), name=f"SRV {name}") for _, name, _ in asked]
        try:
            answers = [await task for task in tasks]
        finally:
            for task in tasks:
                task.cancel()
        for (_, name, inside), answer in zip(asked, answers, strict=True):
            if not isinstance(answer, str):
                return _found(name, inside, answer)
    else:
        answers = []
        for _, name, inside in asked:
            answer = await _ask(node, name)
            if not isinstance(answer, str):
                return _found(name, inside, answer)
            answers.append(answer)
    raise StageFailed("; ".join([*(str(answer) for answer in answers), NO_RECORDS]))


async def _ask(node: Node, name: str) -> Sequence[ServiceTarget] | str:
    try:
        return await node.resolver.srv(name)
    except NoSuchName:
        return f"DNS query {{{name}.}} has failed: DNS name does not exist."
    except DnsError as error:
        return f"DNS query {{{name}.}} has failed: {error.status.value}."


def _found(name: str, inside: bool, answer: Sequence[ServiceTarget]) -> Found:
    targets = tuple((record.target, record.port) for record in answer)
    return Found(inside=inside, service=name.split(".", 1)[0], targets=targets)
