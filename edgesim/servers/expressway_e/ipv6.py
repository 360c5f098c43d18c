"""Expressway-E's handling of IPv6 clients: it accepts their connections on 8443 and proxies nothing.

"MRA Deployment Guide X15.0, MRA Requirements and Prerequisites": MRA is IPv4 only; clients that send IPv6 fail. How
they fail is not public. SIP and XMPP do not listen on IPv6: clients that try are refused, and may continue by IPv4.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from edgesim.deployment import hosts
from edgesim.http import HttpServer, Request, Response
from edgesim.node import Node


class Ipv6Front:
    """The HTTPS port on the IPv6 address of the outer interface, if it has one. ``answer`` builds E's refusal."""

    def __init__(self, node: Node, answer: Callable[[Request], Response]) -> None:
        self.node = node
        spec = node.spec.spec
        assert isinstance(spec, hosts.ExpresswayE)
        self._address = spec.outer_ipv6 if spec.ip_protocol != "IPv4" else None
        self._answer = answer
        self._server = HttpServer(node.journal, self._handle, name="https by IPv6")
        self._closing: asyncio.AbstractServer | None = None

    async def start(self, context: Callable[[], ssl.SSLContext]) -> None:
        """Listen, if there is an address. Raises `OSError`."""
        if self._address is None:
            return
        port = self.node.defaults.ports.edge_https
        if self.node.defaults.edge.ipv6_client == "502":
            await self._server.listen(self._address, port, context())
        else:
            self._closing = await asyncio.get_running_loop().create_server(_Closing, self._address, port)

    async def stop(self) -> None:
        """Stop listening."""
        await self._server.close()
        if self._closing is not None:
            self._closing.close()

    async def _handle(self, request: Request) -> Response:
        return self._answer(request)


class _Closing(asyncio.Protocol):
    """Closes every connection immediately."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
