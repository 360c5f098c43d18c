"""A Unified CM node, publisher or subscriber: its services, ports and certificates."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import replace

from cryptography import x509

from edgesim.deployment.hosts import UnifiedCmNode
from edgesim.deployment.releases import Product, Release
from edgesim.edge import axl_messages as messages
from edgesim.edge.config_files import SipTimers
from edgesim.edge.uds import ROOT
from edgesim.http import HttpServer, Request, Response
from edgesim.node import Node
from edgesim.pki import Identity, TrustStore, server_context
from edgesim.pki import Policy as TlsPolicy
from edgesim.pki import Refusal as TlsRefusal
from edgesim.servers.unified_cm.axl import Axl
from edgesim.servers.unified_cm.database import Database
from edgesim.servers.unified_cm.registrar import Binding, Leg, Policy, Refusal
from edgesim.servers.unified_cm.single_sign_on import SingleSignOn
from edgesim.servers.unified_cm.sip import LineService, SipSettings
from edgesim.servers.unified_cm.tftp import Tftp
from edgesim.servers.unified_cm.tomcat import Tomcat
from edgesim.servers.unified_cm.uds import Settings, Uds
from edgesim.sip.connection import Connection
from edgesim.sip.endpoint import SipEndpoint
from edgesim.sip.message import Request as SipRequest
from edgesim.sip.reasons import REASONS
from edgesim.sip.settings import limits_of, timers_of
from edgesim.sip.stun import StunMessage, respond
from edgesim.sip.text import comparable_host

TOMCAT, CALLMANAGER = "tomcat", "callmanager"
TOMCAT_TRUST, CALLMANAGER_TRUST = "tomcat-trust", "callmanager-trust"

NO_ISSUER = 20
"""OpenSSL's X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, for which the alert is ``unknown_ca``."""
WEB, FILES, SECURE_FILES = "uds", "configuration_http", "configuration_https"
CALLS, SECURE_CALLS = "sip", "sip_tls"
SERVED_BY = {
    WEB: ("Cisco Tomcat", "Cisco HAProxy"),
    FILES: ("Cisco TFTP",),
    SECURE_FILES: ("Cisco TFTP", "Cisco HAProxy"),
    CALLS: ("Cisco CallManager",),
}
"""The services that a port depends on: it is closed while one of them restarts."""
ADAPTIVE_FROM = (14, 0)
"""The first release that answers STUN keep-alives and confirms adaptive routing."""


class UnifiedCm:
    """The services of one node. Built by its host's factory; `start` opens every port or raises `OSError`."""

    def __init__(self, node: Node) -> None:
        spec = node.spec.spec
        assert isinstance(spec, UnifiedCmNode)
        self.node = node
        self.machine = spec
        self.cluster = node.deployment.cluster_of(node.name)
        self.is_publisher = self.cluster.publisher.name == node.name
        self.database = Database(node.deployment, self.cluster, node.host.disk)
        self.release = self.cluster.release
        older = Release.parse(node.defaults.uds.reason_phrases_before, Product.UNIFIED_CM)
        self.tomcat = Tomcat(
            node.host.clock,
            node.defaults.uds.realm,
            phrases=self.release < older,
            cookie=node.defaults.uds.session_cookie,
            entropy=node.host.entropy("tomcat sessions"),
        )
        self.uds = self._uds()
        self.axl = self._axl()
        self.single_sign_on = SingleSignOn(
            self.tomcat, root=node.defaults.oauth.probe_root, version=product(self.release)
        )
        self.tftp = self._tftp()
        self.lines = self._lines()
        self._endpoint = self._sip()
        self._web = {port: self._web_server(port) for port in self._ports() if port != CALLS}
        self._shown: dict[str, tuple[str, ...]] = {}

    # ---- lifecycle

    async def start(self) -> None:
        """Open the ports. Raises `OSError` if one is taken."""
        for port in self._ports():
            await self._open(port)

    async def stop(self) -> None:
        """Close everything."""
        for port in self._ports():
            await self._close(port)

    async def restart(self, services: Sequence[str]) -> None:
        """Stop services and start them again. Raises `OSError`.

        An uploaded certificate takes effect on a port once every service that the port depends on was restarted
        (``defaults.tls.restarted_for_unified_cm``), whichever was the last.
        """
        for port in self._ports():
            if self._shown[port] != self._material(port) or any(each in SERVED_BY[port] for each in services):
                await self._close(port)
                await self._open(port)

    def _ports(self) -> tuple[str, ...]:
        """Return the open ports of this node, by their names in the defaults; ``sip`` covers all of SIP."""
        serves_files = self.machine.name in self.cluster.tftp
        return (WEB, *((FILES, SECURE_FILES) if serves_files else ()), CALLS)

    async def _open(self, port: str) -> None:
        self._shown[port] = self._material(port)
        address, ports = self.machine.address, self.node.defaults.ports
        if port == CALLS:
            await self._open_sip()
            return
        numbers = {WEB: ports.uds, FILES: ports.configuration_http, SECURE_FILES: ports.configuration_https}
        contexts = {WEB: lambda: self._context(TOMCAT, WEB), SECURE_FILES: lambda: self._asking_context(SECURE_FILES)}
        context = contexts[port]() if port in contexts else None
        await self._web[port].listen(address, numbers[port], ssl=context)

    async def _open_sip(self) -> None:
        node, ports, address = self.node, self.node.defaults.ports, self.machine.address
        await self._endpoint.listen(address, ports.sip, "tcp")
        await self._endpoint.listen(address, ports.sip, "udp")
        if self.cluster.mixed_mode:
            timeout = node.defaults.sip.tls_handshake_timeout_s
            secure = self._asking_context(SECURE_CALLS, require=True)
            await self._endpoint.listen(address, ports.sip_tls, "tls", ssl=secure, handshake_timeout=timeout)

    async def _close(self, port: str) -> None:
        if port != CALLS:
            await self._web[port].close()
            return
        self.lines.close()
        await self._endpoint.close()
        self.lines = self._lines()
        self._endpoint = self._sip()

    @property
    def registrations(self) -> tuple[Binding, ...]:
        """Return the lines registered on this node, in order of expiry."""
        return tuple(self.lines.registrar)

    # ---- the web applications

    async def _serve(self, request: Request) -> Response:
        path = request.path
        if path == ROOT or path.startswith(ROOT + "/"):
            return self.uds.handle(request)
        if path in ("/axl", "/axl/") and self.axl is not None:
            return self.axl.handle(request)
        if path.startswith("/ssosp/"):
            return self.single_sign_on.handle(request)
        return self.tomcat.error(404, "The requested resource is not available.")

    async def _serve_file(self, request: Request) -> Response:
        return self.tftp.handle(request)

    def _refuse(self, status: int, cause: str) -> Response:
        response = self.tomcat.error(status, f"The request cannot be processed: {cause}")
        headers = response.headers.added("Connection", "close")
        return Response(status=status, reason=response.reason, headers=headers, body=response.body)

    # ---- construction

    def _web_server(self, port: str) -> HttpServer:
        node = self.node
        if port == WEB:
            return HttpServer(
                node.journal, self._serve, refusal=self._refuse, keys=self.uds.keys, host=node.host, name="tomcat"
            )
        return HttpServer(node.journal, self._serve_file, keys=self.tftp.keys, host=node.host, name="tftp")

    def _uds(self) -> Uds:
        node, defaults = self.node, self.node.defaults
        settings = Settings(
            schema=defaults.uds.schema_version or product(self.release),
            product=product(self.release),
            port=defaults.ports.uds,
            search_limit=defaults.uds.search_limit,
            search_maximum=defaults.uds.search_maximum,
            private_users_status=defaults.uds.private_users_status,
            configuration_port=defaults.ports.configuration_http,
            secure_configuration_port=defaults.ports.configuration_https,
            search_needs_credentials=self.cluster.contact_search_authentication,
        )
        return Uds(
            self.database,
            self.machine,
            settings,
            tomcat=self.tomcat,
            journal=node.journal,
            clock=node.host.clock,
        )

    def _axl(self) -> Axl | None:
        if not (self.is_publisher and self.machine.axl):
            return None
        return Axl(
            self.database,
            self.cluster.axl_account,
            release=build(self.release),
            schema=self.release.key[:2],  # type: ignore[arg-type] # two numbers of a release of this family
            tomcat=self.tomcat,
            journal=self.node.journal,
            defaults=self.node.defaults,
            trusts=self._uploaded,
        )

    def _uploaded(self) -> dict[str, TrustStore]:
        """Return the trust stores as in the database, which has them before the services load them."""
        installed = self.node.installed
        return {
            messages.TOMCAT_TRUST: installed.after_restart(TOMCAT_TRUST),
            messages.CALLMANAGER_TRUST: installed.after_restart(CALLMANAGER_TRUST),
        }

    def _tftp(self) -> Tftp:
        ports, timers = self.node.defaults.ports, self.node.defaults.unified_cm
        return Tftp(
            self.database,
            product=product(self.release),
            timers=SipTimers(
                register_expires=timers.register_expires_s,
                register_delta=timers.register_delta_s,
                keep_alive_expires=timers.keepalive_expires_s,
                subscribe_expires=timers.subscribe_expires_s,
                subscribe_delta=timers.subscribe_delta_s,
            ),
            sip_port=ports.sip,
            secure_sip_port=ports.sip_tls,
            oauth_port=ports.sip_oauth,
            oauth_edge_port=ports.sip_oauth_mra,
            clock=self.node.host.clock,
        )

    def _lines(self) -> LineService:
        node, defaults, ports = self.node, self.node.defaults.unified_cm, self.node.defaults.ports
        taken, mismatch, failure = defaults.warnings[:3]
        policy = Policy(
            keepalive_interval=defaults.keepalive_interval_s,
            dual_mode_interval=defaults.register_expires_s,
            grace=defaults.expiry_grace_s,
            alarms={
                "expired": defaults.expiry_alarm,
                "removed": defaults.removal_alarm,
                "reset": defaults.reset_alarm,
                "displaced": defaults.displaced_alarm,
                "moved": defaults.moved_alarm,
            },
            taken=Refusal(status=403, reason="Forbidden", warning=taken),
            oauth_mismatch=Refusal(
                status=403,
                reason="Forbidden",
                warning=mismatch,
                retry_after=defaults.oauth_mismatch_retry_after_s,
            ),
            name_mismatch=Refusal(status=403, reason="Forbidden", warning=failure, close=True),
            find_by_line=defaults.find_by_line,
            graceful_over_edge=defaults.graceful_over_edge,
            authorizes=defaults.authorizes_user,
            unauthorized=_refusal(defaults.authorization_error_status),
            removes_everything=defaults.contact_star == "removes",
            everything=_refusal(defaults.contact_star_status),
            several_contacts=_refusal(defaults.several_contacts_status),
            lists=defaults.register_lists,
            unknown_device=_refusal(defaults.unknown_device_status),
            unknown_line=_refusal(defaults.unknown_line_status),
            wrong_transport=_refusal(defaults.wrong_transport_status),
            trunks=tuple(self.node.deployment.host(name).address for name in self.cluster.sip_trunks),
            trunk_conflict=_refusal(defaults.trunk_conflict_status, defaults.trunk_conflict_warning),
        )
        adds = self.node.defaults.sip.ar_sk_inserted_by == "unified_cm"
        settings = SipSettings(
            server=f"Cisco-CUCM{self.release.key[0]}.{self.release.key[1]}",
            sis=sis(self.release, defaults.sis_versions),
            adaptive=adds and self.release.key[:2] >= ADAPTIVE_FROM,
            realm=defaults.realm,
            name=self.machine.server_name,
            names=frozenset(
                comparable_host(name)
                for each in self.cluster.nodes
                for name in (each.server_name, each.fqdn, each.name, each.address)
            ),
            mismatch_closes=defaults.certificate_name_mismatch == "close",
            fills_rport=defaults.fills_rport,
            joins_vias=defaults.joins_vias,
            shows_expires=defaults.expires_in_contact,
            nonce_lifetime=defaults.nonce_lifetime_s,
            nonce_uses=defaults.nonce_uses,
            says_stale=defaults.says_stale,
            san_limit=node.defaults.tls.san_limit_characters,
        )
        legs = {ports.sip: Leg.PLAIN, ports.sip_tls: Leg.SECURE}
        return LineService(node.host, node.journal, self.database, policy, settings, legs)

    def _sip(self) -> SipEndpoint:
        sip, own = self.node.defaults.sip, self.node.defaults.unified_cm
        return SipEndpoint(
            self.node.host,
            self.node.journal,
            on_request=self._on_request,
            on_connection=self._on_connection,
            on_stun=self._on_stun,
            limits=replace(limits_of(sip), idle=own.first_message_s),
            timers=timers_of(sip),
            name="CallManager",
        )

    def _on_connection(self, connection: Connection) -> None:
        """Allow unlimited silence on another server's connection: it carries all its users."""
        world = self.node.host.world
        caller = world.peer(self.node.host, connection.peer)
        if caller is not None and caller.name in world.admission.products:
            connection.allow_silence(None)

    def _on_request(self, request: SipRequest, connection: Connection) -> None:
        pace = connection.pace
        if pace is not None and pace.idle is not None:
            connection.allow_silence(self.node.defaults.unified_cm.connection_idle_s)
        self.lines.on_request(request, connection)

    def _on_stun(self, message: StunMessage, connection: Connection) -> StunMessage | None:
        """Answer STUN keep-alives, which older releases do not support."""
        return respond(message, connection.peer) if self.release.key[:2] >= ADAPTIVE_FROM else None

    # ---- TLS

    def _sends_chain(self, service: str) -> bool:
        return self.node.deployment.certificate(self.node.name, service).sends == "chain"

    def _context(self, service: str, port: str) -> ssl.SSLContext:
        return server_context(
            self._identity(service, port),
            send_chain=self._sends_chain(service),
            options=self.node.tls_options(),
            keylog=self.node.keylog,
        )

    def _asking_context(self, port: str, *, require: bool = False) -> ssl.SSLContext:
        """Return the context of the CallManager service, which requests a certificate."""
        trust = self._trust(port)
        strict = self.cluster.mixed_mode and self.node.defaults.tls.mixed_mode_trusts == "the certificate itself"
        return server_context(
            self._identity(CALLMANAGER, port),
            trust=trust,
            ask_client=True,
            require_client=require,
            send_chain=self._sends_chain(CALLMANAGER),
            options=self.node.tls_options(partial_chain=self.cluster.mixed_mode),
            policy=self._mixed_mode(trust) if strict else TlsPolicy(),
            keylog=self.node.keylog,
        )

    def _mixed_mode(self, trust: TrustStore) -> TlsPolicy:
        """Return the policy of a cluster in mixed mode: a client's own certificate must be in the store."""

        def check(certificate: x509.Certificate, error: int, depth: int) -> TlsRefusal | None:
            if error:
                return TlsRefusal(error)
            stranger = depth == 0 and certificate not in trust
            return TlsRefusal(NO_ISSUER) if stranger else None

        return TlsPolicy(check=check)

    def _needs(self, port: str) -> tuple[str, ...]:
        """Return the services that must all be restarted before an uploaded certificate takes effect on a port."""
        return dict(self.node.defaults.tls.restarted_for_unified_cm).get(port, ())

    def _identity(self, service: str, port: str) -> Identity:
        return self.node.installed.identity(service, self._needs(port))

    def _trust(self, port: str) -> TrustStore:
        """Return the trust store for a port's clients; for configuration files, that of both stores."""
        needs, installed = self._needs(port), self.node.installed
        callmanager = installed.trust(CALLMANAGER_TRUST, needs)
        if port == SECURE_CALLS:
            return callmanager
        tomcat = installed.trust(TOMCAT_TRUST, needs)
        return TrustStore.of(f"{TOMCAT_TRUST} and {CALLMANAGER_TRUST}", *(one for one in tomcat if one in callmanager))

    def _material(self, port: str) -> tuple[str, ...]:
        """Return the fingerprints of everything that TLS on a port uses."""
        if port == WEB:
            return (self._identity(TOMCAT, WEB).fingerprint,)
        if port == FILES:
            return ()
        secure = SECURE_CALLS if port == CALLS else port
        return (self._identity(CALLMANAGER, secure).fingerprint, self._trust(secure).fingerprint)


def product(release: Release) -> str:
    """Return a release in the form of UDS, e.g. ``14.0.1``."""
    return ".".join(str(part) for part in release.key[:3])


def build(release: Release) -> str:
    """Return a release as a build, e.g. ``14.0.1.13900-1``; the number after the hyphen is the lab's own."""
    if "-" in release.text:
        return release.text
    update = release.key[3]
    return f"{product(release)}.{10000 + 1000 * update + (900 if update else 0)}-1"


def sis(release: Release, versions: Sequence[tuple[str, str]]) -> str:
    """Return the value of ``X-cisco-sis-`` for a release; ``versions`` pairs a release with the value from it on."""
    found = versions[0][1]
    for since, each in versions:
        if release >= Release.parse(since, Product.UNIFIED_CM):
            found = each
    return found


def _refusal(status: int, warning: str | None = None) -> Refusal:
    return Refusal(status=status, reason=REASONS.get(status, "Refused"), warning=warning)
