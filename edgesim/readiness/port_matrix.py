"""The services that each documented port carries: what stops if that port alone is closed, and what continues.

Readiness rules, scenarios and documentation share this table. A cell describes a service for a client that signs in
while the port is closed: it works, it fails visibly in the journal, or the client never reaches it, because an earlier
service failed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from edgesim.deployment import Deployment
from edgesim.journal.matchers import (
    DnsAnswer,
    FirewallBlocked,
    HttpResponse,
    Matcher,
    MediaFlow,
    SipResponse,
    SshTunnel,
    Test,
    XcpLink,
    XmppStream,
    ZoneState,
    containing,
    one_of,
)
from edgesim.readiness import facts


class Service(Enum):
    """The services of a client outside through the edge, in the order of a sign-in."""

    DISCOVERY = "discovery"
    EDGE_CONFIGURATION = "edge configuration"
    FILES = "files"
    REGISTRATION = "registration"
    CHAT = "chat"
    MEDIA = "media"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The hosts concerned: the clients, the Expressways, the firewall that closes the port."""

    deployment: Deployment
    clients: Test
    edges: Test
    cores: Test
    firewall: str

    @classmethod
    def of(cls, deployment: Deployment, firewall: str, clients: tuple[str, ...] = ()) -> Scene:
        """Return the scene of a deployment; by default all clients outside."""
        return cls(
            deployment=deployment,
            clients=one_of(*clients) if clients else facts.any_client(deployment),
            edges=facts.edges(deployment),
            cores=facts.cores(deployment),
            firewall=firewall,
        )


Show = Callable[[Scene], tuple[Matcher, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A service's result: ``text`` in words; what the journal shows if it fails; ``reached`` is false if the client
    never reaches it.
    """

    text: str
    works: bool = False
    reached: bool = True
    shows: Show = lambda _: ()


WORKS = Cell(text="works", works=True)
NOT_REACHED = Cell(text="not reached", reached=False)


def _works(scene: Scene) -> dict[Service, Matcher]:
    clients, edges = scene.clients, scene.edges
    return {
        Service.DISCOVERY: DnsAnswer(node=clients, name=containing("_collab-edge._tls."), rcode="NOERROR"),
        Service.EDGE_CONFIGURATION: HttpResponse(
            node=clients, peer=edges, status=200, payload=containing("getEdgeConfigResponse")
        ),
        Service.FILES: HttpResponse(node=clients, peer=edges, status=200, target=containing(".cnf.xml")),
        Service.REGISTRATION: SipResponse(node=clients, peer=edges, status=200, method="REGISTER"),
        Service.CHAT: XmppStream(node=clients, peer=edges, element="success"),
        Service.MEDIA: MediaFlow(node=clients, peer=edges, leg="endpoint", state="started"),
    }


def works(scene: Scene, service: Service) -> Matcher:
    """Return what shows that a service works."""
    return _works(scene)[service]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A documented port: the flow's name in `edgesim.deployment.flows`, the firewall in its way, what stops.

    ``sees`` describes it for an administrator. ``link`` is what the Expressways show. Services without a cell work.
    """

    flow: str
    wall: str
    sees: str
    cells: Mapping[Service, Cell]
    link: Show = lambda _: ()
    link_text: str = ""

    def cell(self, service: Service) -> Cell:
        """Return a service's result."""
        return self.cells.get(service, WORKS)

    def symptoms(self, scene: Scene) -> tuple[Matcher, ...]:
        """Return everything that the journal shows, in order."""
        cells = (matcher for service in Service for matcher in self.cell(service).shows(scene))
        return (*self.link(scene), *cells)

    def stopped(self, scene: Scene) -> tuple[Matcher, ...]:
        """Return what does not occur: the services that fail."""
        return tuple(works(scene, service) for service in Service if not self.cell(service).works)


def _blocked(scene: Scene, node: Test, port: int, protocol: str = "tcp") -> Matcher:
    return FirewallBlocked(node=node, firewall=scene.firewall, protocol=protocol, port=port)


def _client_blocked(port: Callable[[Deployment], int]) -> Show:
    return lambda scene: (_blocked(scene, scene.clients, port(scene.deployment)),)


def _zone_down(scene: Scene) -> tuple[Matcher, ...]:
    lab = scene.deployment
    return (
        _blocked(scene, scene.cores, lab.traversal_zone.port),
        ZoneState(node=scene.cores, zone=lab.traversal_zone.name, state=lab.defaults.links.failed),
    )


def _tunnel_down(scene: Scene) -> tuple[Matcher, ...]:
    return (
        _blocked(scene, scene.cores, scene.deployment.ssh_tunnel.port),
        SshTunnel(node=scene.cores, state="failed"),
        # The zone is up nevertheless.
        ZoneState(
            node=scene.cores, zone=scene.deployment.traversal_zone.name, state=scene.deployment.defaults.links.active
        ),
    )


def _xcp_down(scene: Scene) -> tuple[Matcher, ...]:
    return (
        _blocked(scene, scene.cores, scene.deployment.xcp_link.port),
        XcpLink(node=scene.cores, state="failed"),
    )


def _unavailable(scene: Scene) -> tuple[Matcher, ...]:
    status = scene.deployment.defaults.sip.zone_down_status
    return (SipResponse(node=scene.clients, peer=scene.edges, status=status, method="REGISTER"),)


def _next_hop_failed(scene: Scene) -> tuple[Matcher, ...]:
    return (facts.next_hop_failed(scene.deployment, scene.clients),)


def _no_mechanisms(scene: Scene) -> tuple[Matcher, ...]:
    return facts.no_mechanisms(scene.deployment, scene.clients)


def _no_pinhole(scene: Scene) -> tuple[Matcher, ...]:
    """What C shows of the media probe, if the deployment has one."""
    if scene.deployment.mra.media_probe is None:
        return ()
    return (MediaFlow(node=scene.cores, leg="multiplexed", state="failed", reason="no answer from E"),)


def _media_blocked(scene: Scene) -> tuple[Matcher, ...]:
    probe = scene.deployment.mra.media_probe
    if probe is None:
        return ()
    return (_blocked(scene, scene.clients, probe.edge_port, "udp"),)


ROWS: tuple[Row, ...] = (
    Row(
        flow="edge-https",
        wall="external",
        sees="no user outside can sign in: connections to E:8443 get no answer (HOST_UNREACHABLE_ERROR); users who "
        "are signed in keep phone and chat until their next HTTPS request",
        cells={
            Service.EDGE_CONFIGURATION: Cell(
                text="no answer from E:8443", shows=_client_blocked(lambda lab: lab.defaults.ports.edge_https)
            ),
            Service.FILES: NOT_REACHED,
            Service.REGISTRATION: NOT_REACHED,
            Service.CHAT: NOT_REACHED,
        },
    ),
    Row(
        flow="edge-sip",
        wall="external",
        sees="clients outside sign in and chat, but the phone does not register: connections to E:5061 get no answer",
        cells={
            Service.REGISTRATION: Cell(
                text="no answer from E:5061", shows=_client_blocked(lambda lab: lab.defaults.ports.edge_sip)
            )
        },
    ),
    Row(
        flow="edge-xmpp",
        wall="external",
        sees="clients outside sign in and have phone service, but no chat: connections to E:5222 get no answer",
        cells={
            Service.CHAT: Cell(
                text="no answer from E:5222", shows=_client_blocked(lambda lab: lab.defaults.ports.edge_xmpp)
            )
        },
    ),
    Row(
        flow="edge-media",
        wall="external",
        sees="calls connect without audio or video: media from clients outside does not reach E",
        cells={Service.MEDIA: Cell(text="packets to E are lost", shows=_media_blocked)},
    ),
    Row(
        flow="traversal-sip",
        wall="internal",
        sees="clients outside sign in and chat, but the phone does not register: E answers REGISTER with 503",
        link=_zone_down,
        link_text="traversal zone Failed",
        cells={Service.REGISTRATION: Cell(text="503 to REGISTER", shows=_unavailable)},
    ),
    Row(
        flow="ssh-tunnel",
        wall="internal",
        sees="no user outside can sign in: every HTTPS request gets 502 Next Hop Connection Failed, while the "
        "traversal zone is active; users who are signed in keep phone and chat until their next HTTPS request",
        link=_tunnel_down,
        link_text="SSH tunnel failed; traversal zone Active",
        cells={
            Service.EDGE_CONFIGURATION: Cell(text="502 Next Hop Connection Failed", shows=_next_hop_failed),
            Service.FILES: NOT_REACHED,
            Service.REGISTRATION: NOT_REACHED,
            Service.CHAT: NOT_REACHED,
        },
    ),
    Row(
        flow="xcp",
        wall="internal",
        sees="clients outside have phone service, but no chat: E:5222 accepts the connection, offers no SASL "
        "mechanisms, and closes it",
        link=_xcp_down,
        link_text="XCP link failed",
        cells={Service.CHAT: Cell(text="features without mechanisms, then closed", shows=_no_mechanisms)},
    ),
    Row(
        flow="traversal-media",
        wall="internal",
        sees="calls connect without audio or video: media does not pass between C and E",
        link=_no_pinhole,
        link_text="no pinhole from C to E",
        cells={Service.MEDIA: Cell(text="packets end at E")},
    ),
)
"""NET-16, then NET-15, in the order in which a client's packets pass."""


def row(flow: str) -> Row:
    """Return the row of a flow by name. Raises `LookupError`."""
    for each in ROWS:
        if each.flow == flow:
            return each
    raise LookupError(f"no row for {flow!r}")
