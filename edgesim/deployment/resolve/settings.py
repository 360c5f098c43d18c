"""The settings of the edge: the traversal zone between C and E, and C's configuration of the clusters."""

from __future__ import annotations

from collections.abc import Sequence

from edgesim.deployment.hosts import ExpresswayC, ExpresswayE
from edgesim.deployment.mistakes import FieldPath
from edgesim.deployment.mra import MediaProbe, Mra, TraversalZone
from edgesim.deployment.plan.model import Plan
from edgesim.deployment.resolve.resolution import Derived, Resolution


def traversal_zone(
    plan: Plan, resolution: Resolution, edges: Sequence[ExpresswayE], cores: Sequence[ExpresswayC]
) -> TraversalZone:
    """Return the zone: the peers that C dials, and the name that E requires of it."""
    written, path = plan.traversal_zone, ("traversal_zone",)
    cluster = plan.mra.expressway_c_cluster
    return resolution.part(
        TraversalZone,
        written,
        path,
        server_password=Derived(written.password, (*path, "password"), "the same as that of C")
        if written.server_password is None
        else written.server_password,
        peer_addresses=written.peer_addresses
        or Derived(tuple(each.inner_fqdn for each in edges), ("expressway_e",), "each Expressway-E by its name inside"),
        tls_verify_subject_name=written.tls_verify_subject_name
        or (
            Derived(cluster, ("mra", "expressway_c_cluster"), "the name of the Expressway-C cluster")
            if cluster
            else Derived(cores[0].fqdn, ("expressway_c", 0, "name"), "the FQDN of the first Expressway-C")
        ),
    )


def mra(plan: Plan, resolution: Resolution, edges: Sequence[ExpresswayE], cores: Sequence[ExpresswayC]) -> Mra:
    """Return the settings of C with the clusters that are added on it."""
    written = plan.mra
    return resolution.part(
        Mra,
        written,
        ("mra",),
        unified_cm_clusters=Derived(
            tuple(cluster.name for cluster in plan.unified_cm), ("unified_cm",), "every Unified CM cluster"
        )
        if written.unified_cm_clusters is None
        else written.unified_cm_clusters,
        im_presence_clusters=Derived(
            tuple(cluster.name for cluster in plan.im_presence), ("im_presence",), "every IM and Presence cluster"
        )
        if written.im_presence_clusters is None
        else written.im_presence_clusters,
        media_probe=_media_probe(plan, resolution, edges, cores),
    )


def _media_probe(
    plan: Plan, resolution: Resolution, edges: Sequence[ExpresswayE], cores: Sequence[ExpresswayC]
) -> MediaProbe | None:
    written, path = plan.mra.media_probe, ("mra", "media_probe")
    if written is None:
        return None
    edge = next((each for each in edges if each.name == written.edge), edges[0])
    first, _ = plan.defaults.ports.client_media(edge.size)
    first_port: FieldPath = ("defaults", "ports", "edge_media_first")
    return resolution.part(
        MediaProbe,
        written,
        path,
        edge=written.edge or Derived(edge.name, ("expressway_e", 0, "name"), "the first Expressway-E"),
        core=written.core or Derived(cores[0].name, ("expressway_c", 0, "name"), "the first Expressway-C"),
        edge_port=written.edge_port or Derived(first + first % 2, first_port, "the first even port for clients' media"),
    )
