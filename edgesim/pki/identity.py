"""The identity of a service: private key, certificate and chain; and the products' certificate requests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from edgesim.pki.keys import PrivateKey, key_pem
from edgesim.pki.names import names_of, qualified, subject_of

_PEM = serialization.Encoding.PEM


class PkiError(Exception):
    """A certificate, key or store cannot be used; the text says which and why."""


class Usage(Enum):
    """The extended key usages that the products request."""

    SERVER = "serverAuth"
    CLIENT = "clientAuth"
    IPSEC = "ipsecEndSystem"

    @property
    def oid(self) -> x509.ObjectIdentifier:
        """The usage's object identifier (RFC 5280, section 4.2.1.12)."""
        return {
            Usage.SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
            Usage.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
            Usage.IPSEC: x509.ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
        }[self]


BOTH = (Usage.SERVER, Usage.CLIENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The kind of certificate that a product's CSR requests: its service and usages."""

    name: str
    usages: tuple[Usage, ...]


# Cisco, "Cisco Expressway Certificate Creation and Use Deployment Guide": server and client authentication. Cisco,
# "Security Guide for Cisco Unified Communications Manager": the key usages of each CSR.
EXPRESSWAY = Profile(name="expressway", usages=BOTH)
TOMCAT = Profile(name="tomcat", usages=BOTH)
CALLMANAGER = Profile(name="CallManager", usages=BOTH)
CUP = Profile(name="cup", usages=(*BOTH, Usage.IPSEC))
CUP_XMPP = Profile(name="cup-xmpp", usages=(*BOTH, Usage.IPSEC))
SERVER_ONLY = Profile(name="server", usages=(Usage.SERVER,))
CLIENT_ONLY = Profile(name="client", usages=(Usage.CLIENT,))

PROFILES = {profile.name: profile for profile in (EXPRESSWAY, TOMCAT, CALLMANAGER, CUP, CUP_XMPP)}
"""The products' profiles by the product's name for the certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A certificate request: the content of a CSR. ``names`` are written as in `edgesim.pki.names`.

    ``full_subject`` replaces common name, organization and unit if a request had more than these.
    """

    common_name: str
    names: tuple[str, ...]
    profile: Profile
    organization: str = "edgesim lab"
    unit: str | None = None
    full_subject: x509.Name | None = None

    def subject(self) -> x509.Name:
        """Return the subject's distinguished name."""
        if self.full_subject is not None:
            return self.full_subject
        return distinguished_name(self.common_name, self.organization, self.unit)

    def without(self, *names: str) -> Request:
        """Return the same request without some names, as an administrator may forget them."""
        drop = tuple(qualified(name) for name in names)
        return replace(self, names=tuple(name for name in self.names if qualified(name) not in drop))


def expressway_e(
    fqdn: str,
    *,
    domains: Sequence[str] = (),
    form: str = "DNS",
    federation: Sequence[str] = (),
    aliases: Sequence[str] = (),
    organization: str = "edgesim lab",
) -> Request:
    """Return the request of an Expressway-E.

    ``domains`` are the "Unified CM registration domains", in one of these forms: ``DNS`` (``example.com``),
    ``CollabEdgeDNS`` (``collab-edge.example.com``) or ``SRVName`` (``_collab-edge._tls.example.com``). ``federation``
    are XMPP federation domains, ``aliases`` chat node aliases and other names of E. Source: Cisco, "Cisco Expressway
    Certificate Creation and Use Deployment Guide". Raises `PkiError` for an unknown form.
    """
    forms = {"DNS": "DNS:{}", "CollabEdgeDNS": "DNS:collab-edge.{}", "SRVName": "SRV:_collab-edge._tls.{}"}
    if form not in forms:
        raise PkiError(f"registration domain form: expected one of {', '.join(forms)}, got {form!r}")
    names = (f"DNS:{fqdn}", *(forms[form].format(d) for d in domains), *(f"DNS:{n}" for n in (*federation, *aliases)))
    return Request(common_name=fqdn, names=_distinct(names), profile=EXPRESSWAY, organization=organization)


def expressway_c(
    fqdn: str,
    *,
    cluster: str | None = None,
    security_profiles: Sequence[str] = (),
    aliases: Sequence[str] = (),
    organization: str = "edgesim lab",
) -> Request:
    """Return the request of an Expressway-C: cluster name, names of phone security profiles that use TLS, chat node
    aliases.

    Source: Cisco, "Cisco Expressway Certificate Creation and Use Deployment Guide".
    """
    names = (fqdn, *((cluster,) if cluster else ()), *security_profiles, *aliases)
    return Request(
        common_name=fqdn,
        names=_distinct(tuple(f"DNS:{name}" for name in names)),
        profile=EXPRESSWAY,
        organization=organization,
    )


def unified_cm(
    fqdn: str, service: str = "tomcat", *, names: Sequence[str] = (), organization: str = "edgesim lab"
) -> Request:
    """Return the request of a Unified CM or Unity Connection node: ``service`` is ``tomcat`` or ``CallManager``.

    ``names`` are additional names, e.g. the bare host name, the other nodes of a multi-server certificate, or an
    address.
    """
    return Request(
        common_name=fqdn,
        names=_distinct(tuple(qualified(name) for name in (fqdn, *names))),
        profile=PROFILES[service],
        organization=organization,
    )


def im_presence(
    fqdn: str,
    service: str = "cup-xmpp",
    *,
    domains: Sequence[str] = (),
    names: Sequence[str] = (),
    organization: str = "edgesim lab",
) -> Request:
    """Return the request of an IM and Presence node: ``service`` is ``cup-xmpp``, ``cup`` or ``tomcat``.

    ``domains`` are the presence domains (only in ``cup-xmpp``).
    """
    covered = domains if service == "cup-xmpp" else ()
    return Request(
        common_name=fqdn,
        names=_distinct(tuple(qualified(name) for name in (fqdn, *covered, *names))),
        profile=PROFILES[service],
        organization=organization,
    )


@dataclass(frozen=True, eq=False)
class Identity:
    """A private key with its certificate, and the CA certificates above it without the root, nearest first."""

    key: PrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = field(default=())

    @cached_property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The subject alternative names, each with its type: ``DNS:...``, ``IP:...``, ``SRV:...``."""
        return names_of(self.certificate)

    @property
    def subject(self) -> str:
        """The subject in RFC 4514 notation."""
        return subject_of(self.certificate)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the certificate in DER, in lower-case hexadecimal."""
        return hashlib.sha256(self.der).hexdigest()

    def pem(self, *, chain: bool = False) -> bytes:
        """Return the certificate in PEM, optionally followed by the chain."""
        certificates = (self.certificate, *self.chain) if chain else (self.certificate,)
        return b"".join(certificate.public_bytes(_PEM) for certificate in certificates)

    def key_pem(self) -> bytes:
        """Return the private key in PEM (PKCS #8, not encrypted)."""
        return key_pem(self.key)

    def __repr__(self) -> str:
        return f"<Identity {self.subject}>"


def distinguished_name(common_name: str, organization: str, unit: str | None = None) -> x509.Name:
    """Return a distinguished name of organization, unit and common name, in this order on the wire."""
    attributes = [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, organization)]
    if unit:
        attributes.append(x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
    # RFC 5280 limits a common name to 64 characters; the relevant names are in the SAN.
    attributes.append(x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name[:64]))
    return x509.Name(attributes)


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
