"""A host that a script plays: it listens and connects as the host's own programs would."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Coroutine
from typing import Any, Literal, TypeVar

from edgesim import lab as labs
from edgesim.control import Carrier, StopHost
from edgesim.node import Node
from edgesim.pki import client_context, server_context
from edgesim.scenario.expect import Expectations
from edgesim.scenario.scripted.http import ScriptedHttp
from edgesim.scenario.scripted.sip import ScriptedSip
from edgesim.scenario.scripted.stream import ScriptedListener, ScriptedStream
from edgesim.world import Host, HostState, Service

T = TypeVar("T")
Transport = Literal["tcp", "tls", "udp"]


class _Nobody:
    """The service of a host that a script plays."""

    async def stop(self) -> None:
        """Nothing to stop: the script closes what it opened."""


async def _nobody(_: Host) -> Service:
    return _Nobody()


class ScriptedHost:
    """A host that a scenario plays: `node` has its addresses, certificates and trust stores."""

    def __init__(self, node: Node, expectations: Expectations) -> None:
        self.node = node
        self._expectations = expectations
        self._parts: list[ScriptedSip | ScriptedHttp | ScriptedStream | ScriptedListener] = []

    @classmethod
    async def take(cls, lab: labs.RunningLab, carrier: Carrier, name: str, expectations: Expectations) -> ScriptedHost:
        """Take the place of a host: stop it, and start it in this process without a program.

        ``lab`` is this process's. A client machine that runs here is not restarted: no program runs on it.
        """
        node = lab.node(name)
        elsewhere = lab.world.process(name) is not None
        if node.spec.kind != "client" or node.host.state is not HostState.UP or elsewhere:
            if node.host.state is HostState.UP:
                await carrier.ask(StopHost(host=name))
            lab.world.run_here(name)
            node.host.factory = _nobody
            await lab.world.start(name)
        return cls(node, expectations)

    @property
    def name(self) -> str:
        """The host's name."""
        return self.node.name

    @property
    def address(self) -> str:
        """The host's main address."""
        return self.node.spec.address

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run any coroutine as this host, e.g. one that uses a library."""
        return await self.node.host.run(work, name="script")

    async def listen_sip(self, port: int = 5060, *, transport: Transport = "tcp", service: str = "") -> ScriptedSip:
        """Listen for SIP on every address; with TLS, show the certificate of ``service`` (the host's first one)."""
        line = self._sip(f"{transport} port {port}")

        async def listen() -> None:
            tls = self._server_context(service) if transport == "tls" else None
            for interface in self.node.host.interfaces:
                await line.endpoint.listen(interface.address, port, transport, ssl=tls)

        await self.run(listen())
        return line

    async def connect_sip(
        self, host: str, port: int = 5060, *, transport: Transport = "tcp", server_name: str | None = None
    ) -> ScriptedSip:
        """Open a SIP connection to a name or an address. Raises `OSError`."""
        line = self._sip(f"connection to {host}:{port}")
        tls = client_context(self.node.trusts["system"], keylog=self.node.keylog) if transport == "tls" else None
        name, sip = (server_name or host) if transport == "tls" else None, self.node.defaults.sip
        line.connection = await self.run(
            line.endpoint.connect(
                host,
                port,
                transport,
                ssl=tls,
                server_hostname=name,
                connect_timeout=sip.connect_timeout_s,
                handshake_timeout=sip.tls_handshake_timeout_s,
            )
        )
        return line

    def _sip(self, what: str) -> ScriptedSip:
        line = ScriptedSip(self.node, f"the scripted {self.name}, {what},", self._expectations)
        self._parts.append(line)
        return line

    async def listen_http(self, port: int, *, tls: bool = True, service: str = "") -> ScriptedHttp:
        """Listen for HTTPS (or plain HTTP) on every address."""

        async def listen() -> ScriptedHttp:
            part = ScriptedHttp(self.node, f"the scripted {self.name}, port {port},", self._expectations)
            for interface in self.node.host.interfaces:
                await part.server.listen(interface.address, port, self._server_context(service) if tls else None)
            return part

        part = await self.run(listen())
        self._parts.append(part)
        return part

    async def listen(self, port: int, *, tls: bool = False, service: str = "") -> ScriptedListener:
        """Listen for connections of any protocol on every address."""
        part = ScriptedListener(self.node, f"the scripted {self.name}, port {port},", self._expectations)

        async def listen() -> None:
            addresses = [interface.address for interface in self.node.host.interfaces]
            context = self._server_context(service) if tls else None
            part.server = await asyncio.get_running_loop().create_server(part.protocol, addresses, port, ssl=context)

        await self.run(listen())
        self._parts.append(part)
        return part

    async def connect(self, host: str, port: int, *, tls: bool = False) -> ScriptedStream:
        """Open a connection for octets of any protocol. Raises `OSError`."""
        part = ScriptedStream(self.node, f"the scripted {self.name}, connection to {host}:{port},", self._expectations)

        async def connect() -> None:
            context = client_context(self.node.trusts["system"], keylog=self.node.keylog) if tls else None
            await asyncio.get_running_loop().create_connection(lambda: part, host, port, ssl=context)

        await self.run(connect())
        self._parts.append(part)
        return part

    def unread(self) -> list[str]:
        """Return what was not read, one line each."""
        lines: list[str] = []
        for part in self._parts:
            lines += part.unread() if isinstance(part, ScriptedStream | ScriptedListener) else part.inbox.unread()
        return lines

    async def close(self) -> None:
        """Close every port and connection."""
        if self.node.host.state is not HostState.UP:
            return
        for part in self._parts:
            with contextlib.suppress(OSError):
                await part.close()

    def _server_context(self, service: str) -> ssl.SSLContext:
        identities = self.node.identities
        if not identities or (service and service not in identities):
            known = ", ".join(identities) or "none"
            raise LookupError(f"{self.name} has no certificate {service!r}; known: {known}")
        identity = identities[service] if service else next(iter(identities.values()))
        return server_context(identity, keylog=self.node.keylog)
