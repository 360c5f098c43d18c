"""Certificates and trust, as a deployment describes them: who signed what, which names, who trusts whom."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edgesim.deployment.base import HostLabel, Model, Text

Authority = Literal["public", "enterprise", "self-signed"]
"""Who signs a certificate: the public authority, the enterprise's (through its intermediate), or nobody else."""
AUTHORITIES = ("public", "enterprise", "enterprise-issuing")
"""The names of the CA certificates of a lab: the public root, the enterprise's root and its issuing intermediate."""

SERVICES: dict[str, tuple[str, ...]] = {
    "expressway_e": ("server",),
    "expressway_c": ("server",),
    "unified_cm": ("tomcat", "callmanager"),
    "im_presence": ("tomcat", "cup-xmpp"),
}
"""The services of each kind of host that present a certificate."""
STORES: dict[str, tuple[str, ...]] = {
    "expressway_e": ("trusted-ca",),
    "expressway_c": ("trusted-ca",),
    "unified_cm": ("tomcat-trust", "callmanager-trust"),
    "im_presence": ("tomcat-trust", "cup-xmpp-trust"),
    "client": ("system",),
}
"""The trust stores of each kind of host."""


class Certificate(Model):
    """The certificate of one service of one host; ``names`` are its SANs in full, derived when left out."""

    host: HostLabel
    service: Text
    signed_by: Authority | None = Field(
        default=None, description="public on Expressway-E, enterprise elsewhere, when left out"
    )
    names: tuple[Text, ...] | None = Field(default=None, description="SANs (DNS), all of them")
    extra_names: tuple[Text, ...] = Field(default=(), description="SANs beside the derived ones")
    without_names: tuple[Text, ...] = Field(default=(), description="derived SANs to leave out")
    sends: Literal["leaf", "chain"] | None = Field(
        default=None, description="what the service sends in TLS; defaults.tls.sends"
    )
    server_auth: bool = Field(default=True, description="extended key usage serverAuth")
    client_auth: bool = Field(default=True, description="extended key usage clientAuth")
    validity: Literal["valid", "expired", "not yet valid"] = "valid"


class TrustStore(Model):
    """What one trust store of one host holds: CA names, or ``host/service`` for the certificate of a service itself."""

    host: HostLabel
    store: Text
    holds: tuple[Text, ...] | None = Field(
        default=None, description="every CA, and every self-signed certificate, when left out"
    )
