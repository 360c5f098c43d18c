"""The journal of a lab: nodes emit entries through their recorders; readers wait for them or look back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from edgesim.journal.entry import Direction, Entry
from edgesim.journal.events import Event
from edgesim.world import Host, World

Listener = Callable[[Entry[Event]], None]


class Journal:
    """All entries of one lab, in the order in which they were emitted."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._entries: list[Entry[Event]] = []
        self._listeners: list[Listener] = []

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry[Event]]:
        return iter(self._entries)

    def entries(self, start: int = 0) -> Sequence[Entry[Event]]:
        """Return the entries from position ``start`` on."""
        return self._entries[start:]

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with every later entry; return a function that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def recorder(self, host: Host) -> Recorder:
        """Return the recorder by which ``host`` emits."""
        return Recorder(self, host)

    def append(self, entry: Entry[Event]) -> None:
        """Add an entry; listeners hear of it at once."""
        self._entries.append(entry)
        for listener in tuple(self._listeners):
            listener(entry)


class Recorder:
    """The pen of one host. Nodes only emit; they never read."""

    def __init__(self, journal: Journal, host: Host) -> None:
        self._journal = journal
        self._host = host
        self._sequence = 0

    def emit(
        self,
        event: Event,
        *,
        direction: Direction = "-",
        peer: str | tuple[str, int] | None = None,
        payload: bytes = b"",
        keys: Sequence[str] = (),
        secrets: Sequence[tuple[int, int]] = (),
    ) -> Entry[Event] | None:
        """Emit an entry of this host. ``peer`` may be a socket's ``(address, port)``; lab hosts appear by name.

        Returns None, and writes nothing, where the host's incarnation is fenced off: the dead do not write.
        """
        host = self._host
        if host.life.fenced:
            return None
        self._sequence += 1
        entry = Entry(
            node=host.name,
            incarnation=host.incarnation,
            sequence=self._sequence,
            at_ns=host.world.now(),
            host_ns=host.clock.now_ns(),
            direction=direction,
            peer=self.name_of(peer),
            event=event,
            payload=payload,
            keys=tuple(keys),
            secrets=tuple(secrets),
            order=len(self._journal),
        )
        self._journal.append(entry)
        return entry

    def received(
        self,
        event: Event,
        *,
        peer: str | tuple[str, int] | None,
        payload: bytes = b"",
        keys: Sequence[str] = (),
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
        keys: Sequence[str] = (),
        secrets: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Emit a message that this host sent to a stranger; nothing for a lab host, which emits it on receipt."""
        if not self.is_lab(peer):
            self.emit(event, direction="out", peer=peer, payload=payload, keys=keys, secrets=secrets)

    def is_lab(self, peer: str | tuple[str, int] | None) -> bool:
        """Say whether ``peer`` is a host of the lab."""
        if isinstance(peer, tuple):
            return self._host.world.host_at(peer[0]) is not None
        return peer in self._host.world.hosts

    def name_of(self, peer: str | tuple[str, int] | None) -> str | None:
        """Return the name by which entries mention ``peer``."""
        if isinstance(peer, tuple):
            host = self._host.world.host_at(peer[0])
            return host.name if host else f"{peer[0]}:{peer[1]}"
        return peer
