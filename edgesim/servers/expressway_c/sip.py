"""Expressway-C's SIP side: between the traversal zone and the neighbour zones of the Unified CM nodes.

C is a proxy. It answers E's SERVICE requests, sends what comes from a client to the zone of the Unified CM node in the
Request-URI, puts itself into Contact or Path, and sends what Unified CM has for a client down to the E that the client
is connected to. Sources: "How Phone Services Failover works for Jabber 14 over MRA" (Cisco 217244); "MRA Deployment
Guide X14.0.2, Features and Additional Configurations" for Path; "Troubleshooting Guide for Cisco Webex Hybrid Call
Service Connect" (Cisco 212475); RFC 3261, section 16; RFC 3327.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from edgesim.deployment import Release
from edgesim.edge import service
from edgesim.edge.protection import Category
from edgesim.edge.resource_usage import ResourceUsage
from edgesim.journal import events
from edgesim.node import Node
from edgesim.pki import Policy, server_context
from edgesim.servers.expressway_c.neighbours import Neighbour, Neighbours, SearchRule
from edgesim.servers.expressway_c.sip_service import ServiceServer
from edgesim.servers.expressway_c.tls import FIRST_MATCH, checks_usage, sends_chain
from edgesim.servers.expressway_c.zone import Peer, TraversalClient
from edgesim.sip import stun
from edgesim.sip.admission import Passage, ProxyRefusal, admit
from edgesim.sip.answering import Answers, warning_of
from edgesim.sip.connection import Connection
from edgesim.sip.endpoint import SipEndpoint, TransportName
from edgesim.sip.errors import SipTransportError
from edgesim.sip.framing import SipLimits
from edgesim.sip.message import Request, Response
from edgesim.sip.proxy import (
    ADAPTIVE,
    Place,
    add_path,
    announces_adaptive,
    assert_user,
    loop_hash,
    pop_route,
    record_route,
    restored,
    rewrite_contacts,
    stamp_via,
)
from edgesim.sip.relay import DIALOG_FORMING, Forwarded, Relay
from edgesim.sip.rewriting import Rewriter, as_received
from edgesim.sip.transaction import Timers
from edgesim.sip.values import NameAddr, SipUri, Via, delta_seconds, same_host, same_user, split

CALL_ID = "proxy-call-id="
ALLOW = "INVITE,ACK,BYE,CANCEL,INFO,OPTIONS,REFER,SUBSCRIBE,NOTIFY"
"""What C's B2BUA takes: no UPDATE, no PRACK (Cisco 212475)."""
SERVICE_TYPE = ("Content-Type", service.CALL_TYPE)
CONTACTS = 100_000
DIALOGS = 50_000
Target = tuple[str, str]
"""The user part and ``host:port`` of a client's own contact."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A contact that a user registered by way of a peer; ``until`` is the loop's time at which that ends."""

    peer: Peer
    user: str | None
    until: float


@dataclass(frozen=True, slots=True)
class Note:
    """What C keeps beside a REGISTER that it forwarded."""

    targets: tuple[Target, ...]
    peer: Peer
    user: str | None
    source: str | None


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a request came from E: by which peer and connection, its top Via and its hash then, and whose it is."""

    peer: Peer
    connection: Connection
    via: Via
    loop_hash: str
    user: str | None


class SipSide:
    """C's proxy. ``product`` is the whole Expressway-C."""

    def __init__(self, product: Any) -> None:
        node: Node = product.node
        release: Release = product.release
        self.node = node
        self._product = product
        self._sip = sip = node.defaults.sip
        self._ports = ports = node.defaults.ports
        self._loop = asyncio.get_running_loop()
        self.agent = node.defaults.agents.expressway.format(release=release)
        address = node.host.address()
        self._places: dict[TransportName, Place] = {
            "tcp": Place(address=address, port=ports.sip, transport="tcp"),
            "tls": Place(address=address, port=ports.sip_tls, transport="tls"),
        }
        self._own = {(place.address, place.port) for place in self._places.values()}
        self._sent_by = tuple(place.sent_by for place in self._places.values())
        zone = node.deployment.traversal_zone
        self._zone_name, self._hops = zone.name, min(zone.hop_count, sip.hop_count)
        self._hashes = sip.branch_hash == "every zone"
        tags = node.host.entropy("SIP tags")
        self._own_answers = Answers(self.agent, lambda: tags.token_hex(8), sessions=sip.session_of_answers)
        self._adds_adaptive = sip.ar_sk_inserted_by == "expressway_c"
        self._path = node.deployment.mra.sip_path_headers
        limits = SipLimits(
            message=sip.max_message_bytes,
            message_time=sip.message_s,
            unread_time=sip.unread_s,
            idle=sip.client_unproved_idle_s,
        )
        self._endpoint = SipEndpoint(
            node.host,
            node.journal,
            on_request=self._on_request,
            on_response=self._on_response,
            on_connection=self._on_connection,
            on_lost=self._on_lost,
            on_stun=self._on_stun,
            answer=self._own_answers.make,
            stun=node.deployment.mra.stun_keepalive,
            stateful=False,
            limits=limits,
            timers=Timers(t1=sip.t1_s, t2=sip.t2_s, t4=sip.t4_s),
            name="sip",
        )
        self.zone = TraversalClient(node, self._endpoint, self.agent, self._usage, lambda: None, product.retries)
        self.neighbours = Neighbours(node, self._endpoint, self._places, release)
        self._relay = Relay(
            node.host.entropy("SIP branches"),
            self._sent_by,
            write=Rewriter(sip.header_order, sip.headers_apart) if sip.forwarding == "rewritten" else as_received,
            trying=self._own_answers.trying,
            tags_calls=sip.tags_calls,
            lifetime=sip.timer_c_s,
            message_limits=limits,
        )
        self._service = ServiceServer(node, release, product.credentials.ha1)
        self._maintenance = False
        self._contacts: OrderedDict[Target, Registered] = OrderedDict()
        self._dialogs: OrderedDict[str, Peer] = OrderedDict()
        self._tried: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        node.host.services["sip"] = self
        product.on_discovery(self._rewrite)

    # ---- life

    async def start(self) -> None:
        """Listen for Unified CM, begin to dial E. Raises `OSError`."""
        node = self.node
        secure = server_context(
            node.identities["server"],
            trust=node.trusts["trusted-ca"],
            require_client=True,
            send_chain=sends_chain(node),
            options=FIRST_MATCH,
            policy=Policy(usage=checks_usage(node)),
            keylog=node.keylog,
        )
        for transport, place in self._places.items():
            await self._endpoint.listen(
                place.address,
                place.port,
                transport,
                ssl=secure if transport == "tls" else None,
                handshake_timeout=self._sip.tls_handshake_timeout_s,
            )
        self._rewrite(self._product.discovered)
        self._keeper = node.host.spawn(self.neighbours.keep(), name="try neighbour zones again")
        self.zone.start()

    async def ready(self) -> None:
        """Return once the zone to every E is active and every neighbour zone was tried."""
        await self.zone.ready()
        if self._tried is not None:
            await asyncio.shield(self._tried)

    async def stop(self) -> None:
        """Close every port and connection."""
        self.zone.stop()
        for task in (self._tried, self._keeper):
            if task is not None:
                task.cancel()
        self.neighbours.close()
        await self._endpoint.close()
        self._relay.clear()
        self._contacts.clear()
        self._dialogs.clear()

    def leaks(self) -> list[str]:
        """Return what is left, one line each."""
        found = [f"SIP connection {connection!r}" for connection in self._endpoint.connections]
        if len(self._relay):
            found.append(f"{len(self._relay)} SIP requests without an answer")
        return found

    def zones(self) -> list[tuple[str, str, str, str]]:
        """Return name, type, state and reason of every zone."""
        return [
            (self._zone_name, "Unified Communications traversal client", *self.zone.state),
            *((zone.name, "Neighbor", zone.state, zone.reason) for zone in self.neighbours.zones.values()),
        ]

    def search_rules(self) -> list[SearchRule]:
        """Return the search rules that C made."""
        return self.neighbours.search_rules()

    def _rewrite(self, discovered: Any) -> None:
        """The list of Unified CM servers was rewritten: so are the zones."""
        self.neighbours.rewrite(discovered)
        if self.neighbours.zones:
            self._tried = self.node.host.spawn(self.neighbours.connect_all(), name="open neighbour zones")

    @property
    def maintenance(self) -> bool:
        """Maintenance mode: no new traffic is taken, which E hears at once; requests within dialogs go on."""
        return self._maintenance

    @maintenance.setter
    def maintenance(self, on: bool) -> None:
        self._maintenance = on
        self.zone.report()

    def _usage(self) -> ResourceUsage:
        links, now = self.node.defaults.links, self._loop.time()
        if self._maintenance:
            return ResourceUsage(traversal_calls=0, non_traversal_calls=0, registrations=0)
        while self._contacts and next(iter(self._contacts.values())).until <= now:
            self._contacts.popitem(last=False)
        return ResourceUsage(
            traversal_calls=links.traversal_calls_available,
            non_traversal_calls=links.calls_available,
            registrations=max(0, links.registrations_available - len(self._contacts)),
        )

    # ---- what the endpoint reports

    def _on_connection(self, connection: Connection) -> None:
        if connection.accepted:
            connection.context = self.neighbours.of_address(connection.peer[0], connection.transport)
            if connection.context is None:
                return
        connection.shared = True
        connection.allow_silence(None)

    def _on_lost(self, connection: Connection, exc: Exception | None) -> None:
        for forwarded in self._relay.lost(connection):
            self._give_up(forwarded)
        context = connection.context
        if isinstance(context, Peer):
            context.connection_lost(connection, exc)
            for target in [target for target, held in self._contacts.items() if held.peer is context]:
                del self._contacts[target]
        elif isinstance(context, Neighbour):
            context.lost(connection, exc)

    def _on_stun(self, message: stun.StunMessage, connection: Connection) -> stun.StunMessage | None:
        """Answer a keep-alive; one of E that names a registered path, as the Unified CM node at its end allows."""
        answer = stun.respond(message, connection.peer)
        path = message.get(stun.Attribute.REGISTERED_PATH)
        if answer is None or path is None or not isinstance(connection.context, Peer):
            return answer
        neighbour = self.neighbours.of_host(path.decode("utf-8", "replace"))
        if neighbour is not None and neighbour.open:
            return answer
        if neighbour is not None:
            neighbour.try_again()
        return message.failure(self._sip.stun_error)

    def _give_up(self, forwarded: Forwarded) -> None:
        """Answer a request whose next hop is gone."""
        answer = self._own_answers.make(forwarded.request, self._sip.neighbour_down_status)
        answer.pop_value("Via")
        forwarded.ingress.send_now(answer)

    def _refuse(
        self,
        request: Request,
        status: int,
        connection: Connection,
        *headers: tuple[str, str],
        why: tuple[int, str] | None = None,
    ) -> None:
        """Answer a request that goes no further; ``why`` is the Warning, where not that of the status."""
        if request.method != "ACK":
            warning = warning_of(status, why, self._places["tls"], self._sip.warnings)
            connection.send_now(self._own_answers.make(request, status, *headers, warning=warning))

    def _refuse_as(self, refusal: ProxyRefusal, request: Request, connection: Connection) -> None:
        self._refuse(request, refusal.status, connection, *refusal.headers, why=refusal.warning)

    def _on_request(self, request: Request, connection: Connection) -> Coroutine[Any, Any, None] | None:
        context = connection.context
        try:
            if request.method == "UPDATE" and context is not None:
                self._refuse_update(request, connection)
            elif isinstance(context, Peer):
                return self._from_edge(request, context, connection)
            elif isinstance(context, Neighbour):
                self._from_neighbour(request, context, connection)
            else:
                stamp_via(request, connection.peer, zone="DefaultZone")
                self._refuse(request, 403, connection)
        except ProxyRefusal as refusal:
            self._refuse_as(refusal, request, connection)
        return None

    def _refuse_update(self, request: Request, connection: Connection) -> None:
        """Session refresh by UPDATE does not work over MRA: the B2BUA knows no such method."""
        agent = self.node.defaults.agents.b2bua.format(release=self._product.release)
        stamp_via(request, connection.peer, zone=_zone_of(connection, self._zone_name))
        answer = self._own_answers.make(request, self._sip.update_status, ("Server", agent), ("Allow", ALLOW))
        connection.send_now(answer)

    # ---- from E

    def _from_edge(self, request: Request, peer: Peer, connection: Connection) -> Coroutine[Any, Any, None] | None:
        via, received_hash = request.top_via, loop_hash(request)
        stamp_via(request, connection.peer, zone=self._zone_name, zone_id=self._sip.zone_index_on_c)
        if request.method == "SERVICE":
            return self._serve(request, connection)
        admit(request, Passage(own=self._sent_by, loop=received_hash))
        in_dialog = "tag" in request.to.parameters
        target = self._drop_routes(request)
        if self._maintenance and not in_dialog and request.method not in ("ACK", "CANCEL"):
            raise ProxyRefusal(self._sip.maintenance_status, "maintenance mode", self._sip.maintenance_warning)
        neighbour = self.neighbours.find(target)
        if neighbour is None:
            raise ProxyRefusal(404, "no search rule matches")
        arrival = Arrival(peer, connection, via, received_hash, self._consume_credentials(request))
        if neighbour.open:
            self._up(request, neighbour, arrival)
            return None
        return self._up_later(request, neighbour, arrival)

    def _serve(self, request: Request, connection: Connection) -> Coroutine[Any, Any, None] | None:
        if self._service.apparent(request) != connection.local:
            return self._serve_nowhere(request, connection)
        found = self._service.judge(request, connection.peer, connection.peer_certificate)
        if found.status == self._sip.service_wrong_status:
            # C's log names the host that the failure came from, which is E, whoever the client was.
            self._product.protection.count(Category.SIP_AUTHENTICATION, connection.peer)
        if found.body:
            answer = self._own_answers.make(request, found.status, SERVICE_TYPE)
            answer.set_body(found.body)
            connection.send_now(answer)
        else:
            self._refuse(request, found.status, connection)
        return None

    async def _serve_nowhere(self, request: Request, connection: Connection) -> None:
        """The Route leads away from C, as where a NAT stands between the two: C cannot connect to it, and gives up."""
        apparent = self._service.apparent(request)
        where = f'Dst-ip="{apparent[0]}" Dst-port="{apparent[1]}" ' if apparent else ""
        text = (
            f'Module="network.tcp" Level="ERROR": Src-ip="{connection.local[0]}" {where}Detail="TCP Connection Failed"'
        )
        self.node.journal.emit(events.Note(text=text), peer=connection.peer)
        await asyncio.sleep(self._sip.service_timeout_s)
        self._refuse(request, 408, connection)

    def _is_own(self, uri: SipUri) -> bool:
        return (same_host(uri.host), uri.port or self._ports.sip_tls) in self._own

    def _drop_routes(self, request: Request) -> SipUri:
        """Drop what Routes the edge put there and return the URI by which to go on."""
        while values := request.values("Route"):
            uri = NameAddr.parse(values[0]).address
            if not self._is_own(uri) and "directed" not in uri.parameters:
                return uri
            if "directed" in uri.parameters and not self._sip.c_drops_route:
                break
            request.pop_value("Route")
        return SipUri.parse(request.uri)

    def _consume_credentials(self, request: Request) -> str | None:
        """Remove the answers to the edge's own challenges and return their user; Unified CM's own stay.

        E vouches for one answer, and cannot show which. Raises `ProxyRefusal` where they are of different users.
        """
        realm = self.node.defaults.unified_cm.realm
        users: dict[str, None] = {}
        for name in ("Proxy-Authorization", "Authorization"):
            if name not in request:
                continue
            for nth, header in reversed([*enumerate(request.authentication(name))]):
                if header.scheme.lower() == "digest" and header.get("realm") != realm:
                    request.remove(name, nth)
                    users[header.get("username") or ""] = None
        if len(users) > 1:
            raise ProxyRefusal(self._sip.two_users_status, "answers of two users")
        return next(iter(users), None)

    async def _up_later(self, request: Request, neighbour: Neighbour, arrival: Arrival) -> None:
        """Open the neighbour's connection, then forward."""
        try:
            await neighbour.connect()
            self._up(request, neighbour, arrival)
        except OSError:
            self._refuse(request, self._sip.neighbour_down_status, arrival.connection)
        except ProxyRefusal as refusal:
            self._refuse_as(refusal, request, arrival.connection)

    def _up(self, request: Request, neighbour: Neighbour, arrival: Arrival) -> None:
        """Forward a request to a Unified CM node. Raises `ProxyRefusal`."""
        if neighbour.connection is None:
            raise ProxyRefusal(self._sip.neighbour_down_status, "the neighbour is gone")
        call_id = self._relay.call_id()
        note: Note | None = None
        place = neighbour.place
        if request.method == "REGISTER":
            targets = tuple(_target(contact.address) for contact in request.contacts)
            source = _seen_at(request)
            if any(self._is_taken(target, arrival.user, source) for target in targets):
                raise ProxyRefusal(self._sip.contact_taken_status, "the contact is another user's")
            note = Note(targets, arrival.peer, arrival.user, source)
            if not self._path:
                rewrite_contacts(request, place, user=arrival.user)
            else:
                add_path(request, place, self._sip.path_form)
                if self._sip.path_adds_user:
                    assert_user(request, arrival.user)
        elif request.method in DIALOG_FORMING:
            record_route(request, egress=place, ingress=self._places["tls"], proxy_call_id=call_id)
            self._join(call_id, arrival.peer)
        try:
            self._relay.forward(
                request,
                arrival.connection,
                neighbour.connection,
                place=place,
                zone=neighbour.name,
                hop_count=self._hops,
                proxy_call_id=call_id,
                now=self._loop.time(),
                via=arrival.via,
                loop_hash=arrival.loop_hash,
                note=note,
            )
        except SipTransportError:
            raise ProxyRefusal(self._sip.neighbour_down_status, "the neighbour is gone") from None

    def _is_taken(self, target: Target, user: str | None, source: str | None) -> bool:
        """Say whether a contact is another user's. Nobody can take the address that a client is seen to come from."""
        held = self._contacts.get(target)
        return held is not None and held.user != user and held.until > self._loop.time() and target[1] != source

    # ---- from Unified CM

    def _from_neighbour(self, request: Request, neighbour: Neighbour, connection: Connection) -> None:
        """Send a request of Unified CM down to the E that the client is connected to. Raises `ProxyRefusal`."""
        via, received_hash = request.top_via, loop_hash(request)
        admit(request, Passage(own=self._sent_by, loop=received_hash))
        stamp_via(request, connection.peer, zone=neighbour.name, unasked=False)
        dialog = None
        while (route := pop_route(request, self._is_own)) is not None:
            dialog = (route.address.user or "").removeprefix(CALL_ID)
        uri = SipUri.parse(request.uri)
        if self._is_own(uri):
            uri = restored(uri, "tls")
            request.uri = str(uri)
        peer = self._dialogs.get(dialog) if dialog else None
        if peer is None:
            held = self._contacts.get(_target(uri))
            peer = held.peer if held is not None else None
        if peer is None or peer.connection is None:
            raise ProxyRefusal(self._sip.unknown_target_status, "nobody registered this contact through here")
        call_id = self._relay.call_id()
        if request.method in DIALOG_FORMING:
            record_route(request, egress=self._places["tls"], ingress=neighbour.place, proxy_call_id=call_id)
            self._join(call_id, peer)
        try:
            self._relay.forward(
                request,
                connection,
                peer.connection,
                place=self._places["tls"],
                zone=self._zone_name,
                hop_count=self._hops,
                proxy_call_id=call_id,
                now=self._loop.time(),
                via=via,
                loop_hash=received_hash if self._hashes else None,
            )
        except SipTransportError:
            raise ProxyRefusal(self._sip.unknown_target_status, "E is gone") from None

    def _join(self, call_id: str, peer: Peer) -> None:
        self._dialogs[call_id] = peer
        if len(self._dialogs) > DIALOGS:
            self._dialogs.popitem(last=False)

    # ---- responses

    def _on_response(self, response: Response, connection: Connection) -> None:
        forwarded = self._relay.answered(response, connection)
        if forwarded is None:
            return
        if isinstance(forwarded.note, Note) and 200 <= response.status < 300:
            self._registered(response, forwarded.note)
            if self._path and self._sip.path_in_response and "Path" not in response:
                add_path(response, self._place_of(connection), self._sip.path_form)
            if self._adds_adaptive and announces_adaptive(forwarded.request):
                _add_supported(response, ADAPTIVE)
            if not self.node.deployment.mra.stun_keepalive:
                _remove_supported(response, ADAPTIVE)  # nobody here would answer the keep-alives that it allows
        self._relay.back(forwarded, response)

    def _place_of(self, connection: Connection) -> Place:
        return connection.context.place if isinstance(connection.context, Neighbour) else self._places["tcp"]

    def _registered(self, response: Response, note: Note) -> None:
        """Note which contacts are whose, and until when, after a 200 to REGISTER."""
        until = self._loop.time() + delta_seconds(response.get("Expires") or "0")
        granted = {_target(restored(contact.address, "tls")) for contact in response.contacts}
        for target in note.targets:
            if self._is_taken(target, note.user, note.source):
                continue
            self._contacts.pop(target, None)
            if until > self._loop.time() and target in granted:
                self._contacts[target] = Registered(note.peer, note.user, until)
                if len(self._contacts) > CONTACTS:
                    self._contacts.popitem(last=False)


def _zone_of(connection: Connection, traversal: str) -> str:
    return connection.context.name if isinstance(connection.context, Neighbour) else traversal


def _add_supported(response: Response, tag: str) -> None:
    supported = response.values("Supported")
    if not supported:
        response.append("Supported", tag)
    elif tag not in supported:
        response.replace("Supported", f"{response.get('Supported')},{tag}")


def _remove_supported(response: Response, tag: str) -> None:
    for nth, line in reversed([*enumerate(response.get_all("Supported"))]):
        left = [each for each in split(line, ",") if each.strip() != tag]
        if not left:
            response.remove("Supported", nth)
        elif len(left) < len(split(line, ",")):
            response.replace("Supported", ",".join(left), nth)


def _seen_at(request: Request) -> str | None:
    """Return the address and port at which E saw a client, which it wrote into the client's Via, below its own."""
    vias = request.values("Via")
    if len(vias) < 2:
        return None
    via = Via.parse(vias[1])
    host, port = via.parameters.get("received"), via.parameters.get("rport")
    return f"{same_host(host)}:{port}" if host and port else None


def _target(uri: SipUri) -> Target:
    """Return what tells one contact from another."""
    host = same_host(uri.host)
    return same_user(uri.user or ""), host if uri.port is None else f"{host}:{uri.port}"
