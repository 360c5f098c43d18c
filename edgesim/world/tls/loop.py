"""The part of both worlds' event loops that concerns TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

from edgesim.world.api import _running
from edgesim.world.tls.engine import SCRATCH, StandardEngine, TlsContext, TlsEngine
from edgesim.world.tls.layer import TlsLayer, Watch


class TlsLoop:
    """Part of an event loop: makes the TLS layers of connections, and reports to the world through two hooks."""

    tls_observer: Callable[[TlsLayer, BaseException | None], None]
    """Is notified how a handshake ended on one side."""
    tls_tap: Callable[[TlsLayer, bytes], bytes | None]
    """Sees (and may change or drop) what was decrypted, just before the application does."""
    _scratch: bytearray | None = None

    def tls_watch(self, transport: Any) -> Watch | None:
        """Return who is to be notified of a connection on which TLS starts."""
        return None

    def accept_time(self) -> float | None:
        """Return a listener's default time limit of a handshake in seconds; None for asyncio's own."""
        return None

    def drop_wire(self, wire: Any, why: BaseException | None) -> None:
        """Abort the connection below a layer, for this reason."""
        wire.abort()

    def _tls(
        self,
        protocol: Any,
        context: ssl.SSLContext | TlsContext,
        waiter: asyncio.Future[None] | None,
        *,
        server_side: bool,
        name: str | None = None,
        handshake_timeout: float | None = None,
        shutdown_timeout: float | None = None,
        call_connection_made: bool = True,
    ) -> TlsLayer:
        name = name or None
        if server_side and handshake_timeout is None:
            handshake_timeout = self.accept_time()
        engine: TlsEngine
        if isinstance(context, ssl.SSLContext):
            engine = StandardEngine(context, server_side=server_side, server_hostname=name)
        else:
            life = _running.get(None)
            clock = life.host.clock.utc if life is not None else None
            if self._scratch is None:
                self._scratch = bytearray(SCRATCH)
            engine = context.engine(server_side=server_side, server_hostname=name, clock=clock, scratch=self._scratch)
        return TlsLayer(
            self,
            protocol,
            engine,
            waiter,
            server_side=server_side,
            wanted_name=name,
            handshake_time=handshake_timeout,
            shutdown_time=shutdown_timeout,
            made=not call_connection_made,
        )

    async def start_tls(
        self,
        transport: Any,
        protocol: Any,
        sslcontext: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> Any:
        """Put TLS between a connection and its protocol; return the transport that the protocol has from then on.

        Raises `ConnectionAbortedError` where the connection is closed already, and what a handshake may fail with.
        """
        if transport.is_closing():
            raise ConnectionAbortedError("the connection is closed")
        loop: Any = self
        waiter = loop.create_future()
        tls = self._tls(
            protocol,
            sslcontext,
            waiter,
            server_side=server_side,
            name=server_hostname,
            handshake_timeout=ssl_handshake_timeout,
            shutdown_timeout=ssl_shutdown_timeout,
            call_connection_made=False,
        )
        tls.watch = self.tls_watch(transport)
        tls.wire = transport
        transport.pause_reading()
        transport.set_protocol(tls)
        start = loop.call_soon(tls.connection_made, transport)
        resume = loop.call_soon(transport.resume_reading)
        try:
            await waiter
        except BaseException:
            transport.close()
            start.cancel()
            resume.cancel()
            raise
        return tls
