"""The program of a host's process: the lab as far as this host needs it, and the server of commands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TypeVar

from edgesim.control.carrier import ControlError
from edgesim.control.coding import command_from_json, reply_to_json
from edgesim.control.command import Command, EverywhereCommand, HostCommand, HostsCommand
from edgesim.control.in_process import InProcess, within_limit
from edgesim.deployment import Deployment
from edgesim.journal.bounds import EVERYTHING, Bounds
from edgesim.journal.joined import SentJournal
from edgesim.lab import Certificates, RunningLab, products
from edgesim.lab.keeping import keep, restore
from edgesim.node import Node
from edgesim.world.processes import HostWorld, ProcessWorld
from edgesim.world.processes.frames import Kind

R = TypeVar("R")
COMMAND = "command"
"""The name of the question that carries a command."""


class HostLab(RunningLab):
    """A lab of which one host runs here. Changes that an administrator makes to the host are kept on its disk."""

    def take_up(self, node: Node) -> None:
        restore(node)
        super().take_up(node)
        keep(node)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The data from which all processes of a lab are built."""

    deployment: Deployment
    certificates: Certificates
    keylog: str | None = None
    bounds: Bounds = EVERYTHING

    def prepare(self, world: ProcessWorld) -> None:
        """Import and fork what makes the hosts' processes. Raises `RuntimeError` where that cannot be done here."""
        products.load()
        world.prepare(self.build)

    def build(self, world: HostWorld) -> None:
        """Build the lab in a host's process."""

        def send(line: bytes) -> bool:
            return world.channel.send(Kind.ENTRY, line)

        lab = HostLab(
            world,
            self.deployment,
            journal=SentJournal(world, send, bounds=self.bounds),
            certificates=self.certificates,
            keylog=self.keylog,
        )
        world.answers[COMMAND] = _Answering(lab, world).answer


class _Answering(InProcess):
    """Does the work of commands on the one host that runs here."""

    def __init__(self, lab: HostLab, world: HostWorld) -> None:
        super().__init__(lab)
        self._name = world.name
        self._kept = _state(lab.nodes[world.name])

    async def answer(self, question: bytes) -> bytes:
        """Answer a command in JSON: the reply in JSON, or why there is none."""
        node = self.lab.nodes[self._name]
        try:
            command = command_from_json(question)
            reply = await self._work(command, node)
            if _state(node) != self._kept:
                self._kept = _state(node)
                keep(node)
        except ControlError as error:
            return b"-" + json.dumps({"kind": error.kind, "text": str(error)}).encode()
        return b"+" + reply_to_json(reply)

    async def _work(self, command: Command[R], node: Node) -> R:
        if isinstance(command, HostCommand | HostsCommand):
            return await within_limit(command, command.work(self, node))
        if isinstance(command, EverywhereCommand):
            return await within_limit(command, command.work(self))
        raise ControlError(f"{command.name} is not answered by a host")


def _state(node: Node) -> tuple[object, ...]:
    """Return what differs once an administrator has changed a node's certificates; it is cheap to make."""
    return (
        tuple(node.identities.values()),
        tuple(node.trusts.values()),
        tuple((id(each), len(each.restarted)) for each in node.uploads),
        tuple(node.requested.values()),
    )
