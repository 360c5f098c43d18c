"""The transports of an endpoint: listening, connecting, and the open connections."""

from __future__ import annotations

import asyncio
import errno
import ssl as ssl_module
from collections.abc import Callable
from typing import Any, Literal

from edgesim.sip.connection import Address, Connection, Owner, StreamConnection
from edgesim.sip.datagrams import DatagramSocket

TransportName = Literal["tcp", "tls", "udp"]
ConnectionHandler = Callable[[Connection], None]
PORT_ATTEMPTS = 64
"""How many ports of a range are tried before the last error is raised."""


class Transports(Owner):
    """Listeners, sockets and connections; subclasses handle what arrives on them."""

    on_connection: ConnectionHandler | None

    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []
        self._sockets: list[DatagramSocket] = []
        self._connections: dict[int, StreamConnection] = {}
        self._next_port = 0
        self._loop = asyncio.get_running_loop()
        self._closed = False

    @property
    def connections(self) -> tuple[StreamConnection, ...]:
        """The open TCP and TLS connections, oldest first."""
        return tuple(self._connections.values())

    async def listen(
        self,
        address: str,
        port: int,
        transport: TransportName = "tcp",
        *,
        ssl: ssl_module.SSLContext | None = None,
        handshake_timeout: float | None = None,
    ) -> Address:
        """Accept connections or datagrams; return the address and port. Raises `OSError`.

        ``handshake_timeout``, in seconds, bounds a TLS handshake; by default the host's doors do.
        """
        if transport == "udp":
            _, socket = await self._loop.create_datagram_endpoint(
                lambda: DatagramSocket(self), local_addr=(address, port)
            )
            self._sockets.append(socket)
            return socket.local
        if (transport == "tls") != (ssl is not None):
            raise ValueError("TLS needs a context, and TCP none")

        def accept() -> StreamConnection:
            return StreamConnection(self, accepted=True, transport=transport)

        if ssl is None:
            server = await self._loop.create_server(accept, address, port)
        else:
            server = await self._loop.create_server(
                accept, address, port, ssl=ssl, ssl_handshake_timeout=handshake_timeout, ssl_shutdown_timeout=5.0
            )
        self._servers.append(server)
        bound = server.sockets[0].getsockname() if server.sockets else (address, port)
        return bound[0], bound[1]

    async def connect(
        self,
        address: str,
        port: int,
        transport: TransportName = "tcp",
        *,
        ssl: ssl_module.SSLContext | None = None,
        server_hostname: str | None = None,
        local_address: str | None = None,
        local_port_range: tuple[int, int] | None = None,
        connect_timeout: float | None = None,
        handshake_timeout: float | None = None,
    ) -> Connection:
        """Open a connection. Raises `OSError`: `TimeoutError`, `ssl.SSLError`, `ConnectionRefusedError` ...

        ``connect_timeout`` bounds the TCP handshake and ``handshake_timeout`` the TLS handshake, in seconds; by default
        only the network does. ``local_port_range`` is inclusive; its ports are used in turn.
        """
        if transport == "udp":
            _, socket = await self._loop.create_datagram_endpoint(
                lambda: DatagramSocket(self), local_addr=(local_address or "0.0.0.0", 0)
            )
            self._sockets.append(socket)
            return socket.flow((address, port), accepted=False)
        if (transport == "tls") != (ssl is not None):
            raise ValueError("TLS needs a context, and TCP none")
        attempts = PORT_ATTEMPTS if local_port_range else 1
        while True:
            attempts -= 1
            try:
                return await self._connect(
                    address,
                    port,
                    transport,
                    ssl,
                    server_hostname,
                    self._local(local_address, local_port_range),
                    connect_timeout,
                    handshake_timeout,
                )
            except OSError as error:
                if attempts < 1 or error.errno != errno.EADDRINUSE:
                    raise

    def _local(self, address: str | None, ports: tuple[int, int] | None) -> Address | None:
        if ports is None:
            return (address, 0) if address is not None else None
        first, last = ports
        port = first + self._next_port % (last - first + 1)
        self._next_port += 1
        return (address or "0.0.0.0", port)

    async def _connect(
        self,
        address: str,
        port: int,
        transport: TransportName,
        ssl: ssl_module.SSLContext | None,
        server_hostname: str | None,
        local: Address | None,
        connect_timeout: float | None,
        handshake_timeout: float | None,
    ) -> Connection:
        options: dict[str, Any] = {"local_addr": local}
        if ssl is not None:
            options |= {
                "ssl": ssl,
                "server_hostname": server_hostname if server_hostname is not None else address,
                "ssl_handshake_timeout": handshake_timeout,
                "ssl_shutdown_timeout": 5.0,
            }
        async with asyncio.timeout(connect_timeout) as bound:

            def connected() -> StreamConnection:
                # TCP is up; the remaining TLS handshake has its own bound, plus some time to report it.
                bound.reschedule(None if handshake_timeout is None else self._loop.time() + handshake_timeout + 1.0)
                return StreamConnection(self, accepted=False, transport=transport)

            _, connection = await self._loop.create_connection(connected, address, port, **options)
        return connection

    async def close(self, grace: float = 2.0) -> None:
        """Close all connections and listeners; connections still open after ``grace`` seconds are aborted."""
        self._closed = True
        for server in self._servers:
            server.close()
        for socket in self._sockets:
            socket.close()
        connections = [*self._connections.values()]
        for connection in connections:
            connection.close()
        try:
            async with asyncio.timeout(grace):
                for connection in connections:
                    await connection.wait_closed()
        except TimeoutError:
            for connection in connections:
                connection.abort()
            for connection in connections:
                await connection.wait_closed()
        for socket in self._sockets:
            await socket.closed
        self._servers.clear()
        self._sockets.clear()

    def connection_made(self, connection: StreamConnection) -> None:
        """A stream is ready (after its TLS handshake)."""
        self._connections[id(connection)] = connection
        if self._closed:
            connection.abort()
        elif self.on_connection is not None:
            self.on_connection(connection)

    def forget(self, connection: Connection) -> None:
        """Remove a closed stream."""
        self._connections.pop(id(connection), None)
