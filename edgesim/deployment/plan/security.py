"""The plan of certificates and trust: signers, names, trust stores."""

from __future__ import annotations

from pydantic import Field

from edgesim.deployment.base import HostLabel, Model, Text
from edgesim.deployment.services import (
    Authority,
    ChatAliasForm,
    KeyKind,
    RegistrationDomainForm,
    Sends,
    StrippedUsage,
    Validity,
)


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
    sends: Sends | None = Field(default=None, description="what the service sends in TLS; defaults.tls.sends")
    server_auth: bool = Field(default=True, description="extended key usage serverAuth")
    client_auth: bool = Field(default=True, description="extended key usage clientAuth")
    strips: tuple[StrippedUsage, ...] = Field(
        default=(), description="usages that the CA dropped from what the request asked for"
    )
    validity: Validity = Field(
        default="valid", description="broken by date for every clock that a lab may have, or good"
    )
    expires_after_s: float | None = Field(
        default=None, ge=0, description="valid at the lab's start, over so many seconds of lab time later"
    )


class TrustStore(Model):
    """What one trust store of one host holds: CA names, or ``host/service`` for the certificate of a service itself.

    What is in effect is ``holds`` with ``adds`` and without ``lacks`` and ``pending``, in this order; in a deployment
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
