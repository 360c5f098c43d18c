"""Certificates uploaded to a host that take effect only after services are restarted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509

from edgesim.pki.identity import Identity
from edgesim.pki.trust import TrustStore


@dataclass(slots=True, kw_only=True)
class Upload:
    """One upload: certificates for the trust store ``store``, or an ``identity`` for the service of that name.

    ``restarted`` are the services of the host restarted since, each once.
    """

    store: str
    trusted: tuple[x509.Certificate, ...] = ()
    identity: Identity | None = None
    restarted: list[str] = field(default_factory=list)

    def counts(self, services: Sequence[str]) -> bool:
        """Return whether all of these were restarted since."""
        return all(each in self.restarted for each in services)


@dataclass(frozen=True, slots=True)
class Installed:
    """The certificates and trust stores of one host: those in effect, and those that wait for a restart.

    ``identities`` are its certificates by service, ``trusts`` its stores by name, both as loaded at start; ``uploads``
    came later, the last one last. The host owns all three: `take_up` changes them.
    """

    identities: dict[str, Identity]
    trusts: dict[str, TrustStore]
    uploads: list[Upload]

    def identity(self, service: str, services: Sequence[str]) -> Identity:
        """Return a service's certificate as seen on a port that depends on ``services``."""
        found = self.identities[service]
        for each in self.uploads:
            if each.store == service and each.identity is not None and each.counts(services):
                found = each.identity
        return found

    def trust(self, store: str, services: Sequence[str]) -> TrustStore:
        """Return a trust store as seen on a port that depends on ``services``."""
        found = self.trusts[store]
        for each in self.uploads:
            if each.store == store and each.trusted and each.counts(services):
                found = found.plus(*(one for one in each.trusted if one not in found))
        return found

    def newest(self, service: str) -> Identity | None:
        """Return a service's most recently uploaded certificate, in effect or not."""
        new = [each.identity for each in self.uploads if each.store == service and each.identity is not None]
        return new[-1] if new else self.identities.get(service)

    def after_restart(self, store: str) -> TrustStore:
        """Return a trust store as it will be after the next restart of the host."""
        return self.trust(store, ())

    def restarted(self, services: Sequence[str]) -> None:
        """Record that these services were restarted."""
        for upload in self.uploads:
            upload.restarted += [each for each in services if each not in upload.restarted]

    def take_up(self) -> None:
        """Apply all uploads: the host restarts."""
        for upload in self.uploads:
            if upload.identity is not None:
                self.identities[upload.store] = upload.identity
            elif upload.store in self.trusts:
                self.trusts[upload.store] = self.after_restart(upload.store)
        self.uploads.clear()
