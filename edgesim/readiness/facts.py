"""What several rules ask of a deployment."""

from __future__ import annotations

from edgesim.deployment import Deployment, HostSpec
from edgesim.deployment.records import Record
from edgesim.journal.matchers import Test, one_of


def clients(deployment: Deployment, *, outside: bool) -> tuple[HostSpec, ...]:
    """Return the client machines that ask the outside name servers (or, with ``outside`` false, the inside ones)."""
    view = "outside" if outside else "inside"
    return tuple(spec for spec in deployment.host_specs() if spec.kind == "client" and spec.view == view)


def any_client(deployment: Deployment, *, outside: bool = True) -> Test:
    """Return a condition on a host's name: one of the client machines outside (or inside)."""
    return one_of(*(spec.name for spec in clients(deployment, outside=outside)))


def record(deployment: Deployment, view: str, name: str, kind: str) -> Record | None:
    """Return the first record of a name and type in one view of the DNS, None where there is none."""
    for each in deployment.zone_records("inside" if view == "inside" else "outside"):
        if each.name.lower() == name.lower() and each.type == kind:
            return each
    return None
