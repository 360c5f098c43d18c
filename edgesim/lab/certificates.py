"""The certificates and trust stores of a deployment, minted from its authorities when a lab starts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from cryptography import x509

from edgesim.deployment import Deployment, HostSpec
from edgesim.deployment.hosts import Expressway
from edgesim.deployment.security import Certificate
from edgesim.pki import (
    CALLMANAGER,
    CLIENT_ONLY,
    CUP_XMPP,
    EXPIRED,
    EXPRESSWAY,
    NOT_YET,
    STANDARD,
    TOMCAT,
    Authorities,
    Identity,
    Profile,
    Randomness,
    Request,
    TrustStore,
    Upload,
    Usage,
    Validity,
    self_signed,
)
from edgesim.pki.names import qualified

PROFILES: dict[str, Profile] = {
    "server": EXPRESSWAY,
    "tomcat": TOMCAT,
    "callmanager": CALLMANAGER,
    "cup-xmpp": CUP_XMPP,
    "client": CLIENT_ONLY,
}
VALIDITIES: dict[str, Validity] = {"valid": STANDARD, "expired": EXPIRED, "not yet valid": NOT_YET}
KEYS = {"ec-p256": "P-256", "rsa-2048": "RSA-2048", "rsa-1024": "RSA-1024"}
XMPP_ROUTERS = "xmpp-routers"
"""The store of the certificates by which IM and Presence nodes know each other: clusters replicate these themselves, so
no deployment describes it."""
START = datetime(2026, 1, 5, 8, tzinfo=UTC)
"""The lab's start where there is no world: that of a simulated one."""


class Certificates:
    """Every identity and trust store of a lab.

    ``validity`` replaces the standard one (a live lab's is short). ``start`` is the date at lab time zero (UTC): a
    certificate that expires during a run is dated from there.
    """

    def __init__(
        self,
        deployment: Deployment,
        authorities: Authorities,
        entropy: Randomness,
        *,
        validity: Validity = STANDARD,
        start: datetime = START,
    ) -> None:
        self.authorities = authorities
        self._entropy = entropy
        self._validity = validity
        self._start = start
        self._identities: dict[tuple[str, str], Identity] = {}
        for certificate in deployment.certificates:
            request = request_of(certificate, deployment.host(certificate.host))
            self._identities[certificate.host, certificate.service] = self._mint(certificate, request)
        self._trusts: dict[tuple[str, str], TrustStore] = {}
        self._pending: dict[tuple[str, str], TrustStore] = {}
        for name in (node.name for cluster in deployment.im_presence for node in cluster.nodes):
            self._trusts[name, XMPP_ROUTERS] = self._store(
                f"{XMPP_ROUTERS} of {name}", tuple(f"{each.name}/cup-xmpp" for each in deployment.im_presence_nodes)
            )
        for store in deployment.trust:
            held = self._store(f"{store.store} of {store.host}", store.holds)
            self._trusts[store.host, store.store] = held
            if store.pending:
                self._pending[store.host, store.store] = self._store("", store.pending)

    @classmethod
    def kept(
        cls,
        authorities: Authorities,
        identities: Mapping[tuple[str, str], Identity],
        trusts: Mapping[tuple[str, str], TrustStore],
        pending: Mapping[tuple[str, str], TrustStore],
    ) -> Certificates:
        """Return what was minted earlier, each by host and service or store."""
        found = cls.__new__(cls)
        found.authorities = authorities
        found._identities, found._trusts, found._pending = dict(identities), dict(trusts), dict(pending)
        return found

    @property
    def everything(
        self,
    ) -> tuple[
        Mapping[tuple[str, str], Identity], Mapping[tuple[str, str], TrustStore], Mapping[tuple[str, str], TrustStore]
    ]:
        """Identities, trust stores, and what waits for the first restart: what `kept` takes."""
        return self._identities, self._trusts, self._pending

    def identities(self, host: str) -> dict[str, Identity]:
        """Return a host's identities by service."""
        return {service: identity for (name, service), identity in self._identities.items() if name == host}

    def trusts(self, host: str) -> dict[str, TrustStore]:
        """Return a host's trust stores by name, as they are in effect when it starts for the first time."""
        return {store: trust for (name, store), trust in self._trusts.items() if name == host}

    def uploads(self, host: str) -> list[Upload]:
        """Return what was uploaded to a host's trust stores before the lab starts, and waits for its next restart."""
        return [
            Upload(store=store, trusted=tuple(more)) for (name, store), more in self._pending.items() if name == host
        ]

    def named(self, name: str) -> x509.Certificate:
        """Return what a trust store's entry means: a CA by its name, or ``host/service`` for a certificate itself.

        Raises `LookupError`.
        """
        if "/" in name:
            host, _, service = name.partition("/")
            if (host, service) not in self._identities:
                raise LookupError(f"no certificate {name!r}")
            return self._identities[host, service].certificate
        trusted = self.authorities.trusted()
        if name not in trusted:
            raise LookupError(f"no CA {name!r}; known: {', '.join(trusted)}")
        return trusted[name]

    def _mint(self, certificate: Certificate, request: Request) -> Identity:
        kind = KEYS[certificate.key]
        strip = [
            usage
            for usage, wanted in ((Usage.SERVER, certificate.server_auth), (Usage.CLIENT, certificate.client_auth))
            if not wanted
        ]
        validity = self._validity_of(certificate)
        if certificate.signed_by == "self-signed":
            return self_signed(request, self._entropy, validity=validity, strip=strip, kind=kind)
        authority = self.authorities.signers()[certificate.signed_by]
        return authority.issue(request, validity=validity, strip=strip, kind=kind)

    def _validity_of(self, certificate: Certificate) -> Validity:
        if certificate.expires_after_s is not None:
            # X.509 counts whole seconds, and the last one is still good: so it is over in the second after this one.
            end = self._start + timedelta(seconds=certificate.expires_after_s)
            return Validity(min(self._validity.not_before, end), end.replace(microsecond=0))
        return self._validity if certificate.validity == "valid" else VALIDITIES[certificate.validity]

    def _store(self, name: str, items: tuple[str, ...]) -> TrustStore:
        return TrustStore.of(name, *(self.named(item) for item in items))


def profile_of(host: HostSpec, service: str) -> Profile:
    """Return what the product asks for: an Expressway both usages, whichever of its two certificates it is."""
    return EXPRESSWAY if isinstance(host.spec, Expressway) else PROFILES[service]


def request_of(certificate: Certificate, host: HostSpec) -> Request:
    """Return what the CSR for a described certificate asks a CA for: all usages that the product wants."""
    return Request(
        common_name=certificate.common_name,
        names=tuple(qualified(name) for name in certificate.names),
        profile=profile_of(host, certificate.service),
    )
