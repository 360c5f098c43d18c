"""How each kind of host is built: the one place that knows every product."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from importlib import import_module
from typing import Any

from edgesim.node import Node
from edgesim.world import Service


class Idle:
    """A host that does nothing by itself: simulated clients run on it."""

    async def stop(self) -> None:
        """Nothing to stop."""


async def _client(node: Node) -> Service:
    return Idle()


async def _dns(node: Node) -> Service:
    from edgesim.servers.name_server import NameServer

    return await _started(NameServer(node))


async def _expressway_e(node: Node) -> Service:
    from edgesim.servers.expressway_e import ExpresswayE

    return await _started(ExpresswayE(node))


async def _expressway_c(node: Node) -> Service:
    from edgesim.servers.expressway_c import ExpresswayC

    return await _started(ExpresswayC(node))


async def _unified_cm(node: Node) -> Service:
    from edgesim.servers.unified_cm import UnifiedCm

    return await _started(UnifiedCm(node))


async def _im_presence(node: Node) -> Service:
    from edgesim.servers.im_presence import ImPresence

    return await _started(ImPresence(node))


async def _load_balancer(node: Node) -> Service:
    from edgesim.servers.load_balancer import LoadBalancer

    return await _started(LoadBalancer(node))


async def _started(product: Any) -> Service:
    await product.start()
    service: Service = product
    return service


PRODUCTS: dict[str, Callable[[Node], Awaitable[Service]]] = {
    "client": _client,
    "dns": _dns,
    "expressway_e": _expressway_e,
    "load_balancer": _load_balancer,
    "expressway_c": _expressway_c,
    "unified_cm": _unified_cm,
    "im_presence": _im_presence,
}


def load(kinds: Iterable[str] = PRODUCTS) -> None:
    """Import the products of some kinds of host now, all by default.

    Processes that are forked later share them, and garbage collection spares what is loaded before a process runs its
    first lab.
    """
    for kind in sorted(set(kinds) - {"client"}):
        import_module("edgesim.servers.name_server" if kind == "dns" else f"edgesim.servers.{kind}")
