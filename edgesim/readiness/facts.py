"""What several rules ask of a deployment."""

from __future__ import annotations

from edgesim.deployment import Deployment, HostSpec, Product, closed
from edgesim.deployment.hosts import View
from edgesim.deployment.mra import EnabledDomain
from edgesim.deployment.records import Record, reverse_name
from edgesim.journal.matchers import DnsAnswer, HttpRequest, HttpResponse, Test, containing, one_of
from edgesim.readiness.rule import Prediction


def clients(deployment: Deployment, *, outside: bool) -> tuple[HostSpec, ...]:
    """Return the client machines that ask the outside name servers (or, with ``outside`` false, the inside ones)."""
    view = "outside" if outside else "inside"
    return tuple(spec for spec in deployment.host_specs() if spec.kind == "client" and spec.view == view)


def any_client(deployment: Deployment, *, outside: bool = True) -> Test:
    """Return a condition on a host's name: one of the client machines outside (or inside)."""
    return one_of(*(spec.name for spec in clients(deployment, outside=outside)))


def anybody(deployment: Deployment) -> Test:
    """Return a condition on a host's name: one of the client machines, wherever they are."""
    return one_of(*(spec.name for spec in deployment.host_specs() if spec.kind == "client"))


def edges(deployment: Deployment) -> Test:
    """Return a condition on a host's name: one of the Expressway-Es."""
    return one_of(*(edge.name for edge in deployment.expressway_e))


def cores(deployment: Deployment) -> Test:
    """Return a condition on a host's name: one of the Expressway-Cs."""
    return one_of(*(core.name for core in deployment.expressway_c))


def mra_domains(deployment: Deployment) -> tuple[EnabledDomain, ...]:
    """Return the domains in which clients may sign in: chat alone counts, federation alone does not."""
    enabled = deployment.domains.enabled
    return tuple(each for each in enabled if each.unified_cm_registrations or each.im_and_presence)


def cores_without(deployment: Deployment, feature: str) -> tuple[int, ...]:
    """Return the places in ``expressway_c`` of the peers whose release does not have a feature of the gates."""
    return tuple(
        index
        for index, core in enumerate(deployment.expressway_c)
        if closed(feature, {Product.EXPRESSWAY: core.release})
    )


# ---- DNS


def records(deployment: Deployment, view: View, name: str, kind: str) -> tuple[Record, ...]:
    """Return the records of a name and type in one view of the DNS."""
    wanted = name.lower().rstrip(".")
    return tuple(
        each for each in deployment.zone_records(view) if each.name.lower() == wanted and each.type == kind
    )  # fmt: skip


def record(deployment: Deployment, view: View, name: str, kind: str) -> Record | None:
    """Return the first record of a name and type in one view of the DNS, None where there is none."""
    return next(iter(records(deployment, view, name, kind)), None)


def targets(deployment: Deployment, view: View, name: str) -> tuple[str, ...]:
    """Return the targets of an SRV name in one view, in lower case."""
    found = (each.value for each in records(deployment, view, name, "SRV"))
    return tuple(value[3].lower() for value in found if isinstance(value, tuple))


def addresses(deployment: Deployment, view: View, name: str) -> tuple[str, ...]:
    """Return the IPv4 addresses of a name in one view, through aliases."""
    for _ in range(8):
        alias = record(deployment, view, name, "CNAME")
        if alias is None:
            break
        name = str(alias.value)
    return tuple(str(each.value) for each in records(deployment, view, name, "A"))


def reverse(deployment: Deployment, view: View, address: str) -> tuple[str, ...]:
    """Return the names of an address in one view, in lower case."""
    return tuple(str(each.value).lower() for each in records(deployment, view, reverse_name(address), "PTR"))


def field_of(deployment: Deployment, view: View, name: str, kind: str) -> tuple[str | int, ...]:
    """Return the field that keeps a derived record of the DNS away (``dns.without[1]``), else the records as such."""
    for index, each in enumerate(deployment.dns.without):
        if (each.view, each.name.lower(), each.type) == (view, name.lower(), kind):
            return ("dns", "without", index)
    return ("dns", "extra")


def lacking(part: str) -> Test:
    """Return a condition on a DNS answer: ``part`` stands in none of its records."""
    return Test(f"lacking {part!r}", lambda found: not any(part.lower() in text.lower() for text in found))


# ---- what several rules predict


def no_uds(deployment: Deployment, domain: str) -> Prediction:
    """Predict an edge configuration that names no UDS server: the client has nowhere to go on with."""
    edge = deployment.defaults.edge
    alone = len(mra_domains(deployment)) == 1
    unknown = f"<service><name>_cisco-uds</name><error>{edge.service_error}</error></service>"
    return Prediction(
        awaits=(
            DnsAnswer(node=cores(deployment), name=f"_cisco-uds._tcp.{domain}", qtype="SRV", answers=()),
            HttpResponse(
                node=anybody(deployment), peer=edges(deployment), status=200, payload=containing(unknown)
            ),
        ),
        never=(HttpRequest(node=edges(deployment), decoded=containing("/cucm-uds/")),) if alone else (),
    )  # fmt: skip
