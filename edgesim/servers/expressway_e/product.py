"""Expressway-E as a whole: the traversal server in the DMZ, the only machine that a client outside ever talks to."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from edgesim.edge.tunnel import Greeting
from edgesim.node import Node
from edgesim.servers.expressway_e.https import EdgeProxy
from edgesim.servers.expressway_e.tunnel import TunnelServer


class ExpresswayE:
    """An Expressway-E peer. The SIP and XMPP sides find the rest of the product by ``product``."""

    def __init__(self, node: Node) -> None:
        self.node = node
        spec = node.spec.spec
        greeting = Greeting(fqdn=node.fqdn, domain=getattr(spec, "cookie_domain", ""))
        self.tunnels = TunnelServer(node, greeting)
        self.https = EdgeProxy(node, self.tunnels)
        self.sip: Any = _side(self, "sip", "SipSide")
        self.xmpp: Any = _side(self, "xmpp", "XmppSide")

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that C enabled for MRA, in lower case, as E last heard of them."""
        return self.tunnels.domains

    async def start(self) -> None:
        """Listen on every port. Raises `OSError` where one is taken."""
        await self.tunnels.start()
        await self.https.start()
        for side in (self.sip, self.xmpp):
            if side is not None:
                await side.start()

    async def ready(self) -> None:
        """Return once a C has built its tunnel and the other sides say that their links stand."""
        while not self.tunnels.live:
            self.tunnels.changed.clear()
            await self.tunnels.changed.wait()
        for side in (self.sip, self.xmpp):
            if hasattr(side, "ready"):
                await side.ready()

    async def stop(self) -> None:
        """Close every port and link."""
        for side in (self.xmpp, self.sip):
            if side is not None:
                await side.stop()
        await self.https.stop()
        await self.tunnels.stop()


def _side(product: ExpresswayE, module: str, name: str) -> Any:
    """Return a side of the product, or None where this build has none."""
    path = f"{__package__}.{module}"
    if importlib.util.find_spec(path) is None:
        return None
    return getattr(importlib.import_module(path), name)(product)
