"""Turns of the sessions of an XCP link whose connection is congested."""

from __future__ import annotations

from edgesim.xmpp.flow import Flows, Piece

WINDOW = 1_000_000
LONG = b"x" * 40_000
"""Sent as ten pieces of 4,096 octets, the last shorter."""


class Link:
    """Flows over a connection that takes ``room`` pieces before it is full."""

    def __init__(self, *sessions: str, window: int = WINDOW) -> None:
        self.written: list[str] = []
        self.drained: list[str] = []
        self.room = 0
        self.flows = Flows(window, write=self.write, drained=self.drained.append)
        for session in sessions:
            self.flows.open(session)
        self.flows.cork()
        for session in sessions:
            self.flows.send(session, LONG, restart=False)

    def write(self, session: str, piece: Piece) -> None:
        self.written.append(session)
        self.room -= 1

    def uncork(self, room: int) -> bool:
        self.room = room
        return self.flows.uncork(lambda: self.room <= 0)


def test_every_session_has_its_turn_however_little_the_connection_takes_at_a_time() -> None:
    link = Link("a", "b", "c")
    for _ in range(4):
        assert link.uncork(1)
    assert link.written == ["a", "b", "c", "a"]
    assert link.uncork(4)
    assert link.written[4:] == ["b", "c", "a", "b"]


def test_no_more_is_written_than_the_connection_takes() -> None:
    link = Link("a", "b", "c")
    assert link.uncork(2)
    assert link.written == ["a", "b"]


def test_a_session_is_drained_once_its_last_piece_is_written() -> None:
    link = Link("a", "b")
    assert link.uncork(19)
    assert link.drained == ["a"]
    assert not link.uncork(19)
    assert link.drained == ["a", "b"]
    assert link.written == ["a", "b"] * 10


def test_a_session_without_window_waits_for_credit_and_not_for_the_connection() -> None:
    link = Link("a", window=16_384)
    assert not link.uncork(100)
    assert len(link.written) == 4
    assert link.flows.credited("a", 4_096)
    assert len(link.written) == 5


def test_a_session_that_was_closed_has_no_turn() -> None:
    link = Link("a", "b")
    assert link.uncork(1)
    assert link.flows.close("b")
    assert link.uncork(2)
    assert link.written == ["a", "a", "a"]
