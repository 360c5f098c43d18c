"""The certificates and trust stores of a deployment, minted from its authorities when a lab starts."""

from __future__ import annotations

from cryptography import x509

from edgesim.deployment import Deployment
from edgesim.deployment.security import Certificate
from edgesim.pki import (
    CALLMANAGER,
    CUP_XMPP,
    EXPIRED,
    EXPRESSWAY,
    NOT_YET,
    STANDARD,
    TOMCAT,
    Authorities,
    Identity,
    Profile,
    Request,
    TrustStore,
    Usage,
    Validity,
    self_signed,
)
from edgesim.pki.authority import Randomness

PROFILES: dict[str, Profile] = {
    "server": EXPRESSWAY,
    "tomcat": TOMCAT,
    "callmanager": CALLMANAGER,
    "cup-xmpp": CUP_XMPP,
}
VALIDITIES: dict[str, Validity] = {"valid": STANDARD, "expired": EXPIRED, "not yet valid": NOT_YET}


class Certificates:
    """Every identity and trust store of a lab. ``validity`` replaces the standard one (a live lab's is short)."""

    def __init__(
        self,
        deployment: Deployment,
        authorities: Authorities,
        entropy: Randomness,
        *,
        validity: Validity = STANDARD,
    ) -> None:
        self.authorities = authorities
        self._entropy = entropy
        self._validity = validity
        self._identities: dict[tuple[str, str], Identity] = {}
        for certificate in deployment.certificates:
            fqdn = deployment.host(certificate.host).fqdn
            self._identities[certificate.host, certificate.service] = self._mint(certificate, fqdn)
        self._trusts = {
            (store.host, store.store): TrustStore.of(
                f"{store.store} of {store.host}", *(item for name in store.holds or () for item in self._named(name))
            )
            for store in deployment.trust
        }

    def identities(self, host: str) -> dict[str, Identity]:
        """Return a host's identities by service."""
        return {service: identity for (name, service), identity in self._identities.items() if name == host}

    def trusts(self, host: str) -> dict[str, TrustStore]:
        """Return a host's trust stores by name."""
        return {store: trust for (name, store), trust in self._trusts.items() if name == host}

    def _mint(self, certificate: Certificate, fqdn: str) -> Identity:
        names = tuple(_qualified(name) for name in certificate.names or ())
        request = Request(common_name=fqdn, names=names, profile=PROFILES[certificate.service])
        validity = self._validity if certificate.validity == "valid" else VALIDITIES[certificate.validity]
        strip = [
            usage
            for usage, wanted in ((Usage.SERVER, certificate.server_auth), (Usage.CLIENT, certificate.client_auth))
            if not wanted
        ]
        if certificate.signed_by == "self-signed":
            return self_signed(request, self._entropy, validity=validity)
        authority = self.authorities.public if certificate.signed_by == "public" else self.authorities.enterprise
        return authority.issue(request, validity=validity, strip=strip)

    def _named(self, name: str) -> list[x509.Certificate]:
        """Return what a trust store's entry means: a CA by its name, or ``host/service`` for a certificate itself."""
        if "/" in name:
            host, service = name.split("/", 1)
            return [self._identities[host, service].certificate]
        found = {
            "public": self.authorities.public.certificate,
            "enterprise": self.authorities.enterprise_root.certificate,
            "enterprise-issuing": self.authorities.enterprise.certificate,
        }
        return [found[name]]


def _qualified(name: str) -> str:
    return name if ":" in name else f"DNS:{name}"
