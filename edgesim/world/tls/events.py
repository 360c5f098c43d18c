"""Reports of TLS handshakes: the peers, or the reason of a failure."""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import Any

from cryptography import x509

from edgesim.world.events import Address, TlsEstablished, TlsFailed, WorldEvent
from edgesim.world.tls.layer import TlsLayer


@lru_cache(maxsize=512)
def certificate_names(der: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the subject's common name and the subject alternative names of a DER certificate."""
    certificate = x509.load_der_x509_certificate(der)
    common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    subject = str(common[0].value) if common else certificate.subject.rfc4514_string()
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return subject, ()
    names = [str(name.value) for name in san if isinstance(name, (x509.DNSName, x509.IPAddress))]
    return subject, tuple(names)


def tls_event(
    tls: TlsLayer,
    error: BaseException | None,
    at_ns: int,
    host: str,
    connection: str,
    local: Address,
    remote: Address,
) -> WorldEvent:
    """Return what observers get about the end of a handshake."""
    place: dict[str, Any] = {"at_ns": at_ns, "host": host, "connection": connection, "local": local, "remote": remote}
    if error is not None:
        return TlsFailed(**place, role=tls.role, reason=reason_of(error), alert=alert_of(error))
    known = tls.engine.ssl_object
    der = known.getpeercert(True)
    subject, names = certificate_names(der) if der else (None, ())
    cipher = known.cipher()
    return TlsEstablished(
        **place,
        role=tls.role,
        version=known.version() or "TLS",
        cipher=cipher[0] if cipher else "",
        server_name=tls.wanted_name,
        peer_subject=subject,
        peer_names=names,
    )


def alert_of(error: BaseException) -> str | None:
    """Return the alert that the peer sent, in the words of RFC 8446, section 6 (``unknown ca``), or None."""
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    if not reason or "ALERT" not in reason:
        return None
    return reason.split("ALERT_", 1)[-1].replace("_", " ").lower()


def reason_of(error: BaseException) -> str:
    """Return in one line why a handshake failed on this side."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return str(error) or type(error).__name__
