"""What an administrator uploaded to a host and what is not in effect yet: it counts once services were restarted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509

from edgesim.pki.identity import Identity
from edgesim.pki.trust import TrustStore


@dataclass(slots=True, kw_only=True)
class Upload:
    """One upload: certificates for the trust store ``store``, or an ``identity`` for the service of that name.

    ``restarted`` are the services of the host that were restarted since, each once.
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
    """The certificates and the trust stores of one host: what is in effect, and what waits for a restart.

    ``identities`` are its certificates by service, ``trusts`` its stores by name, both as the host took them up when it
    started; ``uploads`` came since, the last one last. All three are the host's own: `take_up` changes them.
    """

    identities: dict[str, Identity]
    trusts: dict[str, TrustStore]
    uploads: list[Upload]

    def identity(self, service: str, services: Sequence[str]) -> Identity:
        """Return the certificate of a service as a port shows it for which ``services`` count."""
        found = self.identities[service]
        for each in self.uploads:
            if each.store == service and each.identity is not None and each.counts(services):
                found = each.identity
        return found

    def trust(self, store: str, services: Sequence[str]) -> TrustStore:
        """Return a trust store as a port sees it for which ``services`` count."""
        found = self.trusts[store]
        for each in self.uploads:
            if each.store == store and each.trusted and each.counts(services):
                found = found.plus(*(one for one in each.trusted if one not in found))
        return found

    def newest(self, service: str) -> Identity | None:
        """Return the certificate of a service that was uploaded last, whether it counts yet or not."""
        new = [each.identity for each in self.uploads if each.store == service and each.identity is not None]
        return new[-1] if new else self.identities.get(service)

    def after_restart(self, store: str) -> TrustStore:
        """Return a trust store as it is after the next restart of the host."""
        return self.trust(store, ())

    def restarted(self, services: Sequence[str]) -> None:
        """Note that these services were restarted."""
        for upload in self.uploads:
            upload.restarted += [each for each in services if each not in upload.restarted]

    def take_up(self) -> None:
        """Put in effect all that was uploaded: the host starts again."""
        for upload in self.uploads:
            if upload.identity is not None:
                self.identities[upload.store] = upload.identity
            elif upload.store in self.trusts:
                self.trusts[upload.store] = self.after_restart(upload.store)
        self.uploads.clear()
