"""The simulated world: hosts on one loop, under one virtual clock, with nothing from outside."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import nullcontext
from typing import Any, TypeVar

from edgesim.world.api import SECOND, Capability, Host, HostState, Incarnation
from edgesim.world.faults import FaultTable
from edgesim.world.lifecycle import HostLifecycle, spare_what_is_loaded
from edgesim.world.netstat import SocketRow
from edgesim.world.paths import Paths
from edgesim.world.sim.fabric import Fabric
from edgesim.world.sim.loop import LivelockError, SimLoop
from edgesim.world.sim.tripwire import Tripwire
from edgesim.world.unhandled import UnhandledError
from edgesim.world.wires import Wires

T = TypeVar("T")
DEFAULT_EPOCH = 1_767_600_000 * SECOND
"""Lab time zero of a simulated world by default: Monday, 5 January 2026, 08:00 UTC."""


class SimWorld(HostLifecycle):
    """A world in one process. Use `run` to execute a coroutine in it."""

    kind = "sim"
    capabilities = frozenset(Capability) - {Capability.EXTERNAL_CLIENTS}

    def __init__(
        self,
        seed: int = 0,
        *,
        wires: Wires | None = None,
        epoch_ns: int = DEFAULT_EPOCH,
        tripwire: bool = True,
    ) -> None:
        super().__init__(seed)
        self.epoch_ns = epoch_ns
        self.loop: SimLoop = SimLoop()
        self.fabric = Fabric(self.loop, self.entropy, self.hosts, self._report, self.admission)
        if wires is not None:
            self.lay(wires)
        self.loop.fabric = self.fabric
        self.loop.tls_observer, self.loop.tls_tap = self.fabric.tls_ended, self.fabric.tap_tls
        self.loop.set_exception_handler(self._unhandled)
        self._tripwire = Tripwire() if tripwire else None

    def now(self) -> int:
        return self.loop.now_ns

    def errors(self) -> list[UnhandledError]:
        super().errors()
        for task in self.loop.unretrieved():  # also those that something still refers to
            error = task.exception()  # which retrieves it: the collector has nothing more to say
            self._unhandled(
                self.loop, {"message": f"no code asked for the error of {task.get_name()}", "exception": error}
            )
        return list(self.unhandled)

    def lay(self, wires: Wires) -> None:
        self.fabric.lay(wires)

    @property
    def faults(self) -> FaultTable:
        """The fault rules in force."""
        return self.fabric.faults

    @property
    def paths(self) -> Paths[Host]:
        """Zones, firewalls and address translation, links, partitions."""
        return self.fabric.paths

    def sockets(self, host: str | None = None) -> list[SocketRow]:
        return self.fabric.sockets(host)

    def stuck(self) -> str:
        return self.loop.who_waits() if self.loop.idle else ""

    def timers(self, host: Host) -> list[tuple[float, str]]:
        return self.loop.timers(host.life)

    async def power_off(self, name: str) -> None:
        await self._end(name, HostState.POWERED_OFF, resets=False)

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

    def _close_host(self, life: Incarnation, *, resets: bool) -> None:
        self.loop.stashed.pop(id(life), None)
        self.fabric.close_host(life, resets=resets)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in this world, then end every host and close the world. A world runs once."""
        spare_what_is_loaded()
        try:
            with self.loop.rubbish, self._tripwire or nullcontext():
                return self._run(work)
        finally:
            self.loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        main = self.loop.create_task(work, name="main")
        try:
            result: T = self.loop.run_until_complete(main)
            return result
        except LivelockError:
            self.loop.calm()
            raise
        finally:
            if not main.done():
                main.cancel()
            self.loop.run_until_complete(self._shut_down())

    async def _shut_down(self) -> None:
        for name in list(self.hosts):
            await self._end(name, HostState.STOPPED, resets=False)
        await self._cancel(self.loop.orphans)
        await self.loop.shutdown_asyncgens()
