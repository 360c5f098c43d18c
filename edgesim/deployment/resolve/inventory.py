"""The machines, settings and people of a deployment, section after section: later ones look at earlier ones."""

from __future__ import annotations

from edgesim.deployment.inventory import Inventory
from edgesim.deployment.plan.model import Plan
from edgesim.deployment.resolve import people, settings
from edgesim.deployment.resolve.hosts import Hosts, domains
from edgesim.deployment.resolve.resolution import Resolution


def inventory(plan: Plan, resolution: Resolution) -> Inventory:
    """Return what follows from a plan but its network and certificates."""
    names = domains(plan, resolution)
    hosts = Hosts(plan, resolution, names)
    edges, cores = hosts.expressway_e(), hosts.expressway_c()
    im_presence = hosts.im_presence()
    users = people.users(plan, resolution, names, im_presence)
    devices = people.devices(plan, resolution, users)
    return Inventory(
        name=plan.name,
        description=plan.description,
        domains=names,
        dns=hosts.dns(),
        expressway_e=edges,
        expressway_c=cores,
        unified_cm=hosts.unified_cm(),
        im_presence=im_presence,
        unity_connection=hosts.unity_connection(),
        load_balancer=hosts.load_balancer(),
        clients=hosts.clients(devices),
        mra=settings.mra(plan, resolution, edges, cores),
        cms_web_proxy=plan.cms_web_proxy,
        traversal_zone=settings.traversal_zone(plan, resolution, edges, cores),
        ssh_tunnel=plan.ssh_tunnel,
        xcp_link=plan.xcp_link,
        users=users,
        devices=devices,
        defaults=plan.defaults,
    )
