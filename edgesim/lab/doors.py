"""Applies a deployment's limits of connections to a world."""

from __future__ import annotations

from edgesim.deployment import Deployment
from edgesim.deployment.defaults import Defaults
from edgesim.world import Capability, World, machine
from edgesim.world.admission import Limits


def install(world: World, deployment: Deployment) -> None:
    """Set the limits of connections; a live world also stays below this process's limit of descriptors."""
    total = None
    if Capability.EXTERNAL_CLIENTS in world.capabilities:
        total = affordable(deployment, one_host=world.one_host)
    world.admission.products = frozenset(spec.name for spec in deployment.host_specs() if spec.kind != "client")
    world.admission.limits = limits(deployment.defaults, total=None if total is None else max(total, 1))


def limits(defaults: Defaults, *, total: int | None = None) -> Limits:
    """Return the limits of connections that these defaults say, with ``total`` for all ports together."""
    return Limits(
        per_port=defaults.doors.connections_per_port,
        per_address=defaults.doors.connections_per_address,
        total=total,
        waiting=defaults.doors.waiting,
        handshake_s=defaults.tls.handshake_timeout_s,
        report_every_s=defaults.doors.refusals_report_s,
        blocks=defaults.protection.addresses,
    )


def affordable(deployment: Deployment, *, one_host: bool) -> int | None:
    """Return how many connections of clients a process has descriptors for; None where there is no limit.

    ``one_host`` says that it runs one host alone. Negative where they do not even suffice for the lab itself.
    """
    found = machine.descriptors()
    if found is None:
        return None
    doors = deployment.defaults.doors
    servers = 1 if one_host else sum(spec.kind != "client" for spec in deployment.host_specs())
    own = doors.descriptors_base + doors.descriptors_per_server * servers
    return (found[0] - own) // doors.descriptors_per_connection
