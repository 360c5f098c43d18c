"""Certificates and trust of a deployment, complete: signers, names, trust stores."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.deployment.base import HostLabel, Text
from edgesim.deployment.services import (
    Authority,
    ChatAliasForm,
    KeyKind,
    RegistrationDomainForm,
    Sends,
    StrippedUsage,
    Validity,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The certificate of one service of one host; ``names`` are its SANs in full, the usages those that it has.

    ``expires_after_s`` is None where it does not expire during a run.
    """

    host: HostLabel
    service: Text
    signed_by: Authority
    common_name: Text
    names: tuple[Text, ...]
    extra_names: tuple[Text, ...]
    without_names: tuple[Text, ...]
    registration_domain_form: RegistrationDomainForm
    chat_alias_form: ChatAliasForm
    key: KeyKind
    sends: Sends
    server_auth: bool
    client_auth: bool
    strips: tuple[StrippedUsage, ...]
    validity: Validity
    expires_after_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustStore:
    """What one trust store of one host holds: CA names, or ``host/service`` for the certificate of a service itself.

    ``holds`` is in effect; ``pending`` was uploaded after the last restart. ``adds`` and ``lacks`` are the author's
    changes to the default.
    """

    host: HostLabel
    store: Text
    holds: tuple[Text, ...]
    adds: tuple[Text, ...]
    lacks: tuple[Text, ...]
    pending: tuple[Text, ...]
