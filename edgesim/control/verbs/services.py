"""Verbs on what runs on a host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from edgesim.control.carrier import ControlError
from edgesim.control.command import WAITS, Done, HostCommand, Site, verb
from edgesim.lab import administration
from edgesim.node import Node

__all__ = ["ConfigureWebProxy", "RestartService", "WebProxyConfigured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebProxyConfigured:
    """Whether the Web Proxy gets its domain: it does not where MRA had it first."""

    gets_domain: bool


@verb("configure-web-proxy")
class ConfigureWebProxy(HostCommand[WebProxyConfigured]):
    """Configure the Web Proxy for Meeting Server on an Expressway-E, which remembers it."""

    guest_account_client_uri: Annotated[str, Field(max_length=253)]

    @property
    def limit_s(self) -> float | None:
        return WAITS

    async def work(self, site: Site, node: Node) -> WebProxyConfigured:
        try:
            gets = await administration.configure_web_proxy(node, self.guest_account_client_uri)
        except (LookupError, OSError) as error:
            raise ControlError(str(error)) from None
        return WebProxyConfigured(gets_domain=gets)


@verb("restart-service")
class RestartService(HostCommand[Done]):
    """Restart one service of Unified CM or IM and Presence, such as ``Cisco Tomcat``; ``Cisco`` may be left out."""

    service: str

    @property
    def limit_s(self) -> float | None:
        return WAITS

    async def work(self, site: Site, node: Node) -> Done:
        try:
            service = await administration.restart_service(node, self.service)
        except LookupError as error:
            raise ControlError(str(error)) from None
        except OSError as error:
            raise ControlError(f"{self.service} of {node.name} did not start again: {error}") from None
        return Done(text=f"{service} of {node.name} was restarted")
