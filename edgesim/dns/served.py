"""The views that a deployment's name servers serve: one maker for the lab and for the checks of a deployment."""

from __future__ import annotations

from edgesim.deployment import Deployment, base
from edgesim.dns.zone import View


def served(deployment: Deployment, view: base.View) -> View:
    """Return the contents of one view of the name server."""
    server = deployment.dns.inside if view == "inside" else deployment.dns.outside
    return View(
        view,
        deployment.zone_records(view),
        server=server.fqdn,
        negative_ttl=deployment.defaults.dns.negative_ttl,
    )
