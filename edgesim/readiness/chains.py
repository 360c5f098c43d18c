"""Certificates as a deployment describes them: who signed what, what is sent, what a verifier lacks, which names.

A peer sends its own certificate alone by default, so that whoever verifies it needs the CAs between it and a
root in a store of its own. Source: Cisco, "Configure and Troubleshoot Collaboration Edge (MRA) Certificates (213872)".
"""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.deployment import Deployment
from edgesim.deployment.security import Certificate, TrustStore
from edgesim.pki.names import first_match, qualified, within

SIGNED_BY = {"enterprise": "enterprise-issuing", "enterprise-root": "enterprise"}
"""The CA that signs, by the name that stores hold it under, where that differs from the signer's name."""
ABOVE = {"public-issuing": "public", "enterprise-issuing": "enterprise"}
"""Who signed the certificate of a CA that is not a root."""
WORDS = {
    "public": "the public root CA",
    "public-issuing": "the public intermediate CA",
    "enterprise": "the enterprise root CA",
    "enterprise-issuing": "the enterprise intermediate CA",
    "private": "the private CA",
    "manufacturing": "the manufacturer's CA",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A certificate, what is above it, and what is missing of that in a store; names are those of trust stores.

    ``root`` is where the chain ends: a CA, or ``host/service`` where the certificate signed itself. ``missing`` are
    those that neither the peer sends nor the store holds, the root first.
    """

    certificate: Certificate
    root: str
    missing: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether the verifier can build the chain."""
        return not self.missing

    @property
    def lacks_root(self) -> bool:
        """Whether the store does not hold the root."""
        return self.root in self.missing

    @property
    def lacks_intermediates(self) -> bool:
        """Whether the store holds the root, and the chain is incomplete all the same."""
        return bool(self.missing) and not self.lacks_root

    @property
    def self_signed(self) -> bool:
        """Whether the certificate is self-signed."""
        return self.certificate.signed_by == "self-signed"

    @property
    def words(self) -> str:
        """What is missing, for people."""
        return " and ".join(words(each) for each in self.missing)


def words(name: str) -> str:
    """Return what people call an entry of a trust store."""
    host, slash, service = name.partition("/")
    return f"the certificate {service} of {host}" if slash else WORDS[name]


def itself(certificate: Certificate) -> str:
    """Return the name under which stores hold the certificate itself."""
    return f"{certificate.host}/{certificate.service}"


def has(deployment: Deployment, certificate: Certificate, *wanted: str) -> bool:
    """Return whether one of the names is in a certificate, as far as a product reads its SAN."""
    limit = deployment.defaults.tls.san_limit_characters
    names = within((qualified(name) for name in certificate.names), limit)
    return first_match([qualified(name) for name in wanted], names) is not None


def above(certificate: Certificate) -> tuple[str, ...]:
    """Return the CAs above a certificate, the one that signed it first; none where it signed itself."""
    if certificate.signed_by == "self-signed":
        return ()
    found = [SIGNED_BY.get(certificate.signed_by, certificate.signed_by)]
    while (higher := ABOVE.get(found[-1])) is not None:
        found.append(higher)
    return tuple(found)


def held(store: TrustStore) -> tuple[str, ...]:
    """Return what a store holds, with what counts only after the next restart: that is another mistake."""
    return (*store.holds, *store.pending)


def chain(deployment: Deployment, shown: tuple[str, str], by: tuple[str, str]) -> Chain:
    """Return how the verifier ``by`` (host, store) sees the certificate ``shown`` (host, service).

    Raises `LookupError` where there is no such certificate or store.
    """
    certificate = deployment.certificate(*shown)
    store = held(deployment.trust_store(*by))
    cas = above(certificate)
    if not cas:
        own = itself(certificate)
        return Chain(certificate=certificate, root=own, missing=() if own in store else (own,))
    between = () if certificate.sends == "chain" else cas[:-1]
    missing = tuple(each for each in (cas[-1], *reversed(between)) if each not in store)
    return Chain(certificate=certificate, root=cas[-1], missing=missing)


def shown_by(deployment: Deployment, expressway: str) -> tuple[str, str]:
    """Return the certificate (host, service) that an Expressway shows as a TLS client."""
    services = [each.service for each in deployment.certificates_of(expressway)]
    return expressway, "client" if "client" in services else "server"
