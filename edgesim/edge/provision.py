"""The link ``ciscojabber://provision?...`` that tells Jabber its domains.

Sources: "Deployment and Installation Guide for Cisco Jabber 10.5", Requirements; Cisco 117811. Parameter names are
case-insensitive, since the two guides differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

from edgesim.edge.descriptor import is_domain

SCHEME = "ciscojabber://provision"
SERVICES = ("WEBEX", "CUCM", "CUP")
MAX_LENGTH = 4096


class ProvisionError(ValueError):
    """The text is not a provisioning link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """The settings of a link. ``excluded`` is a subset of ``WEBEX``, ``CUCM``, ``CUP``; ``extra`` has all other
    parameters.
    """

    services_domain: str | None = None
    voice_services_domain: str | None = None
    excluded: tuple[str, ...] = ()
    sso_email_prompt: bool | None = None
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def edge_domain(self) -> str | None:
        """The domain of the SRV queries and of ``get_edge_config``: the voice services domain if set."""
        return self.voice_services_domain or self.services_domain


def build(provision: Provision) -> str:
    """Return the link."""
    parameters = [
        ("ServicesDomain", provision.services_domain),
        ("VoiceServicesDomain", provision.voice_services_domain),
        ("ServiceDiscoveryExcludedServices", ",".join(provision.excluded) or None),
        ("ServicesDomainSsoEmailPrompt", {True: "ON", False: "OFF", None: None}[provision.sso_email_prompt]),
        *provision.extra,
    ]
    query = "&".join(f"{quote(name)}={quote(value, safe=',')}" for name, value in parameters if value is not None)
    return f"{SCHEME}?{query}"


def parse(link: str) -> Provision:
    """Parse a link; raises `ProvisionError`, which names the parameter."""
    scheme, question, query = link.strip().partition("?")
    if len(link) > MAX_LENGTH or scheme.lower().rstrip("/") != SCHEME or not question:
        raise ProvisionError("not a ciscojabber://provision link")
    if query.count("&") > 50:
        raise ProvisionError("too many parameters")
    domains: dict[str, str] = {}
    excluded: tuple[str, ...] = ()
    prompt: bool | None = None
    extra: list[tuple[str, str]] = []
    for name, value in parse_qsl(query, keep_blank_values=True):
        match name.lower():
            case "servicesdomain" | "voiceservicesdomain" as which:
                if not is_domain(value):
                    raise ProvisionError(f"{name}: {value[:80]!r} is not a domain")
                domains[which] = value
            case "servicediscoveryexcludedservices":
                excluded = tuple(dict.fromkeys(part.strip().upper() for part in value.split(",") if part.strip()))
                if unknown := [one for one in excluded if one not in SERVICES]:
                    raise ProvisionError(f"{name}: {unknown[0][:40]!r} is not one of {', '.join(SERVICES)}")
            case "servicesdomainssoemailprompt":
                if value.upper() not in ("ON", "OFF"):
                    raise ProvisionError(f"{name}: {value[:40]!r} is neither ON nor OFF")
                prompt = value.upper() == "ON"
            case _:
                extra.append((name, value))
    return Provision(
        services_domain=domains.get("servicesdomain"),
        voice_services_domain=domains.get("voiceservicesdomain"),
        excluded=excluded,
        sso_email_prompt=prompt,
        extra=tuple(extra),
    )
