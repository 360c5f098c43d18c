"""The names in a certificate as text, and name matching.

A name has its type: ``DNS:expe.example.com``, ``IP:10.0.30.11``, ``SRV:_collab-edge._tls.example.com`` (RFC 4985),
``XMPP:example.com`` (RFC 6120, section 13.7.1.4), ``URI:...``, ``EMAIL:...``. A name without a type is an address if it
parses as one, else a DNS name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

SRV_NAME = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7")
"""id-on-dnsSRV (RFC 4985, section 2): an IA5String."""
XMPP_ADDR = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")
"""id-on-xmppAddr (RFC 6120, section 13.7.1.4): a UTF8String."""

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""The exceptions that `cryptography` raises for certificates, or parts of them, that do not parse."""

_KINDS = ("DNS", "IP", "SRV", "XMPP", "URI", "EMAIL")
_IA5_STRING = 0x16
_UTF8_STRING = 0x0C


def qualified(name: str) -> str:
    """Return ``name`` with its type: unchanged if it has one, else as ``IP:`` or ``DNS:``."""
    if name.partition(":")[0] in _KINDS:
        return name
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def to_general_name(name: str) -> x509.GeneralName:
    """Return the X.509 form of a name. Raises `ValueError` if its type does not allow the value."""
    kind, _, value = qualified(name).partition(":")
    match kind:
        case "DNS":
            return x509.DNSName(value)
        case "IP":
            return x509.IPAddress(ipaddress.ip_address(value))
        case "SRV":
            return x509.OtherName(SRV_NAME, _der_string(_IA5_STRING, value.encode("ascii")))
        case "XMPP":
            return x509.OtherName(XMPP_ADDR, _der_string(_UTF8_STRING, value.encode()))
        case "URI":
            return x509.UniformResourceIdentifier(value)
        case _:
            return x509.RFC822Name(value)


def from_general_name(name: x509.GeneralName) -> str | None:
    """Return the text of an X.509 name, or None for an unsupported type."""
    match name:
        case x509.DNSName():
            return f"DNS:{name.value}"
        case x509.IPAddress():
            return f"IP:{name.value}"
        case x509.UniformResourceIdentifier():
            return f"URI:{name.value}"
        case x509.RFC822Name():
            return f"EMAIL:{name.value}"
        case x509.OtherName():
            return _from_other_name(name)
        case _:
            return None


def names_of(certificate: x509.Certificate, limit: int | None = None) -> tuple[str, ...]:
    """Return the subject alternative names of a certificate, in order; empty if they are missing or do not parse.

    With ``limit``, only those seen by a product that reads that many characters of the list, see `within`.
    """
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, *UNREADABLE):
        return ()
    names = tuple(text for name in extension.value if (text := from_general_name(name)) is not None)
    return names if limit is None else within(names, limit)


def as_list(names: Iterable[str]) -> str:
    """Return names in the notation of OpenSSL and the products: ``DNS:expe.example.com, DNS:example.com``."""
    return ", ".join(names)


def within(names: Iterable[str], limit: int) -> tuple[str, ...]:
    """Return the names that end within the first ``limit`` characters of the list, in the notation of `as_list`.

    Expressway ignores the rest. Source: Cisco, "Configure and Troubleshoot Collaboration Edge (MRA) Certificates
    (213872)".
    """
    seen: list[str] = []
    for name in names:
        seen.append(name)
        if len(as_list(seen)) > limit:
            return tuple(seen[:-1])
    return tuple(seen)


def subject_of(certificate: x509.Certificate) -> str:
    """Return the subject in RFC 4514 notation, e.g. ``CN=expe.example.com,O=Example``."""
    return certificate.subject.rfc4514_string()


def common_name_of(certificate: x509.Certificate | x509.CertificateSigningRequest) -> str | None:
    """Return the subject's last common name, or None."""
    values = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(values[-1].value) if values else None


def matches(wanted: str, present: str) -> bool:
    """Return whether a name in a certificate matches the name wanted.

    DNS names compare without regard to case; a wildcard matches exactly one complete leftmost label (RFC 9525, section
    6.3). Addresses compare by value. In an SRV name the service compares exactly, the domain as a DNS name.
    """
    kind, _, value = qualified(wanted).partition(":")
    present_kind, _, present_value = qualified(present).partition(":")
    if kind != present_kind:
        return False
    match kind:
        case "DNS":
            return _dns_matches(value, present_value)
        case "IP":
            return value == present_value
        case "SRV" | "XMPP":
            return value.rstrip(".").lower() == present_value.rstrip(".").lower()
        case _:
            return value == present_value


def first_match(wanted: Iterable[str], present: Iterable[str]) -> tuple[str, str] | None:
    """Return the first ``(wanted, present)`` pair that matches, or None."""
    has = tuple(present)
    return next(((want, name) for want in wanted for name in has if matches(want, name)), None)


def _dns_matches(wanted: str, present: str) -> bool:
    want = wanted.rstrip(".").lower().split(".")
    have = present.rstrip(".").lower().split(".")
    if have[0] == "*":
        return len(have) > 2 and len(want) == len(have) and want[0] != "" and want[1:] == have[1:]
    return want == have


def _der_string(tag: int, value: bytes) -> bytes:
    if len(value) > 0xFF:
        raise ValueError("name longer than 255 octets")
    length = bytes([len(value)]) if len(value) < 0x80 else bytes([0x81, len(value)])
    return bytes([tag]) + length + value


def _from_other_name(name: x509.OtherName) -> str | None:
    kind, tag = {SRV_NAME: ("SRV", _IA5_STRING), XMPP_ADDR: ("XMPP", _UTF8_STRING)}.get(name.type_id, (None, 0))
    der = name.value
    if kind is None or len(der) < 2 or der[0] != tag:
        return None
    body = der[2:] if der[1] < 0x80 else der[3:]
    try:
        return f"{kind}:{body.decode('ascii' if kind == 'SRV' else 'utf-8')}"
    except UnicodeDecodeError:
        return None
