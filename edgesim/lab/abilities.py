"""Protocols that the service on a host may implement; the lab checks with `isinstance`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from edgesim.dns import Views
from edgesim.edge.link_state import LinkState

if TYPE_CHECKING:
    from edgesim.servers.expressway_c.discovery import Discovered
    from edgesim.servers.expressway_c.product import ExpresswayC
    from edgesim.servers.expressway_e.product import ExpresswayE
    from edgesim.servers.im_presence.node import ImPresence
    from edgesim.servers.name_server import NameServer
    from edgesim.servers.unified_cm.node import UnifiedCm
    from edgesim.sip import SipEndpoint
    from edgesim.sip.proxy_core import ProxyCore
    from edgesim.world.api import BecomesReady


@runtime_checkable
class DialsLinks(Protocol):
    """Expressway-C: it dials links, tries them again, and discovers servers."""

    @property
    def discovered(self) -> Discovered: ...

    def links(self) -> tuple[LinkState, ...]: ...

    def retry_links(self) -> int: ...


@runtime_checkable
class RestartsServices(Protocol):
    """Unified CM, IM and Presence: single services restart."""

    async def restart(self, services: Sequence[str]) -> None: ...


@runtime_checkable
class HasWebProxy(Protocol):
    """Expressway-E: a Web Proxy for Meeting Server."""

    async def configure_web_proxy(self, guest_account_client_uri: str) -> bool: ...


@runtime_checkable
class ServesNames(Protocol):
    """A name server, whose views fail on demand."""

    @property
    def views(self) -> Views: ...


@runtime_checkable
class CountsUnfinished(Protocol):
    """A program that counts its unfinished work."""

    def unfinished(self) -> list[str]: ...


@runtime_checkable
class CountsLeaks(Protocol):
    """A program that counts what it holds, of which nothing may be left after its end."""

    def leaks(self) -> list[str]: ...


if TYPE_CHECKING:  # who has which of them
    _keep: tuple[type[BecomesReady], ...] = (ExpresswayC, ExpresswayE)
    _dial: type[DialsLinks] = ExpresswayC
    _restart: tuple[type[RestartsServices], ...] = (UnifiedCm, ImPresence)
    _proxy: type[HasWebProxy] = ExpresswayE
    _names: type[ServesNames] = NameServer
    _unfinished: type[CountsUnfinished] = SipEndpoint
    _leaks: type[CountsLeaks] = ProxyCore
