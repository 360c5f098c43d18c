"""The deployment: what is built from a plan, complete and frozen, with the grounds of what its author did not write."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from edgesim.deployment import changes
from edgesim.deployment.base import View
from edgesim.deployment.consistency import mistakes_in, mistakes_of
from edgesim.deployment.inventory import Inventory, machine_paths
from edgesim.deployment.mistakes import DeploymentError, FieldPath, Inconsistent
from edgesim.deployment.network import Network, topology
from edgesim.deployment.network_mistakes import network_mistakes
from edgesim.deployment.plan.model import Plan
from edgesim.deployment.plan.reading import Reading
from edgesim.deployment.plan.validation import validated
from edgesim.deployment.reachability import FlowChecker
from edgesim.deployment.records import Record, zone_records
from edgesim.deployment.resolve.blame import in_plan
from edgesim.deployment.resolve.inventory import inventory as resolve_inventory
from edgesim.deployment.resolve.network import network as resolve_network
from edgesim.deployment.resolve.resolution import Derivation, Resolution
from edgesim.deployment.resolve.security import Security
from edgesim.deployment.security import Certificate, TrustStore
from edgesim.deployment.wires import wires
from edgesim.world import topology as worlds
from edgesim.world.wires import Wires


@dataclass(frozen=True, kw_only=True)
class Deployment(Inventory):
    """A lab, complete: every field has its value. `resolve` makes it from a plan.

    Deployments with the same content are equal, however much of it was written.
    """

    network: Network
    certificates: tuple[Certificate, ...]
    trust: tuple[TrustStore, ...]
    plan: Plan = field(compare=False, repr=False)
    resolution: Resolution = field(compare=False, repr=False)

    # Where it came from

    @property
    def source(self) -> str:
        """The file (or its substitute) that the plan was read from; empty if there was none."""
        return self.plan.source

    def line_of(self, path: FieldPath) -> int | None:
        """Return the line of a field, or of the nearest enclosing one in the file; None without a file."""
        return self.plan.line_of(path)

    @property
    def grounds(self) -> Mapping[FieldPath, Derivation]:
        """Why each derived value is what it is, by its path in the deployment."""
        return self.resolution.grounds

    def is_written(self, path: FieldPath) -> bool:
        """Say whether the author wrote a field, given by its path in the deployment."""
        return self.resolution.written(self.plan, path)

    def place_of(self, host: str) -> FieldPath:
        """Return where a host was written. Raises `LookupError`."""
        for path, _, machine in machine_paths(self):
            if machine.name == host:
                return path
        raise LookupError(f"no host is called {host!r}")

    def place_of_certificate(self, host: str, service: str) -> FieldPath:
        """Return where the certificate of a service was written; where it is derived, the place of its host."""
        for index, each in enumerate(self.plan.certificates):
            if (each.host, each.service) == (host, service):
                return ("certificates", index)
        return self.place_of(host)

    def place_of_trust_store(self, host: str, store: str) -> FieldPath:
        """Return where a trust store was written; where it is derived, the place of its host."""
        for index, each in enumerate(self.plan.trust):
            if (each.host, each.store) == (host, store):
                return ("trust", index)
        return self.place_of(host)

    # The network

    @cached_property
    def topology(self) -> worlds.Network:
        """The zones and firewalls, ready for a world."""
        return topology(self.network)

    @cached_property
    def wires(self) -> Wires:
        """How long the ways between the hosts take, ready for a simulated world."""
        return wires(self.defaults.network, self.network.pinned)

    @cached_property
    def flow_checker(self) -> FlowChecker:
        """Which flows its firewalls let through, and how they look on the other side."""
        return FlowChecker(self, self.topology)

    @property
    def translates(self) -> bool:
        """Whether it needs a world that translates addresses: for NAT, or one address in two zones."""
        addresses = [interface.address for spec in self.host_specs() for interface in spec.interfaces]
        return any(wall.nat for wall in self.network.firewalls) or len(set(addresses)) < len(addresses)

    def zone_records(self, view: View) -> tuple[Record, ...]:
        """Return the records of the DNS in one view, sorted as a zone file would be read."""
        return self.records_by_view[view]

    @cached_property
    def records_by_view(self) -> Mapping[View, tuple[Record, ...]]:
        """The records of the DNS in each view."""
        return {"inside": zone_records(self, "inside"), "outside": zone_records(self, "outside")}

    # Certificates and keys

    def certificate(self, host: str, service: str) -> Certificate:
        """Return the description of a service's certificate. Raises `LookupError`."""
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

    def pkid(self, kind: str, name: str) -> str:
        """Return the database key, a lower-case UUID, of ``("device", "CSFALICE")`` and the like; always the same."""
        digest = hashlib.sha256(f"{self.name}\0{kind}\0{name}".encode()).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"

    # Change

    def changed(self, changed: Mapping[str, Any]) -> Deployment:
        """Return a new deployment with some settings changed, each by its dotted path.

        ``deployment.changed({"mra.sip_path_headers": True, "expressway_c.0.release": "X12.5"})``. Raises
        `DeploymentError` when a path or value is wrong.
        """
        return self._again(changes.changed(self.plan, self, self.resolution, changed))

    def at_releases(self, releases: Mapping[str, str]) -> Deployment:
        """Return a new deployment with other releases: ``{"expressway": "X12.4", "unified_cm": "12.5(1)SU4"}``.

        Products are ``expressway`` (or ``expressway_e``, ``expressway_c``), ``unified_cm``, ``im_presence``,
        ``unity_connection`` and ``jabber``. Raises `DeploymentError`.
        """
        return self.changed(changes.of_releases(self.plan, releases))

    def relocated(self, mapping: Mapping[str, str]) -> Deployment:
        """Return a new deployment with the addresses in ``mapping`` replaced everywhere."""
        return self._again(changes.relocated(self.plan, mapping))

    def _again(self, data: Any) -> Deployment:
        return built(Reading(data=data), self.name)


def resolve(plan: Plan) -> Deployment:
    """Return the deployment that follows from a plan. Raises `DeploymentError` for a plan that contradicts itself."""
    try:
        return _resolved(plan)
    except Inconsistent as error:
        raise DeploymentError(tuple(map(plan.placed, error.mistakes))) from None


def built(reading: Reading, source: str) -> Deployment:
    """Return the deployment that a reading describes. Raises `DeploymentError` with every mistake."""
    return validated(reading, source, _resolved)


def _resolved(plan: Plan) -> Deployment:
    """Return the deployment of a plan. Raises `Inconsistent`, with mistakes that point into the plan."""
    resolution = Resolution()
    inventory = resolve_inventory(plan, resolution)
    net = resolve_network(plan.network, resolution, inventory)
    security = Security(plan, resolution, inventory)
    certificates = security.certificates()
    deployment = Deployment(
        **{each.name: getattr(inventory, each.name) for each in fields(inventory)},
        network=net,
        certificates=certificates,
        trust=security.trust(certificates),
        plan=plan,
        resolution=resolution,
    )
    written = mistakes_of(plan, inventory, certificates)
    mistakes = [*mistakes_in(inventory, certificates), *resolution.invalid]
    if not any(each.path[0] == "network" for each in resolution.invalid):  # else rules may be no rules
        mistakes += network_mistakes(inventory, net)
    if written or mistakes:
        raise Inconsistent((*in_plan(mistakes, plan, resolution, deployment, written), *written))
    return deployment
