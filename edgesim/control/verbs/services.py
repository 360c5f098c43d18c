"""Verbs on what runs on a host."""

from __future__ import annotations

from edgesim.control.carrier import ControlError
from edgesim.control.command import WAITS, Done, HostCommand, Site, verb
from edgesim.lab.administration import NotRunning
from edgesim.node import Node

__all__ = ["RestartService"]


@verb("restart-service")
class RestartService(HostCommand[Done]):
    """Restart one service of Unified CM or IM and Presence, such as ``Cisco Tomcat``; ``Cisco`` may be left out."""

    service: str

    @property
    def limit_s(self) -> float | None:
        return WAITS

    async def work(self, site: Site, node: Node) -> Done:
        try:
            service = await site.lab.restart_service(node.name, self.service)
        except (LookupError, NotRunning) as error:
            raise ControlError(str(error)) from None
        except OSError as error:
            raise ControlError(f"{self.service} of {node.name} did not start again: {error}") from None
        return Done(text=f"{service} of {node.name} was restarted")
