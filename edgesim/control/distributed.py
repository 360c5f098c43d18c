"""The command set over a lab whose hosts are processes: each command goes where it is answered, replies are merged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any, TypeVar

from edgesim.control.carrier import KINDS, ControlError, TookTooLong
from edgesim.control.coding import command_to_json, reply_from_json
from edgesim.control.command import Command, EverywhereCommand, HostCommand, HostsCommand
from edgesim.control.host_process import COMMAND
from edgesim.control.in_process import InProcess
from edgesim.lab import RunningLab
from edgesim.node import Node
from edgesim.world import HostState
from edgesim.world.processes import ElsewhereError, NoAnswer, Process, ProcessWorld

R = TypeVar("R")
ANSWERS = 5.0
"""Seconds in which a host's process answers what needs no waiting; a frozen one never does."""
MORE = 2.0
"""Seconds that a host's process gets on top of what its work may take, to say so itself."""


class Distributed(InProcess):
    """Carries commands to a lab of processes, from the lab's own one."""

    def __init__(self, lab: RunningLab, world: ProcessWorld) -> None:
        super().__init__(lab)
        self._world = world

    async def at_host(self, command: HostCommand[R], node: Node) -> R:
        process = self._world.processes.get(node.name)
        if process is None:
            return await super().at_host(command, node)
        return await self._asked(process, command)

    async def at_hosts(self, command: HostsCommand[R], nodes: list[Node]) -> R:
        """Ask all hosts at once; one that does not answer fails the command only if it was asked alone."""
        if command.host is not None and self.node(command.host).host.state is HostState.FROZEN:
            raise NotAnswered(f"{command.host} is frozen: it does not answer")
        asked = [(node, self._world.processes.get(node.name)) for node in nodes]
        questions = {
            node.name: asyncio.ensure_future(self._asked(process, command))
            for node, process in asked
            if process is not None
        }
        replies: list[R] = []
        late: ControlError | None = None
        try:
            for node, process in asked:
                if process is None:
                    replies.append(await command.work(self, node))
                    continue
                try:
                    replies.append(await questions[node.name])
                except (NotAnswered, TookTooLong) as error:
                    if command.host is not None or isinstance(error, TookTooLong):
                        raise
                    late = error
        finally:
            _let_go(questions.values())
        if late is not None and not replies:
            raise late
        return command.merge(replies)

    async def everywhere(self, command: EverywhereCommand[R]) -> R:
        replies: list[R] = []
        processes = [each for each in self._world.processes.values() if not each.frozen]
        questions = [asyncio.ensure_future(self._asked(process, command)) for process in processes]
        try:
            for each in questions:
                try:
                    replies.append(await each)
                except NotAnswered:
                    continue
        finally:
            _let_go(questions)
        # The lab's own reply comes first in the list, but is made last: the others may have reported something to it.
        return command.merge([await command.work(self), *replies])

    async def _asked(self, process: Process, command: Command[R]) -> R:
        """Have a host's process answer. Raises `ControlError`."""
        limit = ANSWERS if command.limit_s is None else command.limit_s + MORE
        try:
            answer = await process.ask(COMMAND, command_to_json(command), limit=limit)
        except NoAnswer as error:
            raise NotAnswered(str(error)) from None
        except ElsewhereError as error:
            raise ControlError(f"{process.name} failed to answer: {error}") from None
        if answer[:1] == b"+":
            return reply_from_json(command, answer[1:])
        try:
            told = json.loads(answer[1:])
            kind, text = str(told["kind"]), str(told["text"])
        except (ValueError, KeyError, TypeError):
            raise ControlError(f"the answer of {process.name} cannot be read") from None
        raise KINDS.get(kind, ControlError)(text)


def _let_go(questions: Iterable[asyncio.Future[Any]]) -> None:
    """Give up what is still asked, and what was never looked at."""
    for each in questions:
        if not each.cancel() and not each.cancelled():
            each.exception()


class NotAnswered(ControlError):
    """A host's process did not answer: it is frozen, ended or busy."""
