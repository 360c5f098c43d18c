"""Prints a deployment, as text or JSON."""

from __future__ import annotations

from typing import Any

from edgesim.cli import drawing, output
from edgesim.deployment import Deployment, HostSpec
from edgesim.deployment.dump import MASK
from edgesim.deployment.hosts import ClientHost, Expressway
from edgesim.deployment.people import Device
from edgesim.deployment.releases import Release


def show(deployment: Deployment, *, secrets: bool) -> None:
    """Print hosts, users and both views of the DNS."""
    output.say(f"{deployment.name}: {deployment.description}".rstrip(": "), bold=True)
    output.say()
    hosts = output.table("host", "role", "release", "address", "zone", "name")
    for spec in deployment.host_specs():
        own = spec.spec.release if isinstance(spec.spec, Expressway | ClientHost) else None
        release = own or _cluster_release(deployment, spec.cluster)
        shown = (spec.name, _role(deployment, spec), _release(deployment, spec, release))
        for interface in spec.interfaces:
            hosts.add_row(*shown, interface.address, interface.zone, spec.fqdn if shown[0] else "")
            shown = ("", "", "")
    output.show(hosts)
    output.say()
    walls = output.table("firewall", "between", "rules", "closed", "NAT")
    for wall in deployment.network.firewalls:
        nat = [*wall.nat, *(["reflection"] if wall.reflection else [])]
        rules = "\n".join([*wall.rules, f"otherwise {wall.otherwise}"])
        walls.add_row(wall.name, " / ".join(wall.between), rules, "\n".join(wall.closed), "\n".join(nat))
    output.show(walls)
    output.say()
    users = output.table("user", "password", "name", "number", "devices")
    for user in deployment.users:
        password = user.password if secrets else MASK
        users.add_row(user.id, password, user.display_name, ", ".join(user.numbers), ", ".join(user.devices))
    output.show(users)
    output.say()
    records = output.table("view", "DNS name", "type", "value")
    for view in ("outside", "inside"):
        for record in deployment.zone_records(view):
            if record.type == "PTR":
                continue
            value = " ".join(map(str, record.value)) if isinstance(record.value, tuple) else record.value
            records.add_row(view, record.name, record.type, value)
    output.show(records)


def _device(deployment: Deployment, spec: HostSpec) -> Device | None:
    machine = spec.spec
    return deployment.device(machine.device) if isinstance(machine, ClientHost) and machine.device else None


def _role(deployment: Deployment, spec: HostSpec) -> str:
    device = _device(deployment, spec)
    return f"{device.product} {device.name}" if device else drawing.role(spec)


def _release(deployment: Deployment, spec: HostSpec, release: Release | None) -> str:
    device = _device(deployment, spec)
    return (device.firmware or "current") if device else str(release or "")


def _cluster_release(deployment: Deployment, name: str | None) -> Release | None:
    clusters: list[Any] = [*deployment.unified_cm, *deployment.im_presence]
    return next((each.release for each in clusters if each.name == name), None)
