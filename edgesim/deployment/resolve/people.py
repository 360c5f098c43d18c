"""The people of a deployment: where users are at home, and the devices that they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgesim.deployment.device_models import CURRENT, DEVICE_TYPES, JABBER_PREFIXES, DeviceKind
from edgesim.deployment.hosts import ImPresenceCluster
from edgesim.deployment.mistakes import FieldPath
from edgesim.deployment.mra import Domains
from edgesim.deployment.people import Device, User
from edgesim.deployment.plan import people as plans
from edgesim.deployment.plan.model import Plan
from edgesim.deployment.resolve.resolution import Derived, Resolution


def users(
    plan: Plan, resolution: Resolution, domains: Domains, im_presence: Sequence[ImPresenceCluster]
) -> tuple[User, ...]:
    """Return every user with a home: a cluster, a node, an address, devices."""
    owned: dict[str, dict[str, FieldPath]] = {}
    for index, device in enumerate(plan.devices):
        if device.owner:
            owned.setdefault(device.owner, {})[device.name] = ("devices", index, "owner")
    chat: dict[str, list[str]] = {}
    for cluster in im_presence:
        chat.setdefault(cluster.unified_cm, []).extend(node.name for node in cluster.nodes)
    return tuple(
        _user(plan, resolution, domains, index, owned.get(written.id, {}), chat)
        for index, written in enumerate(plan.users)
    )


def _user(
    plan: Plan,
    resolution: Resolution,
    domains: Domains,
    index: int,
    owned: Mapping[str, FieldPath],
    chat: Mapping[str, Sequence[str]],
) -> User:
    written, path = plan.users[index], ("users", index)
    cluster = written.home_cluster or plan.unified_cm[0].name
    nodes = chat.get(cluster, ()) if written.im_presence else ()
    mail = written.mail or f"{written.id}@{domains.edge}"
    return resolution.part(
        User,
        written,
        path,
        home_cluster=written.home_cluster or Derived(cluster, ("unified_cm", 0, "name"), "the first cluster"),
        mail=written.mail or Derived(mail, (*path, "id"), "the id at the edge domain"),
        directory_uri=written.directory_uri or Derived(mail, (*path, "mail"), "the mail address"),
        im_presence_node=written.im_presence_node
        or (
            Derived(nodes[index % len(nodes)], ("im_presence",), "the nodes of the home cluster in turn")
            if nodes
            else None
        ),
        devices=_devices_of(written, resolution, path, owned),
    )


def _devices_of(written: plans.User, resolution: Resolution, path: FieldPath, owned: Mapping[str, FieldPath]) -> object:
    if written.devices is None:
        if owned:
            return Derived(tuple(owned), next(iter(owned.values())), "the devices with this owner")
        return Derived((f"CSF{written.id.upper()}",), (*path, "id"), "CSF and the id")
    more = [name for name in owned if name not in written.devices]
    for place, name in enumerate(more, start=len(written.devices)):
        resolution.note((*path, "devices", place), owned[name], "a device with this owner")
    return (*written.devices, *more)


def devices(plan: Plan, resolution: Resolution, users: Sequence[User]) -> tuple[Device, ...]:
    """Return every device: those that are written, and those of Jabber that only the list of a user names."""
    written = {device.name: device for device in plan.devices}
    owners: dict[str, tuple[int, int]] = {}
    for index, user in enumerate(users):
        for place, name in enumerate(user.devices):
            owners[name] = (index, place)
            if name not in written and (kind := _kind_of(name)):
                resolution.note(
                    ("devices", len(written)), ("users", index, "devices", place), "a device of a user's list"
                )
                written[name] = plans.Device.model_construct(name=name, type=kind)
    return tuple(
        _device(plan, resolution, users, device, ("devices", index), owners.get(device.name))
        for index, device in enumerate(written.values())
    )


def _device(
    plan: Plan,
    resolution: Resolution,
    users: Sequence[User],
    written: plans.Device,
    path: FieldPath,
    owner: tuple[int, int] | None,
) -> Device:
    values: dict[str, object] = {}
    cluster = Derived(plan.unified_cm[0].name, ("unified_cm", 0, "name"), "the first cluster")
    if owner is not None:
        index, place = owner
        user, at = users[index], ("users", index)
        values["owner"] = written.owner or Derived(user.id, (*at, "devices", place), "who has it")
        if user.numbers:
            values["line"] = written.line or Derived(user.numbers[0], (*at, "numbers", 0), "the owner's first number")
        cluster = Derived(user.home_cluster, (*at, "home_cluster"), "the owner's home cluster")
        values["description"] = written.description or Derived(user.display_name, at, "the owner's name")
    current = CURRENT.get(DEVICE_TYPES[written.type][0].software)
    if current is not None:
        values["firmware"] = written.firmware or Derived(current, (*path, "type"), "a current release for its kind")
    return resolution.part(Device, written, path, cluster=written.cluster or cluster, **values)


def _kind_of(name: str) -> DeviceKind | None:
    for prefix, kind in JABBER_PREFIXES.items():
        if name.startswith(prefix):
            return kind
    return None
