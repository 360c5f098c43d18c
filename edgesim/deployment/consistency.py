"""Mistakes that no single field shows: two hosts with one address, references to what is not there."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from edgesim.deployment.base import View, is_dns_name
from edgesim.deployment.defaults.planned import SUBJECTS
from edgesim.deployment.device_models import device_type
from edgesim.deployment.features import gate
from edgesim.deployment.hosts import ClientHost, Expressway, ExpresswayE, Machine
from edgesim.deployment.inventory import Inventory, machine_paths
from edgesim.deployment.mistakes import FieldPath, Mistake
from edgesim.deployment.plan import security as plans
from edgesim.deployment.plan.model import Plan
from edgesim.deployment.records import zone_records
from edgesim.deployment.releases import Product, ReleaseError
from edgesim.deployment.security import Certificate
from edgesim.deployment.services import AUTHORITIES, FIXED, services_of, stores_of

LONGEST_NAME = 253
"""Characters of a DNS name in text (RFC 1035, section 2.3.4)."""
RANGES = (
    ("media_first", "media_last"),
    ("edge_media_first", "media_last"),
    ("sip_source_first", "sip_source_last"),
    ("http_source_first", "http_source_last"),
    ("turn_relay_first", "turn_relay_last"),
)
"""The first and last ports of each range, by their names among `defaults.ports`."""
PAIRS = (("multiplex_rtp", "multiplex_rtcp"), ("multiplex_large_first", "multiplex_large_last"))
"""The same of what holds at least one pair of ports, for RTP and RTCP."""
SUBJECT_NAME = "expected a DNS name, an address, or SRV:, XMPP:, URI: and so on"


def mistakes_in(inventory: Inventory, certificates: Sequence[Certificate]) -> tuple[Mistake, ...]:
    """Return every contradiction in what follows from a plan, section by section; they point into the deployment."""
    return (
        *_hosts(inventory),
        *_domains(inventory),
        *_clusters(inventory),
        *_settings(inventory),
        *_users(inventory),
        *_devices(inventory),
        *_device_hosts(inventory),
        *_records(inventory),
        *_subject_names(certificates),
    )


def mistakes_of(plan: Plan, inventory: Inventory, certificates: Sequence[Certificate]) -> tuple[Mistake, ...]:
    """Return every contradiction in what was written, beside what follows from it; they point into the plan."""
    return (*_names(plan), *_certificates(plan, inventory), *_trust(plan, inventory, certificates))


def _hosts(inventory: Inventory) -> Iterator[Mistake]:
    names: dict[str, str] = {}
    for path, _, machine in machine_paths(inventory):
        key = machine.name.lower()
        if key in names:
            yield _wrong((*path, "name"), machine.name, "another host has this name")
        names[key] = machine.name
        if len(machine.fqdn) > LONGEST_NAME:
            yield _wrong((*path, "name"), machine.name, f"longer than {LONGEST_NAME} characters with its domain")
        if isinstance(machine, ClientHost) and machine.ipv6 is not None and ":" not in machine.ipv6:
            yield _wrong((*path, "ipv6"), machine.ipv6, "expected an IPv6 address")
        if isinstance(machine, ExpresswayE):
            if machine.outer_ipv6 is not None and ":" not in machine.outer_ipv6:
                yield _wrong((*path, "outer_ipv6"), machine.outer_ipv6, "expected an IPv6 address")
            if machine.outer_ipv6 is None and machine.ip_protocol == "IPv6":
                yield _wrong((*path, "ip_protocol"), "IPv6", "requires outer_ipv6, its address")


def _domains(inventory: Inventory) -> Iterator[Mistake]:
    for index, domain in enumerate(inventory.domains.enabled):
        service = f"_collab-edge._tls.{domain.name}"
        if len(service) > LONGEST_NAME:
            told = f"longer than {LONGEST_NAME} characters with the prefix _collab-edge._tls"
            yield _wrong(("domains", "enabled", index, "name"), domain.name, told)


def _names(plan: Plan) -> Iterator[Mistake]:
    yield from _twice(("domains", "enabled"), "name", (each.name.lower() for each in plan.domains.enabled), "domain")
    yield from _twice(("unified_cm",), "name", (each.name for each in plan.unified_cm), "Unified CM cluster")
    yield from _twice(("im_presence",), "name", (each.name for each in plan.im_presence), "IM and Presence cluster")
    mails = (each.name for each in plan.unity_connection)
    yield from _twice(("unity_connection",), "name", mails, "Unity Connection cluster")
    yield from _twice(("users",), "id", (each.id for each in plan.users), "user")
    yield from _twice(("devices",), "name", (each.name for each in plan.devices), "device")
    for index, cluster in enumerate(plan.unified_cm):
        for section in ("service_profiles", "user_profiles", "security_profiles"):
            names = (each.name for each in getattr(cluster, section))
            yield from _twice(("unified_cm", index, section), "name", names, section[:-1].replace("_", " "))
    pairs = (f"{each.host}/{each.service}" for each in plan.certificates)
    yield from _twice(("certificates",), "service", pairs, "certificate")
    stores = (f"{each.host}/{each.store}" for each in plan.trust)
    yield from _twice(("trust",), "store", stores, "trust store")


def _clusters(inventory: Inventory) -> Iterator[Mistake]:
    clusters = [each.name for each in inventory.unified_cm]
    chats = [each.name for each in inventory.im_presence]
    cores = [each.name for each in inventory.expressway_c]
    for index, cluster in enumerate(inventory.unified_cm):
        path: FieldPath = ("unified_cm", index)
        nodes = [node.name for node in cluster.nodes]
        yield from _among((*path, "call_manager_group"), cluster.call_manager_group, nodes, "node of this cluster")
        yield from _among((*path, "tftp"), cluster.tftp, nodes, "node of this cluster")
        yield from _among((*path, "sip_trunks"), cluster.sip_trunks, cores, "Expressway-C")
        yield from _among((*path, "knows_clusters"), cluster.knows_clusters, clusters, "Unified CM cluster")
    for index, chat in enumerate(inventory.im_presence):
        path = ("im_presence", index)
        yield from _one((*path, "unified_cm"), chat.unified_cm, clusters, "Unified CM cluster")
        yield from _among((*path, "peers"), chat.peers, chats, "IM and Presence cluster")
        if chat.redundancy and not chat.subscribers:
            yield _wrong((*path, "redundancy"), "true", "a presence redundancy group needs a second node")


def _settings(inventory: Inventory) -> Iterator[Mistake]:
    clusters = [each.name for each in inventory.unified_cm]
    chats = [each.name for each in inventory.im_presence]
    mra = inventory.mra
    yield from _among(("mra", "unified_cm_clusters"), mra.unified_cm_clusters, clusters, "Unified CM cluster")
    yield from _among(("mra", "im_presence_clusters"), mra.im_presence_clusters, chats, "IM and Presence cluster")
    ports = inventory.defaults.ports
    yield from _media_probe(inventory)
    yield from _planned(inventory)
    for first, last in RANGES:
        if getattr(ports, first) > getattr(ports, last):
            yield _wrong(("defaults", "ports", first), str(getattr(ports, first)), f"must not be greater than {last}")
    for first, last in PAIRS:
        if getattr(ports, first) >= getattr(ports, last):
            yield _wrong(("defaults", "ports", first), str(getattr(ports, first)), f"must be lower than {last}")
    tls = inventory.defaults.tls
    if tls.minimum_version > tls.maximum_version:
        yield _wrong(
            ("defaults", "tls", "minimum_version"), tls.minimum_version, "must not be greater than maximum_version"
        )


def _planned(inventory: Inventory) -> Iterator[Mistake]:
    for path, subject in SUBJECTS.items():
        group, name = path.split(".")
        settings = getattr(inventory.defaults, group)
        value = getattr(settings, name)
        if value != type(settings).model_fields[name].default:
            yield _wrong(("defaults", group, name), str(value), f"not used yet: planned for {subject}")


def _media_probe(inventory: Inventory) -> Iterator[Mistake]:
    probe = inventory.mra.media_probe
    if probe is None:
        return
    path: FieldPath = ("mra", "media_probe")
    edges = {each.name: each for each in inventory.expressway_e}
    yield from _one((*path, "to"), probe.to, list(inventory.hosts_by_name), "host")
    yield from _one((*path, "edge"), probe.edge, edges, "Expressway-E")
    yield from _one((*path, "core"), probe.core, [each.name for each in inventory.expressway_c], "Expressway-C")
    edge = edges.get(probe.edge)
    if edge is not None:
        first, last = inventory.defaults.ports.client_media(edge.size)
        if probe.edge_port % 2 or not first <= probe.edge_port < last:
            yield _wrong(
                (*path, "edge_port"), str(probe.edge_port), f"expected an even port from {first} to {last - 1}"
            )


def _users(inventory: Inventory) -> Iterator[Mistake]:
    clusters = {each.name: each for each in inventory.unified_cm}
    nodes = dict.fromkeys(node.name for node in inventory.im_presence_nodes)
    devices = dict.fromkeys(device.name for device in inventory.devices)
    holders: dict[str, str] = {}
    for index, user in enumerate(inventory.users):
        path: FieldPath = ("users", index)
        yield from _one((*path, "home_cluster"), user.home_cluster, clusters, "Unified CM cluster")
        yield from _among((*path, "also_homed_at"), user.also_homed_at, clusters, "Unified CM cluster")
        yield from _one((*path, "im_presence_node"), user.im_presence_node, nodes, "IM and Presence node")
        yield from _among((*path, "devices"), user.devices, devices, "device")
        for place, name in enumerate(user.devices):
            if holders.get(name, user.id) != user.id:
                yield _wrong((*path, "devices", place), name, f"already a device of {holders[name]}")
            holders.setdefault(name, user.id)
        home = clusters.get(user.home_cluster)
        if home:
            services = [each.name for each in home.service_profiles]
            profiles = [each.name for each in home.user_profiles]
            yield from _one(
                (*path, "service_profile"), user.service_profile, services, "service profile of its cluster"
            )
            yield from _one((*path, "user_profile"), user.user_profile, profiles, "user profile of its cluster")


def _devices(inventory: Inventory) -> Iterator[Mistake]:
    clusters = {each.name: each for each in inventory.unified_cm}
    users = dict.fromkeys(user.id for user in inventory.users)
    for index, device in enumerate(inventory.devices):
        path: FieldPath = ("devices", index)
        yield from _one((*path, "owner"), device.owner, users, "user")
        yield from _one((*path, "cluster"), device.cluster, clusters, "Unified CM cluster")
        try:
            device_type(device.type, device.firmware)
        except ReleaseError as error:
            yield _wrong((*path, "firmware"), str(device.firmware), f"expected {error}")
        cluster = clusters.get(device.cluster)
        if cluster:
            profiles = [each.name for each in cluster.security_profiles]
            what = "phone security profile of its cluster"
            yield from _one((*path, "security_profile"), device.security_profile, profiles, what)


def _device_hosts(inventory: Inventory) -> Iterator[Mistake]:
    devices = {device.name: device for device in inventory.devices}
    machines: dict[str, str] = {}
    for index, client in enumerate(inventory.clients):
        path: FieldPath = ("clients", index)
        yield from _one((*path, "device"), client.device, devices, "device")
        device = devices.get(client.device or "")
        if device is None:
            continue
        if device.name in machines:
            yield _wrong((*path, "device"), device.name, f"already the device of {machines[device.name]}")
        machines.setdefault(device.name, client.name)
        try:
            family = device.family
        except ReleaseError:  # told of the device
            continue
        if family == "jabber":
            yield _wrong(
                (*path, "device"), device.name, "expected a phone or room device; Jabber uses the device of its user"
            )
        elif client.platform != family:
            yield _wrong(
                (*path, "platform"), client.platform, f"expected {family}: {device.name} is a {device.product}"
            )


def _records(inventory: Inventory) -> Iterator[Mistake]:
    wrong = False
    for index, record in enumerate(inventory.dns.extra):
        reason = _VALUES[record.type](record.value)
        if reason:
            wrong = True
            yield _wrong(("dns", "extra", index, "value"), record.value, reason)
    if wrong:
        return
    held: dict[tuple[str, str], set[str]] = {}
    views: tuple[View, ...] = ("inside", "outside")
    for view in views:
        for each in zone_records(inventory, view):
            held.setdefault((view, each.name.lower()), set()).add(each.text if each.type == "CNAME" else each.type)
    for index, record in enumerate(inventory.dns.extra):
        others = held[record.view, record.name.lower()] - {f"CNAME {record.value}"}
        if record.type == "CNAME" and others:
            rest = " and ".join(sorted(others))
            told = f"a CNAME must be the only record of its name, which also has {rest} (see dns.without)"
            yield _wrong(("dns", "extra", index, "name"), record.name, told)


def _an_address(version: int, text: str) -> str | None:
    try:
        right = ipaddress.ip_address(text).version == version and "%" not in text
    except ValueError:
        right = False
    return None if right else f"expected an IPv{version} address"


def _a_name(text: str) -> str | None:
    return None if is_dns_name(text) else "expected a name without a final dot"


def _an_srv(text: str) -> str | None:
    parts = text.split()
    numbers = parts[:3]
    if len(parts) == 4 and all(re.fullmatch("[0-9]{1,5}", each) and int(each) < 65536 for each in numbers):
        return _a_name(parts[3])
    return "expected priority, weight, port and target, such as 10 10 8443 expe.example.com"


_VALUES: dict[str, Any] = {
    "A": lambda text: _an_address(4, text),
    "AAAA": lambda text: _an_address(6, text),
    "CNAME": _a_name,
    "PTR": _a_name,
    "SRV": _an_srv,
}


def _certificates(plan: Plan, inventory: Inventory) -> Iterator[Mistake]:
    hosts = {machine.name: (kind, machine) for _, kind, machine in machine_paths(inventory)}
    presenting = [name for name, (kind, _) in hosts.items() if services_of(kind)]
    for index, certificate in enumerate(plan.certificates):
        path: FieldPath = ("certificates", index)
        yield from _one((*path, "host"), certificate.host, presenting, "host with certificates")
        if certificate.host in presenting:
            kind, machine = hosts[certificate.host]
            services = services_of(kind)
            yield from _one((*path, "service"), certificate.service, services, f"service of {certificate.host}")
            yield from _certificate(path, certificate, kind, machine)


def _subject_names(certificates: Sequence[Certificate]) -> Iterator[Mistake]:
    for index, certificate in enumerate(certificates):
        for place, name in enumerate(certificate.names):
            if name not in certificate.extra_names and not _a_subject_name(name):
                yield _wrong(("certificates", index, "names", place), name, SUBJECT_NAME)


def _trust(plan: Plan, inventory: Inventory, certificates: Sequence[Certificate]) -> Iterator[Mistake]:
    stores = {
        machine.name: stores_of(kind, machine.platform if isinstance(machine, ClientHost) else None)
        for _, kind, machine in machine_paths(inventory)
    }
    there = [f"{each.host}/{each.service}" for each in certificates]
    trusting = [name for name, has in stores.items() if has]
    for index, store in enumerate(plan.trust):
        path: FieldPath = ("trust", index)
        yield from _one((*path, "host"), store.host, trusting, "host with trust stores")
        if store.host in trusting:
            yield from _one((*path, "store"), store.store, stores[store.host], f"trust store of {store.host}")
        usual = stores.get(store.host, {}).get(store.store, ())
        yield from _trust_store(path, store, usual, [*AUTHORITIES, *there])


def _certificate(path: FieldPath, certificate: plans.Certificate, kind: str, machine: Machine) -> Iterator[Mistake]:
    for field, names in (("names", certificate.names or ()), ("extra_names", certificate.extra_names)):
        for place, name in enumerate(names):
            if not _a_subject_name(name):
                yield _wrong((*path, field, place), name, SUBJECT_NAME)
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
        yield _wrong((*path, "service"), certificate.service, f"a separate client certificate requires {separate}")


def _trust_store(
    path: FieldPath, store: plans.TrustStore, usual: Iterable[str], known: Collection[str]
) -> Iterator[Mistake]:
    for field in ("holds", "adds", "lacks", "pending"):
        yield from _among((*path, field), getattr(store, field) or (), known, "CA or host/service")
    if store.store in FIXED and (store.adds or store.lacks or store.pending or store.holds not in (None, tuple(usual))):
        yield _wrong((*path, "store"), store.store, f"this list cannot be changed; it contains {', '.join(usual)}")
    for field, others in (("lacks", ("adds",)), ("pending", ("holds", "adds", "lacks"))):
        for other in others:
            for place, name in enumerate(getattr(store, field)):
                if name in (getattr(store, other) or ()):
                    yield _wrong((*path, field, place), name, f"also listed in {other}")


def _a_subject_name(name: str) -> bool:
    kind, colon, value = name.partition(":")
    if kind == "IP":
        return _an_address(4, value) is None or _an_address(6, value) is None
    if colon and kind in ("SRV", "XMPP", "URI", "EMAIL"):
        return 0 < len(value) < 254 and value.isascii()
    value = value if kind == "DNS" else name
    return 0 < len(value) < 254 and value.isascii() and value.isprintable() and not value[0].isspace()


def _wrong(path: FieldPath, value: str, reason: str) -> Mistake:
    return Mistake(path=path, value=value, reason=reason)


def _twice(path: FieldPath, field: str, values: Iterable[str], what: str) -> Iterator[Mistake]:
    seen: dict[str, None] = {}
    for index, value in enumerate(values):
        if value in seen:
            yield _wrong((*path, index, field), value, f"duplicate {what}")
        seen[value] = None


def _one(path: FieldPath, value: str | None, allowed: Collection[str], what: str) -> Iterator[Mistake]:
    if value is not None and value not in allowed:
        known = list(allowed)
        listed = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
        yield _wrong(path, value, f"no such {what}; known: {listed or 'none'}")


def _among(path: FieldPath, values: Iterable[str], allowed: Collection[str], what: str) -> Iterator[Mistake]:
    for index, value in enumerate(values):
        yield from _one((*path, index), value, allowed, what)
