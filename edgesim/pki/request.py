"""Certificate signing requests (PKCS #10, RFC 2986), written by a product's tool and read by a CA.

The requests include SANs, key usages and extended key usages (extensionRequest, RFC 2985, section 5.4.2). A CA may drop
any of these: `Authority.certify` takes the usages to strip.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from edgesim.pki.authority import leaf_usage
from edgesim.pki.identity import PkiError, Profile, Request, Usage
from edgesim.pki.keys import PrivateKey
from edgesim.pki.names import UNREADABLE, common_name_of, from_general_name, to_general_name

MAX_OCTETS = 1 << 17
"""The maximum length of a PEM text that is read."""


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """A parsed request with a valid signature: its content and its public key."""

    request: Request
    key: CertificatePublicKeyTypes

    @property
    def usages(self) -> tuple[str, ...]:
        """The extended key usages requested, such as ``serverAuth``."""
        return tuple(usage.value for usage in self.request.profile.usages)


def create(request: Request, key: PrivateKey) -> bytes:
    """Return a request in PEM, signed with its own key; the same octets for the same arguments.

    Raises `PkiError` if a name cannot be in a certificate.
    """
    try:
        names = [to_general_name(name) for name in request.names]
    except ValueError as error:
        raise PkiError(f"not a name for a certificate: {error}") from error
    builder = x509.CertificateSigningRequestBuilder().subject_name(request.subject())
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(leaf_usage(key.public_key()), critical=True)
    if request.profile.usages:
        usages = x509.ExtendedKeyUsage([usage.oid for usage in request.profile.usages])
        builder = builder.add_extension(usages, critical=False)
    if isinstance(key, rsa.RSAPrivateKey):
        signed = builder.sign(key, hashes.SHA256())
    else:
        signed = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    return signed.public_bytes(Encoding.PEM)


def read(pem: bytes) -> SigningRequest:
    """Parse a request in PEM. Raises `PkiError` if it is not one, or not signed with its own key."""
    if len(pem) > MAX_OCTETS:
        raise PkiError(f"signing request too large: {len(pem)} octets, the limit is {MAX_OCTETS}")
    try:
        csr = x509.load_pem_x509_csr(pem)
        sound = csr.is_signature_valid
        key = csr.public_key()
        request = Request(
            common_name=common_name_of(csr) or "",
            names=_names(csr),
            profile=Profile(name="request", usages=_usages(csr)),
            full_subject=csr.subject,
        )
    except UNREADABLE as error:
        # The rest of the text refers to the library's documentation.
        raise PkiError(f"not a signing request in PEM: {str(error).partition('. See ')[0]}") from error
    if not sound:
        raise PkiError("the signature of the request does not match its key")
    return SigningRequest(request, key)


def _names(csr: x509.CertificateSigningRequest) -> tuple[str, ...]:
    try:
        extension = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(text for name in extension.value if (text := from_general_name(name)) is not None)


def _usages(csr: x509.CertificateSigningRequest) -> tuple[Usage, ...]:
    try:
        asked = csr.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(usage for usage in Usage if usage.oid in asked)
