"""Expressway-E's SIP side: TLS port 5061 towards clients, and the traversal zone towards every C.

E is a proxy. It challenges each request of a client, has a C check the credentials (SERVICE), and forwards to the C
named in the client's preloaded Route or, for a client that announced adaptive routing, to another C if that one is
gone. Sources: "How Phone Services Failover works for Jabber 14 over MRA" (Cisco 217244); "Mobile and Remote Access
phone services failing due to source IP translation" (Cisco 212347); "Troubleshooting Guide for Cisco Webex Hybrid Call
Service Connect" (Cisco 212475); RFC 3261, section 16.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from edgesim.deployment import Product, closed, hosts
from edgesim.edge.protection import Category, Protection
from edgesim.journal import events
from edgesim.journal.keys import user_key
from edgesim.node import Node
from edgesim.pki import Policy, server_context
from edgesim.servers.expressway_e.sip_balance import Balance
from edgesim.servers.expressway_e.sip_clients import BindingChange, Client, Clients
from edgesim.servers.expressway_e.sip_digests import Challenges, DigestCache
from edgesim.servers.expressway_e.sip_service import ServiceClient
from edgesim.servers.expressway_e.zone import TraversalLink, TraversalServer
from edgesim.sip import stun
from edgesim.sip.addresses import NameAddr, SipUri
from edgesim.sip.admission import ProxyRefusal
from edgesim.sip.answering import Answers
from edgesim.sip.connection import Connection
from edgesim.sip.digest import DigestCredentials, DigestResult
from edgesim.sip.endpoint import SipEndpoint
from edgesim.sip.errors import SipError
from edgesim.sip.message import Request, Response
from edgesim.sip.proxy import CALL_ID, Hop, announces_adaptive, pop_route
from edgesim.sip.proxy_core import CALLS, DIALOG_FORMING, Later
from edgesim.sip.proxy_state import Branch, ResponseContext
from edgesim.sip.settings import limits_of, proxy_core_of, timers_of
from edgesim.sip.text import comparable_host
from edgesim.sip.values import delta_seconds
from edgesim.world import WorldEvent
from edgesim.world.api import Incarnation
from edgesim.world.events import TlsFailed

LONGEST_NAME = 255
"""The maximum octets of a host name (RFC 1035, section 2.3.4); a path to a longer one is invalid."""
INTERNAL = ("SERVICE",)
"""Methods that only the Expressways send to each other."""
UNCHALLENGED = ("ACK", "CANCEL")
"""Methods that cannot be repeated with credentials (RFC 3261, 22.1): their connection must already be authenticated."""


class _Endpoint(SipEndpoint):
    """An endpoint that records when a C was last heard."""

    def got_message(self, message: Request | Response, connection: Connection) -> None:
        """Record the sign of life."""
        _heard(connection)
        super().got_message(message, connection)

    def saw_keepalive(self, form: str, connection: Connection, data: bytes) -> None:
        """Record the sign of life."""
        super().saw_keepalive(form, connection, data)
        _heard(connection)


def _heard(connection: Connection) -> None:
    if isinstance(connection.context, TraversalLink):
        connection.context.heard = asyncio.get_running_loop().time()


class SipSide:
    """E's proxy."""

    def __init__(self, node: Node, protection: Protection) -> None:
        spec = node.spec.spec
        assert isinstance(spec, hosts.ExpresswayE)
        self.node = node
        self._sip = sip = node.defaults.sip
        self._ports = ports = node.defaults.ports
        self._loop = asyncio.get_running_loop()
        self.agent = node.defaults.agents.expressway.format(release=spec.release)
        tags = node.host.entropy("SIP tags")
        self._own_answers = Answers(self.agent, lambda: tags.token_hex(8), sessions=sip.session_of_answers)
        self._protection = protection
        self.zone = TraversalServer(node, self._own_answers, self._links_changed)
        self.clients = Clients()
        zone = node.deployment.traversal_zone
        self._zone_name, self._zone_id = zone.name, str(zone.index_on_e)
        hop_count = min(zone.hop_count, sip.hop_count)
        # Behind a static NAT, E writes the public address. C may reach the traversal zone on either interface.
        shown = {spec.outer: spec.public_address}
        self._outer = Hop(
            address=spec.public_address,
            port=ports.edge_sip,
            transport="tls",
            zone=sip.edge_zone,
            hop_count=hop_count,
        )
        self._sides = {
            each.address: Hop(
                address=shown.get(each.address, each.address),
                port=zone.port,
                transport="tls",
                zone=zone.name,
                zone_id=zone.index_on_e,
                hop_count=hop_count,
                loop_hash=sip.branch_hash == "every zone",
            )
            for each in spec.interfaces
            if ":" not in each.address  # MRA is IPv4 only
        }
        self._listens = [(spec.outer, ports.edge_sip), *((address, zone.port) for address in self._sides)]
        self._own = {(hop.address, hop.port) for hop in (self._outer, *self._sides.values())}
        self._own.update(self._listens)
        names = (node.fqdn, node.deployment.mra.expressway_e_cluster)  # as in the Route of a client that got names
        self._own |= {(comparable_host(name), self._outer.port) for name in names if name}
        self._adaptive = not closed("adaptive routing", {Product.EXPRESSWAY: spec.release})
        # SIP TLS Certificate ExtendedKeyUsage Checking Mode ("Navigate Client EKU Sunset with Expressway x15.5")
        self._checks_usage = spec.eku_checking or bool(
            closed("separate client certificate", {Product.EXPRESSWAY: spec.release})
        )
        balances = not closed("load balancing", {Product.EXPRESSWAY: spec.release})
        self._balance = Balance(node.defaults) if balances else None
        self.maintenance = False
        """Maintenance mode: new traffic is refused; requests within dialogs continue."""
        self._challenges = Challenges(node)
        self._digests = DigestCache(sip)
        limits = replace(
            limits_of(sip),
            idle=sip.client_unproved_idle_s,
            rate=sip.client_octets_per_s,
            rate_burst=sip.client_octets_burst,
            transactions=CALLS,
        )
        self._core = proxy_core_of(
            sip,
            node.host.entropy("SIP branches"),
            tuple(hop.sent_by for hop in (*self._sides.values(), self._outer)),
            self,
            self._own_answers,
            lost_status=sip.zone_down_status,
            message_limits=limits,
        )
        self._endpoint = _Endpoint(
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
        self._core.serve(self._endpoint)
        self._service = ServiceClient(node, self._endpoint, self._side, self.agent, self._digests)
        self._up = asyncio.Event()
        self._life: Incarnation | None = None
        node.host.services["sip"] = self

    # ---- lifecycle

    async def start(self) -> None:
        """Listen for clients outside and for C inside. Raises `OSError`."""
        node, timeout = self.node, self._sip.tls_handshake_timeout_s
        identity = node.identities["server"]
        sends_chain = node.deployment.certificate(node.name, "server").sends == "chain"
        options = node.tls_options()
        outside = server_context(identity, send_chain=sends_chain, options=options, keylog=node.keylog)
        inside = server_context(
            identity,
            trust=node.trusts["trusted-ca"],
            require_client=True,
            send_chain=sends_chain,
            options=options,
            policy=Policy(usage=self._checks_usage),
            keylog=node.keylog,
        )
        self._life = node.host.life
        node.host.world.observe(self._on_world)
        for address, port in self._listens:
            context = outside if port == self._outer.port else inside
            await self._endpoint.listen(address, port, "tls", ssl=context, handshake_timeout=timeout)

    async def ready(self) -> None:
        """Return once the traversal zone is active."""
        while not self.zone.live():
            self._up.clear()
            await self._up.wait()

    async def stop(self) -> None:
        """Close every port and connection."""
        self._life = None
        await self._endpoint.close()
        self.zone.close()
        self._core.close()
        self.clients.clear()

    def leaks(self) -> list[str]:
        """Return what is still pending, one line each."""
        found = [f"SIP connection {connection!r}" for connection in self._endpoint.connections]
        return found + self._core.leaks()

    def zones(self) -> list[tuple[str, str, str, str]]:
        """Return name, type, state and reason of every zone."""
        state, reason = self.zone.state
        return [
            (self._sip.edge_zone, "Collaboration Edge", "Active", f"{self.clients.registered} registered contacts"),
            (self._zone_name, "Unified Communications traversal server", state, reason),
        ]

    def _side(self, link: TraversalLink) -> Hop:
        """Return E's side of the traversal zone on the interface that a C connected to."""
        return self._sides[link.connection.local[0]]

    # ---- called by the endpoint, and by the world for failed handshakes

    def _on_world(self, event: WorldEvent) -> None:
        """Log a failed handshake on the traversal zone's port."""
        if not isinstance(event, TlsFailed) or event.host != self.node.name or event.role != "server":
            return
        if event.local[1] == self.zone.settings.port and self._life is not None and self._life is self.node.host.life:
            self.zone.refused(event.remote, event.local, event.reason.removeprefix("certificate verify failed: "))

    def _links_changed(self) -> None:
        self._up.set()

    def _on_connection(self, connection: Connection) -> None:
        if connection.local[1] != self._outer.port:
            self.zone.accept(connection)
        else:
            connection.context = Client(connection)

    def _on_lost(self, connection: Connection, exc: Exception | None) -> None:
        self._core.lost(connection)
        if isinstance(connection.context, TraversalLink):
            self.zone.lost(connection.context)
        elif isinstance(connection.context, Client):
            self.clients.lost(connection.context)

    def _on_stun(self, message: stun.StunMessage, connection: Connection) -> stun.StunMessage | None:
        """Return whether the path of the client's registration is up: to C as seen by E, beyond as reported by C."""
        answer = stun.respond(message, connection.peer)
        client = connection.context
        if answer is None or answer.cls is not stun.StunClass.SUCCESS or not isinstance(client, Client):
            return answer
        link = client.link
        if not (link.active if link is not None else self.zone.live()):
            return message.failure(self._sip.stun_error)
        if link is None or not self._sip.stun_registered_path:
            return answer
        if not self._endpoint.work(self._ask_path(message, answer, client, link), message, connection):
            return message.failure(self._sip.stun_error)
        return None

    async def _ask_path(
        self, message: stun.StunMessage, answer: stun.StunMessage, client: Client, link: TraversalLink
    ) -> None:
        """Answer a client's keep-alive as C answers for the rest of the path; no response from C means no."""
        named = client.node.encode("utf-8", "surrogateescape")
        path = ((stun.Attribute.REGISTERED_PATH, named),)
        try:
            up = (
                len(named) <= LONGEST_NAME
                and (await link.connection.stun(self._sip.stun_timeout_s, path)).error is None
            )
        except SipError:
            up = False
        if client.connection.open:
            client.connection.send_raw(bytes(answer if up else message.failure(self._sip.stun_error)))

    # ---- called by the proxy core

    def hop_of(self, connection: Connection) -> Hop:
        """Return the interface on which a connection arrived, with its zone."""
        return self._outer if connection.local[1] == self._outer.port else self._sides[connection.local[0]]

    def route(self, context: ResponseContext) -> Later | None:
        """Forward or answer a request. Raises `ProxyRefusal`."""
        peer = context.connection.context
        if isinstance(peer, Client):
            return self._from_client(context, peer)
        if isinstance(peer, TraversalLink):
            self._from_core(context, peer)
        return None

    def succeeded(self, branch: Branch, answer: Response) -> None:
        """After a 2xx to REGISTER, record the registered contacts."""
        change: BindingChange | None = branch.owner_data
        if change is not None:
            if _grants_nothing(answer):
                self.clients.unregistered(change)
            else:
                self.clients.registered_at(change)

    # ---- from a client: authentication

    def _from_client(self, context: ResponseContext, client: Client) -> Later | None:
        request = context.request
        self._core.admit(context)
        if request.method in INTERNAL:
            raise ProxyRefusal(self._sip.service_from_outside_status, "no request of a client")
        if request.method in UNCHALLENGED:
            if not client.proved:
                raise ProxyRefusal(403, "no user is authenticated there")
            self._up_to_core(context, request.copy(), client)
            return None
        credentials = self._challenges.answer(request)
        if credentials is None:
            client.challenges = 0
            self._challenge(context, client)
            return None
        now = self._loop.time()
        verdict = self._challenges.check(credentials, now)
        if verdict is DigestResult.STALE:
            self._challenge(context, client, stale=True)
        elif verdict is not DigestResult.GRANTED:
            self._checked(credentials, False, verdict.value, client)
            self._challenge_again(context, client)
        elif self._digests.proves(credentials, request.method, now):
            self._granted(credentials.username, client)
            self._up_to_core(context, request.copy(), client, user=credentials.username)
        else:
            return partial(self._ask, context, credentials, client)
        return None

    def _challenge(self, context: ResponseContext, client: Client, *, stale: bool = False) -> None:
        client.challenges += not stale
        self._core.refuse(context, self._sip.challenge, self._challenges.header(self._loop.time(), stale=stale))

    def _challenge_again(self, context: ResponseContext, client: Client) -> None:
        """Challenge a client again after a wrong digest, unless that was its last attempt."""
        if client.challenges >= self._sip.challenges:
            self._core.refuse(context, 403)
        else:
            self._challenge(context, client)

    def _granted(self, user: str, client: Client) -> None:
        """A user authenticated, which also proves the client's address."""
        self.node.host.proved(self._outer.port, client.connection.peer)
        client.grant(user)

    def _checked(self, credentials: DigestCredentials, granted: bool, detail: str, client: Client) -> None:
        user = credentials.username[:128]
        self.node.journal.emit(
            events.Authentication(user=user, how="digest", granted=granted, detail=detail),
            peer=client.connection.peer,
            keys=(user_key(user),),
        )

    async def _ask(self, context: ResponseContext, credentials: DigestCredentials, client: Client) -> None:
        """Have a C check the credentials, then forward or answer the request. Raises `ProxyRefusal`."""
        user, outgoing = credentials.username, context.request.copy()
        link = self._route(outgoing, client)
        status = await self._service.check(
            credentials,
            method=outgoing.method,
            host=SipUri.parse(outgoing.uri).host,
            links=(link, *(other for other in self.zone.live() if other is not link)),
        )
        if status == 200:
            self._granted(user, client)
            if not context.answered:  # it may have been cancelled meanwhile
                self._up_to_core(context, outgoing, client, link=link if link.active else None, user=user)
        elif status in (self._sip.service_wrong_status, self._sip.service_unknown_status):
            # A C that does not know the user says nothing about the digest.
            if status == self._sip.service_wrong_status:
                self._protection.count(Category.SIP_AUTHENTICATION, client.connection.peer)
            self._challenge_again(context, client)
        else:
            self._core.refuse(context, status)

    # ---- from a client: routing

    def _up_to_core(
        self,
        context: ResponseContext,
        outgoing: Request,
        client: Client,
        *,
        link: TraversalLink | None = None,
        user: str | None = None,
    ) -> None:
        """Forward an authenticated client's request, through ``link`` if its route is already known.

        Raises `ProxyRefusal`.
        """
        client.connection.allow_silence(self._sip.client_idle_s)
        link = link or self._route(outgoing, client)
        change: BindingChange | None = None
        if outgoing.method == "REGISTER" and user is not None:
            outgoing.remove("Path")  # no client has a proxy behind it
            change = BindingChange.of(outgoing, client, user)
            if self.clients.refuses(change):
                raise ProxyRefusal(self._sip.contact_taken_status, "the contact is another user's")
            client.link, client.node = link, SipUri.parse(outgoing.uri).host
        call_id = self._core.forward(
            context,
            outgoing,
            link.connection,
            self._side(link),
            unreachable=self._sip.zone_down_status,
            owner_data=change,
        )
        if outgoing.method in DIALOG_FORMING:
            self.clients.joined(client, call_id)

    def _is_own(self, uri: SipUri) -> bool:
        return (comparable_host(uri.host), uri.port or self._outer.port) in self._own

    def _route(self, outgoing: Request, client: Client) -> TraversalLink:
        """Remove E's own Routes and return the link to the C that the next one names, or to a better one.

        Raises `ProxyRefusal`.
        """
        while True:
            values = outgoing.values("Route")
            if not values:
                raise ProxyRefusal(self._sip.no_route_status, "no Route")
            uri = NameAddr.parse(values[0]).address
            if not self._is_own(uri):
                break
            outgoing.pop_value("Route")
        link = self.zone.at(uri.host)
        if (uri.user or "").startswith(CALL_ID):
            return self._or_refuse(link)
        if uri.parameters.get("zone-id") != self._zone_id:
            raise ProxyRefusal(self._sip.no_route_status, "no Route of a zone of ours")
        if self.maintenance:
            raise ProxyRefusal(self._sip.maintenance_status, "maintenance mode", self._sip.maintenance_warning)
        others = len(self.zone.links) - (link is not None)
        if others and self._adaptive and announces_adaptive(outgoing):
            link = self._adapted(link, uri.host, client)
        return self._or_refuse(link)

    def _or_refuse(self, link: TraversalLink | None) -> TraversalLink:
        if link is None:
            raise ProxyRefusal(self._sip.zone_down_status, "no C can be reached")
        return link

    def _adapted(self, link: TraversalLink | None, named: str, client: Client) -> TraversalLink | None:
        """Return the C for a client that can change its path: the current one unless it is down, full or overloaded."""
        if client.named == named and client.link is not None and client.link.active:
            link = client.link  # it was moved before, and repeats the Route it has
        client.named = named
        live = self.zone.live()
        if link is None or not link.accepts:
            link = next((other for other in live if other.accepts), link)
        elif self._balance is not None:
            link = self._balance.choose(link, live, new=client.link is None)
        return link

    # ---- from a C

    def _from_core(self, context: ResponseContext, link: TraversalLink) -> None:
        request = context.request
        if request.method == "OPTIONS" and self._is_own(SipUri.parse(request.uri)):
            self._core.answer(context, self.zone.options(request, link))
        elif not link.authenticated:
            self._core.refuse(context, self._sip.unauthenticated_peer_status)
        elif self.zone.settings.check_credentials and request.method not in UNCHALLENGED:
            _, challenge = self._challenges.header(self._loop.time())
            self._core.refuse(context, 407, ("Proxy-Authenticate", challenge))
        else:
            self._core.admit(context)
            self._down_to_client(context, request.copy())

    def _down_to_client(self, context: ResponseContext, outgoing: Request) -> None:
        """Forward a request on the connection of its client. Raises `ProxyRefusal`."""
        dialog = None
        while (route := pop_route(outgoing, self._is_own)) is not None:
            dialog = (route.address.user or "").removeprefix(CALL_ID)
        client = self.clients.of_dialog(dialog) if dialog else None
        if client is None:
            client = self.clients.at(SipUri.parse(outgoing.uri))
        if client is None or not client.connection.open:
            raise ProxyRefusal(self._sip.unknown_target_status, "this contact is not registered here")
        call_id = self._core.forward(
            context, outgoing, client.connection, self._outer, unreachable=self._sip.unknown_target_status
        )
        if outgoing.method in DIALOG_FORMING:
            self.clients.joined(client, call_id)


def _grants_nothing(response: Response) -> bool:
    """Return whether a 200 to REGISTER leaves the client without a registration."""
    expires = response.get("Expires")
    return expires is not None and delta_seconds(expires) == 0
