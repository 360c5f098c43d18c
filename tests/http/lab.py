"""A server and a client of HTTP on two hosts of a simulated world."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from edgesim.http import (
    Headers,
    HttpClient,
    HttpLimits,
    HttpServer,
    Request,
    Response,
)
from edgesim.journal import Entry, Event, Journal
from edgesim.pki import TrustStore, expressway_e, fixture_authorities, server_context
from edgesim.world import Host, HostState
from edgesim.world.sim import SimWorld
from tests import simrun
from tests.simrun import sim_run

E = "203.0.113.10"
NAME = "expe.example.com"
Handler = Callable[[Request], Awaitable[Response]]
PIPELINED = b"GET /%04d HTTP/1.1\r\nHost: e\r\n\r\n"


async def echo(request: Request) -> Response:
    """Answer with the body; ``/wait/<seconds>`` takes its time, ``/fail`` does not answer."""
    if request.path.startswith("/wait/"):
        await asyncio.sleep(float(request.path.removeprefix("/wait/")))
    if request.path == "/fail":
        raise RuntimeError("as asked")
    headers = Headers([("Server", "CE_C ECS"), ("Transfer-Encoding", "chunked"), ("Connection", "keep-alive")])
    return Response(status=200, headers=headers, body=request.body or request.path.encode())


class Lab:
    """Two hosts, a server on one and a client on the other."""

    def __init__(self, world: SimWorld, journal: Journal, server_host: Host, client_host: Host) -> None:
        self.world, self.journal, self.server_host, self.client_host = world, journal, server_host, client_host
        self.server: HttpServer
        self.client: HttpClient

    async def at_server(self, work: Callable[[], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            return await work()

        return await self.server_host.run(run())

    async def raw(self, data: bytes, *, pause: float = 0.0, end: bool = False) -> bytes:
        """Send octets on a new connection and return what comes back until it closes."""
        reader, writer = await asyncio.open_connection(E, 8443)
        for piece in (data[:20], data[20:]):
            writer.write(piece)
            await asyncio.sleep(pause)
        if end:
            writer.write_eof()
        try:
            return await reader.read()
        finally:
            writer.close()

    def of(self, kind: type[Event]) -> list[Entry[Any]]:
        return [entry for entry in self.journal if isinstance(entry.event, kind)]

    async def request(self, method: str, url: str, *, timeout: float | None = 30.0, **others: Any) -> Response:
        """Ask as the client does: a request may take half a minute."""
        return await self.client.request(method, url, timeout=timeout, **others)


def play(
    scene: Callable[[Lab], Awaitable[None]],
    *,
    handler: Handler = echo,
    limits: HttpLimits | None = None,
    server_tls: ssl.SSLContext | None = None,
    client_tls: ssl.SSLContext | None = None,
) -> Journal:
    """Set the stage, run the scene as the client's host, and return the journal."""

    async def main(world: SimWorld) -> Journal:
        server_host = await simrun.host(world, "expe", E, "internet")
        client_host = await simrun.host(world, "alice", "198.51.100.25", "internet")
        lab = Lab(world, Journal(world), server_host, client_host)
        lab.journal.session_cookie = "X-Auth"

        async def lookup(name: str) -> Sequence[str]:
            return (E,) if name == NAME else ()

        client_host.lookup = lookup

        async def serve() -> None:
            lab.server = HttpServer(lab.journal.recorder(server_host), handler, limits=limits or HttpLimits())
            await lab.server.listen(E, 8443, ssl=server_tls)

        await server_host.run(serve())

        async def act() -> None:
            lab.client = HttpClient(lab.journal.recorder(client_host), ssl=client_tls)
            await scene(lab)
            await lab.client.close()

        await client_host.run(act())
        if server_host.state is HostState.UP:
            await server_host.run(lab.server.close())
            await asyncio.sleep(1)
            assert not lab.server.connections
        return lab.journal

    return sim_run(main)


def tls(name: str = NAME) -> tuple[ssl.SSLContext, TrustStore]:
    from edgesim.world import Entropy

    authorities = fixture_authorities(Entropy(1, "http tests"))
    identity = authorities.public.issue(expressway_e(name))
    return server_context(identity), authorities.trust()
