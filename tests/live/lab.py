"""The small lab on loopback addresses, in a thread of its own, for real programs to talk to."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from edgesim.control import InProcess
from edgesim.deployment import Deployment, builtin
from edgesim.journal import Entry, Event
from edgesim.lab import RunningLab, free_network, on_loopback
from edgesim.scenario.leaks import stop_and_look
from edgesim.world.live import LiveWorld
from tests.tools import tool

T = TypeVar("T")
PATIENCE = 10.0
MANY = "_many._tcp.example.com"
MANY_RECORDS = [
    {"view": "outside", "name": MANY, "type": "SRV", "value": f"10 10 8443 node{number:02}.example.com"}
    for number in range(24)
]
"""More than a datagram of 512 octets holds."""


@contextmanager
def own_network(deployment: Deployment) -> Iterator[Deployment]:
    """Move a deployment to loopback addresses that no other lab has: several may go on side by side."""
    with free_network(deployment) as network:
        yield on_loopback(deployment, network=network)


class LiveLab:
    """A running lab. Everything but `within` may be called from any thread."""

    def __init__(self, deployment: Deployment, directory: Path, *, seed: int = 1) -> None:
        self.deployment = deployment
        self.directory = directory
        self.world = LiveWorld(seed)
        self.lab = RunningLab(self.world, deployment)
        self.journal = self.lab.journal
        self.ca_file = directory / "roots.pem"
        self.ca_file.write_bytes(self.lab.authorities.trust().pem())
        self.dns_port = deployment.defaults.ports.dns
        self.left: list[str] = []
        self._changed = threading.Condition()
        self._started = threading.Event()
        self._stop: asyncio.Event | None = None
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="lab", daemon=True)
        self.journal.listen(self._notify)

    # ---- life

    def start(self) -> None:
        """Return when every server is up and every link stands."""
        self._thread.start()
        self._started.wait()
        if self._problem is not None:
            raise self._problem

    def stop(self) -> None:
        """Stop it in good order; what is left behind is in `left`."""
        assert self._stop is not None
        self.world.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._problem is not None:
            raise self._problem

    def _run(self) -> None:
        try:
            self.world.run(self._play())
        except BaseException as error:
            self._problem = error
        finally:
            self._started.set()

    async def _play(self) -> None:
        self._stop = asyncio.Event()
        await self.lab.start()
        self._started.set()
        await self._stop.wait()
        self.left = await stop_and_look(InProcess(self.lab), self.world.kind)

    def within(self, work: Coroutine[Any, Any, T], timeout: float = 30.0) -> T:
        """Run a coroutine in the lab's own loop, from another thread."""
        return asyncio.run_coroutine_threadsafe(work, self.world.loop).result(timeout)

    # ---- names and addresses

    def address(self, host: str, zone: str | None = None) -> str:
        """Return a host's address, by its name or FQDN."""
        for spec in self.deployment.host_specs():
            if host in (spec.name, spec.fqdn):
                return self.world.hosts[spec.name].address(zone)
        raise LookupError(host)

    @property
    def edge(self) -> str:
        """The address of Expressway-E that the internet sees."""
        return self.address("expe", "outer-dmz")

    # ---- programs

    def run(self, name: str, *arguments: str, stdin: str = "", timeout: float = 20.0, ok: bool = True) -> Output:
        """Run a program to its end and return what it printed; ``ok`` demands that it exits with 0."""
        done = subprocess.run(
            [tool(name), *arguments],
            input=stdin.encode(),
            capture_output=True,
            timeout=timeout,
            cwd=self.directory,
        )
        output = Output(done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"), done.returncode)
        assert not ok or done.returncode == 0, f"{name} exited with {done.returncode}\n{output.out}\n{output.err}"
        return output

    # ---- the journal

    def _notify(self, _: Entry[Event]) -> None:
        with self._changed:
            self._changed.notify_all()

    def seen(self, kind: str, node: str | None = None, *, since: int = 0, **fields: Any) -> list[Entry[Event]]:
        """Return the entries of a kind whose fields have these values, or satisfy them where they are functions."""
        entries = self.journal.select(kind=kind, node=node, start=since)
        return [entry for entry in entries if _fits(entry.event, fields)]

    def expect(self, kind: str, node: str | None = None, *, since: int = 0, **fields: Any) -> Entry[Event]:
        """Return the first such entry, and wait for it if need be."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while not (found := self.seen(kind, node, since=since, **fields)):
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise AssertionError(f"no {kind} of {node or 'any host'} with {fields}\n{self.story(since)}")
        return found[0]

    def mark(self) -> int:
        """Return the journal's length: where ``since`` begins."""
        return len(self.journal)

    def story(self, since: int) -> str:
        """Return the entries since a mark, a line each."""
        return "\n".join(f"{e.node} {e.peer or ''} {e.kind} {e.event.summary()}" for e in self.journal.entries(since))


class Output:
    """What a program printed: ``out`` and ``err``, and its exit code."""

    def __init__(self, out: str, err: str, code: int) -> None:
        self.out = out
        self.err = err
        self.code = code

    @property
    def all(self) -> str:
        """Both streams."""
        return self.out + self.err


def _fits(event: Event, fields: dict[str, Any]) -> bool:
    for name, wanted in fields.items():
        value = getattr(event, name)
        if not (wanted(value) if callable(wanted) else value == wanted):
            return False
    return True


@contextmanager
def live_lab(directory: Path, changes: dict[str, Any] | None = None) -> Iterator[LiveLab]:
    """Run the small deployment, on addresses of its own, for the length of a ``with`` block."""
    with own_network(builtin("small").changed({"dns.extra": MANY_RECORDS, **(changes or {})})) as deployment:
        lab = LiveLab(deployment, directory)
        lab.start()
        try:
            yield lab
        finally:
            lab.stop()


def has(text: str) -> Callable[[Any], bool]:
    """Return a test for a field that has ``text`` in it."""
    return lambda value: text in value


def addresses(values: Sequence[str]) -> list[str]:
    """Return lines in order, for comparisons that do not mind it."""
    return sorted(values)
