"""Which services present certificates, which trust stores there are, and who may sign: facts of the products."""

from __future__ import annotations

from typing import Literal

Authority = Literal[
    "public", "public-issuing", "enterprise", "enterprise-root", "private", "manufacturing", "self-signed"
]
"""The signer of a certificate: the public authority's root or its issuing intermediate; the enterprise's issuing
intermediate or its root; a private CA that no store has by default; the phones' vendor; or the certificate itself."""
AUTHORITIES = ("public", "public-issuing", "enterprise", "enterprise-issuing", "private", "manufacturing")
"""The names of the CA certificates of a lab, as trust stores hold them. ``enterprise`` is the enterprise's root."""

KeyKind = Literal["ec-p256", "rsa-2048", "rsa-1024"]
"""A kind of private key. ``rsa-1024`` is weak: OpenSSL refuses it at its usual security level."""
StrippedUsage = Literal["server auth", "client auth"]
"""An extended key usage that a CA may drop from what it was asked for."""
RegistrationDomainForm = Literal["DNS", "CollabEdgeDNS", "SRVName"]
"""How Expressway-E's CSR writes the Unified CM registration domains: ``example.com``, ``collab-edge.example.com`` or,
on older releases, ``_collab-edge._tls.example.com`` as an SRV name."""
ChatAliasForm = Literal["DNS", "XMPPAddress"]
"""How an Expressway's CSR writes chat node aliases: as DNS names, or as XMPP addresses, which not every CA signs."""

Sends = Literal["leaf", "chain"]
"""What a service sends in TLS."""
Validity = Literal["valid", "expired", "not yet valid"]

SERVICES: dict[str, tuple[str, ...]] = {
    "expressway_e": ("server",),
    "expressway_c": ("server",),
    "unified_cm": ("tomcat", "callmanager"),
    "im_presence": ("tomcat", "cup-xmpp"),
}
"""The services of each kind of host that present a certificate."""
OPTIONAL_SERVICES: dict[str, tuple[str, ...]] = {
    "expressway_e": ("client",),
    "expressway_c": ("client",),
    "client": ("client",),
}
"""Optional services of each kind of host. An Expressway's ``client`` is the separate client certificate (without it,
the server certificate serves for both); a client's is the one that it presents on request."""

EVERY = ("public", "public-issuing", "enterprise", "enterprise-issuing")
"""What servers trust by default: the chains of the two authorities, beside self-signed servers."""

STORES: dict[str, dict[str, tuple[str, ...]]] = {
    "expressway_e": {"trusted-ca": EVERY, "activation-code": ("manufacturing",)},
    "expressway_c": {"trusted-ca": EVERY},
    "unified_cm": {"tomcat-trust": EVERY, "callmanager-trust": EVERY},
    "im_presence": {"tomcat-trust": EVERY, "cup-xmpp-trust": EVERY},
    "client": {"system": ("public", "enterprise", "enterprise-issuing")},
    "room": {"ca-list": ("public",)},
    "phone": {"built-in": ("public",)},
}
"""The trust stores of each kind of host, and of each kind of client that has its own, with the CAs in them when nothing
is written. ``activation-code`` is Expressway-E's list for mutual TLS. No store of a client holds the public authority's
intermediate: it is for Expressway-E to send it."""
SELF_SIGNED_TOO = ("trusted-ca", "tomcat-trust", "callmanager-trust", "cup-xmpp-trust")
"""The stores to which the self-signed certificates of servers are added when nothing is written. Those of a Unified CM
cluster in mixed mode also hold every Expressway-C's certificate then."""
RESTARTABLE: dict[str, tuple[str, ...]] = {
    "unified_cm": ("Cisco Tomcat", "Cisco CallManager", "Cisco TFTP", "Cisco HAProxy"),
    "im_presence": ("Cisco Tomcat", "Cisco XCP Router"),
}
"""The services that an administrator restarts one by one, by the kind of host. An Expressway restarts as a whole."""
FIXED = ("built-in",)
"""Stores that cannot be changed: the list of public CAs in a phone's firmware."""


def services_of(kind: str) -> tuple[str, ...]:
    """Return every service that a kind of host may have a certificate for."""
    return SERVICES.get(kind, ()) + OPTIONAL_SERVICES.get(kind, ())


def restartable(kind: str, name: str) -> str:
    """Return a service of a kind of host by its full name; case and the leading ``Cisco`` do not count.

    Raises `LookupError` with the services there are.
    """
    there = RESTARTABLE.get(kind, ())
    wanted = name.lower().removeprefix("cisco ")
    for each in there:
        if each.lower().removeprefix("cisco ") == wanted:
            return each
    raise LookupError(f"no service {name!r}; known: {', '.join(there)}" if there else "it restarts as a whole")


def stores_of(kind: str, platform: str | None = None) -> dict[str, tuple[str, ...]]:
    """Return the trust stores of a kind of host with their usual CAs; ``platform`` is that of a client."""
    return STORES.get(platform or "", STORES.get(kind, {})) if kind == "client" else STORES.get(kind, {})
