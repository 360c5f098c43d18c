"""Runs a lab on real sockets until it is stopped: private CAs, a journal on disk, a control server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from edgesim.cli import links, places, state
from edgesim.cli.drawn_secrets import with_own_secrets
from edgesim.cli.installation import authorities_for
from edgesim.cli.problems import Problem, file_problem
from edgesim.control import Carrier, ControlError, ControlServer, InProcess, Netstat
from edgesim.deployment import Deployment
from edgesim.journal import Bounds, Journal
from edgesim.journal.bounds import SECOND
from edgesim.journal.spool import PATIENCE
from edgesim.journal.visible import visible
from edgesim.lab import RunningLab, minted
from edgesim.lab.doors import affordable
from edgesim.pki import Authorities
from edgesim.pki.installation import validity_from
from edgesim.world import files, machine
from edgesim.world.background import Background, end_within
from edgesim.world.live import LiveWorld
from edgesim.world.netstat import SocketRow
from edgesim.world.unhandled import UnhandledError

JOURNAL = "journal.jsonl"
DEPLOYMENT = "deployment.yaml"
CA_FILE = "ca.pem"
SETTLE = 10.0
"""Seconds to wait for the links between the servers before the lab counts as ready without them."""
SLOW = 2.0
"""Seconds after which the links that are still awaited are printed."""
STOP = 1.5
"""Seconds that hosts have to shut down; after that they end with the process."""
END = 1.9
"""Seconds after Ctrl-C at which the process ends in any case, even if a disk does not answer."""
LAST = 0.3
"""The least seconds that the journal has to write what is pending, and standard error to accept warnings."""
COMPLAINT = 1.0
"""Seconds between two errors that are printed."""
FLUSH = 1.0
"""Seconds until an entry is in the journal's file."""


@dataclass(slots=True, kw_only=True)
class Ready:
    """A lab that is up. ``complete`` says whether every link is up; ``down`` are lines about those that are not.

    ``directory`` is the state directory if other commands need it, else empty.
    """

    deployment: Deployment
    sockets: Sequence[SocketRow]
    running: state.Running
    seconds: float
    complete: bool
    down: Sequence[str] = ()
    directory: str = ""


PLAIN = (
    "--plain-roots: these roots have no name constraints, so that anyone who has their keys can certify any name. "
    "Trust them in the client under test only, never in a system's or a browser's store"
)


class LiveLab:
    """One lab, from start to stop."""

    def __init__(
        self,
        deployment: Deployment,
        directory: Path,
        *,
        seed: int | None,
        keylog: Path | None,
        plain_roots: bool = False,
        processes: bool = False,
    ) -> None:
        self.deployment = deployment
        self.directory = directory
        self._seed = seed
        self._keylog = keylog
        self._plain_roots = plain_roots
        self._processes = processes
        self._stop = asyncio.Event()
        self._disk = Background("journal")
        self._voice = Background("messages")
        self._stopped_at: float | None = None
        self._ended = False

    def run(self, ready: Callable[[Ready], None]) -> None:
        """Start the lab, call ``ready`` once it is up, and return after it is stopped. Raises `Problem`."""
        began = machine.stopwatch()
        with self._lock_directory():
            self._run(ready, began)

    def _run(self, ready: Callable[[Ready], None], began: float) -> None:
        if self._plain_roots:
            warn(PLAIN)
        self.deployment = with_own_secrets(self.deployment, self.directory)
        self._raise_descriptor_limit()
        try:
            if self._keylog is not None:
                files.keep_private(str(self._keylog))
            world, lab, carrier = self._built(authorities_for(self.deployment, self.directory, plain=self._plain_roots))
        except OSError as error:
            raise file_problem(error, self.directory) from None
        journal = lab.journal
        world.unhandled.listen(Complaints(machine.stopwatch, self._say))
        try:
            world.run(self._live(lab, carrier, ready, began))
        finally:
            state.remove(self.directory)
            journal.close(self._left())
            if journal.problem is not None:
                self._say(journal.problem)
            said = self._voice.do(lambda: None)
            if said is not None:
                said.wait(LAST)
            self._ended = True

    def _built(self, authorities: Authorities) -> tuple[LiveWorld, RunningLab, Carrier]:
        """Build a world, the lab in it, and the carrier of its commands. Raises `Problem` and `OSError`."""
        deployment, bounds = self.deployment, bounds_of(self.deployment)
        keylog = str(self._keylog) if self._keylog else None
        validity = validity_from(machine.today(), deployment.defaults.tls.certificate_days)
        path = self.directory / JOURNAL
        if self._processes:
            from edgesim.cli.process_lab import built

            return built(
                deployment,
                authorities,
                validity,
                seed=self._seed,
                keylog=keylog,
                spool=path,
                bounds=bounds,
                writer=self._disk,
            )
        world = LiveWorld(self._seed)
        certificates = minted(world, deployment, authorities, validity)
        journal = Journal(world, spool=path, bounds=bounds, writer=self._disk)
        lab = RunningLab(world, deployment, journal=journal, certificates=certificates, keylog=keylog)
        return world, lab, InProcess(lab)

    # ---- calls that may block

    def _say(self, text: str) -> None:
        """Warn on standard error, which may be a pipe that is not read; warnings that do not fit are dropped."""
        self._voice.do(lambda: warn(text))

    def _end(self) -> None:
        """End the lab, and the process in any case."""
        if self._stopped_at is None:
            self._stopped_at = machine.stopwatch()
            end_within(END, self._warn_unfinished, unless=lambda: self._ended)
        self._stop.set()

    def _warn_unfinished(self) -> None:
        warn("the lab was ended before everything was written and closed")

    def _left(self) -> float:
        """Return the seconds that the journal has to write what is pending."""
        if self._stopped_at is None:
            return PATIENCE
        return max(LAST, self._stopped_at + END - 2 * LAST - machine.stopwatch())

    def _lock_directory(self) -> contextlib.ExitStack:
        """Make the directory, and lock it against other labs until the stack is closed. Raises `Problem`."""
        held = contextlib.ExitStack()
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            held.enter_context(state.hold_lock(self.directory))
            if (others := files.who_else_writes(str(self.directory))) is not None:
                warn(f"{self.directory} can be written by {others}, who could replace this lab's keys and secrets")
        except OSError as error:
            raise file_problem(error, self.directory) from None
        except state.LockHeld:
            other = state.read(self.directory)
            who = f"{other.deployment}, process {other.process}, " if other is not None else ""
            raise Problem(
                f"a lab already runs: {who}in {self.directory}",
                "Stop it (Ctrl-C where it runs), or start this one with another --dir and --network.",
            ) from None
        return held

    def _raise_descriptor_limit(self) -> None:
        """Raise the limit of descriptors as far as allowed; warn if it is low. Raises `Problem` if it is too low."""
        machine.raise_descriptors()
        doors, processes = self.deployment.defaults.doors, self._processes
        connections = affordable(self.deployment, one_host=processes)
        if connections is None or connections >= doors.few_connections:
            return
        limit = (machine.descriptors() or (0, 0))[0]
        if connections < doors.least_connections:
            raise Problem(f"this process may open {limit} files and connections: too few for this lab", _DESCRIPTORS)
        warn(
            f"this process may open {limit} files and connections: "
            f"{'each host' if processes else 'the lab'} takes {connections} connections of clients at a time. "
            f"{_DESCRIPTORS}"
        )

    async def _live(self, lab: RunningLab, carrier: Carrier, ready: Callable[[Ready], None], began: float) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, self._end)
        try:
            await lab.start(settle=0)
        except OSError as error:
            raise Problem(str(error.args[1] if len(error.args) > 1 else error), _ADDRESSES) from None
        settling = loop.create_task(lab.settle(SETTLE))
        waiting = loop.create_task(_say_slow(carrier))
        stopping = loop.create_task(self._stop.wait())
        stopping.add_done_callback(lambda _: settling.cancel())
        control = ControlServer(lab.world, carrier, machine.token())
        with contextlib.suppress(asyncio.CancelledError):
            complete = await settling
            waiting.cancel()
            await control.start()
            try:
                running = self._written(lab, control)
            except OSError as error:
                raise file_problem(error, self.directory) from None
            seconds = machine.stopwatch() - began
            where = "" if self.directory == places.state_directory(None) else str(self.directory)
            ready(
                Ready(
                    deployment=self.deployment,
                    sockets=(await carrier.ask(Netstat())).rows,
                    running=running,
                    seconds=seconds,
                    complete=complete,
                    down=() if complete else await links.down(carrier),
                    directory=where,
                )
            )
            writing = loop.create_task(flushing(lab.journal, self._say))
            await stopping
            writing.cancel()
        await control.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(lab.stop(), STOP)

    def _written(self, lab: RunningLab, control: ControlServer) -> state.Running:
        """Write the files that users and other commands need; return what is in them."""
        deployment = self.deployment
        ca_file = self.directory / CA_FILE
        files.replace(str(ca_file), lab.authorities.trust().plus(lab.authorities.enterprise).pem(), mode=0o644)
        port = deployment.defaults.ports.dns
        running = state.Running(
            process=os.getpid(),
            deployment=deployment.name,
            domain=deployment.domains.edge,
            control=control.url,
            token=control.token,
            ca_file=str(ca_file.absolute()),
            resolver=f"{deployment.dns.outside.address}:{port}",
            inside_resolver=f"{deployment.dns.inside.address}:{port}",
            journal=str((self.directory / JOURNAL).absolute()),
        )
        state.write(self.directory, running)
        return running


async def flushing(journal: Journal, say: Callable[[str], None]) -> None:
    """Flush the journal's file periodically, for those who read it meanwhile.

    Warns once when it cannot be written, and once when it can be written again.
    """
    failing = False
    while True:
        await asyncio.sleep(FLUSH)
        journal.flush()
        problem = journal.problem
        if problem is not None and not failing:
            say(f"{problem}; the lab continues")
        elif problem is None and failing:
            say("the journal is written again; an entry says what is missing, if anything is")
        failing = problem is not None


def warn(text: str) -> None:
    with contextlib.suppress(OSError):  # standard error may be a file on the same disk
        click.echo(f"{click.style('warning:', fg='red', bold=True)} {text}", err=True)


def bounds_of(deployment: Deployment) -> Bounds:
    kept = deployment.defaults.journal
    return Bounds(
        octets=kept.mebibytes * 1024 * 1024 or None,
        age_ns=round(kept.days * 86_400 * SECOND) or None,
    )


class Complaints:
    """Prints unhandled errors as they occur, at most one a second."""

    def __init__(self, clock: Callable[[], float], say: Callable[[str], None]) -> None:
        self._clock = clock
        self._say = say
        self._last: float | None = None
        self._unsaid = 0

    def __call__(self, error: UnhandledError) -> None:
        now = self._clock()
        if self._last is not None and now - self._last < COMPLAINT:
            self._unsaid += 1
            return
        more = f" ({self._unsaid} more since the last)" if self._unsaid else ""
        self._last, self._unsaid = now, 0
        self._say(f"an unhandled error: {visible(str(error))}{more}")


_DESCRIPTORS = "Raise the limit with `ulimit -n`, for example `ulimit -n 65536`."
_ADDRESSES = (
    "Choose other addresses with --network 127.N, another DNS port with --dns-port. See docs/live.md, "
    "also for systems that have 127.0.0.1 only."
)


async def _say_slow(carrier: Carrier) -> None:
    """Print after a while what the lab still waits for; on standard error, so that standard output is JSON alone."""
    await asyncio.sleep(SLOW)
    with contextlib.suppress(ControlError):  # a host that goes down meanwhile
        waiting = await links.down(carrier)
        if not waiting:
            return
        click.echo(f"Waiting at most {SETTLE:.0f} s for links that are not up yet:", err=True)
        for line in waiting:
            click.echo(f"  {line}", err=True)
