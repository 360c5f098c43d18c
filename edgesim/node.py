"""The base of products and clients: a host, its journal, the deployment, certificates and trust stores."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from edgesim.deployment import Defaults, Deployment, HostSpec
from edgesim.journal import Recorder
from edgesim.pki import Identity, Installed, TlsOptions, TrustStore, Upload
from edgesim.pki.keys import PrivateKey
from edgesim.world import Host

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


class ServiceTarget(Protocol):
    """The data of an SRV record (`edgesim.dns.Srv`)."""

    @property
    def priority(self) -> int: ...

    @property
    def weight(self) -> int: ...

    @property
    def port(self) -> int: ...

    @property
    def target(self) -> str: ...


class RecordLike(Protocol):
    """A resource record (`edgesim.dns.Record`)."""

    def text(self) -> str: ...


class AnswerLike(Protocol):
    """What the DNS says to a question (`edgesim.dns.Answer`): true where there are records."""

    def __bool__(self) -> bool: ...

    @property
    def status(self) -> Enum: ...

    @property
    def records(self) -> Sequence[RecordLike]: ...

    @property
    def services(self) -> Sequence[ServiceTarget]: ...


class ResolverLike(Protocol):
    """The resolver of a node (`edgesim.dns.Resolver`)."""

    def query(self, name: str, qtype: str) -> Awaitable[AnswerLike]: ...

    def srv(self, name: str) -> Awaitable[Sequence[ServiceTarget]]: ...

    def lookup(self, name: str) -> Awaitable[Sequence[str]]: ...

    def reverse(self, address: str) -> Awaitable[Sequence[str]]: ...


@dataclass(slots=True, kw_only=True)
class Node:
    """One host of the lab. ``spec`` is its part of the deployment.

    ``identities`` are its certificates by service (``server``, ``tomcat``, ``callmanager``, ``cup-xmpp``), ``trusts``
    its trust stores by name (``trusted-ca``, ``tomcat-trust``, ``callmanager-trust``, ``cup-xmpp-trust``, ``system``).
    ``uploads`` came after the last start and take effect once services are restarted, see `edgesim.pki.uploads`;
    ``requested`` are the keys of signing requests that wait for their certificates.
    """

    host: Host
    journal: Recorder
    deployment: Deployment
    spec: HostSpec
    resolver: ResolverLike
    identities: dict[str, Identity] = field(default_factory=dict)
    trusts: dict[str, TrustStore] = field(default_factory=dict)
    uploads: list[Upload] = field(default_factory=list)
    requested: dict[str, PrivateKey] = field(default_factory=dict)
    keylog: str | None = None

    @property
    def name(self) -> str:
        """The host's name in the lab."""
        return self.spec.name

    @property
    def fqdn(self) -> str:
        """The host's fully qualified name."""
        return self.spec.fqdn

    @property
    def installed(self) -> Installed:
        """Certificates and trust stores, including those that wait for a restart."""
        return Installed(self.identities, self.trusts, self.uploads)

    @property
    def defaults(self) -> Defaults:
        """The named defaults of the deployment."""
        return self.deployment.defaults

    def tls_options(self, *, partial_chain: bool = False, first_match: bool = False) -> TlsOptions:
        """Return a product's TLS options: the versions that the deployment allows, and the chain settings."""
        tls = self.defaults.tls
        return TlsOptions(
            minimum=VERSIONS[tls.minimum_version],
            maximum=VERSIONS[tls.maximum_version],
            partial_chain=partial_chain,
            first_match=first_match,
        )
