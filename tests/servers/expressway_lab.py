"""A small lab around the two Expressways: the real Unified CM or a stub in its place, and a client outside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self

from edgesim.deployment import Deployment, HostSpec, builtin
from edgesim.edge.descriptor import control_url, wrap
from edgesim.http import Headers, HttpClient, HttpServer, Request, Response, basic_authorization
from edgesim.journal import Entry, Event
from edgesim.lab import RunningLab
from edgesim.node import Node
from edgesim.pki import client_context, server_context
from edgesim.world import Service
from edgesim.world.api import HostFactory
from edgesim.world.sim import SimWorld

EDGE = "expe.example.com"
PUB = "ucm-pub.inside.example.com"
SUB = "ucm-sub.inside.example.com"
ALICE = basic_authorization("alice", "alice-secret")
WITHOUT = ("imp-pub", "jabber-2", "jabber-3", "inside-1", "inside-2")
Build = Callable[[Node], Awaitable[Service]]


class Stub:
    """A web server in place of a product: records requests and answers as configured."""

    def __init__(self, node: Node, answer: Callable[[Request], Response], ports: Sequence[int]) -> None:
        self.node = node
        self.requests: list[Request] = []
        self._answer = answer
        self._ports = ports
        self._server: HttpServer | None = None

    async def start(self, **tls: Any) -> Self:
        """Listen: plain HTTP on 6970 and 8080, TLS elsewhere."""
        self._server = HttpServer(self.node.journal, self._handle, host=self.node.host)
        for port in self._ports:
            context = None if port in (6970, 8080) else server_context(self.node.identities["tomcat"], **tls)
            await self._server.listen(self.node.host.address(), port, context)
        return self

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.close()

    async def _handle(self, request: Request) -> Response:
        self.requests.append(request)
        return self._answer(request)


class EdgeLab(RunningLab):
    """A lab whose hosts may be built otherwise, and what tests do with it."""

    def __init__(self, world: SimWorld, deployment: Deployment, builds: Mapping[str, Build]) -> None:
        self._builds = builds
        super().__init__(world, deployment)
        self.client: HttpClient | None = None

    def _factory(self, spec: HostSpec) -> HostFactory:
        build = self._builds.get(spec.name)
        if build is None:
            return super()._factory(spec)

        async def factory(_: Any) -> Service:
            return await build(self.nodes[spec.name])

        return factory

    def service(self, name: str) -> Any:
        """Return the running service of a host."""
        return self.world.hosts[name].service

    async def linked(self, within: float = 30.0) -> None:
        """Wait until every C that is up has its tunnels and has tried discovery; other links may take longer."""
        async with asyncio.timeout(within):
            for spec in self.deployment.host_specs():
                service = self.service(spec.name)
                if service is not None and spec.kind == "expressway_c":
                    await service.discovery.attempted.wait()
                    await service.tunnels.ready()
            await asyncio.sleep(0.1)

    def entries(self, kind: str, node: str | None = None) -> list[Entry[Event]]:
        """Return the entries of a kind, of one node or all."""
        return list(self.journal.select(kind=kind, node=node))

    def asked(self, node: str) -> list[str]:
        """Return method and target of every request that a node received, discovery left out."""
        found = [entry.event.as_json() for entry in self.entries("http.request", node)]
        return [f"{one['method']} {one['target']}" for one in found if one["target"] != "/axl/"]

    async def request(
        self, url: str, *, method: str = "GET", headers: Sequence[tuple[str, str]] = (), **more: Any
    ) -> Response:
        """Send a request from the client outside."""
        node = self.node("jabber-1")
        if self.client is None:
            self.client = HttpClient(node.journal, ssl=client_context(node.trusts["system"]))
        return await node.host.run(self.client.request(method, url, headers=headers, **{"timeout": 30, **more}))

    async def config(
        self,
        authorization: str | None = ALICE,
        *,
        resource: str = "get_edge_config?service_name=_cisco-uds&service_name=_cuplogin",
        domain: str = "example.com",
        edge: str = EDGE,
        headers: Sequence[tuple[str, str]] = (),
    ) -> Response:
        """Ask for the edge configuration."""
        given = [("Host", f"{edge}:8443"), *headers]
        if authorization is not None:
            given.insert(1, ("Authorization", authorization))
        return await self.request(control_url(resource, domain=domain, edge=edge), headers=given)

    async def cookie(self, authorization: str = ALICE, *, edge: str = EDGE) -> str:
        """Sign in and return the edge cookie as it goes into ``Cookie``."""
        answer = await self.config(authorization, edge=edge)
        assert answer.status == 200, answer
        return (answer.headers.get("Set-Cookie") or "").partition(";")[0]

    async def proxied(
        self,
        url: str,
        cookie: str | None = None,
        *,
        method: str = "GET",
        headers: Sequence[tuple[str, str]] = (),
        edge: str = EDGE,
        **more: Any,
    ) -> Response:
        """Request an inside URL through the edge."""
        given = [("Host", f"{edge}:8443"), *headers]
        if cookie is not None:
            given.append(("Cookie", cookie))
        return await self.request(wrap(url, domain="example.com", edge=edge), method=method, headers=given, **more)


def run(
    main: Callable[[EdgeLab], Awaitable[None]],
    *,
    changes: Mapping[str, Any] | None = None,
    deployment: Deployment | None = None,
    builds: Mapping[str, Build] | None = None,
    without: Sequence[str] = WITHOUT,
    settle: float = 5.0,
    seed: int = 1,
) -> None:
    """Run ``main(lab)`` in a simulated lab that has started, and fail on unhandled errors."""
    world = SimWorld(seed)
    lab = EdgeLab(world, (deployment or builtin("small")).changed({"im_presence": (), **(changes or {})}), builds or {})

    async def whole() -> None:
        await lab.start(without=without, settle=settle)
        await main(lab)
        if lab.client is not None:
            await lab.node("jabber-1").host.run(lab.client.close())
        await lab.stop()

    world.run(whole())
    assert not world.errors(), world.unhandled


def stub(answer: Callable[[Request], Response], *ports: int, **tls: Any) -> Build:
    """Return what builds a `Stub`."""

    async def build(node: Node) -> Service:
        return await Stub(node, answer, ports or (8443,)).start(**tls)

    return build


def plain(body: bytes = b"hello", status: int = 200, *headers: tuple[str, str]) -> Response:
    """Return a small answer."""
    return Response(status=status, headers=Headers([("Content-Type", "text/plain"), *headers]), body=body)
