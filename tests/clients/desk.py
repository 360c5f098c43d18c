"""A desk in a lab: clients of users, what they said while they signed in, and whether they left anything behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from edgesim.clients.ip_phone import IpPhone
from edgesim.clients.jabber import Jabber
from edgesim.clients.room_device import RoomDevice
from edgesim.deployment import load
from edgesim.deployment.hosts import ClientHost
from edgesim.deployment.people import User
from edgesim.journal import Entry, Event, events
from edgesim.lab import RunningLab
from edgesim.world.faults import Fault
from edgesim.world.sim import SimWorld
from tests.simrun import sim_run

T = TypeVar("T")
E = TypeVar("E", bound=Event)
D = TypeVar("D", IpPhone, RoomDevice)
OUTSIDE, INSIDE = "jabber-1", "inside-1"


class Desk:
    """The lab as tests of clients use it; ``said`` are stage, result and detail in order."""

    def __init__(self, lab: RunningLab) -> None:
        self.lab = lab
        self.journal = lab.journal
        self.said: list[tuple[str, str, str]] = []
        self.clients: list[Jabber | IpPhone | RoomDevice] = []

    @property
    def now(self) -> float:
        return self.lab.world.now() / 1e9

    def jabber(self, user: str | User = "alice", where: str = OUTSIDE, **options: Any) -> Jabber:
        """Return a client of a user on a machine."""
        who = self.lab.deployment.user(user) if isinstance(user, str) else user
        client = Jabber(
            self.lab.node(where),
            who,
            progress=lambda stage, result, detail: self.said.append((stage.value, result, detail)),
            **options,
        )
        self.clients.append(client)
        return client

    def phone(self, machine: str = "phone-1") -> IpPhone:
        """Return the desk phone that a machine is, with its owner in front of it."""
        return self._device(machine, IpPhone)

    def room(self, machine: str = "room-1") -> RoomDevice:
        """Return the room device that a machine is."""
        return self._device(machine, RoomDevice)

    def _device(self, machine: str, kind: type[D]) -> D:
        node = self.lab.node(machine)
        spec = node.spec.spec
        assert isinstance(spec, ClientHost)
        device = self.lab.deployment.device(spec.device or "")
        made = kind(node, device, self.lab.deployment.user(device.owner or ""))
        self.clients.append(made)
        return made

    def states(self, node: str) -> list[tuple[str, str, str]]:
        """Return a client's reported stages: stage, outcome and detail."""
        return [(e.event.stage, e.event.outcome, e.event.detail) for e in self.entries(events.ClientState, node)]

    def fault(self, fault: Fault) -> int:
        """Put a fault in force until the end."""
        return self.lab.world.faults.add(fault)

    def service(self, name: str) -> Any:
        """Return what runs on a host."""
        return self.lab.node(name).host.service

    def entries(self, kind: type[E], node: str | None = None, peer: str | None = None) -> list[Entry[Any]]:
        """Return journal entries of one kind, of one node, from one peer."""
        return [
            entry
            for entry in self.lab.journal
            if isinstance(entry.event, kind)
            and (node is None or entry.node == node)
            and (peer is None or entry.peer == peer)
        ]

    def registers(self, node: str) -> list[Entry[Any]]:
        """Return the REGISTERs that a host received."""
        return [entry for entry in self.entries(events.SipRequest, node) if entry.event.method == "REGISTER"]

    def left(self, name: str) -> list[str]:
        """Return what is running or open on a host, one line each."""
        host = self.lab.node(name).host
        rows = [f"socket {row.local} {row.remote} {row.state}" for row in self.lab.world.sockets(name)]
        rows += [f"task {task.get_name()}" for task in host.life.tasks.values() if not task.done()]
        timers: Any = getattr(self.lab.world, "timers")  # noqa: B009 - a sim world's, which `World` does not promise
        return rows + [f"timer {name} at {due}" for due, name in timers(host)]


def play(
    story: Callable[[Desk], Awaitable[T]],
    *,
    deployment: str = "small",
    changes: dict[str, Any] | None = None,
    without: Sequence[str] = (),
    seed: int = 1,
) -> T:
    """Run a story in a fresh simulated lab; afterwards every client is closed and must have left nothing."""

    async def main(world: SimWorld) -> T:
        lab = RunningLab(world, load(deployment).changed(changes or {}))
        await lab.start(without=without)
        desk = Desk(lab)
        result = await story(desk)
        for client in desk.clients:
            await client.close()
        await asyncio.sleep(1)
        for client in desk.clients:
            left = desk.left(client.node.name)
            assert not left, left
        return result

    return sim_run(main, seed=seed)
