"""What every product and client is built from: its host, its pen, the deployment, and what it shows and trusts."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from edgesim.deployment import Defaults, Deployment, HostSpec
from edgesim.journal import Recorder
from edgesim.pki import Identity, TrustStore
from edgesim.world import Host


class ResolverLike(Protocol):
    """What a node asks the DNS with (`edgesim.dns.Resolver`)."""

    def query(self, name: str, qtype: str) -> Awaitable[Any]: ...

    def srv(self, name: str) -> Awaitable[Sequence[Any]]: ...

    def lookup(self, name: str) -> Awaitable[Sequence[str]]: ...


@dataclass(slots=True, kw_only=True)
class Node:
    """One host's view of the lab. ``spec`` is its own part of the deployment.

    ``identities`` are its certificates by service (``server``, ``tomcat``, ``callmanager``, ``cup-xmpp``), ``trusts``
    its trust stores by name (``trusted-ca``, ``tomcat-trust``, ``callmanager-trust``, ``cup-xmpp-trust``, ``system``).
    ``pending_trusts`` are those stores that are different after the next restart, as they are then.
    """

    host: Host
    journal: Recorder
    deployment: Deployment
    spec: HostSpec
    resolver: ResolverLike
    identities: dict[str, Identity] = field(default_factory=dict)
    trusts: dict[str, TrustStore] = field(default_factory=dict)
    pending_trusts: dict[str, TrustStore] = field(default_factory=dict)
    keylog: str | None = None

    @property
    def name(self) -> str:
        """The host's name within the lab."""
        return self.spec.name

    @property
    def fqdn(self) -> str:
        """The host's fully qualified name."""
        return self.spec.fqdn

    @property
    def defaults(self) -> Defaults:
        """Every named default of the deployment."""
        return self.deployment.defaults
