"""Flow control of an XCP link: a window for each session, and turns where the way to the other side is full.

Either side may have a window of octets of a session on the way that the other has not taken. What is beyond waits here
(`Flow`), so that a session whose receiver is slow slows its own sender alone. While the connection itself is
full (`Flows.cork`) every session waits, and all go on in turn (`Flows.uncork`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, KeysView
from typing import NamedTuple

PIECE = 16_384
"""Octets of the largest piece; a window must hold one."""


class Piece(NamedTuple):
    """A part of what was sent, small enough for one element; ``restart`` is set on the last."""

    text: str
    octets: int
    restart: bool


def pieces_of(data: bytes, *, restart: bool) -> list[Piece]:
    """Cut UTF-8 octets in pieces, of which there is at least one."""
    text, step = data.decode(), PIECE // 4
    if len(text) <= step:
        return [Piece(text, len(data), restart)]
    parts = [text[start : start + step] for start in range(0, len(text), step)]
    pieces = [Piece(part, len(part.encode()), False) for part in parts]
    pieces[-1] = pieces[-1]._replace(restart=restart)
    return pieces


class Flow:
    """One session's flow: what may still be sent, what waits, what was taken and not yet credited back."""

    __slots__ = ("_credit", "_received", "_waiting", "_window", "waiting")

    def __init__(self, window: int) -> None:
        self.waiting = 0
        """Octets that wait here."""
        self._window = window
        self._credit = window
        self._received = 0
        self._waiting: deque[Piece] = deque()

    @property
    def idle(self) -> bool:
        """Whether nothing waits; a piece without octets counts, too."""
        return not self._waiting

    @property
    def ready(self) -> bool:
        """Whether the window has room for the next piece."""
        return bool(self._waiting) and self._waiting[0].octets <= self._credit

    def passes(self, piece: Piece) -> bool:
        """Let a piece go on its way where nothing waits before it and the window has room; return whether it may."""
        if self._waiting or piece.octets > self._credit:
            return False
        self._credit -= piece.octets
        return True

    def put(self, piece: Piece) -> None:
        """Let a piece wait for its turn."""
        self._waiting.append(piece)
        self.waiting += piece.octets

    def take(self) -> Piece:
        """Return the next piece, which goes on its way."""
        piece = self._waiting.popleft()
        self._credit -= piece.octets
        self.waiting -= piece.octets
        return piece

    def credited(self, octets: int) -> bool:
        """Take what the other side has credited; return False if that is more than there ever was."""
        self._credit += octets
        return self._credit <= self._window

    def arrived(self, octets: int) -> bool:
        """Count what the other side has sent; return False if it may not send as much."""
        self._received += octets
        return self._received <= self._window

    def consumed(self, octets: int) -> int:
        """Return how much of what has gone on is to be credited."""
        owed = min(octets, self._received)
        self._received -= owed
        return owed


class Flows:
    """The flows of a link's sessions, in the order of their opening.

    ``write`` puts a piece of a session on the wire; ``drained`` hears that nothing of a session waits any more.
    """

    def __init__(self, window: int, *, write: Callable[[str, Piece], None], drained: Callable[[str], None]) -> None:
        self._window = window
        self._write = write
        self._drained = drained
        self._of: dict[str, Flow] = {}
        self._corked = False
        self._turn = 0

    def __len__(self) -> int:
        return len(self._of)

    @property
    def open_sessions(self) -> KeysView[str]:
        """The sessions that have a flow."""
        return self._of.keys()

    def open(self, session: str) -> None:
        """Give a session a flow."""
        self._of[session] = Flow(self._window)

    def get(self, session: str) -> Flow | None:
        """Return a session's flow, or None where it has none (any more)."""
        return self._of.get(session)

    def close(self, session: str) -> bool:
        """Forget a session and what waits of it; return whether it had a flow."""
        return self._of.pop(session, None) is not None

    def clear(self) -> None:
        """Forget every session."""
        self._of.clear()

    def send(self, session: str, data: bytes, *, restart: bool) -> Flow:
        """Send octets of a session as far as there is room; the rest waits."""
        flow = self._of[session]
        for piece in pieces_of(data, restart=restart):
            if not self._corked and flow.passes(piece):
                self._write(session, piece)
            else:
                flow.put(piece)
        return flow

    def credited(self, session: str, octets: int) -> bool:
        """Go on with a session that the other side has credited octets; return False if that was too much."""
        flow = self._of[session]
        if not flow.credited(octets):
            return False
        if not flow.idle:
            while not self._corked and flow.ready:
                self._write(session, flow.take())
            if flow.idle:
                self._drained(session)
        return True

    def cork(self) -> None:
        """Keep everything here: the way to the other side is full."""
        self._corked = True

    def uncork(self, full: Callable[[], bool]) -> bool:
        """Let the sessions go on, in turn, until the way is full; return whether some must wait for the next call."""
        order = [(session, flow) for session, flow in self._of.items() if not flow.idle]
        first = self._turn % len(order) if order else 0
        order = order[first:] + order[:first]
        while order and not full():
            for session, flow in order:
                self._turn += 1
                if flow.ready:
                    self._write(session, flow.take())
                if flow.idle:
                    self._drained(session)
            order = [(session, flow) for session, flow in order if flow.ready]
        self._corked = bool(order)
        return self._corked
