"""A plan: what the author of a lab wrote, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field, PrivateAttr

from edgesim.deployment.base import Model, Text
from edgesim.deployment.defaults import Defaults
from edgesim.deployment.mistakes import FieldPath, Mistake
from edgesim.deployment.plan.hosts import (
    ClientHost,
    ExpresswayC,
    ExpresswayE,
    ImPresenceCluster,
    LoadBalancer,
    UnifiedCmCluster,
    UnityConnectionCluster,
)
from edgesim.deployment.plan.mra import Dns, Domains, Mra, TraversalZone
from edgesim.deployment.plan.network import NetworkPlan
from edgesim.deployment.plan.people import Device, User
from edgesim.deployment.plan.security import Certificate, TrustStore
from edgesim.deployment.settings import CmsWebProxy, SshTunnel, XcpLink


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """The file of a plan, and the line of each field. All origins compare equal, so plans with equal content are
    equal.
    """

    source: str = ""
    lines: Mapping[FieldPath, int] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origin)

    def __hash__(self) -> int:
        return 0


class Plan(Model):
    """A lab as its author describes it. What follows from the rest may be left out."""

    name: Text = "lab"
    description: str = Field(default="", max_length=2000)
    domains: Domains = Domains()
    dns: Dns
    expressway_e: tuple[ExpresswayE, ...] = Field(min_length=1, max_length=6)
    expressway_c: tuple[ExpresswayC, ...] = Field(min_length=1, max_length=6)
    unified_cm: tuple[UnifiedCmCluster, ...] = Field(min_length=1)
    im_presence: tuple[ImPresenceCluster, ...] = ()
    unity_connection: tuple[UnityConnectionCluster, ...] = Field(
        default=(), description="voicemail, described for the check; the lab does not play the product yet"
    )
    load_balancer: LoadBalancer | None = None
    clients: tuple[ClientHost, ...] = ()
    network: NetworkPlan = NetworkPlan()
    mra: Mra = Mra()
    cms_web_proxy: CmsWebProxy | None = None
    traversal_zone: TraversalZone = TraversalZone()
    ssh_tunnel: SshTunnel = SshTunnel()
    xcp_link: XcpLink = XcpLink()
    users: tuple[User, ...] = ()
    devices: tuple[Device, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    trust: tuple[TrustStore, ...] = ()
    defaults: Defaults = Defaults()
    _origin: Origin = PrivateAttr(default_factory=Origin)

    def model_post_init(self, context: Any, /) -> None:
        """Know the file and lines of a plan that was validated with its `Origin` as context."""
        if isinstance(context, Origin):
            self._origin = context

    @property
    def source(self) -> str:
        """The file (or its substitute) that this plan was read from; empty if there was none."""
        return self._origin.source

    def line_of(self, path: FieldPath) -> int | None:
        """Return the line of a field, or of the nearest enclosing one in the file; None without a file."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._origin.lines:
                return self._origin.lines[path[:end]]
        return None

    def placed(self, mistake: Mistake) -> Mistake:
        """Return a mistake with the file and line of its field."""
        source = self.source or mistake.source
        return Mistake(
            path=mistake.path,
            value=mistake.value,
            reason=mistake.reason,
            line=self.line_of(mistake.path),
            source=source,
        )
