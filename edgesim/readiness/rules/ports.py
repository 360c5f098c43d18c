"""Rules about the documented ports between clients, Expressway-E and Expressway-C, and about C's peer addresses.

The firewalls themselves (`edgesim.deployment.reach`) say which flows are blocked, so that any notation of rules is
checked by its effect. `edgesim.readiness.port_matrix` says what a closed port stops.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgesim.deployment import Deployment
from edgesim.deployment.flows import Ports, kind, ports_text
from edgesim.deployment.hosts import ExpresswayE
from edgesim.deployment.reach import ALL, FirewallAnalysis, Flow, Shut, openings, resolved
from edgesim.journal.matchers import Matcher, Note, SipResponse, SshTunnel, ZoneState, containing
from edgesim.pki.names import first_match, qualified
from edgesim.readiness import facts, port_matrix
from edgesim.readiness.port_matrix import Scene, Service
from edgesim.readiness.rule import Book, FieldPath, Finding, Prediction, Severity, Stop

book = Book()
WITHIN = 90.0
"""Seconds: C must give up a link, and a client a sign-in."""
NAMES = {
    "edge-https": "NET-16.https",
    "edge-sip": "NET-16.sip",
    "edge-xmpp": "NET-16.xmpp",
    "edge-media": "NET-16.media",
    "traversal-sip": "NET-15.sip",
    "ssh-tunnel": "NET-15.https",
    "xcp": "NET-15.xmpp",
    "traversal-media": "NET-15.media",
}
"""The rule for each row of the matrix."""
STOPS = {"edge-https": Stop.NO_CONNECTION, "ssh-tunnel": Stop.NO_WAY_TO_C}
"""Where a closed port ends every sign-in."""


def _closed(flow: str) -> None:
    """Define the rule for one documented flow."""
    each, row = kind(flow), port_matrix.row(flow)
    ends = {"client": "clients outside", "expressway_c": "Expressway-C"}[each.source]

    @book.rule(NAMES[flow], requires=f"firewalls let {ends} open {each.carries} to Expressway-E")
    def find(deployment: Deployment) -> Iterator[Finding]:
        if flow == "xcp" and not deployment.im_presence:
            return
        found = [
            each for each in FirewallAnalysis(deployment).flows(kind(flow)) if _by_its_own_address(deployment, each)
        ]
        for name in dict.fromkeys(shut.firewall for each in found for shut in each.blocked if shut.written):
            yield _finding(deployment, row, found, name)

    find.__doc__ = row.sees


def _by_its_own_address(deployment: Deployment, flow: Flow) -> bool:
    """Return whether a flow goes to where E accepts it; misleading peer addresses are other rules' subject."""
    spec = deployment.host(flow.target.name).spec
    assert isinstance(spec, ExpresswayE)
    return flow.kind.source == "client" or flow.target.address in (spec.inner_address, spec.public_address)


def _finding(deployment: Deployment, row: port_matrix.Row, flows: list[Flow], firewall: str) -> Finding:
    each = kind(row.flow)
    shut = [(flow, one) for flow in flows for one in flow.blocked if one.firewall == firewall and one.written]
    ports = ports_text(tuple(dict.fromkeys(span for _, one in shut for span in one.ports)))
    sources = tuple(dict.fromkeys(flow.source.name for flow, _ in shut))
    targets = tuple(dict.fromkeys(flow.target.name for flow, _ in shut))
    rule, verdict = shut[0][1].rule, shut[0][1].verdict
    return Finding(
        at=_field(deployment, firewall, shut[0][1]),
        what=f"firewall {firewall} blocks {each.protocol} {ports} from {_list(sources)} to {_list(targets)} "
        f"({rule if rule.startswith((verdict, 'otherwise ')) else f'{verdict}: {rule}'})",
        sees=row.sees,
        fix=f"allow {each.protocol} {ports_text(shut[0][0].ports)} from {_list(sources)} to {_list(targets)} on the "
        f"firewall {firewall}",
        prediction=_prediction(deployment, row, flows, [flow for flow, _ in shut], firewall),
    )


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _field(deployment: Deployment, firewall: str, shut: Shut) -> FieldPath:
    """Return the field that closes a port: the list of closed ones, the rules, or the default."""
    walls = deployment.network.firewalls
    place = next(index for index, wall in enumerate(walls) if wall.name == firewall)
    if shut.rule in walls[place].rules:
        return ("network", "firewalls", place, "rules", walls[place].rules.index(shut.rule))
    closed = bool(walls[place].closed) and not shut.rule.startswith("otherwise ")
    return ("network", "firewalls", place, "closed" if closed else "rules")


def _prediction(
    deployment: Deployment, row: port_matrix.Row, flows: list[Flow], shut: list[Flow], firewall: str
) -> Prediction | None:
    """Return what the journal shows: only if no other path remains, and all of the ports are closed."""
    whole = all(
        _size(one.ports) == _size(flow.ports) and _size(one.source_ports) == _size(flow.source_ports)
        for flow in shut
        for one in flow.blocked
    )
    if len(shut) < len(flows) or not whole or not all(flow.source.known for flow in shut):
        return None
    scene = Scene.of(deployment, firewall)
    if row.cell(Service.MEDIA).works is False and deployment.mra.media_probe is None:
        return None
    return Prediction(awaits=row.symptoms(scene), never=row.stopped(scene), within=WITHIN, stops=STOPS.get(row.flow))


def _size(ports: Ports) -> int:
    return sum(last - first + 1 for first, last in ports)


for _row in port_matrix.ROWS:
    _closed(_row.flow)


@book.rule(
    "NET-15.inbound",
    requires="no port is opened inward to Expressway-C",
    severity=Severity.WARNING,
)
def inbound(deployment: Deployment) -> Iterator[Finding]:
    """C opens every connection, so an inward opening serves only an attacker."""
    walls = deployment.network.firewalls
    for each in openings(deployment):
        place = next(index for index, wall in enumerate(walls) if wall.name == each.firewall)
        rules = walls[place].rules
        yield Finding(
            at=("network", "firewalls", place, "rules", *((rules.index(each.rule),) if each.rule in rules else ())),
            what=f"firewall {each.firewall} lets {_list(each.sources)} open {each.protocol} {_ports(each.ports)} of "
            f"{_list(each.targets)} ({each.rule})",
            sees="nothing: Expressway-C opens every connection itself",
            fix=f"remove the opening from the rules of {each.firewall}",
        )


def _ports(ports: Ports) -> str:
    return "any port" if ports == ALL else ports_text(ports)


@book.rule("NET-18.peer-address", requires="the peer addresses of C's traversal zone resolve to Expressway-E")
def peer_address(deployment: Deployment) -> Iterator[Finding]:
    """A peer address that does not resolve, or leads to another host: the zone fails and says why.

    Names of an E that merely lack their records are `NET-09.edge-address-inside`.
    """
    links, zone = deployment.defaults.links, deployment.traversal_zone
    own = {
        address for edge in deployment.expressway_e for address in (edge.outer, edge.inner, edge.static_nat) if address
    }
    wrong: list[tuple[int, str, str, str]] = []
    for index, peer in enumerate(zone.peer_addresses):
        address = resolved(deployment, peer)
        if address is None and not any(peer.lower() in (e.fqdn, e.inner_fqdn) for e in deployment.expressway_e):
            wrong.append((index, peer, f"{peer} does not resolve inside", "does not resolve"))
        elif address is not None and address not in own:
            there = next((spec for spec in deployment.host_specs() if spec.address == address), None)
            owner = f"which is {there.name}" if there else "where there is no machine"
            wrong.append((index, peer, f"{peer} resolves to {address}, {owner}", ""))
    alone = len(wrong) == len(zone.peer_addresses)
    for index, peer, what, reason in wrong:
        words = {"reason": containing(reason)} if reason else {}
        awaits: tuple[Matcher, ...] = (
            ZoneState(node=facts.cores(deployment), zone=zone.name, state=links.failed, **words),
            facts.next_hop_failed(deployment, facts.any_client(deployment)),
        )
        yield Finding(
            at=("traversal_zone", "peer_addresses", index),
            what=what,
            sees=f"the zone shows {links.failed}; "
            + (
                "nothing works through this edge: every HTTPS request gets 502 Next Hop Connection Failed"
                if alone
                else "clients that connect to the Expressway-E that C does not reach get 502 Next Hop Connection Failed"
            ),
            fix=f"replace {peer} with the FQDN of an Expressway-E that resolves inside to its inner address",
            prediction=Prediction(
                awaits=awaits,
                never=(ZoneState(node=facts.cores(deployment), zone=zone.name, state=links.active),),
                within=WITHIN,
                stops=Stop.NO_WAY_TO_C,
            )
            if alone
            else None,
        )


@book.rule("NET-18.credentials", requires="Expressway-E has the password with which C's traversal zone authenticates")
def credentials(deployment: Deployment) -> Iterator[Finding]:
    """The user in E's local database; here the SSH tunnel's keys derive from it."""
    zone, links = deployment.traversal_zone, deployment.defaults.links
    if zone.server_password == zone.password:
        return
    reported = ZoneState(
        node=facts.cores(deployment), zone=zone.name, state=links.failed, reason=containing("E answered 401")
    )
    refused = facts.next_hop_failed(deployment, facts.any_client(deployment))
    up = ZoneState(node=facts.cores(deployment), zone=zone.name, state=links.active)
    yield Finding(
        at=("traversal_zone", "server_password"),
        what=f"the password of {zone.user} on Expressway-E differs from that in C's traversal zone {zone.name}",
        sees="the zone shows an authentication failure, and every HTTPS request gets 502 Next Hop Connection Failed",
        fix=f"set the same password for {zone.user} in the local database of Expressway-E and in the zone of C",
        prediction=Prediction(awaits=(reported, refused), never=(up,), stops=Stop.NO_WAY_TO_C),
    )


@book.rule(
    "NET-18.underscore", requires="the host names by which C's traversal zone dials Expressway-E have no underscore"
)
def underscore(deployment: Deployment) -> Iterator[Finding]:
    """The traversal zone works with it; HTTPS forwarding does not (MRA Deployment Guide, Troubleshooting)."""
    peers = deployment.traversal_zone.peer_addresses
    wrong = [(index, peer) for index, peer in enumerate(peers) if "_" in peer.partition(".")[0]]
    for index, peer in wrong:
        edge = next((each for each in deployment.expressway_e if peer.lower() in (each.fqdn, each.inner_fqdn)), None)
        failed = SshTunnel(node=facts.cores(deployment), state="failed", detail=containing(f"{peer}: host name with"))
        refused = facts.next_hop_failed(deployment, facts.any_client(deployment))
        yield Finding(
            at=("traversal_zone", "peer_addresses", index)
            if edge is None or deployment.is_written(("traversal_zone", "peer_addresses"))
            else (*deployment.place_of(edge.name), "inner_name" if edge.inner_name else "name"),
            what=f"C dials Expressway-E as {peer}, a host name with an underscore",
            sees="the traversal zone comes up, the SSH tunnel does not: "
            + (
                "every HTTPS request gets 502 Next Hop Connection Failed"
                if len(wrong) == len(peers)
                else "clients that connect to this Expressway-E get 502 Next Hop Connection Failed"
            ),
            fix="give it a host name of letters, digits and hyphens, also in DNS and in the certificate",
            prediction=Prediction(
                awaits=(failed, *((refused,) if len(wrong) == len(peers) else ())),
                stops=Stop.NO_WAY_TO_C if len(wrong) == len(peers) else None,
                undialled=(deployment.ssh_tunnel.port,) if len(wrong) == len(peers) else (),
            ),
        )


@book.rule(
    "NET-18.peer-name",
    requires="the peer addresses of C's traversal zone are names in Expressway-E's certificate",
    rows=("NET-18", "NET-19"),
)
def peer_name(deployment: Deployment) -> Iterator[Finding]:
    """C verifies what it dialled: a name or address missing in E's SAN fails the zone, and chat with it."""
    zone, links = deployment.traversal_zone, deployment.defaults.links
    wrong: list[tuple[int, str, ExpresswayE]] = []
    for index, peer in enumerate(zone.peer_addresses):
        address = resolved(deployment, peer)
        for edge in deployment.expressway_e:
            if address is None or address not in (edge.outer, edge.inner, edge.static_nat):
                continue
            names = deployment.certificate(edge.name, "server").names
            if peer.lower() in (edge.fqdn.lower(), edge.inner_fqdn.lower()):
                continue  # its own name: the certificate must be fixed, CERT-16.host-name
            if first_match([qualified(peer)], [qualified(name) for name in names]) is None:
                wrong.append((index, peer, edge))
    by_name = deployment.xcp_link.enable_cvs and deployment.xcp_link.verify_hostname
    for index, peer, edge in wrong:
        clients = facts.any_client(deployment)
        yield Finding(
            at=("traversal_zone", "peer_addresses", index),
            what=f"C connects to {edge.name} as {peer}, which is not in its certificate",
            sees=f"the zone shows {links.failed}: clients sign in, but REGISTER gets 503"
            + (", and there is no chat" if by_name else ""),
            fix=f"replace {peer} with {edge.inner_fqdn}",
            prediction=Prediction(
                awaits=(
                    Note(node=facts.cores(deployment), text=containing("identity was unacceptable")),
                    ZoneState(node=facts.cores(deployment), zone=zone.name, state=links.failed),
                    SipResponse(
                        node=clients,
                        peer=facts.edges(deployment),
                        status=deployment.defaults.sip.zone_down_status,
                        method="REGISTER",
                    ),
                    *(facts.no_mechanisms(deployment, clients) if deployment.im_presence and by_name else ()),
                ),
                never=(ZoneState(node=facts.cores(deployment), zone=zone.name, state=links.active),),
                within=WITHIN,
            )
            if len(wrong) == len(zone.peer_addresses)
            else None,
        )
