"""The combined prediction of several findings: none promises what another makes unreachable.

Each finding is found separately. But a client that finds no edge neither registers nor fails at chat, so the symptoms
that other findings predict for it do not occur.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from edgesim.deployment import Deployment
from edgesim.journal import events
from edgesim.journal.matchers import Matcher, Test
from edgesim.readiness.rule import Finding, Prediction, Stop

LATER = 100
"""The position after everything at which a sign-in can stop."""
CHAT = (events.XmppStream, events.XmppSession)
SIP = (events.SipRequest, events.SipResponse, events.Registered)
HTTP = (events.HttpRequest, events.HttpResponse)


def together(deployment: Deployment, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings without the predictions that another one prevents."""
    return tuple(
        _beside(deployment, each, [other for other in findings if other is not each]) if each.prediction else each
        for each in findings
    )


def _beside(deployment: Deployment, finding: Finding, others: Iterable[Finding]) -> Finding:
    prediction = finding.prediction
    assert prediction is not None
    predictions = [other.prediction for other in others if other.prediction is not None]
    end = min((int(each.stops) for each in predictions if each.stops is not None), default=LATER)
    banned = {str(ban) for each in predictions for ban in each.never}
    failing = {
        _zone(deployment, each) for one in predictions for each in one.awaits if _state(deployment, each) == "failed"
    }
    zone = deployment.traversal_zone
    undialled = {port for each in predictions for port in each.undialled}
    shut = {port for each in predictions for port in _shut(deployment, each)}
    kept = tuple(
        each
        for each in prediction.awaits
        if _place(deployment, each) <= end
        and each.wanted.get("port") not in undialled
        and not (_state(deployment, each) and _zone(deployment, each) == zone.name and zone.port in undialled)
        and not (_way(deployment, each) in shut and each.event is not events.FirewallBlocked)
        and str(each) not in banned
        and not (_state(deployment, each) == "active" and _zone(deployment, each) in failing)
    )
    if kept == prediction.awaits:
        return finding
    return replace(finding, prediction=replace(prediction, awaits=kept) if kept else None)


def _way(deployment: Deployment, matcher: Matcher) -> int | None:
    """Return the port of Expressway-E by which a client reaches a matching entry, unless it is that of HTTPS."""
    if issubclass(matcher.event, SIP):
        return deployment.defaults.ports.edge_sip
    return deployment.defaults.ports.edge_xmpp if issubclass(matcher.event, CHAT) else None


def _shut(deployment: Deployment, prediction: Prediction) -> Iterable[int]:
    """Yield the ports of Expressway-E to which a firewall admits no client."""
    for each in prediction.awaits:
        if each.event is events.FirewallBlocked and _of_clients(deployment, each):
            yield int(each.wanted.get("port", 0))


def _place(deployment: Deployment, matcher: Matcher) -> int:
    """Return how far a client must get for a matching entry; 0 if no client is needed."""
    kind, wanted = matcher.event, matcher.wanted
    ports, edge = deployment.defaults.ports, deployment.defaults.edge
    if issubclass(kind, (*CHAT, *SIP)) or (kind is events.MediaFlow and wanted.get("leg") == "endpoint"):
        return LATER
    if issubclass(kind, HTTP):
        if wanted.get("status") == edge.upstream_failure_status and edge.server_of_e in str(wanted.get("payload")):
            return int(Stop.NO_WAY_TO_C)
        if wanted.get("status") in (401, 403) and "target" not in wanted:
            return int(Stop.REFUSED)
        return LATER if _of_clients(deployment, matcher) else 0
    if kind in (events.TlsRefused, events.TlsUp, events.TcpOpened):
        port = wanted.get("port")
        if port == ports.edge_https:
            return int(Stop.CERTIFICATE)
        return LATER if port in (ports.configuration_https, ports.headset_https, ports.edge_sip, ports.edge_xmpp) else 0
    if kind is events.FirewallBlocked:
        port = wanted.get("port")
        if port in (ports.edge_sip, ports.edge_xmpp) or wanted.get("protocol") == "udp":
            return LATER
        return int(Stop.NO_CONNECTION) if port == ports.edge_https else 0
    if kind is events.DnsAnswer:
        asked = {each.fqdn for each in deployment.expressway_e}
        address = wanted.get("qtype") == "A" and wanted.get("name") in asked
        return int(Stop.NO_ADDRESS) if address and _of_clients(deployment, matcher) else 0
    return 0


def _of_clients(deployment: Deployment, matcher: Matcher) -> bool:
    """Return whether a matching entry is a client's."""
    node = matcher.wanted.get("node")
    fits = node.holds if isinstance(node, Test) else (lambda name: node is None or name == node)
    return any(fits(machine.name) for machine in deployment.clients)


def _state(deployment: Deployment, matcher: Matcher) -> str:
    """Return ``active`` or ``failed`` for a matcher of a zone's state, an empty text for other matchers."""
    state = matcher.wanted.get("state")
    if matcher.event is not events.ZoneState or not isinstance(state, str):
        return ""
    return "active" if state == deployment.defaults.links.active else "failed"


def _zone(deployment: Deployment, matcher: Matcher) -> str:
    return str(matcher.wanted.get("zone", deployment.traversal_zone.name))
