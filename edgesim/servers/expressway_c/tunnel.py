"""The SSH client of Expressway-C, which dials every Expressway-E and serves what E sends through the tunnel.

For E the tunnel is a forward of ``127.0.0.1:8443`` on C. A lost or refused tunnel is redialled indefinitely. Source:
"MRA Deployment Guide X15.0, MRA Requirements and Prerequisites" (TCP 2222, dialled by C).
"""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import Enum, auto
from typing import Any

import asyncssh
from cryptography.hazmat.primitives.serialization import Encoding

from edgesim.deployment import hosts
from edgesim.edge.descriptor import decoded_target
from edgesim.edge.link_state import LinkState
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
from edgesim.http import Headers, HttpLimits, HttpServer, Request, Response
from edgesim.journal import events
from edgesim.journal.keys import Key
from edgesim.node import Node
from edgesim.pki.keys import sign_sha1
from edgesim.servers.expressway_c.connections import SourcePorts, has
from edgesim.servers.expressway_c.retries import Retries
from edgesim.servers.expressway_c.tls import shown_as_client

ADDED = 1024
"""The extra octets allowed for a request line or header block, compared with a client's: E adds to both."""
Handler = Callable[[Request, "TunnelClient"], Awaitable[Response]]


class TunnelState(Enum):
    """The states of a tunnel; the journal shows the value."""

    NEW = "not tried yet"
    UP = "up"
    DOWN = "down"
    FAILED = "failed"


class On(Enum):
    """The events of a tunnel."""

    GREETED = auto()
    """E's greeting arrived."""
    ENDED = auto()
    """The SSH connection ended."""
    FAILED = auto()
    """The connection failed, or E did not grant the forward."""
    STOPPED = auto()
    """C closes it."""


TRANSITIONS: dict[tuple[TunnelState, On], TunnelState] = {
    (TunnelState.NEW, On.GREETED): TunnelState.UP,
    (TunnelState.NEW, On.ENDED): TunnelState.FAILED,
    (TunnelState.NEW, On.FAILED): TunnelState.FAILED,
    (TunnelState.NEW, On.STOPPED): TunnelState.DOWN,
    (TunnelState.UP, On.GREETED): TunnelState.UP,
    (TunnelState.UP, On.ENDED): TunnelState.DOWN,
    (TunnelState.UP, On.STOPPED): TunnelState.DOWN,
    (TunnelState.DOWN, On.GREETED): TunnelState.UP,
    (TunnelState.DOWN, On.ENDED): TunnelState.FAILED,
    (TunnelState.DOWN, On.FAILED): TunnelState.FAILED,
    (TunnelState.DOWN, On.STOPPED): TunnelState.DOWN,
    (TunnelState.FAILED, On.GREETED): TunnelState.UP,
    (TunnelState.FAILED, On.ENDED): TunnelState.FAILED,
    (TunnelState.FAILED, On.FAILED): TunnelState.FAILED,
    (TunnelState.FAILED, On.STOPPED): TunnelState.DOWN,
}
"""The next state for each event. A tunnel that is up cannot fail: it ends."""


class TunnelClient:
    """The tunnel to one Expressway-E, by the peer address of the traversal zone."""

    def __init__(self, tunnels: TunnelClients, peer: str) -> None:
        self.peer = peer
        self.edge: Greeting | None = None
        """E's greeting while the tunnel is up; `last_edge` outlives it."""
        self.last_edge: Greeting | None = None
        self.state = TunnelState.NEW
        self._tunnels = tunnels
        self._detail = ""
        self._connection: asyncssh.SSHClientConnection | None = None
        self._address: tuple[str, int] | None = None
        node = tunnels.node
        self.server = HttpServer(
            node.journal,
            self._handle,
            limits=HttpLimits(
                message=node.defaults.edge.message_s,
                start_line=HttpLimits().start_line + ADDED,
                header_block=HttpLimits().header_block + ADDED,
            ),
            decode=decoded_target,
            keys=tunnels.keys,
            name="https proxy",
        )

    @property
    def name(self) -> str:
        """E's FQDN from its greeting, or the configured address."""
        return self.last_edge.fqdn if self.last_edge else self.peer

    async def run(self) -> None:
        """Keep the tunnel up."""
        retry = self._tunnels.node.defaults.links.tunnel_retry_s
        while True:
            try:
                await self._hold()
            except (OSError, asyncssh.Error, asyncssh.ChannelListenError) as error:
                self._apply(On.FAILED, _reason(error))
            await self._tunnels.retries.wait(self, retry)

    @property
    def link_state(self) -> LinkState:
        """The present state of the tunnel."""
        stands = self.edge is not None
        return LinkState(
            what="SSH tunnel",
            peer=self.name,
            state=self.state.value,
            stands=stands,
            reason="" if stands else self._detail,
            again_s=self._tunnels.retries.due(self),
        )

    async def _hold(self) -> None:
        if "_" in self.peer.partition(".")[0]:
            # The product's forwarding process fails on such a name (MRA Deployment Guide X12.5, Troubleshooting).
            raise OSError("host name with an underscore")
        watch = _Watch()
        connection = self._connection = await self._tunnels.dial(self.peer, watch)
        try:
            self._address = connection.get_extra_info("peername")
            await connection.create_server(self._accept, LOOPBACK, self._tunnels.port)
            await connection.wait_closed()
        finally:
            self._connection, self.edge = None, None
            connection.close()
            await self.server.close()
            self._tunnels.changed.set()
        reason = "closed" if watch.error is None else _reason(watch.error)
        self._apply(On.ENDED, reason if self.state is TunnelState.UP else f"{reason} before E introduced itself")

    def _accept(self, host: str, port: int) -> Any:
        address = self._address[0] if self._address else self.peer
        return self.server.protocol(peer=(address, port), local=(LOOPBACK, self._tunnels.port))

    async def _handle(self, request: Request) -> Response:
        if request.target == GREETING_TARGET:
            return self._greet(request)
        return await self._tunnels.handler(request, self)

    def _greet(self, request: Request) -> Response:
        try:
            self.edge = self.last_edge = read_greeting(request.body)
        except TunnelError as error:
            self._tunnels.node.journal.emit(
                events.Malformed(protocol="tunnel greeting", reason=str(error), answer="answered 400"),
                peer=request.peer,
            )
            return Response(status=400)
        answer = self._tunnels.greeting
        if self.edge.challenge:
            answer = self._tunnels.shown(self.edge.challenge)
        if not answer.certificate:  # from X15.5 on E checks the certificate, and greets again if it accepts it
            self._apply(On.GREETED, self.edge.fqdn)
            self._tunnels.changed.set()
        headers = Headers([("Content-Type", GREETING_TYPE)])
        return Response(status=200, headers=headers, body=answer.encode())

    def _apply(self, what: On, detail: str) -> None:
        """Apply the table, which raises for a missing pair, and journal the state when it changes."""
        state = TRANSITIONS[self.state, what]
        if (state, detail) != (self.state, self._detail):
            self.state, self._detail = state, detail
            text = detail if state is TunnelState.UP else f"{self.peer}: {detail}"
            self._tunnels.node.journal.emit(events.SshTunnel(state=state.value, detail=text), peer=self._address)

    async def close(self) -> None:
        """Close the tunnel permanently."""
        if self._connection is not None:
            self._connection.close()
            self._apply(On.STOPPED, "stopped")
        await self.server.close()


class TunnelClients:
    """All tunnels of a C. ``handler`` answers their requests, ``greeting`` identifies C."""

    def __init__(
        self,
        node: Node,
        greeting: Greeting,
        handler: Handler,
        *,
        ports: SourcePorts,
        retries: Retries,
        keys: Callable[[Request], tuple[Key, ...]] | None = None,
    ) -> None:
        deployment = node.deployment
        self.node = node
        self.greeting = greeting
        self.handler = handler
        self.keys = keys
        self.port = deployment.ssh_tunnel.loopback_port
        self.changed = asyncio.Event()
        self.retries = retries
        self._ports = ports
        zone = deployment.traversal_zone
        user_key, _ = key_pair(Role.USER, user=zone.user, password=zone.password)
        _, host_key = key_pair(Role.HOST, user=zone.user, password=zone.password)
        self._user_key = asyncssh.import_private_key(user_key)
        self._host_key = asyncssh.import_public_key(host_key)
        self.links = tuple(TunnelClient(self, peer) for peer in deployment.traversal_zone.peer_addresses)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start dialling."""
        for link in self.links:
            self._tasks.append(self.node.host.spawn(link.run(), name=f"ssh tunnel to {link.peer}"))

    async def ready(self) -> None:
        """Return once every tunnel is up."""
        while not all(link.edge for link in self.links):
            self.changed.clear()
            await self.changed.wait()

    async def stop(self) -> None:
        """Close every tunnel."""
        for task in self._tasks:
            task.cancel()
        for link in self.links:
            await link.close()

    def shown(self, challenge: str) -> Greeting:
        """Return the greeting with the certificate that this C presents when it dials, from X15.5 on, and a proof of
        its key.
        """
        spec = self.node.spec.spec
        assert isinstance(spec, hosts.ExpresswayC)
        if not has("separate client certificate", spec.release):
            return self.greeting
        identity = shown_as_client(self.node)
        proof = sign_sha1(identity.key, proved_text(challenge, self.greeting.fqdn))
        return replace(
            self.greeting,
            certificate=identity.certificate.public_bytes(Encoding.PEM).decode(),
            proof=base64.b64encode(proof).decode(),
        )

    async def dial(self, peer: str, client: asyncssh.SSHClient) -> asyncssh.SSHClientConnection:
        """Open and authenticate an SSH connection. Raises `OSError` and `asyncssh.Error`."""
        links, settings = self.node.defaults.links, self.node.deployment.ssh_tunnel
        connection: asyncssh.SSHClientConnection = await self._ports.connect(
            self.node.host.address(),
            lambda local: asyncssh.connect(
                peer,
                settings.port,
                local_addr=local,
                client_factory=lambda: client,
                known_hosts=([self._host_key], [], []),
                username=settings.user,
                client_keys=[self._user_key],
                client_version="edgesim",
                preferred_auth="publickey",
                agent_path=None,
                connect_timeout=links.connect_timeout_s,
                login_timeout=links.connect_timeout_s,
                **ssh_options(links),
            ),
        )
        return connection


class _Watch(asyncssh.SSHClient):
    """Keeps the reason why the connection ended."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc


def _reason(error: BaseException) -> str:
    """Return why a tunnel could not be built, in one line."""
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return "E's host key is not the expected one"
    if isinstance(error, asyncssh.PermissionDenied):
        return "E refused the key"
    if isinstance(error, asyncssh.ChannelListenError):
        return "E refused the forward"
    if isinstance(error, asyncssh.Error):
        return error.reason or type(error).__name__
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, socket.gaierror):
        return "name not resolved"
    said = error.strerror if isinstance(error, OSError) else ""
    return said or str(error) or type(error).__name__
