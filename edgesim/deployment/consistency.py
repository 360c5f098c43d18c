"""Mistakes that no single field shows: two hosts with one address, references to what is not there."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgesim.deployment.base import is_dns_name
from edgesim.deployment.defaults.planned import SUBJECTS
from edgesim.deployment.device_models import device_type
from edgesim.deployment.features import gate
from edgesim.deployment.hosts import Expressway
from edgesim.deployment.records import zone_records
from edgesim.deployment.releases import Product, ReleaseError
from edgesim.deployment.security import AUTHORITIES, FIXED, Certificate, TrustStore, services_of, stores_of

if TYPE_CHECKING:
    from edgesim.deployment.hosts import Machine, View
    from edgesim.deployment.model import Deployment
    from edgesim.deployment.people import Device

Path = tuple[str | int, ...]
LONGEST_NAME = 253
"""Characters of a DNS name in text (RFC 1035, section 2.3.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """Something wrong in a deployment: the field, its value (None where it must not be shown), what would be right.

    ``line`` counts from 1 in ``source``; None where the deployment did not come from a file.
    """

    path: Path
    value: str | None
    reason: str
    line: int | None = None
    source: str = "deployment"

    @property
    def field(self) -> str:
        """The field as people write it: ``users[0].home_cluster``."""
        text = ""
        for step in self.path:
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
        return text

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        parts = [where, *([self.field] if self.path else [])]
        return ": ".join([*parts, self.reason if self.value is None else f"{self.value!r}: {self.reason}"])


class Inconsistent(ValueError):
    """A deployment that contradicts itself."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("; ".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Authored:
    """The lists that filling adds to, as their author wrote them: mistakes point there.

    All are equal: deployments differ by what they hold once filled in, not by how much of it was written.
    """

    devices: tuple[Device, ...]
    certificates: tuple[Certificate, ...]
    trust: tuple[TrustStore, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Authored)

    def __hash__(self) -> int:
        return 0


def mistakes_in(deployment: Deployment, authored: Authored) -> tuple[Mistake, ...]:
    """Return every contradiction in a complete deployment, section by section."""
    return (
        *_hosts(deployment),
        *_names(deployment, authored),
        *_clusters(deployment),
        *_settings(deployment),
        *_users(deployment),
        *_devices(deployment, authored.devices),
        *_device_hosts(deployment),
        *_records(deployment),
        *_security(deployment, authored),
    )


def machine_paths(deployment: Deployment) -> Iterator[tuple[Path, str, Machine]]:
    """Yield every machine with the path where it stands and the kind of host that it is."""
    yield ("dns", "inside"), "dns", deployment.dns.inside
    yield ("dns", "outside"), "dns", deployment.dns.outside
    for index, edge in enumerate(deployment.expressway_e):
        yield ("expressway_e", index), "expressway_e", edge
    if deployment.load_balancer:
        yield ("load_balancer",), "load_balancer", deployment.load_balancer
    for index, core in enumerate(deployment.expressway_c):
        yield ("expressway_c", index), "expressway_c", core
    for index, cluster in enumerate(deployment.unified_cm):
        yield ("unified_cm", index, "publisher"), "unified_cm", cluster.publisher
        for place, node in enumerate(cluster.subscribers):
            yield ("unified_cm", index, "subscribers", place), "unified_cm", node
    for index, chat in enumerate(deployment.im_presence):
        yield ("im_presence", index, "publisher"), "im_presence", chat.publisher
        for place, each in enumerate(chat.subscribers):
            yield ("im_presence", index, "subscribers", place), "im_presence", each
    for index, mail in enumerate(deployment.unity_connection):
        yield ("unity_connection", index, "publisher"), "unity_connection", mail.publisher
        for place, one in enumerate(mail.subscribers):
            yield ("unity_connection", index, "subscribers", place), "unity_connection", one
    for index, client in enumerate(deployment.clients):
        yield ("clients", index), "client", client


def _hosts(deployment: Deployment) -> Iterator[Mistake]:
    names: dict[str, str] = {}
    for path, _, machine in machine_paths(deployment):
        key = machine.name.lower()
        if key in names:
            yield _wrong((*path, "name"), machine.name, "another host has this name")
        names[key] = machine.name
        if len(machine.fqdn) > LONGEST_NAME:
            yield _wrong((*path, "name"), machine.name, f"with its domain it has more than {LONGEST_NAME} characters")
        newer = "outer_ipv6" if hasattr(machine, "outer_ipv6") else "ipv6"
        address = getattr(machine, newer, None)
        if address is not None and ":" not in address:
            yield _wrong((*path, newer), address, "an IPv6 address")
        if newer == "outer_ipv6" and address is None and getattr(machine, "ip_protocol", "") == "IPv6":
            yield _wrong((*path, "ip_protocol"), "IPv6", "outer_ipv6 says which address it has then")


def _names(deployment: Deployment, authored: Authored) -> Iterator[Mistake]:
    for index, domain in enumerate(deployment.domains.enabled):
        service = f"_collab-edge._tls.{domain.name}"
        if len(service) > LONGEST_NAME:
            told = f"_collab-edge._tls before it makes more than {LONGEST_NAME} characters"
            yield _wrong(("domains", "enabled", index, "name"), domain.name, told)
    yield from _twice(
        ("domains", "enabled"), "name", (each.name.lower() for each in deployment.domains.enabled), "domain"
    )
    yield from _twice(("unified_cm",), "name", (each.name for each in deployment.unified_cm), "Unified CM cluster")
    yield from _twice(
        ("im_presence",), "name", (each.name for each in deployment.im_presence), "IM and Presence cluster"
    )
    mails = (each.name for each in deployment.unity_connection)
    yield from _twice(("unity_connection",), "name", mails, "Unity Connection cluster")
    yield from _twice(("users",), "id", (each.id for each in deployment.users), "user")
    yield from _twice(("devices",), "name", (each.name for each in authored.devices), "device")
    for index, cluster in enumerate(deployment.unified_cm):
        for section in ("service_profiles", "user_profiles", "security_profiles"):
            names = (each.name for each in getattr(cluster, section))
            yield from _twice(("unified_cm", index, section), "name", names, section[:-1].replace("_", " "))
    pairs = (f"{each.host}/{each.service}" for each in authored.certificates)
    yield from _twice(("certificates",), "service", pairs, "certificate")
    stores = (f"{each.host}/{each.store}" for each in authored.trust)
    yield from _twice(("trust",), "store", stores, "trust store")


def _clusters(deployment: Deployment) -> Iterator[Mistake]:
    clusters = [each.name for each in deployment.unified_cm]
    chats = [each.name for each in deployment.im_presence]
    cores = [each.name for each in deployment.expressway_c]
    for index, cluster in enumerate(deployment.unified_cm):
        path: Path = ("unified_cm", index)
        nodes = [node.name for node in cluster.nodes]
        yield from _among((*path, "call_manager_group"), cluster.call_manager_group, nodes, "node of this cluster")
        yield from _among((*path, "tftp"), cluster.tftp, nodes, "node of this cluster")
        yield from _among((*path, "sip_trunks"), cluster.sip_trunks, cores, "Expressway-C")
        yield from _among((*path, "knows_clusters"), cluster.knows_clusters or (), clusters, "Unified CM cluster")
    for index, chat in enumerate(deployment.im_presence):
        path = ("im_presence", index)
        yield from _one((*path, "unified_cm"), chat.unified_cm, clusters, "Unified CM cluster")
        yield from _among((*path, "peers"), chat.peers or (), chats, "IM and Presence cluster")
        if chat.redundancy and not chat.subscribers:
            yield _wrong((*path, "redundancy"), "true", "a presence redundancy group needs a second node")


def _settings(deployment: Deployment) -> Iterator[Mistake]:
    clusters = [each.name for each in deployment.unified_cm]
    chats = [each.name for each in deployment.im_presence]
    mra = deployment.mra
    yield from _among(("mra", "unified_cm_clusters"), mra.unified_cm_clusters or (), clusters, "Unified CM cluster")
    yield from _among(("mra", "im_presence_clusters"), mra.im_presence_clusters or (), chats, "IM and Presence cluster")
    ports = deployment.defaults.ports
    yield from _media_probe(deployment)
    yield from _planned(deployment)
    for group in ("media", "sip_source", "http_source", "turn_relay"):
        first, last = f"{group}_first", f"{group}_last"
        if getattr(ports, first) > getattr(ports, last):
            yield _wrong(("defaults", "ports", first), str(getattr(ports, first)), f"no greater than {last}")


def _planned(deployment: Deployment) -> Iterator[Mistake]:
    for path, subject in SUBJECTS.items():
        group, name = path.split(".")
        settings = getattr(deployment.defaults, group)
        value = getattr(settings, name)
        if value != type(settings).model_fields[name].default:
            yield _wrong(("defaults", group, name), str(value), f"nothing reads this yet: it is planned for {subject}")


def _media_probe(deployment: Deployment) -> Iterator[Mistake]:
    probe = deployment.mra.media_probe
    if probe is None:
        return
    path: Path = ("mra", "media_probe")
    edges = {each.name: each for each in deployment.expressway_e}
    yield from _one((*path, "to"), probe.to, list(deployment.hosts_by_name), "host")
    yield from _one((*path, "edge"), probe.edge, edges, "Expressway-E")
    yield from _one((*path, "core"), probe.core, [each.name for each in deployment.expressway_c], "Expressway-C")
    edge = edges.get(probe.edge or "")
    if edge is not None and probe.edge_port is not None:
        first, last = deployment.defaults.ports.client_media(edge.size)
        if probe.edge_port % 2 or not first <= probe.edge_port < last:
            yield _wrong((*path, "edge_port"), str(probe.edge_port), f"an even port from {first} to {last - 1}")


def _users(deployment: Deployment) -> Iterator[Mistake]:
    clusters = {each.name: each for each in deployment.unified_cm}
    nodes = dict.fromkeys(node.name for node in deployment.im_presence_nodes)
    devices = dict.fromkeys(device.name for device in deployment.devices)
    holders: dict[str, str] = {}
    for index, user in enumerate(deployment.users):
        path: Path = ("users", index)
        yield from _one((*path, "home_cluster"), user.home_cluster, clusters, "Unified CM cluster")
        yield from _among((*path, "also_homed_at"), user.also_homed_at, clusters, "Unified CM cluster")
        yield from _one((*path, "im_presence_node"), user.im_presence_node, nodes, "IM and Presence node")
        yield from _among((*path, "devices"), user.devices or (), devices, "device")
        for place, name in enumerate(user.devices or ()):
            if holders.get(name, user.id) != user.id:
                yield _wrong((*path, "devices", place), name, f"{holders[name]} has this device")
            holders.setdefault(name, user.id)
        home = clusters.get(user.home_cluster or "")
        if home:
            services = [each.name for each in home.service_profiles]
            profiles = [each.name for each in home.user_profiles]
            yield from _one(
                (*path, "service_profile"), user.service_profile, services, "service profile of its cluster"
            )
            yield from _one((*path, "user_profile"), user.user_profile, profiles, "user profile of its cluster")


def _devices(deployment: Deployment, authored: tuple[Device, ...]) -> Iterator[Mistake]:
    clusters = {each.name: each for each in deployment.unified_cm}
    devices = {device.name: device for device in deployment.devices}
    users = dict.fromkeys(user.id for user in deployment.users)
    for index, written in enumerate(authored):
        device = devices[written.name]
        path: Path = ("devices", index)
        yield from _one((*path, "owner"), device.owner, users, "user")
        yield from _one((*path, "cluster"), device.cluster, clusters, "Unified CM cluster")
        try:
            device_type(device.type, device.firmware)
        except ReleaseError as error:
            yield _wrong((*path, "firmware"), str(device.firmware), str(error))
        cluster = clusters.get(device.cluster or "")
        if cluster:
            profiles = [each.name for each in cluster.security_profiles]
            what = "phone security profile of its cluster"
            yield from _one((*path, "security_profile"), device.security_profile, profiles, what)


def _device_hosts(deployment: Deployment) -> Iterator[Mistake]:
    devices = {device.name: device for device in deployment.devices}
    machines: dict[str, str] = {}
    for index, client in enumerate(deployment.clients):
        path: Path = ("clients", index)
        yield from _one((*path, "device"), client.device, devices, "device")
        device = devices.get(client.device or "")
        if device is None:
            continue
        if device.name in machines:
            yield _wrong((*path, "device"), device.name, f"{machines[device.name]} is this device")
        machines.setdefault(device.name, client.name)
        family = device.family
        if family == "jabber":
            yield _wrong((*path, "device"), device.name, "a phone or room device; Jabber takes that of its user")
        elif family is not None and client.platform != family:
            yield _wrong((*path, "platform"), client.platform, f"{device.name} is a {device.product}: {family}")


def _records(deployment: Deployment) -> Iterator[Mistake]:
    wrong = False
    for index, record in enumerate(deployment.dns.extra):
        reason = _VALUES[record.type](record.value)
        if reason:
            wrong = True
            yield _wrong(("dns", "extra", index, "value"), record.value, reason)
    if wrong:
        return
    held: dict[tuple[str, str], set[str]] = {}
    views: tuple[View, ...] = ("inside", "outside")
    for view in views:
        for each in zone_records(deployment, view):
            held.setdefault((view, each.name.lower()), set()).add(each.text if each.type == "CNAME" else each.type)
    for index, record in enumerate(deployment.dns.extra):
        others = held[record.view, record.name.lower()] - {f"CNAME {record.value}"}
        if record.type == "CNAME" and others:
            told = f"an alias stands alone, and this name has {' and '.join(sorted(others))} besides (dns.without)"
            yield _wrong(("dns", "extra", index, "name"), record.name, told)


def _an_address(version: int, text: str) -> str | None:
    try:
        right = ipaddress.ip_address(text).version == version and "%" not in text
    except ValueError:
        right = False
    return None if right else f"an IPv{version} address"


def _a_name(text: str) -> str | None:
    return None if is_dns_name(text) else "a name without final dot"


def _an_srv(text: str) -> str | None:
    parts = text.split()
    numbers = parts[:3]
    if len(parts) == 4 and all(re.fullmatch("[0-9]{1,5}", each) and int(each) < 65536 for each in numbers):
        return _a_name(parts[3])
    return "priority, weight, port and target, such as 10 10 8443 expe.example.com"


_VALUES: dict[str, Any] = {
    "A": lambda text: _an_address(4, text),
    "AAAA": lambda text: _an_address(6, text),
    "CNAME": _a_name,
    "PTR": _a_name,
    "SRV": _an_srv,
}


def _security(deployment: Deployment, authored: Authored) -> Iterator[Mistake]:
    hosts = {machine.name: (kind, machine) for _, kind, machine in machine_paths(deployment)}
    there = [f"{each.host}/{each.service}" for each in deployment.certificates if each.host in hosts]
    presenting = [name for name, (kind, _) in hosts.items() if services_of(kind)]
    for index, certificate in enumerate(authored.certificates):
        path: Path = ("certificates", index)
        yield from _one((*path, "host"), certificate.host, presenting, "host with certificates")
        if certificate.host in presenting:
            kind, machine = hosts[certificate.host]
            services = services_of(kind)
            yield from _one((*path, "service"), certificate.service, services, f"service of {certificate.host}")
            yield from _certificate(path, certificate, kind, machine)
    stores = {name: stores_of(kind, getattr(machine, "platform", None)) for name, (kind, machine) in hosts.items()}
    trusting = [name for name, has in stores.items() if has]
    for index, store in enumerate(authored.trust):
        path = ("trust", index)
        yield from _one((*path, "host"), store.host, trusting, "host with trust stores")
        if store.host in trusting:
            yield from _one((*path, "store"), store.store, stores[store.host], f"trust store of {store.host}")
        usual = stores.get(store.host, {}).get(store.store, ())
        yield from _trust_store(path, store, usual, [*AUTHORITIES, *there])


def _certificate(path: Path, certificate: Certificate, kind: str, machine: Machine) -> Iterator[Mistake]:
    for field in ("names", "extra_names"):
        for place, name in enumerate(getattr(certificate, field) or ()):
            if not _a_subject_name(name):
                yield _wrong(
                    (*path, field, place), name, "expected a DNS name, an address, or SRV:, XMPP:, URI: and so on"
                )
    if certificate.registration_domain_form != "DNS" and kind != "expressway_e":
        reason = "only Expressway-E has Unified CM registration domains in its certificate"
        yield _wrong((*path, "registration_domain_form"), certificate.registration_domain_form, reason)
    if certificate.chat_alias_form != "DNS" and kind not in ("expressway_c", "expressway_e"):
        reason = "only an Expressway has chat node aliases in its certificate"
        yield _wrong((*path, "chat_alias_form"), certificate.chat_alias_form, reason)
    if certificate.expires_after_s is not None and certificate.validity != "valid":
        reason = f"a certificate that is {certificate.validity} does not expire during a run"
        yield _wrong((*path, "expires_after_s"), f"{certificate.expires_after_s:g}", reason)
    separate = gate("separate client certificate", Product.EXPRESSWAY)
    early = isinstance(machine, Expressway) and separate is not None and not separate.open(machine.release)
    if early and certificate.service == "client":
        yield _wrong((*path, "service"), certificate.service, f"a client certificate of its own comes with {separate}")


def _trust_store(path: Path, store: TrustStore, usual: Iterable[str], known: Collection[str]) -> Iterator[Mistake]:
    for field in ("holds", "adds", "lacks", "pending"):
        yield from _among((*path, field), getattr(store, field) or (), known, "CA or host/service")
    if store.store in FIXED and (store.adds or store.lacks or store.pending or store.holds not in (None, tuple(usual))):
        yield _wrong((*path, "store"), store.store, f"nobody can change this list; it holds {', '.join(usual)}")
    for field, others in (("lacks", ("adds",)), ("pending", ("holds", "adds", "lacks"))):
        for other in others:
            for place, name in enumerate(getattr(store, field)):
                if name in (getattr(store, other) or ()):
                    yield _wrong((*path, field, place), name, f"stands in {other} too")


def _a_subject_name(name: str) -> bool:
    kind, colon, value = name.partition(":")
    if kind == "IP":
        return _an_address(4, value) is None or _an_address(6, value) is None
    if colon and kind in ("SRV", "XMPP", "URI", "EMAIL"):
        return 0 < len(value) < 254 and value.isascii()
    value = value if kind == "DNS" else name
    return 0 < len(value) < 254 and value.isascii() and value.isprintable() and not value[0].isspace()


def _wrong(path: Path, value: str, reason: str) -> Mistake:
    return Mistake(path=path, value=value, reason=reason)


def _twice(path: Path, field: str, values: Iterable[str], what: str) -> Iterator[Mistake]:
    seen: dict[str, None] = {}
    for index, value in enumerate(values):
        if value in seen:
            yield _wrong((*path, index, field), value, f"a second {what} of this name")
        seen[value] = None


def _one(path: Path, value: str | None, allowed: Collection[str], what: str) -> Iterator[Mistake]:
    if value is not None and value not in allowed:
        known = list(allowed)
        listed = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
        yield _wrong(path, value, f"no {what} has this name; there is {listed or 'none'}")


def _among(path: Path, values: Iterable[str], allowed: Collection[str], what: str) -> Iterator[Mistake]:
    for index, value in enumerate(values):
        yield from _one((*path, index), value, allowed, what)
