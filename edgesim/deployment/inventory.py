"""The machines, settings and users of a deployment, complete; its network and certificates are elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from edgesim.deployment.defaults import Defaults
from edgesim.deployment.hosts import (
    ClientHost,
    ExpresswayC,
    ExpresswayE,
    HostSpec,
    ImPresenceCluster,
    ImPresenceNode,
    LoadBalancer,
    Machine,
    UnifiedCmCluster,
    UnifiedCmNode,
    UnityConnectionCluster,
)
from edgesim.deployment.mistakes import FieldPath
from edgesim.deployment.mra import Dns, Domains, Mra, TraversalZone
from edgesim.deployment.people import Device, User
from edgesim.deployment.releases import Product, Release
from edgesim.deployment.settings import CmsWebProxy, SshTunnel, XcpLink

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """The machines, settings and users of a lab, with look-ups by name.

    ``load_balancer`` is None if no E is behind one, ``cms_web_proxy`` if the Web Proxy for Meeting Server is not
    configured. Views are cached on first use, so this type has no slots.
    """

    name: str
    description: str
    domains: Domains
    dns: Dns
    expressway_e: tuple[ExpresswayE, ...]
    expressway_c: tuple[ExpresswayC, ...]
    unified_cm: tuple[UnifiedCmCluster, ...]
    im_presence: tuple[ImPresenceCluster, ...]
    unity_connection: tuple[UnityConnectionCluster, ...]
    load_balancer: LoadBalancer | None
    clients: tuple[ClientHost, ...]
    mra: Mra
    cms_web_proxy: CmsWebProxy | None
    traversal_zone: TraversalZone
    ssh_tunnel: SshTunnel
    xcp_link: XcpLink
    users: tuple[User, ...]
    devices: tuple[Device, ...]
    defaults: Defaults

    # Hosts

    def host_specs(self) -> tuple[HostSpec, ...]:
        """Return every host, servers before clients, in the order in which they should start."""
        return tuple(self.hosts_by_name.values())

    @cached_property
    def hosts_by_name(self) -> Mapping[str, HostSpec]:
        """Every host by its name, in the order of `host_specs`."""
        return {
            machine.name: HostSpec(
                name=machine.name,
                kind=kind,
                fqdn=machine.fqdn,
                interfaces=machine.interfaces,
                spec=machine,
                view=machine.view,
                cluster=cluster,
            )
            for kind, machine, cluster in machines(self)
        }

    def host(self, name: str) -> HostSpec:
        """Return a host by its name. Raises `LookupError`."""
        return _found(self.hosts_by_name, name, "host")

    def dns_servers(self, host: str) -> tuple[str, ...]:
        """Return the addresses of the name servers that a host asks."""
        return ((self.dns.inside if self.host(host).view == "inside" else self.dns.outside).address,)

    # Servers

    def cluster(self, name: str) -> UnifiedCmCluster:
        """Return a Unified CM cluster by its name. Raises `LookupError`."""
        for cluster in self.unified_cm:
            if cluster.name == name:
                return cluster
        raise LookupError(f"no Unified CM cluster is called {name!r}")

    def cluster_of(self, node: str) -> UnifiedCmCluster:
        """Return the Unified CM cluster of a node, by the node's name. Raises `LookupError`."""
        for cluster in self.unified_cm:
            if any(each.name == node for each in cluster.nodes):
                return cluster
        raise LookupError(f"no Unified CM node is called {node!r}")

    def im_presence_cluster(self, name: str) -> ImPresenceCluster:
        """Return an IM and Presence cluster by its name. Raises `LookupError`."""
        for cluster in self.im_presence:
            if cluster.name == name:
                return cluster
        raise LookupError(f"no IM and Presence cluster is called {name!r}")

    def im_presence_cluster_of(self, node: str) -> ImPresenceCluster:
        """Return the IM and Presence cluster of a node, by the node's name. Raises `LookupError`."""
        for cluster in self.im_presence:
            if any(each.name == node for each in cluster.nodes):
                return cluster
        raise LookupError(f"no IM and Presence node is called {node!r}")

    @property
    def unified_cm_nodes(self) -> tuple[UnifiedCmNode, ...]:
        """Every Unified CM node of every cluster."""
        return tuple(node for cluster in self.unified_cm for node in cluster.nodes)

    @property
    def im_presence_nodes(self) -> tuple[ImPresenceNode, ...]:
        """Every IM and Presence node of every cluster."""
        return tuple(node for cluster in self.im_presence for node in cluster.nodes)

    @property
    def contested_domain(self) -> str | None:
        """The domain that both MRA's registrations and the Web Proxy for Meeting Server want on one Expressway."""
        if self.cms_web_proxy is None:
            return None
        wanted = self.cms_web_proxy.guest_account_client_uri.lower()
        registering = (each for each in self.domains.enabled if each.registers)
        return next((each.name for each in registering if each.name.lower() == wanted), None)

    @property
    def link_ports(self) -> tuple[int, int, int]:
        """The TCP ports of E that C connects to: traversal zone, XCP, SSH tunnel."""
        return (self.traversal_zone.port, self.xcp_link.port, self.ssh_tunnel.port)

    def releases(self) -> Mapping[Product, Release]:
        """Return the oldest release of each product in the deployment, which decides gates."""
        found: dict[Product, Release] = {}
        pairs = [(Product.EXPRESSWAY, each.release) for each in (*self.expressway_e, *self.expressway_c)]
        pairs += [(Product.UNIFIED_CM, each.release) for each in self.unified_cm]
        pairs += [(Product.IM_PRESENCE, each.release) for each in self.im_presence]
        for product, release in pairs:
            found[product] = min(found.get(product, release), release)
        return found

    # People

    @cached_property
    def users_by_id(self) -> Mapping[str, User]:
        """Every user by the id."""
        return {user.id: user for user in self.users}

    @cached_property
    def devices_by_name(self) -> Mapping[str, Device]:
        """Every device by its name."""
        return {device.name: device for device in self.devices}

    def user(self, user_id: str) -> User:
        """Return a user by the id, in its exact case. Raises `LookupError`."""
        return _found(self.users_by_id, user_id, "user")

    def device(self, name: str) -> Device:
        """Return a device by its name. Raises `LookupError`."""
        return _found(self.devices_by_name, name, "device")

    def devices_of(self, user_id: str) -> tuple[Device, ...]:
        """Return the devices that a user owns, in the order of the user's own list."""
        return tuple(self.device(name) for name in self.user(user_id).devices)


def machines(inventory: Inventory) -> Iterator[tuple[str, Machine, str | None]]:
    """Yield kind, machine and cluster of every host, in the order in which they should start."""
    yield "dns", inventory.dns.inside, None
    yield "dns", inventory.dns.outside, None
    for cluster in inventory.unified_cm:
        for node in cluster.nodes:
            yield "unified_cm", node, cluster.name
    for chat in inventory.im_presence:
        for each in chat.nodes:
            yield "im_presence", each, chat.name
    for edge in inventory.expressway_e:
        yield "expressway_e", edge, None
    if inventory.load_balancer:
        yield "load_balancer", inventory.load_balancer, None
    for core in inventory.expressway_c:
        yield "expressway_c", core, None
    for client in inventory.clients:
        yield "client", client, None


def machine_paths(inventory: Inventory) -> Iterator[tuple[FieldPath, str, Machine]]:
    """Yield every machine with its path and its kind of host."""
    yield ("dns", "inside"), "dns", inventory.dns.inside
    yield ("dns", "outside"), "dns", inventory.dns.outside
    for index, edge in enumerate(inventory.expressway_e):
        yield ("expressway_e", index), "expressway_e", edge
    if inventory.load_balancer:
        yield ("load_balancer",), "load_balancer", inventory.load_balancer
    for index, core in enumerate(inventory.expressway_c):
        yield ("expressway_c", index), "expressway_c", core
    for index, cluster in enumerate(inventory.unified_cm):
        yield ("unified_cm", index, "publisher"), "unified_cm", cluster.publisher
        for place, node in enumerate(cluster.subscribers):
            yield ("unified_cm", index, "subscribers", place), "unified_cm", node
    for index, chat in enumerate(inventory.im_presence):
        yield ("im_presence", index, "publisher"), "im_presence", chat.publisher
        for place, each in enumerate(chat.subscribers):
            yield ("im_presence", index, "subscribers", place), "im_presence", each
    for index, mail in enumerate(inventory.unity_connection):
        yield ("unity_connection", index, "publisher"), "unity_connection", mail.publisher
        for place, one in enumerate(mail.subscribers):
            yield ("unity_connection", index, "subscribers", place), "unity_connection", one
    for index, client in enumerate(inventory.clients):
        yield ("clients", index), "client", client


def _found(items: Mapping[str, T], name: str, what: str) -> T:
    try:
        return items[name]
    except KeyError:
        raise LookupError(f"no {what} is called {name!r}") from None
