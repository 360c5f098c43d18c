"""What processes are made of, without any process: frames, disks, budgets, shared changes."""

from __future__ import annotations

import os
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edgesim.world.faults import Flow, RefuseConnection
from edgesim.world.processes.budgets import SharedBudgets
from edgesim.world.processes.changes import ReplicatedFaults
from edgesim.world.processes.disk import MOST, DiskError, Replica, Shelf, removed, restored, written
from edgesim.world.processes.fork_server import ForkServer
from edgesim.world.processes.frames import FROM_HOSTS, HEAD, TO_HOSTS, FrameError, FrameReader, Kind, frame
from edgesim.world.processes.frames import MOST as LONGEST

# ---- frames


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(FROM_HOSTS)), st.binary(max_size=40)), max_size=8),
    st.lists(st.integers(1, 9), min_size=1, max_size=40),
)
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    frames: list[tuple[Kind, bytes]], cuts: list[int]
) -> None:
    octets = b"".join(frame(kind, body) for kind, body in frames)
    reader = FrameReader(FROM_HOSTS)
    found, place, turn = [], 0, 0
    while place < len(octets):
        size = cuts[turn % len(cuts)]
        found += list(reader.feed(octets[place : place + size]))
        place, turn = place + size, turn + 1
    assert found == frames


@pytest.mark.parametrize(
    "octets",
    [HEAD.pack(1, 0) + b"x", HEAD.pack(1, Kind.ASK) + b"x", HEAD.pack(LONGEST + 1, Kind.ENTRY), b"\xff" * 5],
    ids=["no kind", "of the other direction", "too long", "nonsense"],
)
def test_what_is_no_frame_is_refused_after_those_before_it(octets: bytes) -> None:
    coming = FrameReader(FROM_HOSTS).feed(frame(Kind.ENTRY, b"good") + octets)
    assert next(coming) == (Kind.ENTRY, b"good")
    with pytest.raises(FrameError):
        next(coming)


def test_a_frame_has_one_direction_and_a_bound() -> None:
    assert not FROM_HOSTS & TO_HOSTS and set(Kind) == FROM_HOSTS | TO_HOSTS
    with pytest.raises(FrameError):
        frame(Kind.ENTRY, bytes(LONGEST + 1))


# ---- disks

KEYS = st.sampled_from(["a", "b", "ü\n"])
VALUES = st.recursive(
    st.integers() | st.binary(max_size=4) | st.none(), lambda inner: st.dictionaries(KEYS, inner, max_size=2)
)


class Disks(RuleBasedStateMachine):
    """A shelf beside a plain dictionary; what the shelf told makes the disk of the next life."""

    def __init__(self) -> None:
        super().__init__()
        self.replica = Replica()
        self.shelf: Any = Shelf(self.replica.apply)
        self.plain: Any = {}

    def folders(self, path: list[str]) -> tuple[Any, Any]:
        """Return the dictionaries at the end of a path, as far as it leads."""
        shelf, plain = self.shelf, self.plain
        for key in path:
            if not isinstance(plain.get(key), dict):
                break
            shelf, plain = shelf[key], plain[key]
        return shelf, plain

    @rule(path=st.lists(KEYS, max_size=3), key=KEYS, value=VALUES)
    def put(self, path: list[str], key: str, value: Any) -> None:
        shelf, plain = self.folders(path)
        shelf[key] = value
        plain[key] = pickle.loads(pickle.dumps(value))

    @rule(path=st.lists(KEYS, max_size=3), key=KEYS, value=VALUES)
    def set_default(self, path: list[str], key: str, value: Any) -> None:
        shelf, plain = self.folders(path)
        copied = pickle.loads(pickle.dumps(value))
        assert shelf.setdefault(key, value) == plain.setdefault(key, copied)

    @rule(path=st.lists(KEYS, max_size=3), key=KEYS)
    def take(self, path: list[str], key: str) -> None:
        shelf, plain = self.folders(path)
        assert shelf.pop(key, "nothing") == plain.pop(key, "nothing")

    @rule(path=st.lists(KEYS, max_size=3))
    def clear(self, path: list[str]) -> None:
        shelf, plain = self.folders(path)
        shelf.clear()
        plain.clear()

    @rule(path=st.lists(KEYS, max_size=3), values=st.dictionaries(KEYS, VALUES, max_size=2))
    def update(self, path: list[str], values: dict[str, Any]) -> None:
        shelf, plain = self.folders(path)
        shelf.update(values)
        plain.update(pickle.loads(pickle.dumps(values)))

    @rule()
    def next_life(self) -> None:
        self.shelf = restored(self.replica.dump(), self.replica.apply)

    @invariant()
    def the_next_life_has_the_same_disk(self) -> None:
        assert self.shelf == self.plain
        assert restored(self.replica.dump(), lambda _: None) == self.plain


TestDisks = Disks.TestCase
TestDisks.settings = settings(max_examples=150, stateful_step_count=15, deadline=None, derandomize=True)


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"[]\n=x",
        b'["a"]',
        b'["a"]\n',
        b'["a"]\n?x',
        b'{"a":1}\n=x',
        b'["a",1]\n=x',
        b'["no","folder"]\n=x',
        b"\xff\n=x",
        b"[" * 100_000,
    ],
)
def test_what_is_no_record_of_a_disk_is_refused_and_changes_nothing(record: bytes) -> None:
    replica = Replica()
    replica.apply(written(("k",), b"v"))
    with pytest.raises(DiskError):
        replica.apply(record)
    assert replica.records() == [written(("k",), b"v")]


def test_a_disk_has_a_bound_that_what_is_removed_does_not_count_against() -> None:
    replica, big = Replica(), bytes(MOST // 4)
    for number in range(3):
        replica.apply(written((str(number),), big))
    with pytest.raises(DiskError, match="full"):
        replica.apply(written(("4",), big + big))
    replica.apply(removed(("0",)))
    replica.apply(written(("4",), big))
    replica.apply(written(("4",), b"small"))
    assert replica.octets == 2 * (len(big) + 1) + len("4") + len(b"small")


# ---- where processes cannot be made


def test_a_system_without_fork_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    with pytest.raises(RuntimeError, match="a system that can fork: Linux or macOS"):
        ForkServer.open(lambda *_: None)


def test_a_process_with_threads_is_not_forked() -> None:
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    try:
        with pytest.raises(RuntimeError, match="need a process with one thread to begin with"):
            ForkServer.open(lambda *_: None)
    finally:
        over.set()
        other.join()


# ---- budgets


def test_each_process_has_its_own_place_in_the_count(tmp_path: Path) -> None:
    budgets = SharedBudgets()
    budgets.open()
    try:
        other = SharedBudgets()  # as another process has it: the same folder, descriptors of its own
        other._folder = budgets._folder
        taken = [each.take(7) for each in (budgets, other, other, budgets)]
        assert taken == [0, 1, 2, 3] and budgets.taken(7) == other.taken(7) == 4
        assert budgets.taken(8) == 0
        other.forget(7)
        assert other.take(7) == 4, "forgetting closes a file and counts on"
    finally:
        folder = Path(budgets._folder)
        budgets.close()
    assert not folder.exists()


def test_rules_whose_budget_is_spent_elsewhere_are_no_longer_in_force() -> None:
    from edgesim.world.entropy import Entropy

    budgets = SharedBudgets()
    budgets.open()
    told: list[Any] = []
    table = ReplicatedFaults(Entropy(1, "x"), lambda: 0, lambda *_: None, budgets, told.append)
    number = table.add(RefuseConnection(times=2))
    flow = Flow(source="a", target="b", local=("127.0.0.1", 1), remote=("127.0.0.2", 2), protocol="tcp")
    assert table.on_connect(flow) == "refuse"
    budgets.take(number)  # another process
    assert table.on_connect(flow) is None and table.rules() == []
    budgets.close()
    assert [type(each).__name__ for each in told] == ["FaultAdded", "FaultRemoved"]
