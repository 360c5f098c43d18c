"""The simulated world: hosts on one loop, under one virtual clock, with nothing from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from edgesim.world.api import (
    SECOND,
    Capability,
    Host,
    HostFactory,
    HostState,
    Incarnation,
    Interface,
    World,
)
from edgesim.world.entropy import Entropy
from edgesim.world.events import HostChanged, WorldEvent
from edgesim.world.faults import FaultTable
from edgesim.world.netstat import SocketRow
from edgesim.world.paths import Paths
from edgesim.world.sim.fabric import Fabric
from edgesim.world.sim.loop import SimLoop
from edgesim.world.sim.settings import NetworkSettings
from edgesim.world.sim.tripwire import Tripwire

T = TypeVar("T")
DEFAULT_EPOCH = 1_767_600_000 * SECOND
"""Lab time zero of a simulated world unless told otherwise: Monday, 5 January 2026, 08:00 UTC."""

UNWIND_ROUNDS = 100
"""How many turns of the loop the cancelled tasks of a dead host get to unwind."""


class SimWorld(World):
    """A world in one process. Use `run` to execute a coroutine in it."""

    kind = "sim"
    capabilities = frozenset(Capability) - {Capability.EXTERNAL_CLIENTS}

    def __init__(
        self,
        seed: int = 0,
        *,
        network: NetworkSettings | None = None,
        epoch_ns: int = DEFAULT_EPOCH,
        tripwire: bool = True,
    ) -> None:
        self.seed = seed
        self.epoch_ns = epoch_ns
        self.hosts: dict[str, Host] = {}
        self.unhandled: list[dict[str, Any]] = []
        self._observers: list[Callable[[WorldEvent], None]] = []
        self.loop = SimLoop()
        self.fabric = Fabric(self.loop, network or NetworkSettings(), self.entropy, self.hosts, self._tell)
        self.loop.fabric = self.fabric
        self.loop.set_exception_handler(self._unhandled)
        self._tripwire = Tripwire() if tripwire else None

    # ---- time, chance, observers

    def now(self) -> int:
        return self.loop.now_ns

    def entropy(self, name: str) -> Entropy:
        return Entropy(self.seed, name)

    def observe(self, observer: Callable[[WorldEvent], None]) -> None:
        self._observers.append(observer)

    def _tell(self, event: WorldEvent) -> None:
        for observer in self._observers:
            observer(event)

    def _unhandled(self, loop: Any, context: dict[str, Any]) -> None:
        self.unhandled.append(context)

    # ---- the network

    @property
    def faults(self) -> FaultTable:
        """The fault rules in force."""
        return self.fabric.faults

    @property
    def paths(self) -> Paths:
        """Links, partitions and the policy between zones."""
        return self.fabric.paths

    def sockets(self, host: str | None = None) -> list[SocketRow]:
        """Return the sockets of one host or all."""
        return self.fabric.sockets(host)

    def host_at(self, address: str) -> Host | None:
        return self.fabric.by_address.get(address)

    def add_host(self, name: str, interfaces: Sequence[Interface], factory: HostFactory) -> Host:
        if name in self.hosts:
            raise ValueError(f"there is a host {name} already")
        for interface in interfaces:
            taken = self.fabric.by_address.get(interface.address)
            if taken is not None:
                raise ValueError(f"{interface.address} of {name} belongs to {taken.name} already")
        host = Host(self, name, interfaces, factory)
        self.hosts[name] = host
        for interface in interfaces:
            self.fabric.by_address[interface.address] = host
        return host

    # ---- lives of hosts

    async def start(self, name: str) -> None:
        host = self.hosts[name]
        if host.state in (HostState.UP, HostState.STARTING, HostState.FROZEN):
            raise RuntimeError(f"{name} is {host.state.value} already")
        host.life = Incarnation(host, host.life.number + 1)
        self._enter(host, HostState.STARTING)
        life = host.life
        try:
            service = await host.run(_build(host), name="start")
        except BaseException:
            if host.life is life and not life.fenced:
                self._fence(host, resets=True)
                self._enter(host, HostState.CRASHED)
                await self._unwind(life)
            raise
        if not life.fenced:
            host.service = service
            self._enter(host, HostState.UP)

    async def stop(self, name: str) -> None:
        host = self.hosts[name]
        if host.state is not HostState.UP:
            return
        life = host.life
        if host.service is not None:
            await host.run(host.service.stop(), name="stop")
        if not life.fenced:
            self._fence(host, resets=True)
            self._enter(host, HostState.STOPPED)
            await self._unwind(life)

    async def crash(self, name: str) -> None:
        await self._end(name, HostState.CRASHED, resets=True)

    async def power_off(self, name: str) -> None:
        await self._end(name, HostState.POWERED_OFF, resets=False)

    async def restart(self, name: str) -> None:
        """Stop a host in good order, if it runs, and start it again."""
        await self.stop(name)
        await self.start(name)

    async def freeze(self, name: str) -> None:
        host = self.hosts[name]
        if host.state is HostState.UP:
            host.life.frozen = True
            self._enter(host, HostState.FROZEN)

    async def thaw(self, name: str) -> None:
        host = self.hosts[name]
        if host.state is HostState.FROZEN:
            host.life.frozen = False
            self._enter(host, HostState.UP)
            self.loop.thaw(host.life)

    async def _end(self, name: str, state: HostState, *, resets: bool) -> None:
        host = self.hosts[name]
        life = host.life
        if life.fenced or host.state is HostState.OFF:
            return
        self._fence(host, resets=resets)
        self._enter(host, state)
        await self._unwind(life)

    def _fence(self, host: Host, *, resets: bool) -> None:
        """Cut an incarnation off: nothing it does from now on reaches anybody. Then its tasks may unwind."""
        host.life.fenced = True
        host.life.frozen = False
        host.service = None
        host.services = {}
        self.loop.stashed.pop(id(host.life), None)
        self.fabric.close_host(host.life, resets=resets)

    async def _unwind(self, life: Incarnation) -> None:
        life.unwinding = True
        current = asyncio.current_task()
        for _ in range(UNWIND_ROUNDS):
            tasks = [task for task in life.tasks.values() if task is not current and not task.done()]
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            await asyncio.sleep(0)
        life.unwinding = False

    def _enter(self, host: Host, state: HostState) -> None:
        host.state = state
        self._tell(HostChanged(at_ns=self.now(), host=host.name, state=state.value, incarnation=host.incarnation))

    # ---- running

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in this world, then end every host and close the world. A world runs once."""
        try:
            if self._tripwire is None:
                return self._run(work)
            with self._tripwire:
                return self._run(work)
        finally:
            self.loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        main = self.loop.create_task(work, name="main")
        try:
            result: T = self.loop.run_until_complete(main)
            return result
        finally:
            if not main.done():
                main.cancel()
            self.loop.run_until_complete(self._shut_down())

    async def _shut_down(self) -> None:
        for name, host in list(self.hosts.items()):
            if not host.life.fenced:
                await self._end(name, HostState.STOPPED, resets=False)
        current = asyncio.current_task()
        for _ in range(UNWIND_ROUNDS):
            tasks = [task for task in self.loop.orphans.values() if task is not current and not task.done()]
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            await asyncio.sleep(0)
        await self.loop.shutdown_asyncgens()


async def _build(host: Host) -> Any:
    return await host.factory(host)
