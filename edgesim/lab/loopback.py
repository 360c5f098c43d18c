"""Adapts a deployment to the live world: addresses on the loopback network, DNS on a port that may be bound."""

from __future__ import annotations

import socket

from edgesim.deployment import Deployment
from edgesim.world import Capability, UnsupportedError

UNPRIVILEGED_DNS = 10053
"""The port of DNS when 53 is refused, as without the right to bind low ports."""


def loopback_address(address: str, network: str = "127.0") -> str:
    """Return the loopback address that stands for an IPv4 address: its last two octets after those of ``network``."""
    octets = address.split(".")
    return address if octets[0] == "127" else f"{network}.{octets[2]}.{octets[3]}"


def on_loopback(deployment: Deployment, *, network: str = "127.0", dns_port: int | None = None) -> Deployment:
    """Return the deployment with loopback addresses, those that it has already kept.

    ``dns_port`` is used as given; by default DNS has port 53 if this process may bind it. Raises `ValueError` if two
    addresses would become one, `UnsupportedError` for address translation, which the live world lacks.
    """
    if deployment.translates:
        raise UnsupportedError(Capability.NAT)
    mapping: dict[str, str] = {}
    for spec in deployment.host_specs():
        for interface in spec.interfaces:
            if ":" in interface.address:
                raise ValueError(f"{interface.address} of {spec.name}: live labs are of IPv4")
            wanted = loopback_address(interface.address, network)
            if wanted in mapping.values():
                taken = next(old for old, new in mapping.items() if new == wanted)
                raise ValueError(
                    f"{interface.address} of {spec.name} and {taken} would both be {wanted}: live labs keep the last "
                    "two octets, so these must differ"
                )
            mapping[interface.address] = wanted
    moved = deployment.relocated(mapping)
    if dns_port is not None:
        return moved.changed({"defaults.ports.dns": dns_port})
    if may_bind(moved.dns.outside.address, moved.defaults.ports.dns):
        return moved
    return moved.changed({"defaults.ports.dns": UNPRIVILEGED_DNS})


def may_bind(address: str, port: int) -> bool:
    """Return whether this process has the right to bind a UDP port; one that is taken counts as allowed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, port))
        except PermissionError:
            return False
        except OSError:
            return True
    return True
