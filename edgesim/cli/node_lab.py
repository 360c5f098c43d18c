"""Runs one host of a lab in this process; what it shares with the others is a private file in their directory."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgesim.cli import state
from edgesim.cli.drawn_secrets import with_own_secrets
from edgesim.cli.installation import authorities_for
from edgesim.cli.live_lab import Complaints, bounds_of, flushing, warn
from edgesim.cli.problems import Problem, deployment_problems, file_problem
from edgesim.control.host_process import HostLab
from edgesim.deployment import Deployment, as_yaml, load
from edgesim.journal import Journal
from edgesim.lab import Certificates, minted, on_loopback
from edgesim.lab.shared import Shared, SharedError
from edgesim.pki.installation import validity_from
from edgesim.world import UnsupportedError, files, machine
from edgesim.world.background import Background, end_within
from edgesim.world.live import LiveWorld
from edgesim.world.processes.alone import AloneWorld, DiskError, DiskFile

FILE = "nodes.json"
LOCK = "nodes.lock"
MOST = 1 << 26
"""The file's largest size in octets: certificates of some thousand hosts."""
LOCK_SECONDS = 60.0
"""Seconds that a node waits for another one that makes the shared file."""
STOP, END = 1.5, 1.9
"""Seconds that the host has to stop; after that the process ends in any case."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the nodes of a directory share."""

    deployment: Deployment
    certificates: Certificates
    seed: int
    epoch_ns: int


def shared(directory: Path, wanted: str | None, *, network: str, dns_port: int | None, seed: int | None) -> Found:
    """Return what the nodes of a directory share. If it is missing, it is made from the deployment ``wanted``.

    ``network`` is the first two octets of addresses, or empty to keep the deployment's own. Raises `Problem`.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with state.wait_for_lock(directory, LOCK, LOCK_SECONDS):
            path = directory / FILE
            text = files.read_private(str(path), MOST)
            if not text:
                text = _made(directory, wanted or "small", network, dns_port, seed)
                files.replace(str(path), text)
            return _read(directory, text, wanted)
    except OSError as error:
        raise file_problem(error, directory) from None
    except state.LockHeld:
        raise Problem(f"another process has held {directory / LOCK} for {LOCK_SECONDS:.0f} s") from None


def _made(directory: Path, wanted: str, network: str, dns_port: int | None, seed: int | None) -> bytes:
    with deployment_problems():
        deployment = load(wanted)
        try:
            if network:
                deployment = on_loopback(deployment, network=network, dns_port=dns_port)
            elif dns_port is not None:
                deployment = deployment.changed({"defaults.ports.dns": dns_port})
        except (ValueError, UnsupportedError) as error:
            raise Problem(str(error)) from None
    deployment = with_own_secrets(deployment, directory)
    world = LiveWorld(seed)
    authorities = authorities_for(deployment, directory)
    validity = validity_from(machine.today(), deployment.defaults.tls.certificate_days)
    certificates = minted(world, deployment, authorities, validity)
    world.loop.close()
    files.replace(str(directory / "ca.pem"), authorities.trust().plus(authorities.enterprise).pem(), mode=0o644)
    return Shared.of(as_yaml(deployment, reveal=True), world.seed, world.epoch_ns, certificates).encode()


def _read(directory: Path, text: bytes, wanted: str | None) -> Found:
    try:
        found = Shared.decode(text)
    except SharedError as error:
        raise Problem(f"{directory / FILE}: {error}", "Remove the file: a new one is made.") from None
    with deployment_problems():
        deployment = load(found.deployment)
        if wanted is not None and load(wanted).name != deployment.name:
            advice = "Leave out the deployment, or name another directory."
            raise Problem(f"{directory} belongs to the deployment {deployment.name}", advice)
    certificates = found.certificates(authorities_for(deployment, directory))
    return Found(deployment=deployment, certificates=certificates, seed=found.seed, epoch_ns=found.epoch_ns)


class NodeLab:
    """One host of a lab, from start to stop."""

    def __init__(self, found: Found, directory: Path, name: str) -> None:
        there = [spec.name for spec in found.deployment.host_specs()]
        if name not in there:
            raise Problem(f"{found.deployment.name} has no host {name}", f"There are {', '.join(there)}.")
        self._found = found
        self._directory = directory
        self._name = name
        self._stop = asyncio.Event()
        self._ended = False

    def run(self, say: Callable[[str], None]) -> None:
        """Run the host until it is stopped; ``say`` gets messages for the user. Raises `Problem`."""
        try:
            with state.hold_lock(self._directory, f"node-{self._name}.lock"):
                self._run(say)
        except state.LockHeld:
            raise Problem(f"{self._name} already runs in {self._directory}") from None
        except DiskError as error:
            raise Problem(f"{self._disk}: {error}", "Remove it: the host begins with an empty disk.") from None
        except OSError as error:
            raise file_problem(error, self._directory) from None

    @property
    def _disk(self) -> Path:
        return self._directory / f"disk-{self._name}"

    def _run(self, say: Callable[[str], None]) -> None:
        found = self._found
        disk = DiskFile(str(self._disk))
        life = disk.next_life()
        path = self._directory / f"journal-{self._name}-{life}.jsonl"
        machine.raise_descriptors()
        world = AloneWorld(found.seed, found.epoch_ns)
        journal = Journal(world, spool=path, bounds=bounds_of(found.deployment), writer=Background("journal"))
        lab = HostLab(world, found.deployment, journal=journal, certificates=found.certificates)
        host = world.hosts[self._name]
        host.disk, host.life.number = disk.disk, life - 1
        world.unhandled.listen(Complaints(machine.stopwatch, warn))
        try:
            world.run(self._live(lab, f"{self._name} is up (life {life}). Ctrl-C stops it; journal: {path}", say))
        finally:
            journal.close()
            disk.close()
            self._ended = True

    async def _live(self, lab: HostLab, ready: str, say: Callable[[str], None]) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, self._end)
        try:
            await lab.start_host(self._name)
        except OSError as error:
            raise Problem(str(error.args[1] if len(error.args) > 1 else error)) from None
        lab.journal.flush()
        say(ready)
        writing = loop.create_task(flushing(lab.journal, warn))
        await self._stop.wait()
        writing.cancel()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(lab.stop_host(self._name), STOP)

    def _end(self) -> None:
        end_within(END, lambda: None, unless=lambda: self._ended)
        self._stop.set()
