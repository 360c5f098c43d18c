"""A host's own process: a live world in which all hosts are declared and this one runs."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from edgesim.world.api import BecomesReady, Host, HostState
from edgesim.world.entropy import Entropy
from edgesim.world.events import HostChanged, WorldEvent
from edgesim.world.faults import Budgets, FaultTable
from edgesim.world.live.world import Beginning, LiveWorld
from edgesim.world.processes.channel import Channel
from edgesim.world.processes.disk import restored
from edgesim.world.processes.frames import TO_HOSTS, Kind
from edgesim.world.processes.network import Remembered, SplitNetwork
from edgesim.world.unhandled import UnhandledError

NUMBER = struct.Struct("!I")
WATERMARK = struct.Struct("!QI")
Answer = Callable[[bytes], Awaitable[bytes]]
"""How a question is answered. What it raises is told to whoever asked."""
UNWRITTEN_EXIT = 3
"""Exit status of a process whose lab is gone."""


class HostWorld(LiveWorld):
    """The world as the process of the host ``name`` has it. `serve` runs it until the lab has no more use for it."""

    network_class = SplitNetwork
    one_host = True

    def __init__(self, name: str, sock: socket.socket, beginning: Beginning, budgets: Budgets) -> None:
        super().__init__(beginning=beginning)
        self.name = name
        # Each process draws for itself, so that not all of them draw the same.
        chance = Entropy(beginning.seed, f"faults {name}")
        self.network.faults = FaultTable(chance, self.now, self.network._fault_fired, budgets)
        self.channel = Channel(sock, self.loop, TO_HOSTS, self._frame, self._ended)
        self.answers: dict[str, Answer] = {
            "start": self._start,
            "stop": self._stop,
            "ready": self._ready,
        }
        """What answers questions, by their names; whoever builds the lab here adds its own."""
        self._answering: dict[int, asyncio.Task[None]] = {}
        self._over: asyncio.Future[None] | None = None
        self.unhandled.listen(self._failed)
        assert isinstance(self.network, SplitNetwork)
        self.network.report_flow = self._report_flow

    @property
    def host(self) -> Host:
        """The host that runs here."""
        return self.hosts[self.name]

    def serve(self) -> None:
        """Run until the lab has no more use for this process."""
        self.run(self._until_over())

    async def _until_over(self) -> None:
        self._over = asyncio.get_running_loop().create_future()
        await self._over

    # ---- what the lab's process says

    def _frame(self, kind: Kind, body: bytes) -> None:
        if kind is Kind.SYNC:
            self.channel.send(Kind.WATERMARK, WATERMARK.pack(self.now(), NUMBER.unpack(body)[0]))
        elif kind is Kind.CHANGE:
            pickle.loads(body).apply(self)
        else:
            number = NUMBER.unpack_from(body)[0]
            if kind is Kind.GIVEN_UP:
                if number in self._answering:
                    self._answering[number].cancel()
                return
            name, _, rest = body[NUMBER.size :].partition(b"\n")
            task = self.loop.create_task(self._answer(number, name.decode(), rest), name=f"answer {name.decode()}")
            self._answering[number] = task
            task.add_done_callback(lambda _: self._answering.pop(number, None))

    async def _answer(self, number: int, name: str, question: bytes) -> None:
        try:
            answered = await self.answers[name](question)
        except Exception as error:
            self.channel.send(Kind.ANSWER, NUMBER.pack(number) + b"\0" + failure(error))
        else:
            self.channel.send(Kind.ANSWER, NUMBER.pack(number) + b"\1" + answered)

    def _ended(self, why: str | None) -> None:
        """The lab is gone, or its word cannot be read: there is nothing to stay for."""
        os._exit(UNWRITTEN_EXIT)

    # ---- lifecycle

    async def _start(self, state: bytes) -> bytes:
        """Start the host in the life, with the disk and in the surroundings that are given."""
        given: Mapping[str, Any] = pickle.loads(state)
        host = self.host
        host.life.number = given["incarnation"] - 1
        for name, incarnation in given["incarnations"].items():
            if name != self.name:
                self.hosts[name].life.number = incarnation
        host.disk = restored(given["disk"], lambda record: self._keep(record))
        assert isinstance(self.network, SplitNetwork)
        self.network.recall(given["flows"])
        for change in given["changes"]:
            change.apply(self)
        await self.start(self.name)
        return b""

    def _report_flow(self, flow: Remembered) -> None:
        self.channel.send(Kind.FLOW, json.dumps(flow).encode())

    def _keep(self, record: bytes) -> None:
        self.channel.send(Kind.KEPT, record)

    async def _stop(self, _: bytes) -> bytes:
        await self.stop(self.name)
        self.errors()
        self.loop.call_soon(self._finish)
        return b""

    def _finish(self) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    async def _ready(self, _: bytes) -> bytes:
        service = self.host.service
        if isinstance(service, BecomesReady):
            await self.host.run(service.ready(), name="ready")
        return b""

    def _enter(self, host: Host, state: HostState) -> None:
        host.state = state  # the lab's own process reports it

    def _report(self, event: WorldEvent) -> None:
        if not isinstance(event, HostChanged):
            super()._report(event)

    def _failed(self, error: UnhandledError) -> None:
        told = {"message": error.message, "error": said(error.exception), "where": error.where, "at_ns": error.at_ns}
        self.channel.send(Kind.ERROR, json.dumps(told).encode())
        self.unhandled.clear()  # it is the lab's own process that keeps and counts them


def said(error: BaseException | None) -> str:
    """Return an error's kind and words."""
    return "" if error is None else f"{type(error).__name__}: {error}"


def failure(error: BaseException) -> bytes:
    """Return an error as an answer that `raised` reads."""
    told: dict[str, Any] = {"kind": type(error).__name__, "text": str(error)}
    if isinstance(error, OSError):
        told |= {"errno": error.errno, "text": error.strerror or str(error)}
    return json.dumps(told).encode()
