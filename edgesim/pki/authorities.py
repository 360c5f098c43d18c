"""The CAs of a lab, and the stable test CAs in the package (made by `edgesim.pki.fixtures`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from edgesim.pki.authority import Authority, read_ca
from edgesim.pki.keys import Randomness
from edgesim.pki.trust import TrustStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorities:
    """The CAs of a lab.

    Two stand for a public CA (root, issuing CA), two for the company's (root, issuing CA); one is private and trusted
    only where installed, and one certifies phones in the factory.
    """

    public: Authority
    public_issuing: Authority
    enterprise_root: Authority
    enterprise: Authority
    private: Authority
    manufacturing: Authority

    def signers(self) -> Mapping[str, Authority]:
        """Return the CAs by the names used for a certificate's signer: ``enterprise`` is the company's issuing CA."""
        return {
            "public": self.public,
            "public-issuing": self.public_issuing,
            "enterprise": self.enterprise,
            "enterprise-root": self.enterprise_root,
            "private": self.private,
            "manufacturing": self.manufacturing,
        }

    def trusted(self) -> Mapping[str, x509.Certificate]:
        """Return the CAs' certificates by the names used in trust stores: ``enterprise`` is the company's root."""
        return {
            "public": self.public.certificate,
            "public-issuing": self.public_issuing.certificate,
            "enterprise": self.enterprise_root.certificate,
            "enterprise-issuing": self.enterprise.certificate,
            "private": self.private.certificate,
            "manufacturing": self.manufacturing.certificate,
        }

    def trust(self, name: str = "both roots") -> TrustStore:
        """Return a store of the two roots, public and company."""
        return TrustStore.of(name, self.public, self.enterprise_root)


@cache
def _packaged(name: str) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    roots = resources.files("edgesim.pki") / "roots"
    return read_ca((roots / f"{name}.pem").read_bytes(), (roots / f"{name}.key.pem").read_bytes())


def fixture_authorities(entropy: Randomness) -> Authorities:
    """Return the test CAs, which draw leaf keys and serial numbers from ``entropy``."""

    def load(name: str, *above: Authority) -> Authority:
        certificate, key = _packaged(name)
        chain = tuple(each for ca in above for each in ca.full_chain)
        return Authority(key, certificate, entropy, above=chain)

    public, root = load("public-root"), load("enterprise-root")
    return Authorities(
        public=public,
        public_issuing=load("public-intermediate", public),
        enterprise_root=root,
        enterprise=load("enterprise-intermediate", root),
        private=load("private-root"),
        manufacturing=load("manufacturing-root"),
    )
