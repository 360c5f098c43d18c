"""The certificates and trust stores of a deployment: signers, names, and what each host trusts."""

from __future__ import annotations

from collections.abc import Sequence

from edgesim.deployment.hosts import ClientHost, Machine
from edgesim.deployment.inventory import Inventory, machine_paths, machines
from edgesim.deployment.mistakes import FieldPath
from edgesim.deployment.plan import security as plans
from edgesim.deployment.plan.model import Plan
from edgesim.deployment.resolve.resolution import Derived, Resolution
from edgesim.deployment.security import Certificate, TrustStore
from edgesim.deployment.services import SELF_SIGNED_TOO, SERVICES, Authority, services_of, stores_of
from edgesim.deployment.subject_names import subject_names


class Security:
    """Makes certificates and trust stores complete, host by host in the order in which they start."""

    def __init__(self, plan: Plan, resolution: Resolution, inventory: Inventory) -> None:
        self.plan = plan
        self.resolution = resolution
        self.inventory = inventory
        self.places = {machine.name: path for path, _, machine in machine_paths(inventory)}

    def certificates(self) -> tuple[Certificate, ...]:
        """Return the certificate of every service that presents one."""
        written = {(each.host, each.service): index for index, each in enumerate(self.plan.certificates)}
        found: list[Certificate] = []
        for kind, machine, _ in machines(self.inventory):
            for service in services_of(kind):
                index = written.get((machine.name, service))
                if index is not None or service in SERVICES.get(kind, ()):
                    found.append(self._certificate(index, kind, machine, service, ("certificates", len(found))))
        return tuple(found)

    def _certificate(
        self, index: int | None, kind: str, machine: Machine, service: str, path: FieldPath
    ) -> Certificate:
        place = self.places[machine.name]
        if index is None:
            self.resolution.note(path, place, "the host presents one for this service")
            written = plans.Certificate(host=machine.name, service=service)
        else:
            self.resolution.moved[path] = ("certificates", index)
            written = self.plan.certificates[index]
        names: object = written.names
        if written.names is None:
            names = Derived(self._names(written, machine), place, "what the product asks for in its request")
        tls: FieldPath = ("defaults", "tls")
        strips = (*path, "strips")
        return self.resolution.part(
            Certificate,
            written,
            path,
            signed_by=written.signed_by or Derived(_signer(kind, machine), place, "who signs for such hosts"),
            common_name=written.common_name or Derived(machine.fqdn, place, "the FQDN of the host"),
            names=names,
            key=written.key or Derived(self.plan.defaults.tls.key, (*tls, "key"), "the usual kind of key"),
            sends=written.sends or Derived(self.plan.defaults.tls.sends, (*tls, "sends"), "what servers send"),
            server_auth=Derived(False, strips, "the CA dropped it")
            if written.server_auth and "server auth" in written.strips
            else written.server_auth,
            client_auth=Derived(False, strips, "the CA dropped it")
            if written.client_auth and "client auth" in written.strips
            else written.client_auth,
        )

    def _names(self, written: plans.Certificate, machine: Machine) -> tuple[str, ...]:
        found = subject_names(
            self.inventory,
            machine,
            written.service,
            form=written.registration_domain_form,
            alias_form=written.chat_alias_form,
        )
        wanted = dict.fromkeys((*(each.name for each in found), *written.extra_names))
        return tuple(name for name in wanted if name not in written.without_names)

    def trust(self, certificates: Sequence[Certificate]) -> tuple[TrustStore, ...]:
        """Return every trust store with what it holds."""
        written = {(each.host, each.store): index for index, each in enumerate(self.plan.trust)}
        clients = {each.name for each in self.inventory.clients}
        servers = [each for each in certificates if each.host not in clients]
        self_signed = tuple(f"{each.host}/{each.service}" for each in servers if each.signed_by == "self-signed")
        cores = {each.name for each in self.inventory.expressway_c}
        callers = tuple(f"{each.host}/{each.service}" for each in servers if each.host in cores)
        mixed = {node.name for cluster in self.inventory.unified_cm if cluster.mixed_mode for node in cluster.nodes}
        found: list[TrustStore] = []
        for kind, machine, _ in machines(self.inventory):
            platform = machine.platform if isinstance(machine, ClientHost) else None
            for store, authorities in stores_of(kind, platform).items():
                usual = (
                    *authorities,
                    *(self_signed if store in SELF_SIGNED_TOO else ()),
                    *(callers if machine.name in mixed else ()),
                )
                index = written.get((machine.name, store))
                found.append(self._trust_store(index, machine, store, usual, ("trust", len(found))))
        return tuple(found)

    def _trust_store(
        self, index: int | None, machine: Machine, store: str, usual: tuple[str, ...], path: FieldPath
    ) -> TrustStore:
        place = self.places[machine.name]
        if index is None:
            self.resolution.note(path, place, "the host has this store")
            written = plans.TrustStore(host=machine.name, store=store)
        else:
            self.resolution.moved[path] = ("trust", index)
            written = self.plan.trust[index]
        held = dict.fromkeys((*(usual if written.holds is None else written.holds), *written.adds))
        holds = tuple(each for each in held if each not in (*written.lacks, *written.pending))
        if written.holds is None:
            value: object = Derived(holds, place, "the usual ones, with what it adds, without what it lacks")
        elif holds != written.holds:
            value = Derived(holds, path, "with what it adds, without what it lacks")
        else:
            value = holds
        return self.resolution.part(TrustStore, written, path, holds=value)


def _signer(kind: str, machine: Machine) -> Authority:
    if isinstance(machine, ClientHost) and machine.platform == "phone":
        return "manufacturing"
    return "public" if kind == "expressway_e" else "enterprise"
