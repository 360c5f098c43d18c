"""Rules about DNS: which names exist, in which view, and what they lead to."""

from __future__ import annotations

from collections.abc import Iterator

from edgesim.deployment import Deployment
from edgesim.journal.matchers import DnsAnswer, TcpOpened
from edgesim.readiness import facts
from edgesim.readiness.rule import Book, Finding, Prediction

book = Book()


@book.rule("NET-14.cisco-uds-outside", requires="_cisco-uds must not be resolvable outside")
def cisco_uds_outside(deployment: Deployment) -> Iterator[Finding]:
    """Jabber that finds ``_cisco-uds`` takes itself for inside and never tries the edge."""
    clients = facts.any_client(deployment)
    for domain in deployment.domains.enabled:
        name = f"_cisco-uds._tcp.{domain.name}"
        if facts.record(deployment, "outside", name, "SRV") is None:
            continue
        yield Finding(
            at=("dns", "cisco_uds_outside") if deployment.dns.cisco_uds_outside else ("dns", "extra"),
            what=f"{name} resolves in the outside view",
            sees="Jabber takes itself for inside: it never contacts Expressway-E, and the sign-in fails",
            mend=f"remove {name} from the outside DNS",
            prediction=Prediction(
                awaits=(DnsAnswer(node=clients, name=name, rcode="NOERROR"),),
                never=tuple(
                    TcpOpened(node=clients, peer=edge.name, port=deployment.defaults.ports.edge_https)
                    for edge in deployment.expressway_e
                ),
            ),
        )
