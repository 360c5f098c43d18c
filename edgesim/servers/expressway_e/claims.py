"""The service that a domain of an Expressway-E belongs to: the one configured for it first.

If the Web Proxy's guest account client URI is also a domain enabled for Unified CM registrations, the service
configured first works and the other fails ("MRA Deployment Guide X15.0, MRA Requirements and Prerequisites"). MRA is
configured on E when C sends it its domains; the Web Proxy when an administrator enters the URI. The configuration
survives a restart, and so does its order.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any

from edgesim.deployment import Deployment

MRA = "MRA"
WEB_PROXY = "Web Proxy"
URI = "guest account client URI"


class Claims:
    """The claims of one Expressway-E, on the disk of its host: domains with their services, and the URI.

    An empty disk gets the deployment's configuration: ``cms_web_proxy.configured`` says which service came first.
    """

    def __init__(self, disk: MutableMapping[str, Any], deployment: Deployment) -> None:
        fresh = "claims" not in disk
        self._owners: dict[str, str] = disk.setdefault("claims", {})
        self._disk = disk
        settings = deployment.cms_web_proxy
        if fresh and settings is not None:
            if settings.configured == "after MRA":
                self.enabled(each.name for each in deployment.domains.enabled if each.registers)
            self.configure_web_proxy(settings.guest_account_client_uri)

    @property
    def guest_account_client_uri(self) -> str | None:
        """The URI entered for the Web Proxy, in lower case; None if it is not configured."""
        found: str | None = self._disk.get(URI)
        return found

    def enabled(self, domains: Iterable[str]) -> None:
        """C enabled domains for MRA: those that no other service has are MRA's from now on."""
        for domain in domains:
            self._owners.setdefault(domain.lower(), MRA)

    def configure_web_proxy(self, uri: str) -> bool:
        """Enter the Web Proxy's URI; return whether it gets the domain."""
        self._disk[URI] = uri.lower()
        return self._owners.setdefault(uri.lower(), WEB_PROXY) == WEB_PROXY

    def owner(self, domain: str) -> str | None:
        """Return the service that a domain belongs to."""
        return self._owners.get(domain.lower())
