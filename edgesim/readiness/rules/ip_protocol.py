"""Rules about the IP protocol of the Expressways.

Source: "MRA Deployment Guide X15.0, MRA Requirements and Prerequisites".
"""

from __future__ import annotations

from collections.abc import Iterator

from edgesim.deployment import Deployment
from edgesim.deployment.hosts import ClientHost, ExpresswayE
from edgesim.journal.matchers import DnsAnswer, TcpClosed, TcpOpened, ZoneState, containing, one_of
from edgesim.readiness import asked, facts
from edgesim.readiness.rule import Book, Finding, Prediction, Severity, Stop

book = Book()


@book.rule("EXP-07.ipv6-only", requires="the Expressways have IPv4, the only IP protocol that MRA uses")
def ipv6_only(deployment: Deployment) -> Iterator[Finding]:
    """With IPv6 only, none of the links between the Expressways, and none of a client's, is possible."""
    failed = deployment.defaults.links.failed
    for index, edge in enumerate(deployment.expressway_e):
        if edge.ip_protocol == "IPv6":
            clients = facts.any_client(deployment)
            yield Finding(
                at=("expressway_e", index, "ip_protocol"),
                what=f"{edge.name} has no IPv4",
                sees="Couldn't resolve host name: the edge has no IPv4 address, and no Expressway-C connects to it",
                fix=f"set System > Network interfaces > IP of {edge.name} to IPv4",
                prediction=Prediction(
                    awaits=(
                        ZoneState(node=facts.cores(deployment), state=failed, reason=containing(edge.fqdn)),
                        DnsAnswer(node=clients, name=edge.fqdn, qtype="A", answers=()),
                    ),
                ),
            )
    for index, core in enumerate(deployment.expressway_c):
        if core.ip_protocol == "IPv6":
            yield Finding(
                at=("expressway_c", index, "ip_protocol"),
                what=f"{core.name} has no IPv4",
                sees="502 Next Hop Connection Failed: no link to Expressway-E is up"
                if len(deployment.expressway_c) == 1
                else f"{core.name} serves no client",
                fix=f"set System > Network interfaces > IP of {core.name} to IPv4",
                prediction=_unlinked(deployment) if len(deployment.expressway_c) == 1 else None,
            )


def _unlinked(deployment: Deployment) -> Prediction:
    return Prediction(awaits=(facts.next_hop_failed(deployment, facts.anybody(deployment)),), stops=Stop.NO_WAY_TO_C)


@book.rule(
    "EXP-07.both",
    requires="clients do not send IPv6 to Expressway-E, which does not proxy it",
    severity=Severity.WARNING,
)
def both(deployment: Deployment) -> Iterator[Finding]:
    """An AAAA record outside leads IPv6-capable clients to an address that serves nothing."""
    for index, edge in enumerate(deployment.expressway_e):
        published = asked.ask(deployment, "outside", edge.fqdn, "AAAA").values
        if edge.ip_protocol != "Both" or not published:
            continue
        yield Finding(
            at=("expressway_e", index, "ip_protocol"),
            what=f"{edge.name} has IPv4 and IPv6, and {edge.fqdn} has the AAAA record {published[0]} outside",
            sees="clients with IPv6 fail intermittently; those without it work",
            fix=f"set System > Network interfaces > IP of {edge.name} to IPv4, and remove the AAAA record",
            prediction=_intermittent(deployment, edge),
        )


def _intermittent(deployment: Deployment, edge: ExpresswayE) -> Prediction | None:
    """Predict a client's request by IPv6, if a client outside has it."""
    newer = [
        spec.name
        for spec in facts.clients(deployment, outside=True)
        if isinstance(spec.spec, ClientHost) and spec.spec.ipv6 is not None
    ]
    if not newer:
        return None
    clients, port = one_of(*newer), deployment.defaults.ports.edge_https
    words = {"remote": containing(edge.outer_ipv6)} if edge.outer_ipv6 else {}
    dialled = TcpOpened(node=clients, peer=edge.name, port=port, **words)
    if deployment.defaults.edge.ipv6_client == "closed":
        return Prediction(awaits=(dialled, TcpClosed(node=clients, peer=edge.name, port=port)))
    return Prediction(awaits=(dialled, facts.next_hop_failed(deployment, clients)))
