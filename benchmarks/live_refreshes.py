"""REGISTER refreshes per second through E, C and Unified CM in one live process, and its memory per registered client.

The load comes from another process (`benchmarks.load`) on the same machine: TLS to E on 5061, TLS from C to E on 7001,
TCP to Unified CM on 5060 as documented for a line without encryption. The journal spools to disk. Every REGISTER that
reaches Unified CM and every 200 that reaches a client is compared with a golden copy as it arrives.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import tempfile
import tracemalloc
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.golden import GoldenCopy
from benchmarks.load import Subscriber, Target
from benchmarks.people import crowd, own_network
from benchmarks.report import Figure, Scale, command, processor
from edgesim.deployment import Deployment
from edgesim.journal import Entry, Event, Journal, events
from edgesim.lab import RunningLab, on_loopback
from edgesim.world.live import LiveWorld

CLIENTS = {Scale.TINY: 2, Scale.NORMAL: 100, Scale.FULL: 100}
MORE = {Scale.TINY: 2, Scale.NORMAL: 400, Scale.FULL: 900}
"""Further clients, whose memory is measured."""
SECONDS = {Scale.TINY: 0.2, Scale.NORMAL: 5.0, Scale.FULL: 30.0}
PREPARED_PER_SECOND = 4000
"""REGISTERs built beforehand for all clients and a second: more than they can use."""


class Load:
    """The load generator's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, target: Target) -> Load:
        """Start it and tell it where the edge is."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.load", stdin=pipe, stdout=pipe, limit=2**24
        )
        load = cls(process)
        await load.order("target", target=asdict(target))
        return load

    async def order(self, do: str, **arguments: Any) -> Any:
        """Give a command and return its answer. Raises `RuntimeError` if it failed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the load generator died")
        answer = json.loads(line)["answer"]
        if isinstance(answer, dict) and "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    async def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


class Watch:
    """Compares what reaches Unified CM with golden copies, as the journal tells of it."""

    def __init__(self, journal: Journal) -> None:
        self.compared = 0
        self.problem: Exception | None = None
        self._copies: dict[str, GoldenCopy] = {}
        journal.listen(self._hear)

    def know(self, clients: list[dict[str, str]]) -> None:
        """Add clients by the values of their golden copies."""
        for values in clients:
            self._copies[values["call_id"]] = GoldenCopy("register_at_unified_cm.sip", values)

    def _hear(self, entry: Entry[Event]) -> None:
        event = entry.event
        if isinstance(event, events.SipRequest) and entry.node == "ucm-pub":
            copy = self._copies.get(event.call_id)
            if copy is not None and self.problem is None:
                try:
                    copy.compare(entry.payload)
                    self.compared += 1
                except AssertionError as error:
                    self.problem = error


def run(scale: Scale) -> list[Figure]:
    """Measure it."""
    # The golden copy compares line by line, in the sender's order.
    deployment = crowd(CLIENTS[scale] + MORE[scale], machines=0).changed({"defaults.sip.forwarding": "byte for byte"})
    with tempfile.TemporaryDirectory() as folder, own_network() as network:
        return measure(on_loopback(deployment, network=network), scale, Path(folder))


def measure(deployment: Deployment, scale: Scale, folder: Path) -> list[Figure]:
    """Run the lab and the load. Raises `RuntimeError` and `GoldenCopyError`."""
    world = LiveWorld(1)
    journal = Journal(world, spool=folder / "journal.jsonl")
    lab = RunningLab(world, deployment, journal=journal)
    target, subscribers = _target(lab, folder), _subscribers(deployment)
    watch = Watch(journal)
    clients, more, seconds = CLIENTS[scale], MORE[scale], SECONDS[scale]
    figures: list[Figure] = []

    async def story() -> None:
        await lab.start()
        load = await Load.start(target)
        try:
            watch.know(await load.order("sign_up", subscribers=subscribers[:clients]))
            before, traced = _memory(), _traced()
            await load.order("sign_up", subscribers=subscribers[clients:])
            grown = (_memory() - before) / more / 1024
            if traced is not None:
                _tell_growth(traced, more)
            cpu = processor()
            prepared = int(PREPARED_PER_SECOND * seconds / clients)
            done = await load.order("refresh", clients=clients, seconds=seconds, prepared=prepared)
            cpu = processor() - cpu
            if watch.problem is not None:
                raise watch.problem
            if watch.compared < done["refreshed"]:
                raise RuntimeError(f"{watch.compared} REGISTERs compared of {done['refreshed']}")
            rate = done["refreshed"] / done["seconds"]
            how = (
                f"{clients} clients, {done['refreshed']:.0f} refreshes, {1e6 * cpu / done['refreshed']:.0f} us of "
                f"processor each, slowest {1000 * done['slowest']:.0f} ms, {watch.compared} compared"
            )
            figures.append(
                Figure(what="live: REGISTER refreshes", value=rate, unit="/s", aim=1200, better="more", how=how)
            )
            how = f"growth of the lab's process over {more} registered clients, all hosts"
            figures.append(Figure(what="live: memory per client", value=grown, unit="KB", aim=200, how=how))
        finally:
            await load.stop()
        journal.close()
        await lab.stop()

    world.run(story())
    return figures


def _target(lab: RunningLab, folder: Path) -> Target:
    deployment = lab.deployment
    edge, core, node = deployment.expressway_e[0], deployment.expressway_c[0], deployment.unified_cm[0].publisher
    ca_file = folder / "roots.pem"
    ca_file.write_bytes(lab.authorities.trust().pem())
    inner = edge.interfaces[-1].address
    return Target(
        edge=edge.interfaces[0].address,
        fqdn=edge.fqdn,
        inner=inner,
        core=core.interfaces[0].address,
        domain=deployment.domains.edge,
        node=node.fqdn,
        route=f"<sip:{core.interfaces[0].address}:5061;transport=tls;zone-id=3;directed;lr>",
        ca_file=str(ca_file),
    )


def _subscribers(deployment: Deployment) -> list[dict[str, str]]:
    """Return everybody as the load generator needs to know them, each with an address of no host."""
    network = deployment.expressway_e[0].interfaces[0].address.split(".")[1]
    found = []
    for number, user in enumerate(deployment.users):
        device = deployment.devices_of(user.id)[0]
        who = Subscriber(
            user=user.id,
            password=user.password,
            number=device.line or "",
            device=device.name,
            contact=deployment.pkid("line", f"{device.name}/{device.line}"),
            address=f"127.{network}.{200 + number // 250}.{1 + number % 250}",
        )
        found.append(asdict(who))
    return found


def _traced() -> tracemalloc.Snapshot | None:
    return tracemalloc.take_snapshot() if tracemalloc.is_tracing() else None


def _tell_growth(before: tracemalloc.Snapshot, clients: int) -> None:
    """Print the lines of code whose memory grew most, for ``--tracemalloc``; OpenSSL's own is not in it."""
    for line in tracemalloc.take_snapshot().compare_to(before, "lineno")[:25]:
        print(f"{line.size_diff / clients:10.0f} octets a client  {line.traceback}", file=sys.stderr)


def _memory() -> int:
    """Return the octets of memory that this process holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(command({"live_refreshes": run}))
