"""The private CAs of this installation, for the domains of a deployment."""

from __future__ import annotations

from pathlib import Path

from edgesim.cli.problems import Problem
from edgesim.deployment import Deployment
from edgesim.deployment.subject_names import has_form_of_fqdn
from edgesim.pki import Authorities, PkiError
from edgesim.pki.installation import installation_authorities
from edgesim.world import machine


def authorities_for(deployment: Deployment, directory: Path, *, plain: bool = False) -> Authorities:
    """Return the CAs that are kept in a state directory; those that are missing are made.

    ``plain`` leaves out name constraints. Raises `Problem` and `OSError`.
    """
    domains = [deployment.domains.edge, deployment.domains.inside, *_more_domains(deployment)]
    try:
        return installation_authorities(
            directory / "ca",
            domains=[domain for domain in dict.fromkeys(domains) if domain],
            randomness=machine.randomness(),
            now=machine.today(),
            plain=plain,
        )
    except PkiError as error:
        raise Problem(str(error)) from None


def _more_domains(deployment: Deployment) -> list[str]:
    """Return the further domains of names in certificates, beside the edge's and the inside's.

    Names that the author wrote into a certificate do not count: the private CAs may not certify them.
    """
    found = [each.name for each in deployment.domains.enabled]
    found += [domain for cluster in deployment.im_presence for domain in cluster.presence_domains]
    found += [spec.fqdn.partition(".")[2] for spec in deployment.host_specs() if spec.kind != "client"]
    found += [
        name for name in (deployment.mra.expressway_e_cluster, deployment.mra.expressway_c_cluster) if name is not None
    ]
    found = [name for name in found if "." in name]
    derived = [alias for cluster in deployment.im_presence for alias in cluster.chat_aliases]
    derived += [
        profile.name
        for cluster in deployment.unified_cm
        for profile in cluster.security_profiles
        if profile.mode == "encrypted" and has_form_of_fqdn(profile.name)
    ]
    # Only those that no domain covers: another set of domains needs another root, and users would have to trust it.
    covering = [*found, deployment.domains.edge, deployment.domains.inside]
    return found + [name for name in derived if not any(name == each or name.endswith(f".{each}") for each in covering)]
