"""A host's process as the lab's own one knows it: what is asked of it, and what it says."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any, Protocol

from edgesim.world.api import Incarnation
from edgesim.world.live.network import AddressInUseError
from edgesim.world.processes.channel import Channel
from edgesim.world.processes.disk import DiskError, Replica
from edgesim.world.processes.frames import FROM_HOSTS, Kind
from edgesim.world.processes.host import NUMBER, WATERMARK
from edgesim.world.processes.network import Flows
from edgesim.world.unhandled import UnhandledError, UnhandledErrors

ANSWERS = 30.0
"""Seconds in which a host's process answers a question, unless whoever asks says otherwise."""
READS = 1_000_000
"""How often the rest of an ended process's channel may be read: to its end."""


class NoAnswer(ConnectionError):
    """A host's process did not answer: it is frozen, ended, or busy."""


class ElsewhereError(RuntimeError):
    """Something failed in a host's process."""


class Keeper(Protocol):
    """The part of a world to which a process reports."""

    disks: dict[str, Replica]
    flows: dict[str, Flows]
    unhandled: UnhandledErrors

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    def on_entry(self, host: str, entry: bytes, /) -> None: ...

    def on_watermark(self, host: str, at_ns: int, /) -> None: ...

    def broken(self, process: Process) -> None:
        """A message of a process is not valid."""
        ...


class Elsewhere:
    """The service of a host that runs in another process, as far as it can be used from here."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def ready(self) -> None:
        """Wait until the host's service reports that its links are up."""
        await self._process.ask("ready", limit=None)

    async def stop(self) -> None:
        """Stop it gracefully; its process ends."""
        await self._process.ask("stop")


class Process:
    """A host's process in one of its lives."""

    def __init__(self, world: Keeper, name: str, life: Incarnation, sock: socket.socket) -> None:
        self._world = world
        self.name = name
        self.life = life
        self.pid = 0
        self.expected = False
        """Whether its end is wanted by now."""
        self.frozen = False
        self.why = ""
        """The error in its input."""
        loop = world.loop
        self.stopped = asyncio.Event()
        self.continued = asyncio.Event()
        self.ended: asyncio.Future[int] = loop.create_future()
        self._asked: dict[int, asyncio.Future[bytes]] = {}
        self._number = 0
        self.synced = 0
        """The number of the last question for a watermark that it has answered."""
        self.mute = False
        """Whether a wait for such an answer timed out: later ones are not awaited."""
        self.channel = Channel(sock, loop, FROM_HOSTS, self._frame, self._end)

    async def ask(self, name: str, question: bytes = b"", *, limit: float | None = ANSWERS) -> bytes:
        """Ask the process something and return its answer.

        Raises `NoAnswer` where none comes within ``limit`` seconds, and what `raised` makes of a failure.
        """
        self._number += 1
        number = self._number
        answer = self._asked[number] = self._world.loop.create_future()
        try:
            if self.frozen:
                raise NoAnswer(f"{self.name} is frozen: it does not answer")
            if not self.channel.send(Kind.ASK, NUMBER.pack(number) + name.encode() + b"\n" + question):
                raise NoAnswer(f"{self.name} does not answer: its process {self.pid} has ended, or does not read")
            async with asyncio.timeout(limit):
                answered: bytes = await answer
                return answered
        except TimeoutError:
            why = "it is frozen" if self.frozen else f"nothing came within {limit:g} s"
            raise NoAnswer(f"{self.name} does not answer: {why}") from None
        finally:
            self._asked.pop(number, None)
            if not answer.done() or answer.cancelled():
                self.channel.send(Kind.GIVEN_UP, NUMBER.pack(number))

    def _frame(self, kind: Kind, body: bytes) -> None:
        world = self._world
        if kind is Kind.ENTRY:
            world.on_entry(self.name, body)
        elif kind is Kind.WATERMARK:
            if len(body) != WATERMARK.size:
                self._wrong("an invalid watermark")
                return
            at_ns, self.synced = WATERMARK.unpack(body)
            self.mute = False
            world.on_watermark(self.name, at_ns)
        elif kind is Kind.KEPT:
            try:
                world.disks[self.name].apply(body)
            except DiskError as error:
                self._wrong(str(error))
        elif kind is Kind.FLOW:
            self._flow(body)
        elif kind is Kind.ERROR:
            self._unhandled(body)
        else:
            number = NUMBER.unpack_from(body)[0] if len(body) > NUMBER.size else 0
            answer = self._asked.get(number)
            if answer is None or answer.done():
                return
            if body[NUMBER.size] == 1:
                answer.set_result(body[NUMBER.size + 1 :])
            else:
                answer.set_exception(raised(body[NUMBER.size + 1 :]))

    def _flow(self, body: bytes) -> None:
        try:
            (source, source_port), (target, target_port), keeper, idle_ns, last_ns = json.loads(body)
            ends = (str(source), int(source_port)), (str(target), int(target_port))
            self._world.flows[self.name].note((*ends, str(keeper), int(idle_ns), int(last_ns)))
        except (ValueError, KeyError, TypeError, RecursionError):
            self._wrong("an invalid flow")

    def _unhandled(self, body: bytes) -> None:
        try:
            told = json.loads(body)
            said = f"{told['message']}: {told['error']}" if told["error"] else str(told["message"])
            error = UnhandledError(
                at_ns=int(told["at_ns"]), message=f"{self.name}: {said}", exception=None, where=str(told["where"])
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            self._wrong("an error that cannot be read")
            return
        self._world.unhandled.take(error)

    def _wrong(self, why: str) -> None:
        """Handle invalid input from the process: nothing more of it is read."""
        self.channel.close()
        self._end(why)

    def _end(self, why: str | None) -> None:
        """The channel has ended."""
        gone = NoAnswer(f"{self.name} does not answer any more: its process {self.pid} has ended")
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(gone)
        if why is not None:
            self.why = why
            self._world.broken(self)

    def changed(self, what: str, code: int) -> None:
        """Take what the fork server reports: ``stopped``, ``continued`` or ``ended``, with the exit status."""
        if what == "stopped":
            self.continued.clear()
            self.stopped.set()
        elif what == "continued":
            self.stopped.clear()
            self.continued.set()
        else:
            if not self.channel.closed:
                self.channel.read(READS)  # what it still said
                if not self.channel.closed:
                    self.channel.close()
                    self._end(None)
            if not self.ended.done():
                self.ended.set_result(code)


def raised(told: bytes) -> Exception:
    """Return the exception that a failure in a host's process is here."""
    try:
        values: dict[str, Any] = json.loads(told)
        kind, text = str(values["kind"]), str(values["text"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ElsewhereError("it failed, and its error cannot be read")
    if "errno" in values:
        number = values["errno"]
        if kind == AddressInUseError.__name__:
            return AddressInUseError(number, text)
        return OSError(number, text) if number is not None else OSError(text)
    return ElsewhereError(f"{kind}: {text}")
