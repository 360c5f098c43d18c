"""The machines and clusters of a deployment: their domains and DNS servers, and what clusters know of each other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from edgesim.deployment.base import View
from edgesim.deployment.hosts import (
    ClientHost,
    DnsServer,
    ExpresswayC,
    ExpresswayE,
    ImPresenceCluster,
    ImPresenceNode,
    LoadBalancer,
    Machine,
    UnifiedCmCluster,
    UnifiedCmNode,
    UnityConnectionCluster,
    UnityConnectionNode,
)
from edgesim.deployment.mistakes import FieldPath
from edgesim.deployment.mra import Dns, Domains
from edgesim.deployment.people import Device
from edgesim.deployment.plan import hosts as plans
from edgesim.deployment.plan.model import Plan
from edgesim.deployment.releases import ReleaseError
from edgesim.deployment.resolve.resolution import Derived, Resolution
from edgesim.deployment.settings import EnabledDomain

M = TypeVar("M", bound=Machine)


def domains(plan: Plan, resolution: Resolution) -> Domains:
    """Return the domains, with that of the inside hosts and those that C accepts."""
    written, path = plan.domains, ("domains",)
    edge: FieldPath = ("domains", "edge")
    return resolution.part(
        Domains,
        written,
        path,
        inside=written.inside or Derived(f"inside.{written.edge}", edge, "inside, below the edge domain"),
        enabled=written.enabled or Derived((EnabledDomain(name=written.edge),), edge, "the edge domain"),
    )


class Hosts:
    """Makes machines complete, once the domains are known."""

    def __init__(self, plan: Plan, resolution: Resolution, domains: Domains) -> None:
        self.plan = plan
        self.resolution = resolution
        self.domains = domains

    def _machine(self, kind: type[M], written: plans.Machine, path: FieldPath, view: View, **values: object) -> M:
        """Return a machine with the usual domain and view of its side: ``inside``, or the edge's."""
        domain = self.domains.inside if view == "inside" else self.domains.edge
        origin: FieldPath = ("domains", "inside" if view == "inside" else "edge")
        side = (*path, "zone") if kind is ClientHost else path
        return self.resolution.part(
            kind,
            written,
            path,
            domain=written.domain or Derived(domain, origin, f"the {origin[1]} domain"),
            view=written.view or Derived(view, side, f"a host {view}"),
            **values,
        )

    def dns(self) -> Dns:
        """Return both name servers, with what they publish."""
        written, path = self.plan.dns, ("dns",)
        return self.resolution.part(
            Dns,
            written,
            path,
            inside=self._machine(DnsServer, written.inside, (*path, "inside"), "inside"),
            outside=self._machine(DnsServer, written.outside, (*path, "outside"), "outside"),
        )

    def expressway_e(self) -> tuple[ExpresswayE, ...]:
        """Return every Expressway-E."""
        return tuple(self._edge(each, ("expressway_e", index)) for index, each in enumerate(self.plan.expressway_e))

    def _edge(self, written: plans.ExpresswayE, path: FieldPath) -> ExpresswayE:
        own = Derived(written.domain or self.domains.edge, (*path, "domain"), "the domain of the FQDN")
        return self._machine(ExpresswayE, written, path, "outside", dns_domain=written.dns_domain or own)

    def load_balancer(self) -> LoadBalancer | None:
        """Return the load balancer, if there is one."""
        written = self.plan.load_balancer
        return self._machine(LoadBalancer, written, ("load_balancer",), "outside") if written else None

    def expressway_c(self) -> tuple[ExpresswayC, ...]:
        """Return every Expressway-C."""
        return tuple(
            self._machine(ExpresswayC, each, ("expressway_c", index), "inside")
            for index, each in enumerate(self.plan.expressway_c)
        )

    def unified_cm(self) -> tuple[UnifiedCmCluster, ...]:
        """Return every Unified CM cluster."""
        clusters = [each.name for each in self.plan.unified_cm]
        return tuple(
            self._unified_cm(each, ("unified_cm", index), clusters) for index, each in enumerate(self.plan.unified_cm)
        )

    def _unified_cm(
        self, written: plans.UnifiedCmCluster, path: FieldPath, clusters: Sequence[str]
    ) -> UnifiedCmCluster:
        names = (written.publisher.name, *(each.name for each in written.subscribers))
        first: FieldPath = (*path, "publisher", "name")
        return self.resolution.part(
            UnifiedCmCluster,
            written,
            path,
            **self._nodes(UnifiedCmNode, written, path),
            call_manager_group=written.call_manager_group
            or Derived(names[:3], first, "the first three nodes, publisher first"),
            tftp=written.tftp or Derived(names[:1], first, "the publisher"),
            knows_clusters=_others(written.name, clusters, "unified_cm")
            if written.knows_clusters is None
            else written.knows_clusters,
        )

    def im_presence(self) -> tuple[ImPresenceCluster, ...]:
        """Return every IM and Presence cluster."""
        clusters = [each.name for each in self.plan.im_presence]
        return tuple(
            self._im_presence(each, ("im_presence", index), clusters)
            for index, each in enumerate(self.plan.im_presence)
        )

    def _im_presence(
        self, written: plans.ImPresenceCluster, path: FieldPath, clusters: Sequence[str]
    ) -> ImPresenceCluster:
        edge = self.domains.edge
        count = 1 + len(written.subscribers)
        aliases = _chat_aliases(written.name, count, (written.presence_domains or (edge,))[0])
        return self.resolution.part(
            ImPresenceCluster,
            written,
            path,
            **self._nodes(ImPresenceNode, written, path),
            unified_cm=written.unified_cm
            or Derived(self.plan.unified_cm[0].name, ("unified_cm", 0, "name"), "the first Unified CM cluster"),
            presence_domains=written.presence_domains or Derived((edge,), ("domains", "edge"), "the edge domain"),
            chat_aliases=Derived(aliases, (*path, "presence_domains"), "one a node, in the first presence domain")
            if written.chat_aliases is None
            else written.chat_aliases,
            peers=_others(written.name, clusters, "im_presence") if written.peers is None else written.peers,
        )

    def unity_connection(self) -> tuple[UnityConnectionCluster, ...]:
        """Return every Unity Connection cluster."""
        return tuple(
            self.resolution.part(
                UnityConnectionCluster,
                each,
                ("unity_connection", index),
                **self._nodes(UnityConnectionNode, each, ("unity_connection", index)),
            )
            for index, each in enumerate(self.plan.unity_connection)
        )

    def _nodes(
        self,
        kind: type[M],
        written: plans.UnifiedCmCluster | plans.ImPresenceCluster | plans.UnityConnectionCluster,
        path: FieldPath,
    ) -> dict[str, object]:
        subscribers = (
            self._machine(kind, node, (*path, "subscribers", place), "inside")
            for place, node in enumerate(written.subscribers)
        )
        publisher = self._machine(kind, written.publisher, (*path, "publisher"), "inside")
        return {"publisher": publisher, "subscribers": tuple(subscribers)}

    def clients(self, devices: Sequence[Device]) -> tuple[ClientHost, ...]:
        """Return the clients' machines. The platform of a device follows from its software."""
        families = {device.name: _family(device) for device in devices}
        found = []
        for index, each in enumerate(self.plan.clients):
            path: FieldPath = ("clients", index)
            platform: object = each.platform
            family = families.get(each.device or "")
            if family not in (None, "jabber") and "platform" not in each.model_fields_set:
                platform = Derived(family, (*path, "device"), "what the software of the device is for")
            view: View = "outside" if each.zone == "internet" else "inside"
            found.append(self._machine(ClientHost, each, path, view, platform=platform))
        return tuple(found)


def _family(device: Device) -> str | None:
    try:
        return device.family
    except ReleaseError:  # reported by the check of devices
        return None


def _others(name: str, clusters: Sequence[str], section: str) -> Derived:
    return Derived(tuple(other for other in clusters if other != name), (section,), "every other cluster")


def _chat_aliases(cluster: str, count: int, domain: str) -> tuple[str, ...]:
    # As the product names them when it is installed: the node's number, and the cluster's id with a random end.
    end = hashlib.sha256(cluster.encode()).hexdigest()[:4]
    return tuple(f"conference-{number}-standalonecluster{end}.{domain}" for number in range(1, count + 1))
