"""The trust stores of services: ordered, named lists of certificates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from edgesim.pki.authority import Authority
from edgesim.pki.identity import Identity, PkiError
from edgesim.pki.names import subject_of

Trusted = x509.Certificate | Authority | Identity


@dataclass(frozen=True, slots=True, eq=False)
class TrustStore:
    """A trust store such as ``tomcat-trust`` or Expressway's trusted CA list. Order counts; see `first_by_subject`."""

    name: str
    certificates: tuple[x509.Certificate, ...] = ()
    fingerprint: str = field(init=False)
    """SHA-256 over the certificates in order, in lower-case hexadecimal."""

    def __post_init__(self) -> None:
        digest = hashlib.sha256(b"".join(certificate.public_bytes(Encoding.DER) for certificate in self.certificates))
        object.__setattr__(self, "fingerprint", digest.hexdigest())

    @classmethod
    def of(cls, name: str, *trusted: Trusted) -> TrustStore:
        """Return a store of CAs' own certificates, certificates, or self-signed identities."""
        return cls(name, tuple(_certificate(one) for one in trusted))

    @classmethod
    def from_pem(cls, name: str, text: bytes) -> TrustStore:
        """Return a store of the certificates in a PEM text. Raises `PkiError` if it has none or one does not parse."""
        try:
            return cls(name, tuple(x509.load_pem_x509_certificates(text)))
        except ValueError as error:
            raise PkiError(f"{name}: no certificates in PEM: {error}") from error

    def plus(self, *trusted: Trusted) -> TrustStore:
        """Return the store with certificates appended."""
        return TrustStore(self.name, (*self.certificates, *(_certificate(one) for one in trusted)))

    def minus(self, *trusted: Trusted) -> TrustStore:
        """Return the store without some certificates."""
        drop: Sequence[x509.Certificate] = [_certificate(one) for one in trusted]
        return TrustStore(self.name, tuple(one for one in self.certificates if one not in drop))

    def first_by_subject(self) -> TrustStore:
        """Return the store as Expressway-C sees it: of entries with equal subjects only the first counts.

        Cisco bug CSCve56019: the lower of two self-signed certificates with one subject fails as if it were absent.
        """
        first: dict[bytes, x509.Certificate] = {}
        for certificate in self.certificates:
            first.setdefault(certificate.subject.public_bytes(), certificate)
        return TrustStore(self.name, tuple(first.values()))

    def pem(self) -> bytes:
        """Return the certificates in PEM, in order."""
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in self.certificates)

    def der(self) -> bytes:
        """Return the concatenated certificates in DER (as for ``cadata`` in Python's ``ssl``)."""
        return b"".join(certificate.public_bytes(Encoding.DER) for certificate in self.certificates)

    def __iter__(self) -> Iterator[x509.Certificate]:
        return iter(self.certificates)

    def __len__(self) -> int:
        return len(self.certificates)

    def __contains__(self, trusted: Trusted) -> bool:
        return _certificate(trusted) in self.certificates

    def __repr__(self) -> str:
        return f"<TrustStore {self.name}: {'; '.join(subject_of(one) for one in self.certificates) or 'empty'}>"


def _certificate(trusted: Trusted) -> x509.Certificate:
    return trusted if isinstance(trusted, x509.Certificate) else trusted.certificate
