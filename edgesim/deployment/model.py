"""The typed description of a lab: hosts, domains, links, users, devices, certificates, and every default."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field, PrivateAttr, ValidationInfo, model_validator

from edgesim.deployment import filling
from edgesim.deployment.base import Model, Text
from edgesim.deployment.consistency import Authored, Inconsistent, Path, machine_paths, mistakes_in
from edgesim.deployment.defaults import Defaults
from edgesim.deployment.derived import AGAIN, derived_mistakes
from edgesim.deployment.hosts import (
    ClientHost,
    ExpresswayC,
    ExpresswayE,
    ImPresenceCluster,
    ImPresenceNode,
    LoadBalancer,
    Machine,
    UnifiedCmCluster,
    UnifiedCmNode,
    UnityConnectionCluster,
    View,
)
from edgesim.deployment.mra import CmsWebProxy, Dns, Domains, Mra, SshTunnel, TraversalZone, XcpLink
from edgesim.deployment.network import NetworkPlan, topology
from edgesim.deployment.network_mistakes import network_mistakes
from edgesim.deployment.people import Device, User
from edgesim.deployment.records import Record, zone_records
from edgesim.deployment.releases import Product, Release
from edgesim.deployment.security import Certificate, TrustStore
from edgesim.deployment.wires import wires
from edgesim.world import Interface
from edgesim.world.topology import Network
from edgesim.world.wires import Wires

if TYPE_CHECKING:
    from edgesim.deployment.reachability import FlowChecker

T = TypeVar("T")


def _found(items: Mapping[str, T], name: str, what: str) -> T:
    try:
        return items[name]
    except KeyError:
        raise LookupError(f"no {what} is called {name!r}") from None


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where a deployment was read, and the line of each field. Deployments that say the same are equal wherever they
    were read, so all origins are equal."""

    source: str = ""
    lines: Mapping[Path, int] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origin)

    def __hash__(self) -> int:
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
    """One host of a deployment, ready for a world: ``kind`` is the section it stands in (``dns``, ``expressway_e``,
    ``expressway_c``, ``unified_cm``, ``im_presence``, ``client``), ``spec`` its own part of the deployment."""

    name: str
    kind: str
    fqdn: str
    interfaces: tuple[Interface, ...]
    spec: Machine
    view: View
    cluster: str | None = None

    @property
    def address(self) -> str:
        """The main address."""
        return self.interfaces[0].address


class Deployment(Model):
    """A lab. Whatever the author leaves out is filled in on construction, so that every field can be relied on."""

    name: Text = "lab"
    description: str = Field(default="", max_length=2000)
    domains: Domains = Domains()
    dns: Dns
    expressway_e: tuple[ExpresswayE, ...] = Field(min_length=1, max_length=6)
    expressway_c: tuple[ExpresswayC, ...] = Field(min_length=1, max_length=6)
    unified_cm: tuple[UnifiedCmCluster, ...] = Field(min_length=1)
    im_presence: tuple[ImPresenceCluster, ...] = ()
    unity_connection: tuple[UnityConnectionCluster, ...] = Field(
        default=(), description="voicemail, described for the check; the lab does not play the product yet"
    )
    load_balancer: LoadBalancer | None = None
    clients: tuple[ClientHost, ...] = ()
    network: NetworkPlan = NetworkPlan()
    mra: Mra = Mra()
    cms_web_proxy: CmsWebProxy | None = None
    traversal_zone: TraversalZone = TraversalZone()
    ssh_tunnel: SshTunnel = SshTunnel()
    xcp_link: XcpLink = XcpLink()
    users: tuple[User, ...] = ()
    devices: tuple[Device, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    trust: tuple[TrustStore, ...] = ()
    defaults: Defaults = Defaults()
    _origin: Origin = PrivateAttr(default_factory=Origin)
    _authored: Authored = PrivateAttr(default=Authored(devices=(), certificates=(), trust=()))

    @model_validator(mode="after")
    def _complete(self, info: ValidationInfo) -> Deployment:
        authored = Authored(devices=self.devices, certificates=self.certificates, trust=self.trust)
        filling.fill(self)
        mistakes = (*mistakes_in(self, authored), *network_mistakes(self))
        if not mistakes and AGAIN not in (info.context or {}):
            mistakes = derived_mistakes(self, authored)
        if mistakes:
            raise Inconsistent(mistakes)
        self._authored = authored
        return self

    # Where it came from

    def read_from(self, source: str, lines: Mapping[Path, int]) -> None:
        """Remember the file and the lines of its fields; for the reader of files."""
        self._origin = Origin(source, lines)

    @property
    def source(self) -> str:
        """The file, or what stands for one, that this deployment was read from; empty where there was none."""
        return self._origin.source

    def line_of(self, path: Path) -> int | None:
        """Return the line of a field, or of the nearest thing above it that stands in the file; None without a file."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._origin.lines:
                return self._origin.lines[path[:end]]
        return None

    def place_of_certificate(self, host: str, service: str) -> Path:
        """Return where the certificate of a service was written; where it was filled in, the place of its host."""
        for index, each in enumerate(self._authored.certificates):
            if (each.host, each.service) == (host, service):
                return ("certificates", index)
        return self.place_of(host)

    def place_of_trust_store(self, host: str, store: str) -> Path:
        """Return where a trust store was written; where it was filled in, the place of its host."""
        for index, each in enumerate(self._authored.trust):
            if (each.host, each.store) == (host, store):
                return ("trust", index)
        return self.place_of(host)

    def place_of(self, host: str) -> Path:
        """Return where a host was written. Raises `LookupError`."""
        for path, _, machine in machine_paths(self):
            if machine.name == host:
                return path
        raise LookupError(f"no host is called {host!r}")

    # Hosts

    def host_specs(self) -> tuple[HostSpec, ...]:
        """Return every host, servers before clients, in the order in which they should start."""
        return tuple(self.hosts_by_name.values())

    @cached_property
    def hosts_by_name(self) -> Mapping[str, HostSpec]:
        """Every host by its name, in the order of `host_specs`."""
        specs = (
            HostSpec(
                name=machine.name,
                kind=kind,
                fqdn=machine.fqdn,
                interfaces=machine.interfaces,
                spec=machine,
                view=machine.view or "inside",
                cluster=cluster,
            )
            for kind, machine, cluster in filling.machines(self)
        )

        return {spec.name: spec for spec in specs}

    def host(self, name: str) -> HostSpec:
        """Return a host by its name. Raises `LookupError`."""
        return _found(self.hosts_by_name, name, "host")

    @cached_property
    def topology(self) -> Network:
        """The zones and firewalls, ready for a world: `NetworkPlan` as its author wrote it and as it was filled in."""
        return topology(self)

    @cached_property
    def wires(self) -> Wires:
        """How long the ways between the hosts take, ready for a simulated world."""
        return wires(self)

    @cached_property
    def flow_checker(self) -> FlowChecker:
        """Which flows its firewalls let through, and how they look on the other side."""
        from edgesim.deployment.reachability import FlowChecker

        return FlowChecker(self)

    def dns_servers(self, host: str) -> tuple[str, ...]:
        """Return the addresses of the name servers that a host asks."""
        return ((self.dns.inside if self.host(host).view == "inside" else self.dns.outside).address,)

    def zone_records(self, view: View) -> tuple[Record, ...]:
        """Return the records of the DNS in one view, sorted as a zone file would be read."""
        return self.records_by_view[view]

    @cached_property
    def records_by_view(self) -> Mapping[View, tuple[Record, ...]]:
        """The records of the DNS in each view."""
        return {"inside": zone_records(self, "inside"), "outside": zone_records(self, "outside")}

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
        return tuple(self.device(name) for name in self.user(user_id).devices or ())

    def pkid(self, kind: str, name: str) -> str:
        """Return the database key, a lower-case UUID, of ``("device", "CSFALICE")`` and the like; always the same."""
        digest = hashlib.sha256(f"{self.name}\0{kind}\0{name}".encode()).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"

    # Certificates

    def certificate(self, host: str, service: str) -> Certificate:
        """Return the complete description of a service's certificate. Raises `LookupError`."""
        for certificate in self.certificates:
            if (certificate.host, certificate.service) == (host, service):
                return certificate
        raise LookupError(f"no certificate for {host}/{service}")

    def certificates_of(self, host: str) -> tuple[Certificate, ...]:
        """Return the certificates of a host's services."""
        return tuple(each for each in self.certificates if each.host == host)

    def trust_store(self, host: str, store: str) -> TrustStore:
        """Return what a host's trust store holds. Raises `LookupError`."""
        for each in self.trust:
            if (each.host, each.store) == (host, store):
                return each
        raise LookupError(f"no trust store {store} on {host}")

    def trust_of(self, host: str) -> tuple[TrustStore, ...]:
        """Return the trust stores of a host."""
        return tuple(each for each in self.trust if each.host == host)

    # Change

    def changed(self, changes: Mapping[str, Any]) -> Deployment:
        """Return a new deployment with some settings changed, each by its dotted path.

        ``deployment.changed({"mra.sip_path_headers": True, "expressway_c.0.release": "X12.5"})``. Raises
        `DeploymentError` when a path or value is wrong.
        """
        from edgesim.deployment.loading import changed

        return changed(self, changes)

    def at_releases(self, releases: Mapping[str, str]) -> Deployment:
        """Return a new deployment with other releases: ``{"expressway": "X12.4", "unified_cm": "12.5(1)SU4"}``.

        Products are ``expressway`` (or ``expressway_e``, ``expressway_c``), ``unified_cm``, ``im_presence`` and
        ``jabber``. Raises `DeploymentError`.
        """
        from edgesim.deployment.loading import released

        return released(self, releases)

    def releases(self) -> Mapping[Product, Release]:
        """Return the oldest release of each product in the deployment: what gates are judged by."""
        found: dict[Product, Release] = {}
        pairs = [(Product.EXPRESSWAY, each.release) for each in (*self.expressway_e, *self.expressway_c)]
        pairs += [(Product.UNIFIED_CM, each.release) for each in self.unified_cm]
        pairs += [(Product.IM_PRESENCE, each.release) for each in self.im_presence]
        for product, release in pairs:
            found[product] = min(found.get(product, release), release)
        return found

    def relocated(self, mapping: Mapping[str, str]) -> Deployment:
        """Return a new deployment with every address replaced that ``mapping`` names, wherever it stands."""
        from edgesim.deployment.loading import relocated

        return relocated(self, mapping)
