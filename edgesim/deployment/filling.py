"""What follows from what a deployment's author wrote: domains of hosts, devices of users, certificates, trust."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from edgesim.deployment import network
from edgesim.deployment.base import derived
from edgesim.deployment.device_models import CURRENT, DEVICE_TYPES, JABBER_PREFIXES, DeviceKind
from edgesim.deployment.hosts import ClientHost, ImPresenceCluster, Machine, View
from edgesim.deployment.mra import EnabledDomain, MediaProbe
from edgesim.deployment.people import Device, User
from edgesim.deployment.security import (
    SELF_SIGNED_TOO,
    SERVICES,
    Authority,
    Certificate,
    TrustStore,
    services_of,
    stores_of,
)
from edgesim.deployment.subject_names import subject_names

if TYPE_CHECKING:
    from edgesim.deployment.model import Deployment

H = TypeVar("H", bound=Machine)


def machines(deployment: Deployment) -> Iterator[tuple[str, Machine, str | None]]:
    """Yield kind, machine and cluster of every host, in the order in which they should start."""
    yield "dns", deployment.dns.inside, None
    yield "dns", deployment.dns.outside, None
    for cluster in deployment.unified_cm:
        for node in cluster.nodes:
            yield "unified_cm", node, cluster.name
    for chat in deployment.im_presence:
        for each in chat.nodes:
            yield "im_presence", each, chat.name
    for edge in deployment.expressway_e:
        yield "expressway_e", edge, None
    if deployment.load_balancer:
        yield "load_balancer", deployment.load_balancer, None
    for core in deployment.expressway_c:
        yield "expressway_c", core, None
    for client in deployment.clients:
        yield "client", client, None


def fill(deployment: Deployment) -> None:
    """Fill in everything that a deployment's author left out. Only for a deployment that is being made."""
    filler = _Filler(deployment)
    filler.hosts()
    filler.settings()
    filler.network()
    filler.people()
    filler.security()


class _Filler:
    """Fills one section after the other; later ones look at earlier ones."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.owned: dict[str, tuple[str, ...]] = {}

    def _set(self, name: str, value: Any) -> None:
        # The model is frozen for everybody else, and what is filled in must not count as set by the author.
        self.deployment.__dict__[name] = value

    def _host(self, machine: H, domain: str, view: View) -> H:
        return derived(machine, domain=machine.domain or domain, view=machine.view or view)

    def hosts(self) -> None:
        lab = self.deployment
        domains = lab.domains
        inside = domains.inside or f"inside.{domains.edge}"
        enabled = domains.enabled or (EnabledDomain(name=domains.edge),)
        self._set("domains", derived(domains, inside=inside, enabled=enabled))
        self._set(
            "dns",
            derived(
                lab.dns,
                inside=self._host(lab.dns.inside, inside, "inside"),
                outside=self._host(lab.dns.outside, domains.edge, "outside"),
            ),
        )
        self._set("expressway_e", tuple(self._host(each, domains.edge, "outside") for each in lab.expressway_e))
        if lab.load_balancer:
            self._set("load_balancer", self._host(lab.load_balancer, domains.edge, "outside"))
        self._set("expressway_c", tuple(self._host(each, inside, "inside") for each in lab.expressway_c))
        self._set(
            "unified_cm",
            tuple(
                derived(
                    cluster,
                    publisher=self._host(cluster.publisher, inside, "inside"),
                    subscribers=tuple(self._host(node, inside, "inside") for node in cluster.subscribers),
                    call_manager_group=cluster.call_manager_group or tuple(node.name for node in cluster.nodes)[:3],
                    tftp=cluster.tftp or (cluster.publisher.name,),
                    knows_clusters=tuple(other.name for other in lab.unified_cm if other.name != cluster.name)
                    if cluster.knows_clusters is None
                    else cluster.knows_clusters,
                )
                for cluster in lab.unified_cm
            ),
        )
        self._set(
            "im_presence",
            tuple(
                derived(
                    cluster,
                    unified_cm=cluster.unified_cm or lab.unified_cm[0].name,
                    publisher=self._host(cluster.publisher, inside, "inside"),
                    subscribers=tuple(self._host(node, inside, "inside") for node in cluster.subscribers),
                    presence_domains=cluster.presence_domains or (domains.edge,),
                    chat_aliases=_chat_aliases(cluster, (cluster.presence_domains or (domains.edge,))[0])
                    if cluster.chat_aliases is None
                    else cluster.chat_aliases,
                    peers=tuple(other.name for other in lab.im_presence if other.name != cluster.name)
                    if cluster.peers is None
                    else cluster.peers,
                )
                for cluster in lab.im_presence
            ),
        )
        self._set(
            "unity_connection",
            tuple(
                derived(
                    cluster,
                    publisher=self._host(cluster.publisher, inside, "inside"),
                    subscribers=tuple(self._host(node, inside, "inside") for node in cluster.subscribers),
                )
                for cluster in lab.unity_connection
            ),
        )
        self._set(
            "clients",
            tuple(
                self._host(each, domains.edge, "outside")
                if each.zone == "internet"
                else self._host(each, inside, "inside")
                for each in lab.clients
            ),
        )

    def settings(self) -> None:
        lab = self.deployment
        zone = lab.traversal_zone
        self._set(
            "traversal_zone",
            derived(
                zone,
                peer_addresses=zone.peer_addresses or tuple(each.inner_fqdn for each in lab.expressway_e),
                tls_verify_subject_name=zone.tls_verify_subject_name
                or lab.mra.expressway_c_cluster
                or lab.expressway_c[0].fqdn,
            ),
        )
        self._set(
            "mra",
            derived(
                lab.mra,
                unified_cm_clusters=tuple(cluster.name for cluster in lab.unified_cm)
                if lab.mra.unified_cm_clusters is None
                else lab.mra.unified_cm_clusters,
                im_presence_clusters=tuple(cluster.name for cluster in lab.im_presence)
                if lab.mra.im_presence_clusters is None
                else lab.mra.im_presence_clusters,
                media_probe=self._media_probe(),
            ),
        )

    def _media_probe(self) -> MediaProbe | None:
        lab, probe = self.deployment, self.deployment.mra.media_probe
        if probe is None:
            return None
        edge = next((each for each in lab.expressway_e if each.name == probe.edge), lab.expressway_e[0])
        first, _ = lab.defaults.ports.client_media(edge.size)
        return derived(
            probe,
            edge=probe.edge or edge.name,
            core=probe.core or lab.expressway_c[0].name,
            edge_port=probe.edge_port or first + first % 2,
        )

    def network(self) -> None:
        self._set("network", network.filled(self.deployment))

    def people(self) -> None:
        lab = self.deployment
        users: list[User] = []
        for device in lab.devices:
            if device.owner:
                self.owned[device.owner] = (*self.owned.get(device.owner, ()), device.name)
        devices = {device.name: device for device in lab.devices}
        for position, user in enumerate(lab.users):
            full = self._user(user, position)
            users.append(full)
            for name in full.devices or ():
                if name not in devices and (kind := _kind_of(name)):
                    devices[name] = Device.model_construct(name=name, type=kind)
        self._set("users", tuple(users))
        owners = {name: user for user in users for name in user.devices or ()}
        self._set("devices", tuple(self._device(device, owners) for device in devices.values()))
        self._set("clients", tuple(self._client(client, devices) for client in lab.clients))

    def _client(self, client: ClientHost, devices: dict[str, Device]) -> ClientHost:
        """A machine that is a device is of the platform that its software makes of it."""
        device = devices.get(client.device or "")
        family = device.family if device is not None else None
        if family is None or family == "jabber" or "platform" in client.model_fields_set:
            return client
        return derived(client, platform=family)

    def _user(self, user: User, position: int) -> User:
        lab = self.deployment
        cluster = user.home_cluster or lab.unified_cm[0].name
        chat = [node.name for each in lab.im_presence if each.unified_cm == cluster for node in each.nodes]
        node = user.im_presence_node or (chat[position % len(chat)] if chat and user.im_presence else None)
        mail = user.mail or f"{user.id}@{lab.domains.edge}"
        own = self.owned.get(user.id, ())
        return derived(
            user,
            home_cluster=cluster,
            mail=mail,
            directory_uri=user.directory_uri or mail,
            im_presence_node=node,
            devices=(own or (f"CSF{user.id.upper()}",))
            if user.devices is None
            else user.devices + tuple(name for name in own if name not in user.devices),
        )

    def _device(self, device: Device, owners: dict[str, User]) -> Device:
        user = owners.get(device.name)
        line = device.line or (user.numbers[0] if user and user.numbers else None)
        return derived(
            device,
            owner=device.owner or (user.id if user else None),
            line=line,
            cluster=device.cluster or (user.home_cluster if user else None) or self.deployment.unified_cm[0].name,
            description=device.description or (user.display_name if user else ""),
            firmware=device.firmware or CURRENT.get(DEVICE_TYPES[device.type][0].software),
        )

    def security(self) -> None:
        lab = self.deployment
        written = {(each.host, each.service): each for each in lab.certificates}
        stores = {(each.host, each.store): each for each in lab.trust}
        certificates: list[Certificate] = []
        servers: list[Certificate] = []
        trust: list[tuple[TrustStore, tuple[str, ...]]] = []
        for kind, machine, _ in machines(lab):
            for service in services_of(kind):
                one = written.pop((machine.name, service), None)
                if one is not None or service in SERVICES.get(kind, ()):
                    certificates.append(self._certificate(one, kind, machine, service))
                    servers += certificates[-1:] if kind != "client" else []
            for store, usual in stores_of(kind, getattr(machine, "platform", None)).items():
                held = stores.pop((machine.name, store), None)
                trust.append((held or TrustStore(host=machine.name, store=store), usual))
        self._set("certificates", (*certificates, *written.values()))
        itself = tuple(f"{each.host}/{each.service}" for each in servers if each.signed_by == "self-signed")
        cores = {each.name for each in lab.expressway_c}
        callers = tuple(f"{each.host}/{each.service}" for each in servers if each.host in cores)
        mixed = {node.name for cluster in lab.unified_cm if cluster.mixed_mode for node in cluster.nodes}

        def usually(store: TrustStore, cas: tuple[str, ...]) -> tuple[str, ...]:
            own = itself if store.store in SELF_SIGNED_TOO else ()
            return cas + own + (callers if store.host in mixed else ())

        complete = (_trusting(each, usually(each, usual)) for each, usual in trust)
        self._set("trust", (*complete, *stores.values()))

    def _certificate(self, written: Certificate | None, kind: str, machine: Machine, service: str) -> Certificate:
        certificate = written or Certificate(host=machine.name, service=service)
        names = certificate.names
        if names is None:
            found = subject_names(
                self.deployment,
                machine,
                service,
                form=certificate.registration_domain_form,
                alias_form=certificate.chat_alias_form,
            )
            tools = (each.name for each in found)
            wanted = dict.fromkeys((*tools, *certificate.extra_names))
            names = tuple(name for name in wanted if name not in certificate.without_names)
        tls = self.deployment.defaults.tls
        return derived(
            certificate,
            signed_by=certificate.signed_by or _signer(kind, machine),
            common_name=certificate.common_name or machine.fqdn,
            names=names,
            key=certificate.key or tls.key,
            sends=certificate.sends or tls.sends,
            server_auth=certificate.server_auth and "server auth" not in certificate.strips,
            client_auth=certificate.client_auth and "client auth" not in certificate.strips,
        )


def _signer(kind: str, machine: Machine) -> Authority:
    if isinstance(machine, ClientHost) and machine.platform == "phone":
        return "manufacturing"
    return "public" if kind == "expressway_e" else "enterprise"


def _trusting(store: TrustStore, usual: tuple[str, ...]) -> TrustStore:
    held = dict.fromkeys((*(usual if store.holds is None else store.holds), *store.adds))
    return derived(store, holds=tuple(each for each in held if each not in (*store.lacks, *store.pending)))


def _chat_aliases(cluster: ImPresenceCluster, domain: str) -> tuple[str, ...]:
    # As the product names them when it is installed: the node's number, and the cluster's id with a random end.
    end = hashlib.sha256(cluster.name.encode()).hexdigest()[:4]
    return tuple(
        f"conference-{number}-standalonecluster{end}.{domain}" for number, _ in enumerate(cluster.nodes, start=1)
    )


def _kind_of(name: str) -> DeviceKind | None:
    for prefix, kind in JABBER_PREFIXES.items():
        if name.startswith(prefix):
            return kind
    return None
