"""Certificates and trust, as a deployment describes them: who signed what, which names, who trusts whom."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edgesim.deployment.base import HostLabel, Model, Text

Authority = Literal[
    "public", "public-issuing", "enterprise", "enterprise-root", "private", "manufacturing", "self-signed"
]
"""Who signs a certificate: the public authority's root itself or its issuing intermediate; the enterprise's issuing
intermediate or its root itself; a private CA that nobody trusts unless told; the phones' maker; or nobody else."""
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
"""What else each kind of host may have: none unless written. An Expressway's ``client`` is the separate client
certificate (before it exists, and while it is not written, the server certificate serves for both); a client's is the
one that it shows where it is asked for one."""

EVERY = ("public", "public-issuing", "enterprise", "enterprise-issuing")
"""What servers trust when nothing is written: the chains of the two authorities, beside self-signed servers."""

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
"""Stores that nobody can change: the list of public CAs in a phone's firmware."""


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
    raise LookupError(f"no service {name!r}; there is {', '.join(there)}" if there else "it restarts as a whole")


def stores_of(kind: str, platform: str | None = None) -> dict[str, tuple[str, ...]]:
    """Return the trust stores of a kind of host with their usual CAs; ``platform`` is that of a client."""
    return STORES.get(platform or "", STORES.get(kind, {})) if kind == "client" else STORES.get(kind, {})


class Certificate(Model):
    """The certificate of one service of one host; ``names`` are its SANs in full, derived when left out."""

    host: HostLabel = Field(description="the host that presents it, by its name")
    service: Text = Field(
        description="server (Expressway), tomcat, callmanager (Unified CM), tomcat, cup-xmpp (IM and Presence), "
        "client (a client's own; an Expressway's separate one from X15.5)"
    )
    signed_by: Authority | None = Field(
        default=None,
        description="public on Expressway-E, manufacturing for a phone's own, enterprise elsewhere, when left out",
    )
    common_name: Text | None = Field(default=None, description="the subject's common name; the FQDN when left out")
    names: tuple[Text, ...] | None = Field(
        default=None, description="SANs, all of them: DNS names and addresses, others as SRV:name or XMPP:name"
    )
    extra_names: tuple[Text, ...] = Field(default=(), description="SANs beside the derived ones")
    without_names: tuple[Text, ...] = Field(default=(), description="derived SANs to leave out")
    registration_domain_form: RegistrationDomainForm = Field(
        default="DNS", description="how the derived SANs of Expressway-E write the Unified CM registration domains"
    )
    chat_alias_form: ChatAliasForm = Field(
        default="DNS", description="how the derived SANs of an Expressway write chat node aliases"
    )
    key: KeyKind | None = Field(default=None, description="the key's kind; defaults.tls.key when left out")
    sends: Literal["leaf", "chain"] | None = Field(
        default=None, description="what the service sends in TLS; defaults.tls.sends"
    )
    server_auth: bool = Field(default=True, description="extended key usage serverAuth")
    client_auth: bool = Field(default=True, description="extended key usage clientAuth")
    strips: tuple[StrippedUsage, ...] = Field(
        default=(), description="usages that the CA dropped from what the request asked for"
    )
    validity: Literal["valid", "expired", "not yet valid"] = Field(
        default="valid", description="broken by date for every clock that a lab may have, or good"
    )
    expires_after_s: float | None = Field(
        default=None, ge=0, description="valid at the lab's start, over so many seconds of lab time later"
    )


class TrustStore(Model):
    """What one trust store of one host holds: CA names, or ``host/service`` for the certificate of a service itself.

    What is in effect is ``holds`` with ``adds`` and without ``lacks`` and ``pending``, in this order; once filled in,
    ``holds`` is just that.
    """

    host: HostLabel = Field(description="the host that trusts, by its name")
    store: Text = Field(
        description="trusted-ca, activation-code (Expressway-E), tomcat-trust, callmanager-trust (Unified CM), "
        "cup-xmpp-trust (IM and Presence), system, ca-list (room devices), built-in (phones, which cannot be changed)"
    )
    holds: tuple[Text, ...] | None = Field(
        default=None, description="all that it holds; the usual CAs, and what is self-signed on servers, when left out"
    )
    adds: tuple[Text, ...] = Field(default=(), description="what it holds besides")
    lacks: tuple[Text, ...] = Field(default=(), description="what of it is missing")
    pending: tuple[Text, ...] = Field(
        default=(), description="uploaded after the last restart: held, and without effect until the next one"
    )
