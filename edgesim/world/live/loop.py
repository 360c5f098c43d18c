"""The live event loop: real sockets, with the source address, the names and the rules of the running host."""

from __future__ import annotations

import asyncio
import socket
import ssl as ssl_module
import sys
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeVar

from edgesim.world.api import Incarnation, _running
from edgesim.world.live.wires import DatagramGate, Door, PlainWire, TlsWatch
from edgesim.world.lookup import resolve
from edgesim.world.tls.layer import TlsLayer
from edgesim.world.tls.loop import TlsLoop

if TYPE_CHECKING:
    from edgesim.world.live.network import LiveNetwork

T = TypeVar("T")

_Base: Any = asyncio.SelectorEventLoop
if sys.platform != "win32":
    import uvloop

    _Base = uvloop.Loop


class LiveLoop(TlsLoop, _Base):  # type: ignore[misc]  # uvloop's loop is typed for callers, not for those who derive from it
    """A real event loop. Code without a running host (a test's own client, say) meets it unchanged."""

    network: LiveNetwork

    def __init__(self) -> None:
        super().__init__()
        self._task_number = 0
        self.orphans: dict[int, asyncio.Task[Any]] = {}

    def create_task(
        self, coro: Coroutine[Any, Any, T], *, name: object = None, context: Context | None = None, **kwargs: Any
    ) -> asyncio.Task[T]:
        self._task_number += 1
        number = self._task_number
        task: asyncio.Task[T] = super().create_task(coro, name=str(name or f"task {number}"), context=context)
        life = context.get(_running) if context is not None else _running.get(None)
        owner = self.orphans if life is None else life.tasks
        owner[number] = task
        task.add_done_callback(lambda _: owner.pop(number, None))
        return task

    async def create_connection(
        self,
        protocol_factory: Callable[[], Any],
        host: str | None = None,
        port: int | None = None,
        *,
        ssl: Any = None,
        local_addr: tuple[str | None, int] | None = None,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        **others: Any,
    ) -> tuple[Any, Any]:
        life = _running.get(None)
        if life is None or host is None or port is None:
            if host is not None:
                others.update(local_addr=local_addr)
            pair: tuple[Any, Any] = await super().create_connection(
                protocol_factory,
                host,
                port,
                ssl=ssl,
                server_hostname=server_hostname,
                ssl_handshake_timeout=ssl_handshake_timeout,
                ssl_shutdown_timeout=ssl_shutdown_timeout,
                **others,
            )
            return pair
        errors: list[OSError] = []
        for address in await resolve(host):
            waiter = self.create_future() if ssl else None

            def made(waiter: asyncio.Future[None] | None = waiter) -> tuple[Any, Any]:
                protocol = protocol_factory()
                if waiter is None:
                    return protocol, protocol
                name = server_hostname if server_hostname is not None else host
                tls = self._tls(
                    protocol,
                    ssl,
                    waiter,
                    server_side=False,
                    name=name,
                    handshake_timeout=ssl_handshake_timeout,
                    shutdown_timeout=ssl_shutdown_timeout,
                )
                return protocol, tls

            try:
                wire, protocol, inner = await self._dial(life, local_addr, (address, int(port)), made)
            except BaseException as error:
                if waiter is not None:
                    waiter.cancel()
                if not isinstance(error, OSError):
                    raise
                errors.append(error)
                continue
            if waiter is None:
                return wire, protocol
            try:
                await waiter
            except BaseException:
                wire.close()
                raise
            return inner, protocol
        raise errors[0] if errors else OSError(f"no address for {host}")

    async def _dial(
        self,
        life: Incarnation,
        local: tuple[str | None, int] | None,
        remote: tuple[str, int],
        made: Callable[[], tuple[Any, Any]],
    ) -> tuple[Any, Any, Any]:
        """Connect; ``made`` gives the application's protocol and what is on the wire, once TCP is up."""
        source = await self.network.before_connect(life, local, remote)
        protocol = inner = None
        lowest: TlsLayer | PlainWire | None = None

        def on_wire() -> Any:
            nonlocal protocol, inner, lowest
            protocol, inner = made()
            if isinstance(inner, TlsLayer):
                inner.watch = TlsWatch(self.network, life)
                lowest = inner
            else:
                lowest = PlainWire(self.network, life, inner)
            return lowest

        try:
            wire, _ = await super().create_connection(on_wire, *remote, local_addr=source)
        except OSError as error:
            self.network.failed(life, source, remote, error)
            raise
        except BaseException:
            # uvloop closes the connection of a cancelled call without notifying the protocol; asyncio does so next.
            if lowest is not None:
                self.call_soon(self._abandon, lowest)
            raise
        self.network.opened(life, wire)
        return wire, protocol, inner

    def _abandon(self, lowest: TlsLayer | PlainWire) -> None:
        """Notify the lowest layer of a connection of its end, unless that has happened."""
        wire = lowest.wire if isinstance(lowest, TlsLayer) else lowest.transport
        if wire is not None and self.network.watches(wire):
            lowest.connection_lost(None)

    async def create_server(
        self,
        protocol_factory: Callable[[], Any],
        host: Any = None,
        port: Any = None,
        *,
        ssl: Any = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        **others: Any,
    ) -> Any:
        life = _running.get(None)
        if life is None:
            times = {"ssl_handshake_timeout": ssl_handshake_timeout, "ssl_shutdown_timeout": ssl_shutdown_timeout}
            return await super().create_server(protocol_factory, host, port, ssl=ssl, **times, **others)
        if life.fenced:
            raise ConnectionAbortedError(f"{life.host.name} is down")
        if host is None or host == "0.0.0.0":
            host = [interface.address for interface in life.host.interfaces]
        context = life.host.context()

        def made() -> Any:
            protocol = context.copy().run(protocol_factory)
            if not ssl:
                return PlainWire(self.network, life, protocol)
            tls = context.copy().run(
                self._tls,
                protocol,
                ssl,
                None,
                server_side=True,
                handshake_timeout=ssl_handshake_timeout,
                shutdown_timeout=ssl_shutdown_timeout,
            )
            tls.watch = TlsWatch(self.network, life)
            return tls

        try:
            server = await super().create_server(lambda: Door(self.network, life, made), host, port, **others)
        except OSError as error:
            raise self.network.explain_listen(error, host, port) from error
        self.network.listening(life, server)
        return server

    async def start_tls(
        self,
        transport: Any,
        protocol: Any,
        sslcontext: ssl_module.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> Any:
        start = _Base.start_tls if _running.get(None) is None else TlsLoop.start_tls
        return await start(
            self,
            transport,
            protocol,
            sslcontext,
            server_side=server_side,
            server_hostname=server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )

    def accept_time(self) -> float:
        return self.network.admission.limits.handshake_s

    def tls_watch(self, transport: Any) -> TlsWatch | None:
        below = transport.get_protocol()
        return TlsWatch(below.network, below.life) if isinstance(below, PlainWire) else None

    async def create_datagram_endpoint(
        self,
        protocol_factory: Callable[[], Any],
        local_addr: tuple[str, int] | None = None,
        remote_addr: tuple[str, int] | None = None,
        **others: Any,
    ) -> tuple[Any, Any]:
        life = _running.get(None)
        if life is None:
            pair: tuple[Any, Any] = await super().create_datagram_endpoint(
                protocol_factory, local_addr=local_addr, remote_addr=remote_addr, **others
            )
            return pair
        if life.fenced:
            raise ConnectionAbortedError(f"{life.host.name} is down")
        if remote_addr is not None:
            remote_addr = ((await resolve(remote_addr[0]))[0], remote_addr[1])
        local = self.network.source(life, local_addr, remote_addr)
        protocol = protocol_factory()
        gate = DatagramGate(self.network, life, protocol)
        try:
            transport, _ = await super().create_datagram_endpoint(
                lambda: gate, local_addr=local, remote_addr=remote_addr
            )
        except OSError as error:
            raise self.network.explain_listen(error, local[0], local[1], udp=True) from error
        except BaseException:
            if gate.transport is not None:
                gate.transport.abort()  # uvloop leaves it open when the call is cancelled
            raise
        self.network.bound(life, transport)
        return self.network.outlet(transport), protocol

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> list[Any]:
        if _running.get(None) is None:
            found: list[Any] = await super().getaddrinfo(host, port, **options)
            return found
        addresses = await resolve(host)
        kind = options.get("type") or socket.SOCK_STREAM
        return [(socket.AF_INET, kind, 0, "", (address, int(port or 0))) for address in addresses]
