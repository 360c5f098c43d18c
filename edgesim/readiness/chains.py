"""Certificates as a deployment describes them: signers, chains, missing CAs, and names.

By default a peer sends only its own certificate, so that a verifier needs the CAs between it and a root in its own
store. Source: Cisco, "Configure and Troubleshoot Collaboration Edge (MRA) Certificates (213872)".
"""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.deployment import Deployment
from edgesim.deployment.security import Certificate, TrustStore
from edgesim.pki.names import first_match, qualified, within

SIGNED_BY = {"enterprise": "enterprise-issuing", "enterprise-root": "enterprise"}
"""The signing CA by its name in stores, if it differs from the signer's name."""
ABOVE = {"public-issuing": "public", "enterprise-issuing": "enterprise"}
"""The signer of each CA that is not a root."""
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
    """A certificate, its chain, and the CAs missing in a store; names are those of trust stores.

    ``root`` is the end of the chain: a CA, or ``host/service`` for a self-signed certificate. ``missing`` are the CAs
    that neither the peer sends nor the store holds, the root first.
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
        """Whether the store lacks the root."""
        return self.root in self.missing

    @property
    def lacks_intermediates(self) -> bool:
        """Whether the store holds the root, but the chain is incomplete."""
        return bool(self.missing) and not self.lacks_root

    @property
    def self_signed(self) -> bool:
        """Whether the certificate is self-signed."""
        return self.certificate.signed_by == "self-signed"

    @property
    def words(self) -> str:
        """What is missing, in words."""
        return " and ".join(words(each) for each in self.missing)


def words(name: str) -> str:
    """Return an entry of a trust store in words."""
    host, slash, service = name.partition("/")
    return f"the certificate {service} of {host}" if slash else WORDS[name]


def own_entry(certificate: Certificate) -> str:
    """Return the name under which stores hold the certificate itself."""
    return f"{certificate.host}/{certificate.service}"


def has(deployment: Deployment, certificate: Certificate, *wanted: str) -> bool:
    """Return whether a certificate has one of the names, as far as a product reads its SAN."""
    limit = deployment.defaults.tls.san_limit_characters
    names = within((qualified(name) for name in certificate.names), limit)
    return first_match([qualified(name) for name in wanted], names) is not None


def above(certificate: Certificate) -> tuple[str, ...]:
    """Return the CAs above a certificate, its signer first; none if it is self-signed."""
    if certificate.signed_by == "self-signed":
        return ()
    found = [SIGNED_BY.get(certificate.signed_by, certificate.signed_by)]
    while (higher := ABOVE.get(found[-1])) is not None:
        found.append(higher)
    return tuple(found)


def contents(store: TrustStore) -> tuple[str, ...]:
    """Return the content of a store, including what takes effect after the next restart, which is another rule's
    subject.
    """
    return (*store.holds, *store.pending)


def chain(deployment: Deployment, shown: tuple[str, str], by: tuple[str, str]) -> Chain:
    """Return the chain of the certificate ``shown`` (host, service) as seen by the verifier ``by`` (host, store).

    Raises `LookupError` if there is no such certificate or store.
    """
    certificate = deployment.certificate(*shown)
    store = contents(deployment.trust_store(*by))
    cas = above(certificate)
    if not cas:
        own = own_entry(certificate)
        return Chain(certificate=certificate, root=own, missing=() if own in store else (own,))
    between = () if certificate.sends == "chain" else cas[:-1]
    missing = tuple(each for each in (cas[-1], *reversed(between)) if each not in store)
    return Chain(certificate=certificate, root=cas[-1], missing=missing)


def shown_as_client(deployment: Deployment, expressway: str) -> tuple[str, str]:
    """Return the certificate (host, service) that an Expressway presents as a TLS client."""
    services = [each.service for each in deployment.certificates_of(expressway)]
    return expressway, "client" if "client" in services else "server"
