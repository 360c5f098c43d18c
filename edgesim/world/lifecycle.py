"""The lifecycle of hosts, the same in both worlds: start, stop, crash, power loss, and the clean-up after them."""

from __future__ import annotations

import asyncio
import gc
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextvars import Context
from functools import cache
from typing import Any

from edgesim.world.admission import Admission
from edgesim.world.api import Capability, Host, HostFactory, HostState, Incarnation, Interface, World, _running
from edgesim.world.entropy import Entropy
from edgesim.world.events import ErrorUnhandled, HostChanged, WorldEvent
from edgesim.world.unhandled import LONGEST, UnhandledError, UnhandledErrors

UNWIND_ROUNDS = 100
"""How many turns of the loop the cancelled tasks of an ended host have to unwind."""

ENDED = (HostState.CRASHED, HostState.POWERED_OFF, HostState.STOPPED)
FOLLOWS: dict[HostState, tuple[HostState, ...]] = {
    HostState.OFF: (HostState.STARTING,),
    HostState.STARTING: (HostState.UP, *ENDED),
    HostState.UP: (HostState.FROZEN, *ENDED),
    HostState.FROZEN: (HostState.UP, *ENDED),
    HostState.CRASHED: (HostState.STARTING,),
    HostState.POWERED_OFF: (HostState.STARTING,),
    HostState.STOPPED: (HostState.STARTING,),
}
"""Which states may follow each one; any other is a mistake of the world that enters it."""


@cache
def spare_what_is_loaded() -> None:
    """Exclude what a process has loaded before its first run, mostly code, from garbage collection, once.

    A full collection would otherwise scan it for some 80 ms, in the middle of a story. Later objects are collected as
    usual.
    """
    gc.freeze()


class HostLifecycle(World):
    """The part of host management that both worlds share. A world adds its network with `_close_host`."""

    reports_errors = False
    """Whether observers get unhandled errors: the seed does not decide when the collector finds one."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.hosts: dict[str, Host] = {}
        self.by_address: dict[str, Host] = {}
        self.unhandled = UnhandledErrors(self.now)
        self._observers: list[Callable[[WorldEvent], None]] = []
        self.admission = Admission(self.now, self._report, silence=Capability.DROP_SILENTLY in self.capabilities)

    @abstractmethod
    def _close_host(self, life: Incarnation, *, resets: bool) -> None:
        """Close all sockets of an incarnation: with resets to its peers, or silently."""

    def entropy(self, name: str) -> Entropy:
        return Entropy(self.seed, name)

    def observe(self, observer: Callable[[WorldEvent], None]) -> None:
        self._observers.append(observer)

    def _report(self, event: WorldEvent) -> None:
        for observer in self._observers:
            observer(event)

    def _unhandled(self, loop: Any, context: dict[str, Any]) -> None:
        found = self.unhandled.add(context)
        if not self.reports_errors:
            return
        host, error = _whose(context), found.exception
        self._report(
            ErrorUnhandled(
                at_ns=self.now(),
                host=host.name if host is not None else "lab",
                message=found.message[:LONGEST],
                error=f"{type(error).__name__}: {error}"[:LONGEST] if error is not None else "",
                where=found.where,
            )
        )

    def errors(self) -> list[UnhandledError]:
        # asyncio complains of an exception that was never retrieved when the collector finds its task or future. So it
        # has to come by now, or the answer depends on how much memory other code happened to use.
        gc.collect()
        return list(self.unhandled)

    def host_at(self, address: str) -> Host | None:
        return self.by_address.get(address)

    def peer(self, host: Host | None, end: tuple[str, int]) -> Host | None:
        return self.paths.peer(host, end) or self.by_address.get(end[0])

    def add_host(self, name: str, interfaces: Sequence[Interface], factory: HostFactory) -> Host:
        if name in self.hosts:
            raise ValueError(f"a host {name} already exists")
        for interface in interfaces:
            taken = self._holder(interface)
            if taken is not None:
                raise ValueError(f"{interface.address} of {name} already belongs to {taken.name}")
        host = Host(self, name, interfaces, factory)
        self.hosts[name] = host
        for interface in interfaces:
            self.by_address.setdefault(interface.address, host)
        self.paths.changed()
        return host

    def _holder(self, wanted: Interface) -> Host | None:
        """Return the host that already has an interface's address: in its zone, or anywhere if there is no NAT."""
        taken = self.by_address.get(wanted.address)
        if taken is None or Capability.NAT not in self.capabilities:
            return taken
        for host in self.hosts.values():
            if any((each.address, each.zone) == (wanted.address, wanted.zone) for each in host.interfaces):
                return host
        return None

    async def start(self, name: str) -> None:
        host = self.hosts[name]
        if HostState.STARTING not in FOLLOWS[host.state]:
            raise RuntimeError(f"{name} is already {host.state.value}")
        life = host.life = Incarnation(host, host.life.number + 1)
        self._enter(host, HostState.STARTING)
        try:
            service = await host.run(_build(host), name="start")
        except BaseException:
            if host.life is life and not life.fenced:
                await self._end(name, HostState.CRASHED, resets=True)
            raise
        if not life.fenced:
            host.service = service
            self._enter(host, HostState.UP)

    async def stop(self, name: str) -> None:
        host = self.hosts[name]
        if host.state is not HostState.UP:
            return
        if host.service is not None:
            await host.run(host.service.stop(), name="stop")
        await self._end(name, HostState.STOPPED, resets=True)

    async def restart(self, name: str) -> None:
        """Stop a host gracefully, if it runs, and start it again."""
        await self.stop(name)
        await self.start(name)

    async def crash(self, name: str) -> None:
        await self._end(name, HostState.CRASHED, resets=True)

    async def _end(self, name: str, state: HostState, *, resets: bool) -> None:
        """Fence an incarnation off, so that nothing it does has effects; then let its tasks unwind."""
        host = self.hosts[name]
        life = host.life
        if life.fenced or host.state is HostState.OFF:
            return
        self._enter(host, state)
        life.fenced = True
        life.frozen = False
        host.service = None
        host.services = {}
        self._close_host(life, resets=resets)
        self.admission.forget(name)
        life.unwinding = True
        await self._cancel(life.tasks)
        life.unwinding = False

    async def _cancel(self, owner: dict[int, asyncio.Task[Any]]) -> None:
        """Cancel tasks in the order in which they were made, until none is left or patience ends."""
        current = asyncio.current_task()
        for _ in range(UNWIND_ROUNDS):
            tasks = [task for task in owner.values() if task is not current and not task.done()]
            if not tasks:
                return
            for task in tasks:
                task.cancel()
            await asyncio.sleep(0)

    def _enter(self, host: Host, state: HostState) -> None:
        """Change a host's state. Raises `RuntimeError` where the state may not follow the present one."""
        if state not in FOLLOWS[host.state]:
            raise RuntimeError(f"{host.name} is {host.state.value}: it cannot become {state.value}")
        host.state = state
        self._report(HostChanged(at_ns=self.now(), host=host.name, state=state.value, incarnation=host.incarnation))


def _whose(context: dict[str, Any]) -> Host | None:
    """Return the host in whose context an error was raised, where the loop says so much."""
    handle: Any = context.get("handle")
    task: Any = context.get("task") or context.get("future")
    there: Context | None = getattr(handle, "_context", None)
    if there is None and hasattr(task, "get_context"):  # from Python 3.12
        there = task.get_context()
    life = there.get(_running) if there is not None else None
    return life.host if life is not None else None


async def _build(host: Host) -> Any:
    return await host.factory(host)
