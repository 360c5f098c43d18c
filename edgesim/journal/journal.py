"""The journal of a lab: nodes emit entries through their recorders; readers wait for them or look back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from edgesim.journal.bounds import EVERYTHING, Bounds
from edgesim.journal.codec import Header
from edgesim.journal.cutting import beginning
from edgesim.journal.entry import Direction, Entry, Whole
from edgesim.journal.events import Event, JournalGap
from edgesim.journal.keys import Key
from edgesim.journal.spool import PATIENCE, Spool, StrPath
from edgesim.journal.strangers import Strangers
from edgesim.world import Host, World
from edgesim.world.background import Background

Listener = Callable[[Entry[Event]], None]

SELF = "journal"
"""The node of what the journal says about itself."""


class Journal:
    """All entries of one lab, in the order in which they were emitted.

    They stay in memory, or go to a file, ``spool``, with only an index in memory. Listeners get entries as they
    were emitted; entries read back from a spool have their secrets masked, unless ``secrets``. ``bounds`` limit what
    is kept. A file that cannot be written does not block: entries wait, then are counted, and a `JournalGap` says how
    many are missing once it can be written again. With a ``writer`` the file is written in the background, so that a
    system that does not answer does not block either. Raises `OSError` if the file cannot be created.
    """

    def __init__(
        self,
        world: World,
        *,
        spool: StrPath | None = None,
        secrets: bool = False,
        bounds: Bounds = EVERYTHING,
        writer: Background | None = None,
    ) -> None:
        self.world = world
        self.bounds = bounds
        self.session_cookie = ""
        """The name of the cookie by whose value HTTP messages belong together; a lab sets that of its edge."""
        self._entries: list[Entry[Event]] | Spool = []
        self._spool: Spool | None = None
        if spool is not None:
            header = self.header(secrets=secrets)
            self._entries = self._spool = Spool(spool, header, bounds=bounds, writer=writer)
        self._strangers = Strangers(bounds)
        self._listeners: list[Listener] = []
        self._sequences: dict[tuple[str, int], int] = {}
        self._closed = False

    def record_payloads(self, *, whole: int, beginning: int) -> None:
        """From now on record payloads over ``whole`` octets by their first ``beginning`` octets."""
        self.bounds = replace(self.bounds, whole=whole, beginning=beginning)

    def header(self, *, secrets: bool = False) -> Header:
        """Return the first line for a file of these entries."""
        world = self.world
        return Header(world=world.kind, seed=world.seed, epoch_ns=world.epoch_ns, secrets=secrets)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry[Event]]:
        return iter(self._entries)

    def __getitem__(self, place: int) -> Entry[Event]:
        return self._entries[place]

    @property
    def first(self) -> int:
        """Position of the first entry that is still there; `len` counts those before it too."""
        return 0 if self._spool is None else self._spool.first

    @property
    def problem(self) -> str | None:
        """Why the file cannot be written now, and what is lost; None if there is no problem."""
        spool = self._spool
        if spool is None or spool.problem is None:
            return None
        lost = f"{spool.missing:,} entries are missing" if spool.missing else "entries wait in memory"
        return f"the journal cannot be written: {spool.problem}; {lost}"

    def entries(self, start: int = 0) -> Sequence[Entry[Event]]:
        """Return the entries from position ``start`` on, as far as they are still there."""
        return self._entries[start:]

    def select(self, *, kind: str | None = None, node: str | None = None, start: int = 0) -> Sequence[Entry[Event]]:
        """Return the entries of a kind, of a node, or both, from position ``start`` on."""
        if self._spool is not None:
            return self._spool.select(kind=kind, node=node, start=start)
        return [
            entry
            for entry in self._entries[start:]
            if (kind is None or entry.event.kind == kind) and (node is None or entry.node == node)
        ]

    def flush(self) -> None:
        """Write what a spool buffers, report missing entries, and remove old parts."""
        if self._closed:
            return
        if self._spool is not None:
            self._spool.flush(self.world.now())
        self._report_gaps()

    def close(self, patience: float = PATIENCE) -> None:
        """End the journal: it can still be read, but what happens later (hosts that are shut down) is not of it.

        What its system has not written after ``patience`` seconds is missing from the file.
        """
        if not self._closed:
            self.flush()
            self._report_gaps(final=True)
            self._closed = True
            if self._spool is not None:
                self._spool.close(patience)

    def catch_up(self) -> None:
        """Take in what was written up to now, where others than this process write, too."""
        return

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with every later entry; return a function that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def recorder(self, host: Host) -> Recorder:
        """Return the recorder by which ``host`` emits."""
        return Recorder(self, host)

    def append(self, entry: Entry[Event]) -> None:
        """Add an entry and call the listeners. A closed journal accepts none."""
        if self._closed:
            return
        self._entries.append(entry)
        if self._listeners:
            for listener in tuple(self._listeners):
                listener(entry)

    def record(
        self,
        host: Host | str,
        event: Event,
        *,
        at_ns: int | None = None,
        incarnation: int | None = None,
        direction: Direction = "-",
        peer: str | tuple[str, int] | None = None,
        payload: bytes = b"",
        keys: Sequence[Key] = (),
        secrets: Sequence[tuple[int, int]] = (),
    ) -> Entry[Event]:
        """Add an entry about ``host``, running or not. Nodes write through their `Recorder`, which drops entries of
        ended lives.

        By default the time is now, and the life the present one. A stranger, given by name, has no life and no clock.
        """
        now = self.world.now()
        whole: Whole | None = None
        if len(payload) > self.bounds.whole:
            payload, secrets, whole = beginning(payload, secrets, self.bounds.beginning)
        if self._spool is not None and self._spool.missing:
            self._report_gaps()
        if isinstance(host, str):
            name, alive, host_ns = host, 0, self.world.epoch_ns + now
        else:
            name, alive, host_ns = host.name, host.incarnation, host.clock.now_ns()
        life = (name, alive if incarnation is None else incarnation)
        self._sequences[life] = sequence = self._sequences.get(life, 0) + 1
        entry = Entry(
            node=name,
            incarnation=life[1],
            sequence=sequence,
            at_ns=now if at_ns is None else at_ns,
            host_ns=host_ns if at_ns is None else host_ns - now + at_ns,
            direction=direction,
            peer=self.name_of(peer, None if isinstance(host, str) else host),
            event=event,
            payload=payload,
            keys=tuple(keys),
            secrets=tuple(secrets),
            order=len(self._entries),
            whole=whole,
        )
        self.append(entry)
        return entry

    def record_stranger(self, reported: str, event: Event, *, at_ns: int, peer: tuple[str, int] | None) -> None:
        """Add an entry about a stranger that the world calls ``address:port``, if there were not too many lately."""
        if self._strangers.admits(at_ns):
            self._report_gaps()
            self.record(self._strangers.name(reported), event, at_ns=at_ns, peer=peer)

    def _report_gaps(self, *, final: bool = False) -> None:
        """Report how many entries are missing, and why, once the gap has ended or if the report is ``final``."""
        spool = self._spool
        if spool is not None and spool.missing and spool.problem is None and spool.is_written:
            missing, since_ns, why = spool.taken_missing()
            self.record(SELF, JournalGap(missing=missing, reason=why, since_ns=since_ns))
        missing, since_ns = self._strangers.omitted(self.world.now(), final=final)
        if missing:
            most = self.bounds.stranger_entries
            reason = f"more than {most} entries a second about strangers"
            self.record(SELF, JournalGap(missing=missing, reason=reason, since_ns=since_ns))

    def name_of(self, peer: str | tuple[str, int] | None, host: Host | None = None) -> str | None:
        """Return the name by which entries mention a peer of ``host``: a lab host's, or ``address:port`` of a stranger.

        A lab host keeps its name behind a translated address.
        """
        if isinstance(peer, tuple):
            found = self.world.peer(host, peer)
            return found.name if found else endpoint(peer)
        return peer


def endpoint(address: tuple[str, int]) -> str:
    """Return ``address:port``, with an IPv6 address in brackets (RFC 3986, section 3.2.2)."""
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"


class Recorder:
    """The pen of one host. Nodes only emit; they never read."""

    def __init__(self, journal: Journal, host: Host) -> None:
        self._journal = journal
        self._host = host

    def emit(
        self,
        event: Event,
        *,
        direction: Direction = "-",
        peer: str | tuple[str, int] | None = None,
        payload: bytes = b"",
        keys: Sequence[Key] = (),
        secrets: Sequence[tuple[int, int]] = (),
    ) -> Entry[Event] | None:
        """Emit an entry of this host. ``peer`` may be a socket's ``(address, port)``; lab hosts appear by name.

        Returns None and writes nothing if the host's incarnation has ended.
        """
        host = self._host
        if host.life.fenced:
            return None
        return self._journal.record(
            host, event, direction=direction, peer=peer, payload=payload, keys=keys, secrets=secrets
        )

    def received(
        self,
        event: Event,
        *,
        peer: str | tuple[str, int] | None,
        payload: bytes = b"",
        keys: Sequence[Key] = (),
        secrets: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Emit a message as this host decoded it."""
        self.emit(event, direction="in", peer=peer, payload=payload, keys=keys, secrets=secrets)

    def sent(
        self,
        event: Event,
        *,
        peer: str | tuple[str, int] | None,
        payload: bytes = b"",
        keys: Sequence[Key] = (),
        secrets: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Emit a message that this host sent to a stranger; nothing for a lab host, which emits it on receipt."""
        if not self.is_lab(peer):
            self.emit(event, direction="out", peer=peer, payload=payload, keys=keys, secrets=secrets)

    @property
    def session_cookie(self) -> str:
        """The name of the cookie by whose value HTTP messages belong together; empty for none."""
        return self._journal.session_cookie

    def recorded(self, size: int) -> int:
        """Return how many octets of a payload of ``size`` octets are recorded: secrets beyond them need no marks."""
        return self._journal.bounds.recorded(size)

    def is_lab(self, peer: str | tuple[str, int] | None) -> bool:
        """Return whether ``peer`` is a host of the lab."""
        if isinstance(peer, tuple):
            return self._host.world.peer(self._host, peer) is not None
        return peer in self._host.world.hosts

    def name_of(self, peer: str | tuple[str, int] | None) -> str | None:
        """Return the name by which entries mention ``peer``."""
        return self._journal.name_of(peer, self._host)
