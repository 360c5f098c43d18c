"""Finds loopback addresses that no other lab of this machine uses, for a live lab."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from edgesim.deployment import Deployment
from edgesim.lab.loopback import UNPRIVILEGED_DNS, loopback_address

NETWORKS = tuple(f"127.{number}" for number in range(64, 255))
"""Where a lab may go, in order. The default of `edgesim up` is not among them."""
DEFAULT = "127.0"
"""Where a lab goes if there is none, as on systems whose loopback addresses are set up one by one."""
CLAIM = "255.254", 40_000
"""The address within a network, and its TCP port, by whose possession a run claims the network for itself."""


@contextmanager
def free_network(deployment: Deployment) -> Iterator[str]:
    """Claim a network in which every port of the deployment's hosts is free, for the length of a ``with`` block.

    Where there is none it is `DEFAULT`: starting the lab there names the port that is taken, and by what.
    """
    for network in NETWORKS:
        with socket.socket() as claim:
            try:
                claim.bind((f"{network}.{CLAIM[0]}", CLAIM[1]))
            except OSError:
                continue
            if is_free(deployment, network):
                yield network
                return
    yield DEFAULT


def is_free(deployment: Deployment, network: str) -> bool:
    """Return whether nothing listens on any port of the deployment at its hosts' addresses in a network."""
    numbers = deployment.defaults.ports
    media = min(numbers.turn_relay_first, numbers.media_first)  # those above are open during calls only
    ports = {port for port in numbers.model_dump().values() if port < media}
    ports.add(UNPRIVILEGED_DNS)
    return all(
        _may_listen(loopback_address(interface.address, network), port)
        for spec in deployment.host_specs()
        for interface in spec.interfaces
        if ":" not in interface.address
        for port in ports
    )


def _may_listen(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except PermissionError:
            return True  # a lab that may not bind the port does not use it
        except OSError:
            return False
    return True
