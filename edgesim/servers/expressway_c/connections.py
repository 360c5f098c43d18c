"""Expressway-C's outgoing connections: source ports, and TLS towards UC servers.

Sources: Expressway IP Port Usage Configuration Guide; "Understand MRA Certificate Requirements and Apache Traffic
Server History" (Cisco 225476).
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from edgesim.deployment import Product, Release, closed
from edgesim.http import HttpClient
from edgesim.node import Node
from edgesim.pki import client_context
from edgesim.servers.expressway_c.tls import sends_chain, shown_as_client, tls_options

TRIES = 20
"""How many source ports are tried before the system chooses one."""


def has(feature: str, release: Release) -> bool:
    """Return whether an Expressway release has a gated feature."""
    return not closed(feature, {Product.EXPRESSWAY: release})


class SourcePorts:
    """The range of source ports for C's HTTP and SSH connections, used in turn from ``start`` on.

    A new start in each run keeps a restarted C off the ports that its last connections still block.
    """

    def __init__(self, first: int, last: int, start: int) -> None:
        self._ports = itertools.cycle((*range(start, last + 1), *range(first, start)))

    async def connect(self, address: str, dial: Callable[[tuple[str, int]], Awaitable[Any]]) -> Any:
        """Dial from the next free port. Raises the errors of ``dial``."""
        for _ in range(TRIES):
            try:
                return await dial((address, next(self._ports)))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        return await dial((address, 0))


def uc_client(node: Node, release: Release, ports: SourcePorts, *, verify: bool) -> HttpClient:
    """Return a client towards UC servers, which verifies their certificates or not.

    It presents C's certificate on request, but not before X14.0.2.
    """
    context = client_context(
        node.trusts["trusted-ca"] if verify else None,
        identity=shown_as_client(node) if has("proxy presents its certificate", release) else None,
        send_chain=sends_chain(node, dialling=True),
        options=tls_options(node),
        keylog=node.keylog,
    )

    async def connect(
        factory: Callable[[], asyncio.Protocol],
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        server_name: str | None,
    ) -> tuple[Any, asyncio.BaseProtocol]:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(node.defaults.links.connect_timeout_s):
            made: tuple[Any, asyncio.BaseProtocol] = await ports.connect(
                node.host.address(),
                lambda local: loop.create_connection(
                    factory, host, port, ssl=tls, server_hostname=server_name, local_addr=local
                ),
            )
        return made

    return HttpClient(node.journal, ssl=context, connect=connect)
