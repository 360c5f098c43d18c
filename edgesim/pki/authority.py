"""Certification authorities, as deterministic as their randomness.

Keys, serial numbers and so complete certificates derive from the given stream of randomness: the same stream gives the
same octets. Signatures are deterministic (RFC 6979; PKCS #1 v1.5 for RSA) and dates are fixed. `STANDARD` is valid at
every time that a lab may use, `EXPIRED` and `NOT_YET` at none.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edgesim.pki.identity import Identity, PkiError, Request, Usage, distinguished_name
from edgesim.pki.keys import PrivateKey, Randomness, key_pem, new_ec_key, new_key
from edgesim.pki.names import subject_of, to_general_name


@dataclass(frozen=True, slots=True)
class Validity:
    """The validity period of a certificate, both ends inclusive, in UTC."""

    not_before: datetime
    not_after: datetime


STANDARD = Validity(datetime(2015, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC))
EXPIRED = Validity(datetime(2001, 1, 1, tzinfo=UTC), datetime(2002, 1, 1, tzinfo=UTC))
NOT_YET = Validity(datetime(2090, 1, 1, tzinfo=UTC), datetime(2092, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """A CA's name constraints (RFC 5280, section 4.2.1.10): DNS domains with their subdomains, and address ranges."""

    domains: tuple[str, ...]
    networks: tuple[str, ...] = ()

    def extension(self) -> x509.NameConstraints:
        """Return the X.509 extension. A CA with domains but no address range may certify no address."""
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
        """The certificates from this CA's issuer up, root included."""
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
        """Return a new self-signed CA. ``path_length`` limits the number of CAs below it."""
        key = new_ec_key(entropy, curve)
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
        """Return a new CA signed by this one; it draws from ``entropy``, by default from this CA's stream."""
        stream = entropy if entropy is not None else self._entropy
        key = new_ec_key(stream, curve)
        subject = distinguished_name(name, organization)
        builder = _ca_builder(subject, key, path_length, validity, constraints, stream)
        builder = builder.issuer_name(self.certificate.subject).add_extension(self._authority_key_id, critical=False)
        return Authority(key, _sign(builder, self.key), stream, above=(self.certificate, *self.above))

    @classmethod
    def load(
        cls, certificate: bytes, key: bytes, entropy: Randomness, *, above: tuple[x509.Certificate, ...] = ()
    ) -> Authority:
        """Load a CA from its certificate and P-256 or P-384 key in PEM. Raises `PkiError`."""
        first, loaded = read_ca(certificate, key)
        return cls(loaded, first, entropy, above=above)

    @property
    def subject(self) -> str:
        """The CA's subject in RFC 4514 notation."""
        return subject_of(self.certificate)

    @property
    def full_chain(self) -> tuple[x509.Certificate, ...]:
        """This CA and all above it, the root last: what a peer needs if it gets only the leaf."""
        return (self.certificate, *self.above)

    @property
    def sent_chain(self) -> tuple[x509.Certificate, ...]:
        """The certificates that a server sends with a leaf of this CA if it sends the chain: all but the root."""
        return self.full_chain[:-1]

    def key_pem(self) -> bytes:
        """Return the private key in PEM (PKCS #8, not encrypted)."""
        return key_pem(self.key)

    def issue(
        self,
        request: Request,
        *,
        validity: Validity = STANDARD,
        strip: Sequence[Usage] = (),
        key: PrivateKey | None = None,
        kind: str = "P-256",
    ) -> Identity:
        """Sign a request and return the identity, by default with a new key of a ``kind`` of `new_key`.

        ``strip`` are the requested usages that this CA drops.
        """
        key = key if key is not None else new_key(self._entropy, kind)
        certificate = self.certify(request, key.public_key(), validity=validity, strip=strip)
        return Identity(key, certificate, self.sent_chain)

    def certify(
        self,
        request: Request,
        key: CertificatePublicKeyTypes,
        *,
        validity: Validity = STANDARD,
        strip: Sequence[Usage] = (),
    ) -> x509.Certificate:
        """Sign a request for another party's key and return the certificate. ``strip`` as for `issue`."""
        builder = _leaf_builder(request, key, validity, strip, self._entropy)
        builder = builder.issuer_name(self.certificate.subject).add_extension(self._authority_key_id, critical=False)
        return _sign(builder, self.key)

    def __repr__(self) -> str:
        return f"<Authority {self.subject}>"


def read_ca(certificate: bytes, key: bytes) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Read a CA's certificate and key from their PEM texts. Raises `PkiError`."""
    try:
        loaded = load_pem_private_key(key, None)
        first = x509.load_pem_x509_certificate(certificate)
    except (ValueError, TypeError) as error:
        raise PkiError(f"not a CA certificate with its key in PEM: {error}") from error
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise PkiError("the key of a CA must be an elliptic curve key")
    if loaded.public_key() != first.public_key():
        raise PkiError(f"the key does not match the certificate of {subject_of(first)}")
    return first, loaded


def self_signed(
    request: Request,
    entropy: Randomness,
    *,
    validity: Validity = STANDARD,
    strip: Sequence[Usage] = (),
    kind: str = "P-256",
) -> Identity:
    """Return a self-signed identity, as the products make at installation. Arguments as for `Authority.issue`."""
    key = new_key(entropy, kind)
    builder = _leaf_builder(request, key.public_key(), validity, strip, entropy).issuer_name(request.subject())
    # The key identifier lets OpenSSL find it among certificates with the same subject; `TrustStore.first_by_subject`
    # models the product that cannot.
    own = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return Identity(key, _sign(builder.add_extension(own, critical=False), key))


def _serial(entropy: Randomness) -> int:
    # RFC 5280, section 4.1.2.2: positive, at most 20 octets; at least 64 bits of randomness, as required of public CAs.
    return entropy.randrange(1 << 96, 1 << 127)


def _builder(
    subject: x509.Name, public: CertificatePublicKeyTypes, validity: Validity, entropy: Randomness
) -> x509.CertificateBuilder:
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
        _builder(subject, key.public_key(), validity, entropy)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_CA_USAGE, critical=True)
    )
    if constraints is not None:
        builder = builder.add_extension(constraints.extension(), critical=True)
    return builder


def _leaf_builder(
    request: Request,
    key: CertificatePublicKeyTypes,
    validity: Validity,
    strip: Sequence[Usage],
    entropy: Randomness,
) -> x509.CertificateBuilder:
    builder = (
        _builder(request.subject(), key, validity, entropy)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(leaf_usage(key), critical=True)
    )
    usages = [usage.oid for usage in request.profile.usages if usage not in strip]
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if request.names:
        names = x509.SubjectAlternativeName([to_general_name(name) for name in request.names])
        builder = builder.add_extension(names, critical=False)
    return builder


def leaf_usage(key: CertificatePublicKeyTypes) -> x509.KeyUsage:
    """Return the key usages of a service's certificate, as in the products' CSRs."""
    encipherment = isinstance(key, rsa.RSAPublicKey)  # not for elliptic curve keys (RFC 8813, section 3)
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=encipherment,
        data_encipherment=False,
        key_agreement=not encipherment,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


_CA_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _sign(builder: x509.CertificateBuilder, key: PrivateKey) -> x509.Certificate:
    if isinstance(key, rsa.RSAPrivateKey):
        return builder.sign(key, hashes.SHA256())
    algorithm = hashes.SHA384() if key.curve.name == "secp384r1" else hashes.SHA256()
    return builder.sign(key, algorithm, ecdsa_deterministic=True)
