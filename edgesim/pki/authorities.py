"""The CAs of a lab, and the stable test CAs that come with the package (`edgesim.pki.fixtures` makes those)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

from edgesim.pki.authority import Authority, Randomness
from edgesim.pki.trust import TrustStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorities:
    """The CAs of a lab: one that stands for a public CA, the company's root, and its issuing CA below."""

    public: Authority
    enterprise_root: Authority
    enterprise: Authority

    def trust(self, name: str = "both roots") -> TrustStore:
        """Return a store of the two roots."""
        return TrustStore.of(name, self.public, self.enterprise_root)


@cache
def _packaged(name: str) -> bytes:
    return (resources.files("edgesim.pki") / "roots" / name).read_bytes()


def fixture_authorities(entropy: Randomness) -> Authorities:
    """Return the test CAs, which draw leaf keys and serial numbers from ``entropy``."""

    def load(name: str, *above: Authority) -> Authority:
        chain = tuple(certificate for ca in above for certificate in ca.full_chain)
        return Authority.load(_packaged(f"{name}.pem"), _packaged(f"{name}.key.pem"), entropy, above=chain)

    public, root = load("public-root"), load("enterprise-root")
    return Authorities(public=public, enterprise_root=root, enterprise=load("enterprise-intermediate", root))
