"""The SSH server of Expressway-E: Expressway-C dials it, and E sends HTTPS traffic back through the tunnel.

C requests one remote forward of its loopback port; E opens one of its channels for each connection that it needs.
Nothing else is granted: no password, no shell, no other forward in either direction. Source: "MRA Deployment Guide
X15.0, MRA Requirements and Prerequisites" (TCP 2222, dialled by C).
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import asyncssh
from cryptography import x509

from edgesim.edge.protection import Category, Protection
from edgesim.edge.tunnel import (
    GREETING_TARGET,
    GREETING_TYPE,
    LOOPBACK,
    Greeting,
    Role,
    TunnelError,
    key_pair,
    proved_text,
    read_greeting,
    ssh_options,
)
from edgesim.http import HttpClient, HttpError, HttpLimits
from edgesim.journal import events
from edgesim.node import Node
from edgesim.pki import Usage
from edgesim.pki.keys import signed_sha1
from edgesim.servers.expressway_e.claims import Claims

FRESH = 10
"""Seconds by which E closes an idle channel before C does, so that no request meets a closing one."""


PAUSES = (0.01, 0.1, 1.0)
"""Seconds before each attempt to open the first channel: C is ready shortly after E granted its forward."""


class Tunnel:
    """One live tunnel. ``core`` is the greeting of the C at its other end, None before it arrives."""

    def __init__(self, server: TunnelServer, number: int, connection: asyncssh.SSHServerConnection) -> None:
        self.number = number
        self.core: Greeting | None = None
        self.skewed = False
        """Whether C's clock last differed from E's."""
        self._server = server
        self._connection = connection
        found = connection.get_extra_info("peername")
        self.peer: tuple[str, int] = (str(found[0]), int(found[1]))
        self.client = HttpClient(
            server.node.journal,
            limits=HttpLimits(idle=HttpLimits().idle - FRESH),
            connect=self._open,
        )

    @property
    def name(self) -> str:
        """The FQDN of the C, or its address before its greeting."""
        return self.core.fqdn if self.core else self.peer[0]

    @property
    def control(self) -> str:
        """The host to which E's proxy addresses requests through the tunnel."""
        domain = self.core.domain if self.core else ""
        return f"vcs_control.{domain}" if domain else "vcs_control"

    async def introduce(self, greeting: Greeting) -> None:
        """Exchange greetings with C; a C that presents its certificate gets a second greeting if accepted. Raises
        `HttpError`, `TunnelError`, and `TunnelRefused` for an unsuitable certificate.
        """
        challenge = self._server.challenges.token_hex(16)
        core = await self._greeted(replace(greeting, challenge=challenge))
        if core.certificate:
            refusal = unfit(core, challenge)
            if refusal:
                raise TunnelRefused(refusal)
            await self._greeted(greeting)
        self.core = core

    async def _greeted(self, greeting: Greeting) -> Greeting:
        answer = await self.client.request(
            "POST",
            f"http://{LOOPBACK}:{self._server.port}{GREETING_TARGET}",
            headers=[("Host", greeting.fqdn), ("Content-Type", GREETING_TYPE)],
            body=greeting.encode(),
            timeout=self._server.node.defaults.links.tunnel_login_timeout_s,
        )
        if answer.status != 200:
            raise TunnelError(f"greeting answered {answer.status}")
        return read_greeting(answer.body)

    def close(self, reason: str = "") -> None:
        """Close the tunnel; SSH's disconnect carries ``reason``."""
        if reason:
            self._connection.disconnect(asyncssh.DISC_HOST_NOT_ALLOWED_TO_CONNECT, reason)
        else:
            self._connection.close()

    async def _open(
        self,
        factory: Callable[[], asyncio.Protocol],
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        server_name: str | None,
    ) -> tuple[Any, asyncio.BaseProtocol]:
        protocol = factory()
        try:
            channel, _ = await self._connection.create_connection(
                lambda: _Session(protocol, self.peer), LOOPBACK, self._server.port, LOOPBACK, next(self._server.origins)
            )
        except asyncssh.Error as error:
            raise ConnectionResetError(f"no channel through the tunnel to {self.name}: {error.reason}") from error
        return channel, protocol


class TunnelRefused(Exception):
    """The certificate that a C presented is unsuitable; the text says why."""


def unfit(core: Greeting, challenge: str) -> str:
    """Return why a certificate that a C presents gets no tunnel, or an empty text.

    The usage is required whatever E's checking mode ("Cisco Expressway Certificate Creation and Use Deployment Guide",
    X15.5).
    """
    try:
        certificate = x509.load_pem_x509_certificate(core.certificate.encode())
        proof = base64.b64decode(core.proof, validate=True)
        extensions = certificate.extensions
    except ValueError:
        return "the client certificate cannot be read"
    if not signed_sha1(certificate.public_key(), proof, proved_text(challenge, core.fqdn)):
        return "the proof is not by the key of the client certificate"
    try:
        usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ""  # valid for all usages
    return "" if Usage.CLIENT.oid in usages else "the client certificate lacks clientAuth"


class TunnelServer:
    """Accepts tunnels from every C; ``live`` are the usable ones, oldest first."""

    def __init__(self, node: Node, greeting: Greeting, claims: Claims, protection: Protection) -> None:
        settings = node.deployment.ssh_tunnel
        self.node = node
        self.greeting = greeting
        self.claims = claims
        self.protection = protection
        self.port = settings.loopback_port
        self.user = settings.user
        self.origins = itertools.count(1)
        self.challenges = node.host.entropy("tunnel challenges")
        self.tunnels: dict[int, Tunnel] = {}
        self.domains: tuple[str, ...] = ()
        """The domains that C enabled, in lower case, as last received: they outlive the tunnels."""
        self.changed = asyncio.Event()
        self._numbers = itertools.count(1)
        self._acceptors: list[asyncssh.SSHAcceptor] = []

    @property
    def live(self) -> list[Tunnel]:
        """The tunnels whose C has sent its greeting."""
        return [tunnel for tunnel in self.tunnels.values() if tunnel.core is not None]

    async def start(self) -> None:
        """Listen on every interface. Raises `OSError`."""
        zone, links = self.node.deployment.traversal_zone, self.node.defaults.links
        password = zone.server_password
        host_key, _ = key_pair(Role.HOST, user=zone.user, password=password)
        _, user_key = key_pair(Role.USER, user=zone.user, password=password)
        authorized = asyncssh.import_authorized_keys(f"no-pty,no-agent-forwarding {user_key.decode()}")
        for interface in self.node.host.interfaces:
            acceptor = await asyncssh.listen(
                interface.address,
                self.node.deployment.ssh_tunnel.port,
                server_factory=lambda: _Caller(self),
                server_host_keys=[asyncssh.import_private_key(host_key)],
                server_version="edgesim",
                authorized_client_keys=authorized,
                public_key_auth=True,
                password_auth=False,
                kbdint_auth=False,
                host_based_auth=False,
                allow_pty=False,
                agent_forwarding=False,
                x11_forwarding=False,
                login_timeout=links.tunnel_login_timeout_s,
                **ssh_options(links),
            )
            self._acceptors.append(acceptor)

    async def stop(self) -> None:
        """Stop listening and close every tunnel."""
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors.clear()
        for tunnel in tuple(self.tunnels.values()):
            await tunnel.client.close()
            tunnel.close()

    # ---- called by the connections

    def forwarded(self, connection: asyncssh.SSHServerConnection) -> int:
        """Add a connection on which C requested its forward; return the tunnel's number."""
        number = next(self._numbers)
        tunnel = self.tunnels[number] = Tunnel(self, number, connection)
        self.node.host.spawn(self._introduce(tunnel), name=f"ssh tunnel {number}")
        return number

    def lost(self, number: int, reason: str) -> None:
        """Remove a tunnel."""
        tunnel = self.tunnels.pop(number, None)
        if tunnel is not None:
            self.report("down", f"{tunnel.name}: {reason}", tunnel.peer)
            self.changed.set()

    def report(self, state: str, detail: str, peer: tuple[str, int] | None) -> None:
        """Journal a state of a tunnel."""
        self.node.journal.emit(events.SshTunnel(state=state, detail=detail), peer=peer)

    async def _introduce(self, tunnel: Tunnel) -> None:
        failure = ""
        for pause in PAUSES:
            await asyncio.sleep(pause)
            try:
                await tunnel.introduce(self.greeting)
                break
            except TunnelRefused as error:
                self.report("failed", f"{tunnel.peer[0]}: {error}", tunnel.peer)
                tunnel.close(str(error))
                return
            except (HttpError, TunnelError) as error:
                failure = str(error)
        else:
            self.report("failed", f"{tunnel.peer[0]}: {failure}", tunnel.peer)
            tunnel.close()
            return
        heard = (domain.lower() for one in self.live if one.core for domain in one.core.domains)
        self.domains = tuple(dict.fromkeys(heard))
        self.claims.enabled(self.domains)
        self.report("up", tunnel.name, tunnel.peer)
        self.changed.set()


class _Caller(asyncssh.SSHServer):
    """A connecting peer: before authentication it can do nothing, afterwards only request the one forward."""

    def __init__(self, server: TunnelServer) -> None:
        self._server = server
        self._connection: asyncssh.SSHServerConnection | None = None
        self._peer: tuple[str, int] | None = None
        self._user: str | None = None
        self._number: int | None = None
        self._admitted = False
        self._reported = False

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        found = conn.get_extra_info("peername")
        self._peer = (str(found[0]), int(found[1])) if found else None

    def begin_auth(self, username: str) -> bool:
        self._user = username
        return True

    def auth_completed(self) -> None:
        connection = self._connection
        assert connection is not None
        if self._user == self._server.user:
            self._admitted = True
            return
        self._refused("another user than the forwarding one", Category.SSH_AUTHORIZATION)
        connection.close()

    def server_requested(self, listen_host: str, listen_port: int) -> Any:
        connection = self._connection
        assert connection is not None
        wanted = (listen_host, listen_port) == (LOOPBACK, self._server.port)
        if not self._admitted or not wanted or self._number is not None:
            self._refused(f"forward of {listen_host[:80]}:{listen_port}", Category.SSH_PROTOCOL)
            return False
        self._number = self._server.forwarded(connection)
        return _Forward(connection)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._number is not None:
            self._server.lost(self._number, _reason(exc))
        elif self._user is None:
            self._refused(_reason(exc), Category.SSH_PROTOCOL if _is_violation(exc) else None)
        elif not self._admitted:
            self._refused(f"no accepted key of {self._user[:80]!r}", Category.SSH_AUTHORIZATION)

    def _refused(self, what: str, category: Category | None) -> None:
        if not self._reported:
            self._reported = not self._admitted
            self._server.report("refused", what, self._peer)
            if category is not None:
                self._server.protection.count(category, self._peer)


class _Forward(asyncssh.SSHListener):
    """The forward that C requested. It has no socket: only E uses it."""

    def __init__(self, connection: asyncssh.SSHServerConnection) -> None:
        super().__init__()
        self._connection = connection

    def close(self) -> None:
        """C cancelled its forward: the tunnel has no further use."""
        self._connection.close()

    async def wait_closed(self) -> None:
        """Return at once: there is no socket."""


class _Session(asyncssh.SSHTCPSession[bytes]):
    """A channel's session that passes everything to an ordinary protocol, with the addresses of its ends."""

    def __init__(self, protocol: asyncio.Protocol, peer: tuple[str, int]) -> None:
        self._protocol = protocol
        self._peer = peer

    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        chan.set_extra_info(peername=self._peer)
        self._protocol.connection_made(chan)  # type: ignore[arg-type]  # a channel has a transport's methods

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self._protocol.data_received(data)

    def eof_received(self) -> bool:
        return bool(self._protocol.eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc and ConnectionResetError(_reason(exc)))

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()


def _is_violation(error: Exception | None) -> bool:
    """Return whether a peer violated SSH, rather than disconnecting or being too slow."""
    return isinstance(error, asyncssh.ProtocolError | asyncssh.ProtocolNotSupported | asyncssh.KeyExchangeFailed)


def _reason(error: Exception | None) -> str:
    """Return why a connection ended, in one line."""
    if error is None:
        return "closed"
    said = error.reason if isinstance(error, asyncssh.Error) else ""
    return said or str(error) or type(error).__name__
