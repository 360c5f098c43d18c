"""The live world: the same hosts on real sockets, one loopback address each."""

from __future__ import annotations

import os
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from edgesim.world.api import Capability, Host, HostState, Incarnation, UnsupportedError
from edgesim.world.faults import FaultTable
from edgesim.world.lifecycle import HostLifecycle, spare_what_is_loaded
from edgesim.world.live.loop import LiveLoop
from edgesim.world.live.network import LiveNetwork
from edgesim.world.netstat import SocketRow
from edgesim.world.paths import Paths
from edgesim.world.wires import Wires

T = TypeVar("T")
ZONES = ("internet", "dmz", "inside")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Values that the processes of one lab share: its seed and its start.

    ``began_ns`` is the machine's monotonic clock at lab time zero, which all processes of a machine read alike;
    ``epoch_ns`` is Unix time then.
    """

    seed: int
    began_ns: int
    epoch_ns: int

    @classmethod
    def now(cls, seed: int | None = None) -> Beginning:
        """Return the start of a lab that begins now, by default with a random seed."""
        drawn = int.from_bytes(os.urandom(8), "big") if seed is None else seed
        return cls(seed=drawn, began_ns=time.monotonic_ns(), epoch_ns=time.time_ns())


class LiveWorld(HostLifecycle):
    """A world on real sockets. Use `run` to execute a coroutine in it, or pass a running `LiveLoop`."""

    kind = "live"
    reports_errors = True
    network_class: type[LiveNetwork] = LiveNetwork
    capabilities = frozenset(
        {Capability.CLOCK_SKEW, Capability.FAULTS, Capability.PARTITION, Capability.EXTERNAL_CLIENTS}
    )

    def __init__(
        self, seed: int | None = None, *, zones: tuple[str, ...] = ZONES, beginning: Beginning | None = None
    ) -> None:
        began = beginning if beginning is not None else Beginning.now(seed)
        super().__init__(began.seed)
        self._began = began.began_ns
        self.epoch_ns = began.epoch_ns
        self.loop: LiveLoop = LiveLoop()
        self.network = self.network_class(
            self.loop, zones, self.entropy, self.hosts, self.by_address, self.now, self._report, self.admission
        )
        self.loop.network = self.network
        self.loop.tls_observer, self.loop.tls_tap = self.network.tls_ended, self.network.tap_tls
        self.loop.set_exception_handler(self._unhandled)

    def now(self) -> int:
        return time.monotonic_ns() - self._began

    @property
    def faults(self) -> FaultTable:
        """The fault rules in force: those about opening connections and about what receivers decode."""
        return self.network.faults

    @property
    def paths(self) -> Paths[Host]:
        """Zones, firewalls and partitions; they concern new connections."""
        return self.network.paths

    def lay(self, wires: Wires) -> None:
        """Go by what these wires say of attempts to connect; for the rest the machine's own network is there."""
        self.network.lay(wires)

    def sockets(self, host: str | None = None) -> list[SocketRow]:
        return self.network.sockets(host)

    async def power_off(self, name: str) -> None:
        raise UnsupportedError(Capability.POWER_LOSS)

    async def freeze(self, name: str) -> None:
        raise UnsupportedError(Capability.FREEZE)

    async def thaw(self, name: str) -> None:
        raise UnsupportedError(Capability.FREEZE)

    def _close_host(self, life: Incarnation, *, resets: bool) -> None:
        self.network.close_host(life)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in this world, then end every host and close the world. A world runs once."""
        import asyncio

        spare_what_is_loaded()
        asyncio.set_event_loop(self.loop)
        main = self.loop.create_task(work, name="main")
        try:
            result: T = self.loop.run_until_complete(main)
            return result
        finally:
            if not main.done():
                main.cancel()
            self.loop.run_until_complete(self._shut_down())
            asyncio.set_event_loop(None)
            self.loop.close()

    async def _shut_down(self) -> None:
        for name in list(self.hosts):
            await self._end(name, HostState.STOPPED, resets=True)
        await self._cancel(self.loop.orphans)
        await self.loop.shutdown_asyncgens()
