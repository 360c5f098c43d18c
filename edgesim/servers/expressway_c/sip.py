"""Expressway-C's SIP side: between the traversal zone and the neighbour zones of the Unified CM nodes.

C is a proxy. It answers E's SERVICE requests, forwards a client's requests to the zone of the Unified CM node in the
Request-URI, puts itself into Contact or Path, and forwards Unified CM's requests for a client to the E that the client
is connected to. Sources: "How Phone Services Failover works for Jabber 14 over MRA" (Cisco 217244); "MRA Deployment
Guide X14.0.2, Features and Additional Configurations" for Path; "Troubleshooting Guide for Cisco Webex Hybrid Call
Service Connect" (Cisco 212475); RFC 3261, section 16; RFC 3327.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import replace
from functools import partial

from edgesim.deployment import Release
from edgesim.edge import service
from edgesim.edge.protection import Category, Protection
from edgesim.edge.resource_usage import ResourceUsage
from edgesim.journal import events
from edgesim.node import Node
from edgesim.pki import Policy, server_context
from edgesim.servers.expressway_c.credentials import Credentials
from edgesim.servers.expressway_c.discovery import Discovered, Discovery
from edgesim.servers.expressway_c.neighbours import Neighbour, Neighbours, SearchRule
from edgesim.servers.expressway_c.retries import Retries
from edgesim.servers.expressway_c.sip_contacts import BindingChange, Contacts
from edgesim.servers.expressway_c.sip_service import ServiceServer
from edgesim.servers.expressway_c.tls import checks_usage, sends_chain, tls_options
from edgesim.servers.expressway_c.zone import Peer, TraversalClient
from edgesim.sip import stun
from edgesim.sip.addresses import NameAddr, SipUri
from edgesim.sip.admission import ProxyRefusal
from edgesim.sip.answering import Answers
from edgesim.sip.connection import Connection
from edgesim.sip.endpoint import SipEndpoint
from edgesim.sip.message import Request, Response
from edgesim.sip.proxy import (
    ADAPTIVE,
    CALL_ID,
    Hop,
    add_path,
    announces_adaptive,
    assert_user,
    pop_route,
    restored,
    rewrite_contacts,
)
from edgesim.sip.proxy_core import CALLS, DIALOG_FORMING, Later
from edgesim.sip.proxy_state import Branch, ResponseContext
from edgesim.sip.settings import limits_of, proxy_core_of, timers_of
from edgesim.sip.text import comparable_host, split
from edgesim.sip.transports import TransportName

ALLOW = "INVITE,ACK,BYE,CANCEL,INFO,OPTIONS,REFER,SUBSCRIBE,NOTIFY"
"""The methods of C's B2BUA: no UPDATE, no PRACK (Cisco 212475)."""
SERVICE_TYPE = ("Content-Type", service.CALL_TYPE)
DIALOGS = 50_000


class SipSide:
    """C's proxy."""

    def __init__(
        self,
        node: Node,
        release: Release,
        *,
        discovery: Discovery,
        credentials: Credentials,
        protection: Protection,
        retries: Retries,
    ) -> None:
        self.node = node
        self._release = release
        self._discovery = discovery
        self._protection = protection
        self._sip = sip = node.defaults.sip
        self._ports = ports = node.defaults.ports
        self._loop = asyncio.get_running_loop()
        self.agent = node.defaults.agents.expressway.format(release=release)
        address = node.host.address()
        zone = node.deployment.traversal_zone
        hop_count = min(zone.hop_count, sip.hop_count)
        self._zone_name = zone.name
        self._sides: dict[TransportName, Hop] = {
            "tcp": Hop(address=address, port=ports.sip, transport="tcp", zone="DefaultZone", hop_count=hop_count),
            "tls": Hop(address=address, port=ports.sip_tls, transport="tls", zone="DefaultZone", hop_count=hop_count),
        }
        self._edge = replace(
            self._sides["tls"],
            zone=zone.name,
            zone_id=sip.zone_index_on_c,
            loop_hash=sip.branch_hash == "every zone",
        )
        self._own = {(hop.address, hop.port) for hop in self._sides.values()}
        tags = node.host.entropy("SIP tags")
        self._own_answers = Answers(self.agent, lambda: tags.token_hex(8), sessions=sip.session_of_answers)
        self._adds_adaptive = sip.ar_sk_inserted_by == "expressway_c"
        self._path = node.deployment.mra.sip_path_headers
        limits = replace(limits_of(sip), idle=sip.client_unproved_idle_s, transactions=CALLS)
        self._endpoint = SipEndpoint(
            node.host,
            node.journal,
            on_connection=self._on_connection,
            on_lost=self._on_lost,
            on_stun=self._on_stun,
            answer=self._own_answers.make,
            stun=node.deployment.mra.stun_keepalive,
            stateful="INVITE",
            limits=limits,
            timers=timers_of(sip),
            name="sip",
        )
        self.zone = TraversalClient(node, self._endpoint, self.agent, self._usage, lambda: None, retries)
        self.neighbours = Neighbours(node, self._endpoint, self._sides, release)
        self._core = proxy_core_of(
            sip,
            node.host.entropy("SIP branches"),
            tuple(hop.sent_by for hop in self._sides.values()),
            self,
            self._own_answers,
            warned_by=self._sides["tls"],
            lost_status=sip.neighbour_down_status,
            message_limits=limits,
        )
        self._core.serve(self._endpoint)
        self._service = ServiceServer(node, release, credentials.ha1)
        self._maintenance = False
        self.contacts = Contacts(self._loop.time)
        self._dialogs: OrderedDict[str, Peer] = OrderedDict()
        self._tried: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        node.host.services["sip"] = self

    # ---- lifecycle

    async def start(self) -> None:
        """Listen for Unified CM, and start dialling E. Raises `OSError`."""
        node = self.node
        secure = server_context(
            node.identities["server"],
            trust=node.trusts["trusted-ca"],
            require_client=True,
            send_chain=sends_chain(node),
            options=tls_options(node),
            policy=Policy(usage=checks_usage(node)),
            keylog=node.keylog,
        )
        for transport, hop in self._sides.items():
            await self._endpoint.listen(
                hop.address,
                hop.port,
                transport,
                ssl=secure if transport == "tls" else None,
                handshake_timeout=self._sip.tls_handshake_timeout_s,
            )
        self.rewrite(self._discovery.discovered)
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
        self._core.close()
        self.contacts.clear()
        self._dialogs.clear()

    def leaks(self) -> list[str]:
        """Return what is still pending, one line each."""
        found = [f"SIP connection {connection!r}" for connection in self._endpoint.connections]
        return found + self._core.leaks()

    def zones(self) -> list[tuple[str, str, str, str]]:
        """Return name, type, state and reason of every zone."""
        return [
            (self._zone_name, "Unified Communications traversal client", *self.zone.state),
            *((zone.name, "Neighbor", zone.state_text, zone.reason) for zone in self.neighbours.zones.values()),
        ]

    def search_rules(self) -> list[SearchRule]:
        """Return the search rules that C created."""
        return self.neighbours.search_rules()

    def rewrite(self, discovered: Discovered) -> None:
        """Rewrite the neighbour zones: the list of Unified CM servers was."""
        self.neighbours.rewrite(discovered)
        if self.neighbours.zones:
            self._tried = self.node.host.spawn(self.neighbours.connect_all(), name="open neighbour zones")

    @property
    def maintenance(self) -> bool:
        """Maintenance mode: refuse new traffic, and tell E at once; requests within dialogs continue."""
        return self._maintenance

    @maintenance.setter
    def maintenance(self, on: bool) -> None:
        self._maintenance = on
        self.zone.report()

    def _usage(self) -> ResourceUsage:
        links = self.node.defaults.links
        if self._maintenance:
            return ResourceUsage(traversal_calls=0, non_traversal_calls=0, registrations=0)
        return ResourceUsage(
            traversal_calls=links.traversal_calls_available,
            non_traversal_calls=links.calls_available,
            registrations=max(0, links.registrations_available - self.contacts.count()),
        )

    # ---- called by the endpoint

    def _on_connection(self, connection: Connection) -> None:
        if connection.accepted:
            connection.context = self.neighbours.of_address(connection.peer[0], connection.transport)
            if connection.context is None:
                return
        connection.shared = True
        connection.allow_silence(None)

    def _on_lost(self, connection: Connection, exc: Exception | None) -> None:
        self._core.lost(connection)
        context = connection.context
        if isinstance(context, Peer):
            context.connection_lost(connection, exc)
            self.contacts.forget(context)
        elif isinstance(context, Neighbour):
            context.lost(connection, exc)

    def _on_stun(self, message: stun.StunMessage, connection: Connection) -> stun.StunMessage | None:
        """Answer a keep-alive; for E's keep-alive about a registered path the Unified CM node at its end decides."""
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

    # ---- called by the proxy core

    def hop_of(self, connection: Connection) -> Hop:
        """Return C's side on which a connection ends, with its zone."""
        peer = connection.context
        if isinstance(peer, Peer):
            return self._edge
        return peer.hop if isinstance(peer, Neighbour) else self._sides["tls"]

    def route(self, context: ResponseContext) -> Later | None:
        """Forward or answer a request. Raises `ProxyRefusal`."""
        peer = context.connection.context
        if peer is None:
            self._core.refuse(context, 403)
        elif context.request.method == "UPDATE":
            self._refuse_update(context)
        elif isinstance(peer, Peer):
            return self._from_edge(context, peer)
        elif isinstance(peer, Neighbour):
            self._from_neighbour(context)
        return None

    def succeeded(self, branch: Branch, answer: Response) -> None:
        """After a 2xx to REGISTER, record the registered contacts and add C's Supported."""
        change: BindingChange | None = branch.owner_data
        if change is None:
            return
        self.contacts.registered(answer, change)
        if not change.targets:
            self.contacts.keep_own(answer, change.user)
        if self._path and self._sip.path_in_response and "Path" not in answer:
            add_path(answer, self._side_of(branch.connection), self._sip.path_form)
        if self._adds_adaptive and announces_adaptive(branch.context.request):
            _add_supported(answer, ADAPTIVE)
        if not self.node.deployment.mra.stun_keepalive:
            _remove_supported(answer, ADAPTIVE)  # nothing here answers the keep-alives that it allows

    def _refuse_update(self, context: ResponseContext) -> None:
        """Refuse session refresh by UPDATE, which does not work over MRA: the B2BUA does not support it."""
        agent = self.node.defaults.agents.b2bua.format(release=self._release)
        headers = (("Server", agent), ("Allow", ALLOW))
        self._core.answer(context, self._own_answers.make(context.request, self._sip.update_status, *headers))

    # ---- from E

    def _from_edge(self, context: ResponseContext, peer: Peer) -> Later | None:
        request = context.request
        if request.method == "SERVICE":
            return self._serve(context)
        self._core.admit(context)
        outgoing = request.copy()
        target = self._drop_routes(outgoing)
        if self._maintenance and "tag" not in request.to.parameters and request.method not in ("ACK", "CANCEL"):
            raise ProxyRefusal(self._sip.maintenance_status, "maintenance mode", self._sip.maintenance_warning)
        neighbour = self.neighbours.find(target)
        if neighbour is None:
            raise ProxyRefusal(404, "no search rule matches")
        user = self._consume_credentials(outgoing)
        if neighbour.open:
            self._up(context, outgoing, neighbour, peer, user)
            return None
        return partial(self._up_later, context, outgoing, neighbour, peer, user)

    def _serve(self, context: ResponseContext) -> Later | None:
        request, connection = context.request, context.connection
        if self._service.apparent(request) != connection.local:
            return partial(self._serve_nowhere, context)
        found = self._service.check(request, connection.peer, connection.peer_certificate)
        if found.status == self._sip.service_wrong_status:
            # C's log names the host that the failure came from: E, whoever the client was.
            self._protection.count(Category.SIP_AUTHENTICATION, connection.peer)
        if found.body:
            answer = self._own_answers.make(request, found.status, SERVICE_TYPE)
            answer.set_body(found.body)
            self._core.answer(context, answer)
        else:
            self._core.refuse(context, found.status)
        return None

    async def _serve_nowhere(self, context: ResponseContext) -> None:
        """Fail a request whose Route leads away from C, as with NAT between E and C: C cannot connect to it."""
        connection = context.connection
        apparent = self._service.apparent(context.request)
        where = f'Dst-ip="{apparent[0]}" Dst-port="{apparent[1]}" ' if apparent else ""
        text = (
            f'Module="network.tcp" Level="ERROR": Src-ip="{connection.local[0]}" {where}Detail="TCP Connection Failed"'
        )
        self.node.journal.emit(events.Note(text=text), peer=connection.peer)
        await asyncio.sleep(self._sip.service_timeout_s)
        self._core.refuse(context, 408)

    def _is_own(self, uri: SipUri) -> bool:
        return (comparable_host(uri.host), uri.port or self._ports.sip_tls) in self._own

    def _drop_routes(self, outgoing: Request) -> SipUri:
        """Drop the Routes that the edge inserted, and return the URI to route by."""
        while values := outgoing.values("Route"):
            uri = NameAddr.parse(values[0]).address
            if not self._is_own(uri) and "directed" not in uri.parameters:
                return uri
            if "directed" in uri.parameters and not self._sip.c_drops_route:
                break
            outgoing.pop_value("Route")
        return SipUri.parse(outgoing.uri)

    def _consume_credentials(self, outgoing: Request) -> str | None:
        """Remove the credentials for the edge's own challenges and return their user; Unified CM's own stay.

        E has checked one of them, but cannot show which. Raises `ProxyRefusal` if they belong to different users.
        """
        realm = self.node.defaults.unified_cm.realm
        users: dict[str, None] = {}
        for name in ("Proxy-Authorization", "Authorization"):
            if name not in outgoing:
                continue
            for nth, header in reversed([*enumerate(outgoing.authentication(name))]):
                if header.scheme.lower() == "digest" and header.get("realm") != realm:
                    outgoing.remove(name, nth)
                    users[header.get("username") or ""] = None
        if len(users) > 1:
            raise ProxyRefusal(self._sip.two_users_status, "answers of two users")
        return next(iter(users), None)

    async def _up_later(
        self, context: ResponseContext, outgoing: Request, neighbour: Neighbour, peer: Peer, user: str | None
    ) -> None:
        """Open the neighbour's connection, then forward. Raises `ProxyRefusal`."""
        try:
            await neighbour.connect()
        except OSError:
            raise ProxyRefusal(self._sip.neighbour_down_status, "the neighbour does not answer") from None
        if not context.answered:  # it may have been cancelled meanwhile
            self._up(context, outgoing, neighbour, peer, user)

    def _up(
        self, context: ResponseContext, outgoing: Request, neighbour: Neighbour, peer: Peer, user: str | None
    ) -> None:
        """Forward a request to a Unified CM node. Raises `ProxyRefusal`."""
        if neighbour.connection is None:
            raise ProxyRefusal(self._sip.neighbour_down_status, "the neighbour is gone")
        change: BindingChange | None = None
        if outgoing.method == "REGISTER":
            change = self.contacts.change(outgoing, peer, user)
            if change is None:
                raise ProxyRefusal(self._sip.contact_taken_status, "the contact is another user's")
            if not self._path:
                rewrite_contacts(outgoing, neighbour.hop, user=user)
            else:
                add_path(outgoing, neighbour.hop, self._sip.path_form)
                if self._sip.path_adds_user:
                    assert_user(outgoing, user)
        call_id = self._core.forward(
            context,
            outgoing,
            neighbour.connection,
            neighbour.hop,
            unreachable=self._sip.neighbour_down_status,
            owner_data=change,
        )
        if outgoing.method in DIALOG_FORMING:
            self._join(call_id, peer)

    # ---- from Unified CM

    def _from_neighbour(self, context: ResponseContext) -> None:
        """Forward a request of Unified CM to the E that the client is connected to. Raises `ProxyRefusal`."""
        self._core.admit(context)
        outgoing = context.request.copy()
        dialog = None
        while (route := pop_route(outgoing, self._is_own)) is not None:
            dialog = (route.address.user or "").removeprefix(CALL_ID)
        uri = SipUri.parse(outgoing.uri)
        if self._is_own(uri):
            uri = restored(uri, "tls")
            outgoing.uri = str(uri)
        peer = self._dialogs.get(dialog) if dialog else None
        if peer is None:
            peer = self.contacts.peer_of(uri)
        if peer is None or peer.connection is None:
            raise ProxyRefusal(self._sip.unknown_target_status, "this contact is not registered through here")
        call_id = self._core.forward(
            context, outgoing, peer.connection, self._edge, unreachable=self._sip.unknown_target_status
        )
        if outgoing.method in DIALOG_FORMING:
            self._join(call_id, peer)

    def _join(self, call_id: str, peer: Peer) -> None:
        self._dialogs[call_id] = peer
        if len(self._dialogs) > DIALOGS:
            self._dialogs.popitem(last=False)

    # ---- responses

    def _side_of(self, connection: Connection) -> Hop:
        return connection.context.hop if isinstance(connection.context, Neighbour) else self._sides["tcp"]


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
