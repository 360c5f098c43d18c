"""Flow control of an XCP link: a window per session, and round robin while the connection is congested.

Each side may have a window of octets of a session in flight that the peer has not credited. The rest waits here
(`Flow`), so that a slow receiver slows only the sender of its own session. While the connection is congested
(`Flows.cork`) every session waits, and `Flows.uncork` resumes them in turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, KeysView
from typing import NamedTuple

PIECE = 16_384
"""The maximum octets of one piece; a window must hold at least one."""


class Piece(NamedTuple):
    """A part of the sent data, small enough for one element; ``restart`` is set on the last."""

    text: str
    octets: int
    restart: bool


def pieces_of(data: bytes, *, restart: bool) -> list[Piece]:
    """Split UTF-8 octets into one or more pieces."""
    text, step = data.decode(), PIECE // 4
    if len(text) <= step:
        return [Piece(text, len(data), restart)]
    parts = [text[start : start + step] for start in range(0, len(text), step)]
    pieces = [Piece(part, len(part.encode()), False) for part in parts]
    pieces[-1] = pieces[-1]._replace(restart=restart)
    return pieces


class Flow:
    """One session's flow: the remaining window, what waits, and what was received but not yet credited."""

    __slots__ = ("_credit", "_received", "_waiting", "_window", "waiting")

    def __init__(self, window: int) -> None:
        self.waiting = 0
        """The octets that wait."""
        self._window = window
        self._credit = window
        self._received = 0
        self._waiting: deque[Piece] = deque()

    @property
    def idle(self) -> bool:
        """Whether nothing waits; a piece without octets counts as waiting."""
        return not self._waiting

    @property
    def ready(self) -> bool:
        """Whether the window has room for the next piece."""
        return bool(self._waiting) and self._waiting[0].octets <= self._credit

    def passes(self, piece: Piece) -> bool:
        """Account for a piece that may be sent at once; return whether it may: nothing waits before it and the window
        has room.
        """
        if self._waiting or piece.octets > self._credit:
            return False
        self._credit -= piece.octets
        return True

    def put(self, piece: Piece) -> None:
        """Queue a piece."""
        self._waiting.append(piece)
        self.waiting += piece.octets

    def take(self) -> Piece:
        """Remove and return the next piece, which is then in flight."""
        piece = self._waiting.popleft()
        self._credit -= piece.octets
        self.waiting -= piece.octets
        return piece

    def credited(self, octets: int) -> bool:
        """Take credit from the peer; return False if it exceeds what is in flight."""
        self._credit += octets
        return self._credit <= self._window

    def arrived(self, octets: int) -> bool:
        """Count received octets; return False if they exceed the window."""
        self._received += octets
        return self._received <= self._window

    def consumed(self, octets: int) -> int:
        """Return how many of the forwarded octets to credit."""
        owed = min(octets, self._received)
        self._received -= owed
        return owed


class Flows:
    """The flows of a link's sessions. Their order is that of opening, and then of their turns.

    ``write`` sends a piece of a session; ``drained`` is called when nothing of a session waits any more.
    """

    def __init__(self, window: int, *, write: Callable[[str, Piece], None], drained: Callable[[str], None]) -> None:
        self._window = window
        self._write = write
        self._drained = drained
        self._of: dict[str, Flow] = {}
        self._corked = False

    def __len__(self) -> int:
        return len(self._of)

    @property
    def open_sessions(self) -> KeysView[str]:
        """The sessions that have a flow."""
        return self._of.keys()

    def open(self, session: str) -> None:
        """Create a session's flow."""
        self._of[session] = Flow(self._window)

    def get(self, session: str) -> Flow | None:
        """Return a session's flow, or None if it has none."""
        return self._of.get(session)

    def close(self, session: str) -> bool:
        """Drop a session and its queue; return whether it had a flow."""
        return self._of.pop(session, None) is not None

    def clear(self) -> None:
        """Drop all sessions."""
        self._of.clear()

    def send(self, session: str, data: bytes, *, restart: bool) -> Flow:
        """Send a session's octets as far as there is room, and queue the rest."""
        flow = self._of[session]
        for piece in pieces_of(data, restart=restart):
            if not self._corked and flow.passes(piece):
                self._write(session, piece)
            else:
                flow.put(piece)
        return flow

    def credited(self, session: str, octets: int) -> bool:
        """Take credit for a session and send more of it; return False if the credit exceeds what is in flight."""
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
        """Hold everything back: the connection is congested."""
        self._corked = True

    def uncork(self, full: Callable[[], bool]) -> bool:
        """Resume the sessions until the connection is ``full``; return whether any still waits for it.

        Each sends one piece in its turn. The next call starts with the session whose turn it is then.
        """
        turns = deque(session for session, flow in self._of.items() if flow.ready)
        while turns and not full():
            session = turns.popleft()
            if session not in self._of:
                continue
            flow = self._of[session] = self._of.pop(session)  # now the last in the order of turns
            self._write(session, flow.take())
            if flow.ready:
                turns.append(session)
            elif flow.idle:
                self._drained(session)
        self._corked = bool(turns)
        return self._corked
