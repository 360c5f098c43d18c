"""What a deployment says about the doors of its hosts, put into a world."""

from __future__ import annotations

from edgesim.deployment import Deployment
from edgesim.world import Capability, World, machine
from edgesim.world.admission import Limits


def install(world: World, deployment: Deployment) -> None:
    """Put the limits of connections in force; a live world also stays below this process's limit of descriptors."""
    doors = deployment.defaults.doors
    total = None
    if Capability.EXTERNAL_CLIENTS in world.capabilities:
        total = affordable(deployment)
    world.admission.products = frozenset(spec.name for spec in deployment.host_specs() if spec.kind != "client")
    world.admission.limits = Limits(
        per_port=doors.connections_per_port,
        per_address=doors.connections_per_address,
        total=None if total is None else max(total, 1),
        waiting=doors.waiting,
        handshake_s=deployment.defaults.tls.handshake_timeout_s,
        told_every_s=doors.refusals_told_s,
        blocks=deployment.defaults.protection.addresses,
    )


def affordable(deployment: Deployment) -> int | None:
    """Return how many connections of clients this process has descriptors for; None where there is no limit.

    Below nothing where they do not even suffice for the lab itself.
    """
    found = machine.descriptors()
    if found is None:
        return None
    doors = deployment.defaults.doors
    servers = sum(spec.kind != "client" for spec in deployment.host_specs())
    own = doors.descriptors_base + doors.descriptors_per_server * servers
    return (found[0] - own) // doors.descriptors_per_connection
