"""The content of a certificate, as values and in words."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from edgesim.pki.identity import PkiError, Usage
from edgesim.pki.keys import describe
from edgesim.pki.names import UNREADABLE, as_list, names_of

MAX_OCTETS = 1 << 20
"""The maximum length of a PEM text that is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """The content of a certificate. Names have their type (``DNS:...``); ``usages`` are the extended key usages by name
    or object identifier, None without the extension; ``fingerprint`` is SHA-256 in hexadecimal.
    """

    subject: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    key: str
    names: tuple[str, ...]
    usages: tuple[str, ...] | None
    ca: bool
    fingerprint: str

    @property
    def san_characters(self) -> int:
        """The length of the SAN as text, see `edgesim.pki.names.as_list`."""
        return len(as_list(self.names))

    @property
    def self_signed(self) -> bool:
        """Whether issuer and subject are the same."""
        return self.subject == self.issuer


def read_certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Return every certificate in a PEM text, in order. Raises `PkiError` if there is none or one does not parse."""
    if len(pem) > MAX_OCTETS:
        raise PkiError(f"certificates too large: {len(pem)} octets, the limit is {MAX_OCTETS}")
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        if b"CERTIFICATE REQUEST-----" in pem:
            raise PkiError("expected certificates, got a signing request") from error
        # The rest of the text refers to the library's documentation.
        raise PkiError(f"no certificates in PEM: {str(error).partition('. See ')[0]}") from error


def inspect(certificate: x509.Certificate) -> Inspection:
    """Inspect a certificate. Raises `PkiError` if its fields do not parse."""
    basic = _extension(certificate, x509.BasicConstraints)
    try:
        return Inspection(
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            serial=f"{certificate.serial_number:x}",
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            key=describe(certificate.public_key()),
            names=names_of(certificate),
            usages=usages_of(certificate),
            ca=basic is not None and basic.ca,
            fingerprint=hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest(),
        )
    except UNREADABLE as error:
        raise PkiError(f"unreadable certificate: {error}") from error


def usages_of(certificate: x509.Certificate) -> tuple[str, ...] | None:
    """Return a certificate's extended key usages (``serverAuth``, ``clientAuth``, else an object identifier); None if
    the extension is missing or does not parse.
    """
    extended = _extension(certificate, x509.ExtendedKeyUsage)
    if extended is None:
        return None
    known = {usage.oid: usage.value for usage in Usage}
    return tuple(known.get(oid, oid.dotted_string) for oid in extended)


def _extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return None
