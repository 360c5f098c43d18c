"""The command set over a lab in the same process, where the lab and each of its hosts are within reach."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from edgesim.clients.common.stages import StageFailed
from edgesim.control.carrier import ControlError, TookTooLong, Unsupported
from edgesim.control.command import Command, EverywhereCommand, HostCommand, HostsCommand, LabCommand
from edgesim.lab import RunningLab
from edgesim.lab.administration import NotRunning
from edgesim.lab.clients import NoClient
from edgesim.lab.held import NotHeld
from edgesim.node import Node
from edgesim.world import HostState, UnsupportedError

R = TypeVar("R")


async def within_limit(command: Command[R], work: Awaitable[R]) -> R:
    """Await the work of a command within its time limit. Raises `ControlError` for any failure."""
    try:
        async with asyncio.timeout(command.limit_s) as waiting:
            return await work
    except TimeoutError:
        if not waiting.expired():
            raise
        raise TookTooLong(f"{command.name} did not end within {command.limit_s:g} s") from None
    except UnsupportedError as error:
        raise Unsupported(str(error)) from None
    except (NotRunning, NoClient, StageFailed, NotHeld) as error:
        raise ControlError(str(error)) from None


class InProcess:
    """Carries commands to a lab by doing their work here, in the caller's task.

    A lab whose hosts are elsewhere overrides `at_host`, `at_hosts` and `everywhere`.
    """

    def __init__(self, lab: RunningLab) -> None:
        self.lab = lab

    async def ask(self, command: Command[R]) -> R:
        """Do what the command says and return its reply. Raises `ControlError`."""
        return await within_limit(command, self._answer(command))

    async def _answer(self, command: Command[R]) -> R:
        if isinstance(command, LabCommand):
            return await self.at_lab(command)
        if isinstance(command, HostCommand):
            node = self.node(command.host)
            if node.host.state is not HostState.UP and command.needs_up:
                raise ControlError(f"{node.name} is {node.host.state.value}")
            return await self.at_host(command, node)
        if isinstance(command, HostsCommand):
            nodes = [node for node in self.lab.nodes.values() if node.host.state is HostState.UP]
            if command.host is not None:
                named = self.node(command.host)
                nodes = [node for node in nodes if node is named]
            return await self.at_hosts(command, nodes)
        if isinstance(command, EverywhereCommand):
            return await self.everywhere(command)
        raise ControlError(f"{type(command).__name__} is not a command of a lab")

    def node(self, host: str) -> Node:
        """Return the node of a host. Raises `ControlError` for a name that the lab does not have."""
        try:
            return self.lab.node(host)
        except LookupError as error:
            raise ControlError(str(error)) from None

    async def at_lab(self, command: LabCommand[R]) -> R:
        """Answer a command on the lab as a whole."""
        return await command.work(self)

    async def at_host(self, command: HostCommand[R], node: Node) -> R:
        """Have a host answer; the lab does it for one that is down."""
        return await command.work(self, node)

    async def at_hosts(self, command: HostsCommand[R], nodes: list[Node]) -> R:
        """Have each of some running hosts answer, and merge the replies."""
        return command.merge([await command.work(self, node) for node in nodes])

    async def everywhere(self, command: EverywhereCommand[R]) -> R:
        """Have the lab answer, and every host's process that is not the lab's; merge the replies."""
        return command.merge([await command.work(self)])
