"""Certification authorities: deterministic where their randomness is.

Keys, serial numbers and so whole certificates follow from the stream of randomness given: the same stream gives the
same octets. Signatures are deterministic (RFC 6979) and dates are fixed. OpenSSL judges dates by the real clock,
whatever the lab's clock says; so `STANDARD` holds for every clock a lab may have, and `EXPIRED` and `NOT_YET` for none.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edgesim.pki.identity import Identity, PkiError, Request, Usage, distinguished_name, key_pem
from edgesim.pki.names import subject_of, to_general_name

CURVES: dict[str, tuple[ec.EllipticCurve, int]] = {
    "P-256": (ec.SECP256R1(), 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    "P-384": (
        ec.SECP384R1(),
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ),
}
"""Curves by name, with the order of each group (FIPS 186-4, D.1.2)."""


class Randomness(Protocol):
    """What keys and serial numbers are drawn from: an `Entropy` stream, or ``random.SystemRandom`` for real secrets."""

    def randrange(self, start: int, stop: int, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when a certificate holds, both inclusive, in UTC."""

    not_before: datetime
    not_after: datetime


STANDARD = Validity(datetime(2015, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC))
EXPIRED = Validity(datetime(2001, 1, 1, tzinfo=UTC), datetime(2002, 1, 1, tzinfo=UTC))
NOT_YET = Validity(datetime(2090, 1, 1, tzinfo=UTC), datetime(2092, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """What a CA may certify (RFC 5280, section 4.2.1.10): DNS domains with all below them, and address ranges."""

    domains: tuple[str, ...]
    networks: tuple[str, ...] = ()

    def extension(self) -> x509.NameConstraints:
        """Return the X.509 extension. A CA with domains but no range may certify no address at all."""
        permitted: list[x509.GeneralName] = [x509.DNSName(domain) for domain in self.domains]
        permitted += [x509.IPAddress(ipaddress.ip_network(network)) for network in self.networks]
        nowhere = [x509.IPAddress(ipaddress.ip_network(every)) for every in ("0.0.0.0/0", "::/0")]
        return x509.NameConstraints(permitted, nowhere if not self.networks else None)


class Authority:
    """A CA: its certificate and key, the CAs above it, and the stream from which it draws keys and serial numbers."""

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey,
        certificate: x509.Certificate,
        entropy: Randomness,
        *,
        above: tuple[x509.Certificate, ...] = (),
    ) -> None:
        self.key = key
        self.certificate = certificate
        self.above = above
        """Certificates from this CA's own issuer up, the root included."""
        self._entropy = entropy
        self._authority_key_id = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
            certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        )

    @classmethod
    def root(
        cls,
        name: str,
        entropy: Randomness,
        *,
        organization: str = "edgesim lab",
        validity: Validity = STANDARD,
        constraints: Constraints | None = None,
        path_length: int | None = None,
        curve: str = "P-256",
    ) -> Authority:
        """Make a self-signed CA. ``path_length`` limits how many CAs may stand below it."""
        key = new_key(entropy, curve)
        subject = distinguished_name(name, organization)
        builder = _ca_builder(subject, key, path_length, validity, constraints, entropy).issuer_name(subject)
        return cls(key, _sign(builder, key), entropy)

    def intermediate(
        self,
        name: str,
        *,
        entropy: Randomness | None = None,
        organization: str = "edgesim lab",
        validity: Validity = STANDARD,
        constraints: Constraints | None = None,
        path_length: int | None = 0,
        curve: str = "P-256",
    ) -> Authority:
        """Make a CA that this one signs; it draws from ``entropy``, by default from this CA's stream."""
        stream = entropy if entropy is not None else self._entropy
        key = new_key(stream, curve)
        subject = distinguished_name(name, organization)
        builder = _ca_builder(subject, key, path_length, validity, constraints, stream)
        builder = builder.issuer_name(self.certificate.subject).add_extension(self._authority_key_id, critical=False)
        return Authority(key, _sign(builder, self.key), stream, above=(self.certificate, *self.above))

    @classmethod
    def load(
        cls, certificate: bytes, key: bytes, entropy: Randomness, *, above: tuple[x509.Certificate, ...] = ()
    ) -> Authority:
        """Return the CA whose certificate and P-256 or P-384 key these PEM texts hold. Raises `PkiError`."""
        try:
            loaded = load_pem_private_key(key, None)
            first = x509.load_pem_x509_certificate(certificate)
        except (ValueError, TypeError) as error:
            raise PkiError(f"not a CA certificate with its key in PEM: {error}") from error
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise PkiError("the key of a CA must be an elliptic curve key")
        if loaded.public_key() != first.public_key():
            raise PkiError(f"the key is not that of {subject_of(first)}")
        return cls(loaded, first, entropy, above=above)

    @property
    def subject(self) -> str:
        """The CA's subject as RFC 4514 writes it."""
        return subject_of(self.certificate)

    @property
    def full_chain(self) -> tuple[x509.Certificate, ...]:
        """This CA and all above it, the root last: what a peer that gets the leaf alone must hold."""
        return (self.certificate, *self.above)

    def key_pem(self) -> bytes:
        """Return the private key in PEM (PKCS #8, not encrypted)."""
        return key_pem(self.key)

    def issue(
        self,
        request: Request,
        *,
        validity: Validity = STANDARD,
        strip: Sequence[Usage] = (),
        key: ec.EllipticCurvePrivateKey | None = None,
        curve: str = "P-256",
    ) -> Identity:
        """Sign a request and return the identity. ``strip`` are usages that this CA drops from what was asked for."""
        key = key if key is not None else new_key(self._entropy, curve)
        builder = _leaf_builder(request, key, validity, strip, self._entropy)
        builder = builder.issuer_name(self.certificate.subject).add_extension(self._authority_key_id, critical=False)
        # `above` ends with the root, which no server sends; a root has nothing above it and sends nothing.
        chain = (self.certificate, *self.above)[:-1]
        return Identity(key, _sign(builder, self.key), chain)

    def __repr__(self) -> str:
        return f"<Authority {self.subject}>"


def self_signed(
    request: Request, entropy: Randomness, *, validity: Validity = STANDARD, curve: str = "P-256"
) -> Identity:
    """Return an identity that vouches for itself, as the products make at installation."""
    key = new_key(entropy, curve)
    builder = _leaf_builder(request, key, validity, (), entropy).issuer_name(request.subject())
    # With its own key's identifier OpenSSL finds it among others of the same subject; `TrustStore.first_by_subject` is
    # for the product that does not.
    own = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return Identity(key, _sign(builder.add_extension(own, critical=False), key))


def new_key(entropy: Randomness, curve: str = "P-256") -> ec.EllipticCurvePrivateKey:
    """Draw a private key."""
    kind, order = CURVES[curve]
    return ec.derive_private_key(entropy.randrange(1, order), kind)


def _serial(entropy: Randomness) -> int:
    # RFC 5280, section 4.1.2.2: positive, at most 20 octets; 64 bits or more of randomness as public CAs must have.
    return entropy.randrange(1 << 96, 1 << 127)


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, validity: Validity, entropy: Randomness
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public)
        .serial_number(_serial(entropy))
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _ca_builder(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    path_length: int | None,
    validity: Validity,
    constraints: Constraints | None,
    entropy: Randomness,
) -> x509.CertificateBuilder:
    builder = (
        _builder(subject, key, validity, entropy)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
    )
    if constraints is not None:
        builder = builder.add_extension(constraints.extension(), critical=True)
    return builder


def _leaf_builder(
    request: Request,
    key: ec.EllipticCurvePrivateKey,
    validity: Validity,
    strip: Sequence[Usage],
    entropy: Randomness,
) -> x509.CertificateBuilder:
    builder = (
        _builder(request.subject(), key, validity, entropy)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
    )
    usages = [usage.oid for usage in request.profile.usages if usage not in strip]
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if request.names:
        names = x509.SubjectAlternativeName([to_general_name(name) for name in request.names])
        builder = builder.add_extension(names, critical=False)
    return builder


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    # No keyEncipherment: an elliptic curve key has none (RFC 8813, section 3).
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _sign(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    algorithm = hashes.SHA384() if key.curve.name == "secp384r1" else hashes.SHA256()
    return builder.sign(key, algorithm, ecdsa_deterministic=True)
