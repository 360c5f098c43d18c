"""Entries of several processes in one journal: in the order in which they happened, whoever is slow, mute or dead."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgesim.journal import Entry, Event, events
from edgesim.journal.joined import INTERVAL_S, JoinedJournal, SentJournal
from edgesim.journal.joining import PATIENCE_NS, Joining
from edgesim.world import Host, Interface
from edgesim.world.sim import SimWorld
from tests.journal.kinds import entry_of, event_of

STREAMS = ("expc", "expe", "ucm-pub")
FOREVER = 10**18


def key(entry: Entry[Event]) -> tuple[int, str, int]:
    return entry.at_ns, entry.node, entry.sequence


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, Entry[Event] | int]]:
    """What streams say, in the order of arrival: entries in each one's own order, and watermarks that are kept."""
    said: list[list[tuple[str, Entry[Event] | int]]] = []
    for stream in STREAMS:
        times = sorted(draw(st.lists(st.integers(0, 12), max_size=8)))
        mine: list[tuple[str, Entry[Event] | int]] = []
        for number, at_ns in enumerate(times):
            mine.append((stream, entry_of(events.Note(text=""), number=number, node=stream, at_ns=at_ns)))
            following = times[number + 1] if number + 1 < len(times) else 20
            if draw(st.booleans()):
                mine.append((stream, draw(st.integers(0, following))))
        said.append(mine)
    order = draw(st.permutations([place for place, mine in enumerate(said) for _ in mine]))
    waiting = [iter(mine) for mine in said]
    return [next(waiting[place]) for place in order]


@settings(max_examples=500, deadline=None, derandomize=True)
@given(histories())
def test_whatever_arrives_when_the_order_is_that_of_time_node_and_sequence(
    said: list[tuple[str, Entry[Event] | int]],
) -> None:
    joining = Joining(patience_ns=FOREVER)
    for stream in STREAMS:
        joining.runs(stream)
    wanted = sorted((each for _, each in said if isinstance(each, Entry)), key=key)
    found: list[Entry[Event]] = []
    for stream, each in said:
        if isinstance(each, Entry):
            joining.add(stream, each)
        else:
            joining.watermark(stream, each)
        found += [entry for _, entry in joining.release(now_ns=100)]
        assert found == wanted[: len(found)], "what was released stays in its place"
    for stream in STREAMS:
        joining.rests(stream)
    found += [entry for _, entry in joining.release(now_ns=100)]
    assert found == wanted and joining.late == 0 and len(joining) == 0


@settings(max_examples=200, deadline=None, derandomize=True)
@given(histories())
def test_nothing_is_released_before_every_stream_has_passed_it(said: list[tuple[str, Entry[Event] | int]]) -> None:
    joining = Joining(patience_ns=FOREVER)
    passed = dict.fromkeys(STREAMS, 0)
    for stream in STREAMS:
        joining.runs(stream)
    for stream, each in said:
        if isinstance(each, Entry):
            joining.add(stream, each)
        else:
            joining.watermark(stream, each)
            passed[stream] = max(passed[stream], each)
        assert all(entry.at_ns < min(passed.values()) for _, entry in joining.release(now_ns=100))


def note(at_ns: int, node: str = "expe", number: int = 1) -> Entry[Event]:
    return entry_of(events.Note(text=""), number=number, node=node, at_ns=at_ns)


def released(joining: Joining, now_ns: int) -> list[int]:
    return [entry.at_ns for _, entry in joining.release(now_ns)]


def test_a_watermark_that_goes_back_takes_nothing_back() -> None:
    joining = Joining(patience_ns=FOREVER)
    for stream in ("expc", "expe"):
        joining.runs(stream)
        joining.watermark(stream, 100)
    joining.watermark("expc", 50)
    entry = entry_of(events.Note(text=""), node="expe", at_ns=70)
    joining.add("expe", entry)
    assert joining.release(100) == [("expe", entry)]


def test_a_silent_stream_delays_others_no_longer_than_patience() -> None:
    joining = Joining(patience_ns=100)
    for stream in STREAMS:
        joining.runs(stream)
    joining.add("expe", note(50))
    joining.watermark("expe", 60)
    assert released(joining, 149) == []
    assert released(joining, 151) == [50]


def test_a_frozen_stream_delays_no_other_and_is_awaited_once_it_continues() -> None:
    joining = Joining(patience_ns=100)
    joining.runs("expe")
    joining.runs("expc")
    joining.add("expe", note(50))
    joining.watermark("expe", 60)
    joining.rests("expc")
    assert released(joining, 70) == [50]
    joining.runs("expc")
    joining.add("expe", note(80))
    joining.watermark("expe", 90)
    assert released(joining, 95) == []
    joining.watermark("expc", 90)
    assert released(joining, 95) == [80]


def test_what_comes_late_is_released_all_the_same_and_counted() -> None:
    joining = Joining(patience_ns=100)
    joining.runs("expe")
    joining.runs("expc")
    joining.add("expe", note(50))
    joining.watermark("expe", 500)
    assert released(joining, 400) == [50]
    joining.add("expc", note(20, "expc"))
    assert released(joining, 400) == [20] and joining.late == 1


def test_no_more_is_held_than_the_bound_allows_and_the_oldest_go_first() -> None:
    joining = Joining(patience_ns=FOREVER, most_held=10)
    joining.runs("expe")
    found: list[int] = []
    for at_ns in (*range(100, 200), 5):
        joining.add("expe", note(at_ns))
        found += released(joining, 1000)
        assert len(joining) <= 10
    assert found == [*range(100, 190), 5]


# ---- journals


class Streams:
    """A world's side of joining: what it was asked, and timers that the test lets pass."""

    def __init__(self) -> None:
        self.on_entry: Callable[[str, bytes], None]
        self.on_watermark: Callable[[str, int], None]
        self.on_running: Callable[[str, bool], None]
        self.asked = 0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.catches: Callable[[], None] = lambda: None

    @property
    def loop(self) -> Any:
        return self

    def call_later(self, seconds: float, work: Callable[[], None]) -> Any:
        self.timers.append((seconds, work))
        return self

    def cancel(self) -> None:
        self.timers.clear()

    def ask_watermarks(self) -> None:
        self.asked += 1

    def catch_up(self) -> None:
        self.catches()


class Clock(SimWorld):
    """A world whose time is the test's."""

    at_ns = 0

    def now(self) -> int:
        return self.at_ns


async def nothing(_: Host) -> Any:
    raise AssertionError


@pytest.fixture
def world() -> Iterator[Clock]:
    world = Clock(1)
    for number, name in enumerate(("expe", "expc"), 1):
        world.add_host(name, [Interface(name="lo", address=f"10.0.0.{number}", zone="inside")], nothing)
    yield world
    world.loop.close()


texts = st.text(max_size=12) | st.sampled_from(["<secret>", "alice-secret", "\x00\ufeff", "\u2028"])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.sampled_from(sorted(events.KINDS)),
    st.lists(texts, min_size=1, max_size=5),
    st.binary(max_size=64),
    st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70)), max_size=3),
    st.lists(st.sampled_from(["token:eyJ", "cookie:abc", "call-id:x@y", "session:s"]), max_size=2),
)
def test_an_entry_comes_through_the_channel_as_it_was_written(
    kind: str, words: list[str], payload: bytes, secrets: list[tuple[int, int]], keys: list[str]
) -> None:
    word = itertools.cycle(words)
    sent: list[bytes] = []
    written = entry_of(
        event_of(kind, lambda: next(word)), node="expc", payload=payload, keys=tuple(keys), secrets=tuple(secrets)
    )
    there, here, streams = Clock(1), Clock(1), Streams()
    try:
        SentJournal(there, lambda line: not sent.append(line)).append(written)
        journal = JoinedJournal(here, streams)
        for line in sent:
            streams.on_entry("expc", line)
        (found,) = journal.entries()
    finally:
        for each in (there, here):
            each.loop.close()
    assert found == replace(written, order=0, sequence=1)


def test_the_labs_own_entries_wait_for_those_of_others(world: Clock) -> None:
    streams = Streams()
    journal = JoinedJournal(world, streams)
    heard: list[str] = []
    journal.listen(lambda entry: heard.append(entry.node))
    sent: list[bytes] = []
    there = SentJournal(world, lambda line: not sent.append(line))
    streams.on_running("expc", True)
    world.at_ns = 10
    there.record(world.hosts["expc"], events.Note(text="first"))
    world.at_ns = 20
    journal.record("scenario", events.Note(text="second"))
    assert heard == [] and [seconds for seconds, _ in streams.timers] == [INTERVAL_S]
    streams.timers.pop()[1]()
    assert streams.asked == 1, "the others are asked how far they are"
    streams.on_entry("expc", sent[0])
    assert heard == []
    streams.on_watermark("expc", 21)
    assert heard == ["expc", "scenario"]
    assert [entry.order for entry in journal] == [0, 1]


def test_a_line_that_is_no_entry_harms_nothing_else(world: Clock) -> None:
    streams = Streams()
    journal = JoinedJournal(world, streams)
    streams.on_entry("expc", b'{"node":"expc"}\n')
    streams.on_entry("expc", b"\xff\x00")
    assert journal.malformed == 2
    journal.record("scenario", events.Note(text="goes on"))
    gaps = [entry.event for entry in journal if isinstance(entry.event, events.JournalGap)]
    assert len(gaps) == 2 and "expc wrote an invalid entry" in gaps[0].reason
    assert [entry.node for entry in journal][-1] == "scenario"


def test_of_other_hosts_a_process_knows_neither_the_life_nor_the_clock(world: Clock) -> None:
    """A fault that fires where expe receives is told as an entry of expc, which sent."""
    streams = Streams()
    journal = JoinedJournal(world, streams)
    world.at_ns = 7
    world.hosts["expc"].life.number = 4
    world.hosts["expc"].clock.skew_ns = 1000
    reported = entry_of(events.FaultFired(fault="f", fault_kind="Rewrite", detail=""), node="expc", at_ns=7)
    streams.on_entry("expe", line_of(reported, world))
    (entry,) = journal.entries()
    assert (entry.incarnation, entry.host_ns) == (4, world.epoch_ns + 7 + 1000)


def line_of(entry: Entry[Event], world: Clock) -> bytes:
    lines: list[bytes] = []
    SentJournal(world, lambda line: not lines.append(line)).append(entry)
    return lines[0]


def test_identities_are_the_journals_own_also_where_two_processes_write_of_one_life(world: Clock) -> None:
    streams = Streams()
    journal = JoinedJournal(world, streams)
    for stream, at_ns in (("expc", 1), ("expe", 2), ("expc", 3)):
        world.at_ns = at_ns
        entry = replace(note(at_ns, "expc"), incarnation=0)
        streams.on_entry(stream, line_of(entry, world))
    assert [(entry.incarnation, entry.sequence) for entry in journal] == [(0, 1), (0, 2), (0, 3)]


def test_closing_takes_in_what_is_held_and_no_more(world: Clock) -> None:
    streams = Streams()
    journal = JoinedJournal(world, streams)
    streams.on_running("expc", True)
    journal.record("scenario", events.Note(text="held"))
    assert len(journal) == 0
    journal.close()
    assert [entry.node for entry in journal] == ["scenario"] and streams.timers == []
    streams.on_entry("expc", line_of(note(1, "expc"), world))
    assert len(journal) == 1


def test_what_a_host_cannot_send_is_counted_and_reported(world: Clock) -> None:
    sent: list[bytes] = []
    room = True

    def send(line: bytes) -> bool:
        if room:
            sent.append(line)
        return room

    journal = SentJournal(world, send)
    room = False
    for at_ns in (5, 6):
        world.at_ns = at_ns
        journal.record("expe", events.Note(text="lost"))
    room = True
    journal.record("expe", events.Note(text="sent"))
    here = Clock(1)
    streams = Streams()
    joined = JoinedJournal(here, streams)
    for line in sent:
        streams.on_entry("expe", line)
    here.loop.close()
    gap, entry = (each.event for each in joined)
    assert isinstance(gap, events.JournalGap) and (gap.missing, gap.since_ns) == (2, 5)
    assert isinstance(entry, events.Note) and entry.text == "sent"


def test_patience_is_longer_than_an_answer_takes_and_shorter_than_people_notice() -> None:
    assert 10 * INTERVAL_S * 1e9 < PATIENCE_NS < 1e9
