"""The live world with hosts in processes of their own, as the lab's own process has it.

Every host is declared here, and its state and its lives are kept here, but most of them run elsewhere: a fork server
makes a process for each life. A crash is SIGKILL, a freeze SIGSTOP, and peers see what the kernel makes of it. What
changes around hosts (faults, partitions, firewalls, clocks) is sent to all of them. A host may also run here, see
`run_here`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import select
import signal
import socket
import time
from collections.abc import Callable

from edgesim.world.api import Capability, HostState, Incarnation, UnsupportedError
from edgesim.world.entropy import Entropy
from edgesim.world.lifecycle import FOLLOWS
from edgesim.world.live.world import ZONES, Beginning, LiveWorld
from edgesim.world.processes.budgets import SharedBudgets
from edgesim.world.processes.changes import Change, FaultAdded, ReplicatedFaults, ReplicatedPaths, Skewed
from edgesim.world.processes.disk import Replica
from edgesim.world.processes.fork_server import ForkServer, ForkServerGone
from edgesim.world.processes.frames import Kind
from edgesim.world.processes.host import NUMBER, HostWorld
from edgesim.world.processes.network import Flows, SplitNetwork
from edgesim.world.processes.process import READS, Elsewhere, Process
from edgesim.world.unhandled import UnhandledError

ENDS = 5.0
"""Seconds in which the system reports that a process was stopped, goes on, or has ended."""
CAUGHT_UP = 0.25
"""Seconds that a look at the journal waits for hosts that do not answer: those that are busy with something long."""


class ProcessWorld(LiveWorld):
    """A live world whose hosts are processes, but for those that `run_here` names. `prepare` it before it runs."""

    network_class = SplitNetwork
    capabilities = LiveWorld.capabilities | {Capability.FREEZE}

    def __init__(self, seed: int | None = None, *, zones: tuple[str, ...] = ZONES) -> None:
        self.beginning = Beginning.now(seed)
        super().__init__(beginning=self.beginning, zones=zones)
        network = self.network
        network.paths = ReplicatedPaths(zones, self.hosts, self._change)
        chance = Entropy(self.seed, "faults")
        self._budgets = SharedBudgets()
        network.faults = ReplicatedFaults(chance, self.now, network._fault_fired, self._budgets, self._change)
        self.processes: dict[str, Process] = {}
        """The processes that run, by host."""
        self.disks: dict[str, Replica] = {}
        self.flows: dict[str, Flows] = {}
        """The firewalls' state of the datagrams of each host."""
        self.on_entry: Callable[[str, bytes], None] = lambda host, entry: None
        """Called with what a host's process has for the journal."""
        self.on_watermark: Callable[[str, int], None] = lambda host, at_ns: None
        """Called with the lab time before which nothing more comes from a host's process."""
        self.on_running: Callable[[str, bool], None] = lambda host, runs: None
        """Called when a host's process begins or ends to run; a frozen one does not run."""
        self._fork_server: ForkServer | None = None
        self._here: set[str] = set()
        self._by_pid: dict[int, Process] = {}
        self._sync = 0

    def prepare(self, build: Callable[[HostWorld], None]) -> None:
        """Start the fork server, whose processes run ``build`` with their world and then serve.

        Do it while this process has one thread and its loop does not run, when everything that processes are to share
        is imported and made. Raises `RuntimeError` where it cannot be done.
        """
        beginning, budgets = self.beginning, self._budgets
        budgets.open()

        def main(name: str, sock: socket.socket) -> None:
            world = HostWorld(name, sock, beginning, budgets)
            build(world)
            world.serve()

        self._fork_server = server = ForkServer.open(main, at_end=budgets.close)
        server.attach(self.loop)
        server.on_change = self._process_changed
        server.on_end = self._fork_server_gone

    def run_here(self, name: str) -> None:
        if name in self.processes:
            raise RuntimeError(f"{name} runs in a process of its own")
        self._here.add(name)

    def runs_here(self, name: str) -> bool:
        """Say whether a host runs, or would run, in this process."""
        return name in self._here

    def process(self, name: str) -> int | None:
        found = self.processes.get(name)
        return found.pid if found is not None else None

    # ---- lifecycle

    async def start(self, name: str) -> None:
        if name in self._here:
            await super().start(name)
            return
        host = self.hosts[name]
        if HostState.STARTING not in FOLLOWS[host.state]:
            raise RuntimeError(f"{name} is already {host.state.value}")
        life = host.life = Incarnation(host, host.life.number + 1)
        self._enter(host, HostState.STARTING)
        try:
            process = await self._made(name, life)
            await process.ask("start", self._given(name, life), limit=None)
        except BaseException:
            if host.life is life and not life.fenced:
                await self._end(name, HostState.CRASHED, resets=True)
            raise
        if not life.fenced:
            host.service = Elsewhere(process)
            self._enter(host, HostState.UP)

    async def _made(self, name: str, life: Incarnation) -> Process:
        ours, theirs = socket.socketpair()
        process = Process(self, name, life, ours)
        try:
            if self._fork_server is None:
                raise RuntimeError("this world was not prepared: no process can be made")
            process.pid = await self._fork_server.fork(name, theirs)
        except BaseException:
            process.channel.close()
            raise
        self.processes[name] = process
        self._by_pid[process.pid] = process
        self.on_running(name, True)
        return process

    def _given(self, name: str, life: Incarnation) -> bytes:
        """Return what a host's process needs to know when it starts."""
        assert isinstance(self.network.paths, ReplicatedPaths)
        changes: list[Change] = self.network.paths.all()
        changes += [FaultAdded(number, fault) for number, fault in self.network.faults.rules()]
        changes += [Skewed(host.name, host.clock.skew_ns) for host in self.hosts.values() if host.clock.skew_ns]
        return pickle.dumps(
            {
                "incarnation": life.number,
                "incarnations": {each.name: each.incarnation for each in self.hosts.values()},
                "disk": self.disks.setdefault(name, Replica()).dump(),
                "changes": changes,
                "flows": self.flows.setdefault(name, Flows()).all(),
            }
        )

    async def stop(self, name: str) -> None:
        process = self.processes.get(name)
        if process is None:
            await super().stop(name)
            return
        host = self.hosts[name]
        if host.state is not HostState.UP:
            return
        process.expected = True
        await process.ask("stop")
        try:
            async with asyncio.timeout(ENDS):
                await asyncio.shield(process.ended)
        except TimeoutError:
            pass  # it is killed
        await self._end(name, HostState.STOPPED, resets=True)

    async def _end(self, name: str, state: HostState, *, resets: bool) -> None:
        process = self.processes.get(name)
        host = self.hosts[name]
        if process is None or process.life is not host.life:
            await super()._end(name, state, resets=resets)
            return
        if host.life.fenced:
            return
        process.expected = True
        if not process.ended.done():
            self._signal(process, signal.SIGKILL)
            async with asyncio.timeout(ENDS):
                await asyncio.shield(process.ended)
        self._buried(process, state)

    def _buried(self, process: Process, state: HostState) -> None:
        """A host's process has ended."""
        host = self.hosts[process.name]
        process.life.fenced = True
        self.processes.pop(process.name, None)
        self._by_pid.pop(process.pid, None)
        if host.life is process.life:
            host.service = None
            self._enter(host, state)
        self.on_running(process.name, False)

    async def freeze(self, name: str) -> None:
        process, host = self._elsewhere(name), self.hosts[name]
        if host.state is not HostState.UP:
            raise RuntimeError(f"{name} is {host.state.value}")
        process.stopped.clear()
        self._signal(process, signal.SIGSTOP)
        async with asyncio.timeout(ENDS):
            await process.stopped.wait()
        process.channel.read(READS)  # what it said before
        process.frozen = True
        self.on_running(name, False)
        self._enter(host, HostState.FROZEN)

    async def thaw(self, name: str) -> None:
        host = self.hosts[name]
        if host.state is not HostState.FROZEN:
            return
        process = self._elsewhere(name)
        process.continued.clear()
        self._signal(process, signal.SIGCONT)
        async with asyncio.timeout(ENDS):
            await process.continued.wait()
        process.frozen = False
        self._enter(host, HostState.UP)
        self.on_running(name, True)

    def _elsewhere(self, name: str) -> Process:
        """Return a host's process; one that runs in this one cannot be frozen."""
        process = self.processes.get(name)
        if process is None:
            if self.hosts[name].state is HostState.UP:
                raise UnsupportedError(Capability.FREEZE)
            raise RuntimeError(f"{name} is {self.hosts[name].state.value}")
        return process

    def _signal(self, process: Process, number: int) -> None:
        assert self._fork_server is not None
        try:
            self._fork_server.signal(process.pid, number)
        except ForkServerGone:
            self._fork_server_gone()

    # ---- events of processes

    def _process_changed(self, pid: int, what: str, code: int) -> None:
        process = self._by_pid.get(pid)
        if process is None:
            return
        process.changed(what, code)
        if what == "ended" and not process.expected and self.hosts[process.name].state is not HostState.STARTING:
            if not process.why and code not in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
                how = f"by signal {-code}" if code < 0 else f"with status {code}"
                self._complain(f"{process.name}: its process {pid} ended {how}")
            self._buried(process, HostState.CRASHED)

    def broken(self, process: Process) -> None:
        """Handle an invalid message from a host's process: the process is ended, nothing else is affected."""
        self._complain(f"{process.name}: its process {process.pid} was ended because it sent {process.why}")
        self._signal(process, signal.SIGKILL)

    def _fork_server_gone(self) -> None:
        """Without its fork server no process can be made, and none would be ended if this one were: so all are, now."""
        for process in tuple(self.processes.values()):
            if not process.ended.done():
                process.expected = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
                process.changed("ended", -signal.SIGKILL)
                self._buried(process, HostState.CRASHED)

    def _complain(self, text: str) -> None:
        self.unhandled.take(UnhandledError(at_ns=self.now(), message=text, exception=None, where=""))

    # ---- what changes around hosts

    def skew(self, name: str, by_ns: int) -> None:
        super().skew(name, by_ns)
        self._change(Skewed(name, by_ns))

    def _change(self, change: Change) -> None:
        """Send a change to every process, and wait until those that answer have made it."""
        if self.processes:
            body = pickle.dumps(change)
            for process in self.processes.values():
                process.channel.send(Kind.CHANGE, body)
            self.catch_up()

    # ---- the journal's streams

    def ask_watermarks(self) -> None:
        """Ask every process that runs for its watermark; `on_watermark` hears the answers."""
        self._sync = (self._sync + 1) % 2**32
        for process in self.processes.values():
            if not process.frozen:
                process.channel.send(Kind.SYNC, NUMBER.pack(self._sync))

    def catch_up(self, patience: float = CAUGHT_UP) -> None:
        """Read, without giving way, what the hosts' processes have said up to now.

        Those that do not answer within ``patience`` seconds are left out, and not waited for until they do.
        """
        self.ask_watermarks()
        number, until = self._sync, time.monotonic() + patience
        waiting = {
            process.channel.fileno(): process
            for process in self.processes.values()
            if not (process.frozen or process.mute or process.channel.closed)
        }
        poll = select.poll()
        for fileno in waiting:
            poll.register(fileno, select.POLLIN)
        while waiting and (left := until - time.monotonic()) > 0:
            for fileno, _ in poll.poll(left * 1000):
                process = waiting[fileno]
                process.channel.read(1)
                if process.synced == number or process.channel.closed:
                    poll.unregister(fileno)
                    del waiting[fileno]
        for process in waiting.values():
            process.mute = True

    # ---- the end

    def abandon(self) -> None:
        """Close a world that was prepared and is not going to run."""
        if self._fork_server is not None:
            self._fork_server.close()
        self._budgets.close()
        self.loop.close()

    async def _shut_down(self) -> None:
        for process in self.processes.values():
            process.expected = True
            self._signal(process, signal.SIGKILL)
        try:
            await super()._shut_down()
        finally:
            if self._fork_server is not None:
                self._fork_server.close()
            self._budgets.close()
