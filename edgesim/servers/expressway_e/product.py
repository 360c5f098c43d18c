"""Expressway-E as a whole: the traversal server in the DMZ, the only host that a client outside connects to."""

from __future__ import annotations

from edgesim.deployment import Deployment, hosts
from edgesim.edge.protection import SERVERS, Category, Protection
from edgesim.edge.tunnel import Greeting
from edgesim.node import Node
from edgesim.servers.expressway_e.claims import Claims
from edgesim.servers.expressway_e.https import EdgeProxy
from edgesim.servers.expressway_e.ipv6 import Ipv6Front
from edgesim.servers.expressway_e.media import MediaSide
from edgesim.servers.expressway_e.rates import limit_rates
from edgesim.servers.expressway_e.sip import SipSide
from edgesim.servers.expressway_e.tunnel import TunnelServer
from edgesim.servers.expressway_e.web_proxy import WebProxy
from edgesim.servers.expressway_e.xmpp import XmppSide


class ExpresswayE:
    """An Expressway-E peer."""

    def __init__(self, node: Node) -> None:
        self.node = node
        spec = node.spec.spec
        assert isinstance(spec, hosts.ExpresswayE)
        address = "" if spec.ip_protocol == "IPv6" else spec.public_address
        greeting = Greeting(fqdn=node.fqdn, domain=spec.cookie_domain, address=address)
        protection = node.defaults.protection
        self.release = spec.release
        self.protection = Protection(
            node.host,
            node.journal,
            node.deployment,
            self.release,
            on=protection.intrusion_protection_on_e,
            ports=_protected(node.deployment),
            spares=SERVERS if protection.exempt_servers else (),
        )
        self.claims = Claims(node.host.disk, node.deployment)
        self.tunnels = TunnelServer(node, greeting, self.claims, self.protection)
        self.https = EdgeProxy(node, self.tunnels, self.claims, self.protection)
        self.web_proxy = WebProxy(node, self.claims)
        self.ipv6 = Ipv6Front(node, self.https.unreachable)
        self._proxies = spec.ip_protocol != "IPv6"
        self.sip = SipSide(node, self.protection)
        self.xmpp = XmppSide(node, self.protection)
        self.media = MediaSide(node)

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that C enabled for MRA, in lower case, as last received."""
        return self.tunnels.domains

    async def start(self) -> None:
        """Listen on every port; without IPv4 there is no MRA. Raises `OSError`."""
        await self.ipv6.start(self.https.context)
        if not self._proxies:
            return
        limit_rates(self.node, self.release)
        self.protection.start()
        await self.tunnels.start()
        await self.https.start()
        await self.web_proxy.start()
        await self.sip.start()
        await self.xmpp.start()
        await self.media.start()

    async def configure_web_proxy(self, guest_account_client_uri: str) -> bool:
        """Configure the Web Proxy for Meeting Server; return whether it gets its domain. Raises `OSError`."""
        gets = self.claims.configure_web_proxy(guest_account_client_uri)
        await self.web_proxy.start()
        return gets

    async def ready(self) -> None:
        """Return once a C has built its tunnel and the SIP and XMPP sides are ready."""
        while not self.tunnels.live:
            self.tunnels.changed.clear()
            await self.tunnels.changed.wait()
        await self.sip.ready()
        await self.xmpp.ready()

    async def stop(self) -> None:
        """Close every port and link."""
        self.protection.stop()
        await self.media.stop()
        await self.xmpp.stop()
        await self.sip.stop()
        await self.web_proxy.stop()
        await self.https.stop()
        await self.tunnels.stop()
        await self.ipv6.stop()


def _protected(deployment: Deployment) -> dict[Category, tuple[int, ...]]:
    """Return the client-facing ports of each category's service."""
    ports, tunnel = deployment.defaults.ports, deployment.ssh_tunnel
    https, ssh = (ports.edge_https,), (tunnel.port,)
    return {
        Category.HTTP_AUTHORIZATION: https,
        Category.HTTP_PROTOCOL: https,
        Category.HTTP_RESOURCE: https,
        Category.SSH_AUTHORIZATION: ssh,
        Category.SSH_PROTOCOL: ssh,
        Category.XMPP_PROTOCOL: (ports.edge_xmpp,),
        Category.SIP_AUTHENTICATION: (ports.sip, ports.edge_sip),
    }
