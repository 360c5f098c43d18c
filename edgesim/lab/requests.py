"""The signing request that a product's tool makes for a service of a deployment, with the reason of each name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from edgesim.deployment import Deployment
from edgesim.deployment.features import gate
from edgesim.deployment.hosts import Expressway, ExpresswayC
from edgesim.deployment.plan.security import Certificate
from edgesim.deployment.releases import Product
from edgesim.deployment.services import services_of
from edgesim.deployment.subject_names import SubjectName, profiles_in_the_way, subject_names
from edgesim.lab.certificates import KEYS, profile_of
from edgesim.pki import Request
from edgesim.pki.keys import PrivateKey, new_key
from edgesim.pki.names import qualified
from edgesim.pki.request import create
from edgesim.world.entropy import Entropy


class RequestRefused(Exception):
    """The product makes no request; the text says why, ``advice`` what to do."""

    def __init__(self, text: str, advice: str) -> None:
        super().__init__(text)
        self.advice = advice


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRequest:
    """A request in PEM with its key; ``names`` are the SANs that it asks for, each with its reason."""

    host: str
    service: str
    request: Request
    names: tuple[SubjectName, ...]
    key: PrivateKey
    pem: bytes


def request_for(
    deployment: Deployment, host: str, service: str | None = None, *, discovered: bool | Collection[str] = True
) -> ServiceRequest:
    """Return the request for a service's certificate (None: the host's first service).

    ``discovered`` says whether Expressway-C knows the IM and Presence servers yet, or which, see `subject_names`. The
    key is drawn from the names of deployment, host and service: always the same, and no secret. Raises `LookupError`
    for a host or service that is not there, and `RequestRefused` where the product's tool makes no request.
    """
    spec = deployment.host(host)
    services = services_of(spec.kind)
    if not services:
        raise LookupError(f"{host} has no certificates")
    if service is not None and service not in services:
        raise LookupError(f"{host} has no service {service!r}; known: {', '.join(services)}")
    chosen = service or services[0]
    separate = gate("separate client certificate", Product.EXPRESSWAY)
    if isinstance(spec.spec, Expressway) and chosen == "client" and separate and not separate.open(spec.spec.release):
        raise RequestRefused(
            f"{host} is {spec.spec.release}: a client certificate of its own comes with {separate}",
            "The server certificate serves for both sides.",
        )
    written = _written(deployment, host, chosen)
    if isinstance(spec.spec, ExpresswayC):
        barred = profiles_in_the_way(deployment, spec.spec.release)
        if barred:
            raise RequestRefused(
                f"Expressway-C {spec.spec.release} makes no request: phone security profile {barred[0]!r} has not the "
                "form of an FQDN",
                "Give it a name such as secure.example.com, in Unified CM and wherever a device refers to it.",
            )
    derived = subject_names(
        deployment,
        spec.spec,
        chosen,
        form=written.registration_domain_form,
        alias_form=written.chat_alias_form,
        discovered=discovered,
    )
    names = tuple(replace(each, name=qualified(each.name)) for each in _with_written(written, derived))
    request = Request(
        common_name=written.common_name or spec.fqdn,
        names=tuple(each.name for each in names),
        profile=profile_of(spec, chosen),
    )
    kind = KEYS[written.key or deployment.defaults.tls.key]
    key = new_key(Entropy(0, f"edgesim request {deployment.name} {host} {chosen}"), kind)
    pem = create(request, key)
    return ServiceRequest(host=host, service=chosen, request=request, names=names, key=key, pem=pem)


def _written(deployment: Deployment, host: str, service: str) -> Certificate:
    """Return what the deployment's author wrote of a certificate."""
    for each in deployment.plan.certificates:
        if (each.host, each.service) == (host, service):
            return each
    return Certificate(host=host, service=service)


def _with_written(written: Certificate, derived: tuple[SubjectName, ...]) -> tuple[SubjectName, ...]:
    """Add what the deployment's author wrote: extra names, names to leave out, or all of them."""
    reasons = {each.name.lower(): each.reason for each in derived}
    wanted = written.names
    if wanted is None:
        found = dict.fromkeys((*(each.name for each in derived), *written.extra_names))
        wanted = tuple(name for name in found if name not in written.without_names)
    return tuple(
        SubjectName(name=name, reason=reasons.get(name.lower(), "written in the deployment")) for name in wanted
    )
