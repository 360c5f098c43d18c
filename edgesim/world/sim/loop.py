"""The simulated event loop: asyncio's interface over virtual time and the simulated network.

Time is an integer of nanoseconds that starts at zero and jumps to the next deadline when nothing is left to do. Equal
deadlines run in the order in which they were set, which asyncio's own heap does not promise. Callbacks belong to the
host in whose context they were made: those of a frozen host wait for its thaw, those of an ended one are dropped.
"""

from __future__ import annotations

import asyncio
import heapq
import socket
from asyncio import base_events, events
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from edgesim.world.admission import Admission
from edgesim.world.api import SECOND, Host, Incarnation, _running, here
from edgesim.world.events import Address
from edgesim.world.lookup import resolve
from edgesim.world.sim.rubbish import Rubbish
from edgesim.world.tls.loop import TlsLoop

if TYPE_CHECKING:
    from edgesim.world.sim.chance import Chance

T = TypeVar("T")
LIVELOCK = 100_000
"""More callbacks than this at one instant are a livelock."""


class DeadlockError(RuntimeError):
    """Nothing is left to do and no timer runs, but work still waits; the text names who waits for what."""


class LivelockError(RuntimeError):
    """Callbacks ran endlessly without time passing; the text names the most frequent."""


class Sockets(Protocol):
    """The network as the loop uses it (`edgesim.world.sim.fabric.Fabric`)."""

    hosts: dict[str, Host]
    admission: Admission

    async def connect(self, host: Host, local: tuple[str | None, int] | None, remote: Address) -> Any:
        """Open a TCP connection; the caller starts the transport with its protocol. Raises `OSError`."""

    def listen(self, host: Host, addresses: Sequence[str], port: int, accept: Callable[[], Any]) -> Any:
        """Open a listening port. Raises `OSError`."""

    def bind(self, host: Host, local: Address | None, remote: Address | None, protocol: Any) -> Any:
        """Open a UDP socket. Raises `OSError`."""

    def drop(self, wire: Any, why: BaseException | None) -> None:
        """End the connection below a TLS layer at once, for this reason."""


_Base: Any = base_events.BaseEventLoop


class SimLoop(TlsLoop, _Base):  # type: ignore[misc]  # asyncio's loop is typed for callers, not for those who derive from it
    """asyncio's event loop under virtual time. The fabric is set by the world before anything connects."""

    fabric: Sockets
    ticks: Chance | None
    turns: Chance | None
    """Draws the phases of timers and the order of hosts; None if they are not random."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = 0
        self._clock_resolution = 1e-6
        self.ticks = self.turns = None
        self._heap: list[tuple[int, int, int, Any]] = []
        self._sequence = 0
        self._cancelled = 0
        self._at_this_instant = 0
        self._task_number = 0
        self.stashed: dict[int, list[events.Handle]] = {}
        self.orphans: dict[int, asyncio.Task[Any]] = {}
        self.rubbish = Rubbish()
        self._failed: dict[int, asyncio.Task[Any]] = {}

    # ---- time

    def time(self) -> float:
        return self.now_ns / SECOND

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        return self._timer(round(when * SECOND), callback, args, context)

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        return self._timer(self.now_ns + max(0, round(delay * SECOND)), callback, args, context)

    def _timer(self, when: int, callback: Callable[..., Any], args: tuple[Any, ...], context: Context | None) -> Any:
        """Set a timer of the host that runs: it fires at that host's next tick, those due earlier first."""
        life = context.get(_running) if context is not None else _running.get(None)
        due = when if self.ticks is None or life is None else self.ticks.due(life.host.name, when)
        return self._schedule(due, when, callback, args, context)

    def at_ns(self, when_ns: int, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        """Call back at a time in nanoseconds; equal times run in the order of these calls."""
        return self._schedule(when_ns, when_ns, callback, args, context)

    def _schedule(
        self, due: int, when: int, callback: Callable[..., Any], args: tuple[Any, ...], context: Context | None
    ) -> Any:
        self._check_closed()
        handle: Any = events.TimerHandle(when / SECOND, callback, args, self, context)
        handle._scheduled = True
        self._sequence += 1
        heapq.heappush(self._heap, (due, when, self._sequence, handle))
        return handle

    def _timer_handle_cancelled(self, handle: events.TimerHandle) -> None:
        self._cancelled += 1

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        return self.call_soon(callback, *args, context=context)

    def _write_to_self(self) -> None:
        pass

    def _process_events(self, event_list: Any) -> None:
        pass

    def _run_once(self) -> None:
        ready = self._ready
        heap = self._heap
        if not ready:
            if self._cancelled > 1000 and self._cancelled > len(heap) // 2:
                self._heap = heap = [item for item in heap if not item[3]._cancelled]
                heapq.heapify(heap)
                self._cancelled = 0
            while heap and heap[0][3]._cancelled:
                heapq.heappop(heap)
                self._cancelled -= 1
            if not heap:
                if self._stopping:
                    return
                raise DeadlockError(self.who_waits())
            when = heap[0][0]
            if when > self.now_ns:
                self.now_ns = when
                self._at_this_instant = 0
            while heap and heap[0][0] <= self.now_ns:
                handle: Any = heapq.heappop(heap)[3]
                if not handle._cancelled:
                    handle._scheduled = False
                    ready.append(handle)
                else:
                    self._cancelled -= 1
        count = len(ready)
        if self.rubbish.count(count):
            self._forget_retrieved()
        self._at_this_instant += count
        if self._at_this_instant > LIVELOCK:
            common = Counter(_name_of(handle) for handle in ready).most_common(5)
            names = ", ".join(f"{name} ({number})" for name, number in common)
            raise LivelockError(f"more than {LIVELOCK} callbacks at {self.time():.9f} s: {names}")
        if count == 1 or self.turns is None:
            for _ in range(count):
                handle = ready.popleft()
                self._run_one(handle, handle._context.get(_running))
            return
        batch = [ready.popleft() for _ in range(count)]
        lives = [handle._context.get(_running) for handle in batch]
        if len({id(life) for life in lives}) > 1:
            batch, lives = self._in_drawn_order(batch, lives)
        for handle, life in zip(batch, lives, strict=True):
            self._run_one(handle, life)

    def _run_one(self, handle: Any, life: Incarnation | None) -> None:
        if handle._cancelled:
            return
        if life is not None and (life.fenced or life.frozen):
            if life.frozen:
                self.stashed.setdefault(id(life), []).append(handle)
                return
            if not life.unwinding:
                return
        handle._run()

    def _in_drawn_order(
        self, batch: list[Any], lives: list[Incarnation | None]
    ) -> tuple[list[Any], list[Incarnation | None]]:
        """Return what is ready at this instant with the hosts in a drawn order, each one's callbacks in theirs.

        Machines share no clock: which of them comes first at one instant is nothing to rely on. Within a host the order
        is what asyncio promises.
        """
        assert self.turns is not None
        turns: dict[str, int] = {}
        keys = []
        for life in lives:
            name = "" if life is None else life.host.name
            turn = turns.get(name)
            if turn is None:
                turn = turns[name] = self.turns.turn(name, self.now_ns, self._at_this_instant)
            keys.append(turn)
        order = sorted(range(len(batch)), key=keys.__getitem__)
        return [batch[number] for number in order], [lives[number] for number in order]

    def thaw(self, life: Incarnation) -> None:
        """Let the callbacks of a frozen incarnation run, in their order."""
        self._ready.extend(self.stashed.pop(id(life), []))

    def calm(self) -> None:
        """Forget the callbacks of a livelock, so that the world can still be shut down."""
        self._ready.clear()
        self._at_this_instant = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is ready or scheduled except the callback that runs now."""
        return not self._ready and all(item[3]._cancelled for item in self._heap)

    def timers(self, life: Incarnation) -> list[tuple[float, str]]:
        """Return the running timers of an incarnation: when each is due, in seconds, and what it calls."""
        mine = [item for item in self._heap if not item[3]._cancelled and item[3]._context.get(_running) is life]
        return [(due / SECOND, _name_of(handle)) for due, _, _, handle in sorted(mine, key=lambda item: item[:3])]

    def who_waits(self) -> str:
        """Return a text that names each unfinished task and what it awaits."""
        lines = ["deadlock: nothing is scheduled, but these wait:"]
        tasks = [*self.orphans.values()]
        for host in self.fabric.hosts.values():
            tasks += host.life.tasks.values()
        for task in tasks:
            if not task.done():
                lines.append(f"  {task.get_name()}: {_where(task)}")
        if any(self.stashed.values()):
            lines.append("  (callbacks of frozen hosts wait for their thaw)")
        return "\n".join(lines)

    # ---- tasks: owned in the order of their creation by the incarnation that made them

    def create_task(
        self, coro: Coroutine[Any, Any, T], *, name: object = None, context: Context | None = None, **kwargs: Any
    ) -> asyncio.Task[T]:
        self._task_number += 1
        number = self._task_number
        task: asyncio.Task[T] = super().create_task(coro, name=name or f"task {number}", context=context)
        life = context.get(_running) if context is not None else _running.get(None)
        owner = self.orphans if life is None else life.tasks
        owner[number] = task

        def done(task: asyncio.Task[T]) -> None:
            owner.pop(number, None)
            if _unretrieved(task):
                self._failed[number] = task

        task.add_done_callback(done)
        return task

    def unretrieved(self) -> list[asyncio.Task[Any]]:
        """Return the ended tasks whose exception no code has asked for, in the order in which they were made; once."""
        self._forget_retrieved()
        found = list(self._failed.values())
        self._failed.clear()
        return found

    def _forget_retrieved(self) -> None:
        self._failed = {number: task for number, task in sorted(self._failed.items()) if _unretrieved(task)}

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Run ``func`` at once: threads have no place in a deterministic run."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    # ---- names

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        addresses = await resolve(host)
        kind = type or socket.SOCK_STREAM
        return [(socket.AF_INET, kind, proto, "", (address, int(port or 0))) for address in addresses]

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        return str(sockaddr[0]), str(sockaddr[1])

    # ---- connections

    async def create_connection(
        self,
        protocol_factory: Callable[[], Any],
        host: str | None = None,
        port: int | None = None,
        *,
        ssl: Any = None,
        local_addr: tuple[str | None, int] | None = None,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        sock: Any = None,
        **_: Any,
    ) -> tuple[Any, Any]:
        if sock is not None or host is None or port is None:
            raise ValueError("the simulated network connects to a host and a port, not over a socket object")
        errors: list[OSError] = []
        for address in await resolve(host):
            try:
                wire = await self.fabric.connect(here(), local_addr, (address, int(port)))
                break
            except OSError as error:
                errors.append(error)
        else:
            raise errors[0] if errors else OSError(f"no address for {host}")
        protocol = protocol_factory()
        if not ssl:
            wire.start(protocol)
            return wire, protocol
        waiter = self.create_future()
        name = server_hostname if server_hostname is not None else host
        tls = self._tls(
            protocol,
            ssl,
            waiter,
            server_side=False,
            name=name,
            handshake_timeout=ssl_handshake_timeout,
            shutdown_timeout=ssl_shutdown_timeout,
        )
        wire.start(tls)
        try:
            await waiter
        except BaseException:
            wire.close()
            raise
        return tls, protocol

    async def create_server(
        self,
        protocol_factory: Callable[[], Any],
        host: Any = None,
        port: int | None = None,
        *,
        ssl: Any = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        **_: Any,
    ) -> Any:
        names = [host] if host is None or isinstance(host, str) else list(host)

        def accept() -> Any:
            protocol = protocol_factory()
            if not ssl:
                return protocol
            return self._tls(
                protocol,
                ssl,
                None,
                server_side=True,
                handshake_timeout=ssl_handshake_timeout,
                shutdown_timeout=ssl_shutdown_timeout,
            )

        return self.fabric.listen(here(), [name or "0.0.0.0" for name in names], port or 0, accept)

    def accept_time(self) -> float:
        return self.fabric.admission.limits.handshake_s

    def drop_wire(self, wire: Any, why: BaseException | None) -> None:
        self.fabric.drop(wire, why)

    async def create_datagram_endpoint(
        self,
        protocol_factory: Callable[[], Any],
        local_addr: tuple[str, int] | None = None,
        remote_addr: tuple[str, int] | None = None,
        **_: Any,
    ) -> tuple[Any, Any]:
        if remote_addr is not None:
            remote_addr = ((await resolve(remote_addr[0]))[0], remote_addr[1])
        protocol = protocol_factory()
        transport = self.fabric.bind(here(), local_addr, remote_addr, protocol)
        protocol.connection_made(transport)
        return transport, protocol


def _unretrieved(task: asyncio.Task[Any]) -> bool:
    """Return whether a task ended in an exception that was not retrieved: what asyncio itself goes by."""
    return bool(getattr(task, "_log_traceback", False))


def _name_of(handle: events.Handle) -> str:
    callback = getattr(handle, "_callback", None)
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return owner.get_name()
    return getattr(callback, "__qualname__", repr(callback))


def _where(task: asyncio.Task[Any]) -> str:
    frames = task.get_stack(limit=None)
    coro: Any = task.get_coro()
    while getattr(coro, "cr_await", None) is not None and getattr(coro.cr_await, "cr_frame", None) is not None:
        coro = coro.cr_await
    frame = getattr(coro, "cr_frame", None) or (frames[-1] if frames else None)
    if frame is None:
        return "not started"
    file = frame.f_code.co_filename.rsplit("/", 1)[-1]
    return f"waits in {frame.f_code.co_qualname} ({file}:{frame.f_lineno})"
