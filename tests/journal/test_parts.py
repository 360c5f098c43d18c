"""A journal in parts: bounded on disk and in memory, and read as if it were one file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgesim.journal import Bounds, Journal, events
from edgesim.journal.codec import decode
from edgesim.journal.reading import Reader
from tests.journal.still_world import StillWorld

KIB = 1024
DAY = 86_400 * 10**9


def fill(journal: Journal, count: int, *, node: str = "expe") -> None:
    for number in range(count):
        event = events.Note(text="x" * 100) if number % 2 else events.SipKeepalive(form="CRLF ping", transport="tcp")
        journal.record(node, event)


def octets(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def test_the_size_on_disk_and_the_index_are_bounded(tmp_path: Path) -> None:
    journal = Journal(StillWorld(), spool=tmp_path / "j.jsonl", bounds=Bounds(octets=64 * KIB))
    for _ in range(40):
        fill(journal, 100)
        journal.flush()
        assert octets(tmp_path) <= 64 * KIB
    assert len(journal) == 4_000
    assert journal.first > 3_000
    assert journal._spool is not None
    assert sum(len(segment) for segment in journal._spool._segments) == 4_000 - journal.first
    assert octets(tmp_path) > 48 * KIB, "and no more goes than has to"


def test_positions_and_views_go_on_over_the_parts(tmp_path: Path) -> None:
    journal = Journal(StillWorld(), spool=tmp_path / "j.jsonl", bounds=Bounds(octets=64 * KIB))
    fill(journal, 1_000)
    first = journal.first
    assert first > 0
    orders = list(range(first, 1_000))
    assert [entry.order for entry in journal] == orders
    assert [entry.order for entry in journal.entries(first + 7)] == orders[7:]
    assert [entry.order for entry in journal.entries(0)] == orders
    assert [entry.order for entry in journal.select(kind="note")] == [order for order in orders if order % 2]
    assert [entry.order for entry in journal.select(kind="note", node="expe", start=first + 9)] == [
        order for order in orders[9:] if order % 2
    ]
    assert list(journal.select(node="nobody")) == []
    assert journal[first].order == first and journal[-1].order == 999
    with pytest.raises(IndexError, match=f"entry {first - 1} is no longer kept; the first is {first}"):
        journal[first - 1]
    window = journal.entries(first)
    spool = journal._spool
    assert spool is not None
    assert [entry.order for entry in spool[::-1]] == orders[::-1]
    assert [entry.order for entry in spool[0 : first + 10 : 3]] == [
        order for order in range(0, first + 10, 3) if order >= first
    ]
    fill(journal, 100)
    assert journal.first > first
    assert next(iter(window)).order == journal.first, "a view shows what is still there of it"
    journal.close()
    assert [entry.order for entry in journal] == list(range(journal.first, 1_100))


def test_a_reader_of_the_last_part_reads_them_all(tmp_path: Path) -> None:
    journal = Journal(StillWorld(), spool=tmp_path / "j.jsonl", bounds=Bounds(octets=64 * KIB))
    fill(journal, 1_000)
    journal.flush()
    reader = Reader(tmp_path / "j.jsonl")
    assert [entry.order for entry in reader] == list(range(journal.first, 1_000))
    assert (reader.dropped, reader.problem) == (journal.first, None)
    parts = sorted(file.name for file in tmp_path.iterdir())
    assert len(parts) >= 7
    alone = Reader(tmp_path / parts[0])
    assert len(list(alone)) < 200, "an earlier part by its own name is read alone"
    # A part of another journal, and one that is missing, end the way back.
    (tmp_path / parts[-3]).unlink()
    assert 0 < len(list(Reader(tmp_path / "j.jsonl"))) < 1_000 - journal.first


def test_a_reader_goes_on_while_the_next_part_begins(tmp_path: Path) -> None:
    journal = Journal(StillWorld(), spool=tmp_path / "j.jsonl", bounds=Bounds(octets=64 * KIB))
    fill(journal, 1_000)
    journal.flush()
    first = journal.first
    reading = iter(Reader(tmp_path / "j.jsonl"))
    found = [next(reading).order]
    fill(journal, 600)
    found += [entry.order for entry in reading]
    assert found == list(range(first, first + len(found)))
    assert len(found) >= 1_000 - first


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    world = StillWorld()
    journal = Journal(world, spool=tmp_path / "j.jsonl", bounds=Bounds(age_ns=8 * DAY))
    for day in range(30):
        world.time = day * DAY
        fill(journal, 10)
        journal.flush()
        ages = [world.time - entry.at_ns for entry in journal]
        assert max(ages) <= 9 * DAY
        assert len(journal) - journal.first >= 10 * min(day, 8)
    world.time = 60 * DAY
    journal.flush()
    journal.flush()
    assert journal.first == len(journal) == 300, "also where nothing new comes"
    assert [file.name for file in tmp_path.iterdir()] == ["j.jsonl"]


def test_a_run_keeps_everything(tmp_path: Path) -> None:
    journal = Journal(StillWorld(), spool=tmp_path / "j.jsonl")
    fill(journal, 5_000)
    journal.flush()
    assert journal.first == 0
    assert [file.name for file in tmp_path.iterdir()] == ["j.jsonl"]
    assert b'"part"' not in (tmp_path / "j.jsonl").read_bytes()


def test_the_parts_of_the_lab_before_go_and_nothing_else(tmp_path: Path) -> None:
    old = Journal(StillWorld(), spool=tmp_path / "j.jsonl", bounds=Bounds(octets=64 * KIB))
    fill(old, 300)
    old.close()
    assert len(list(tmp_path.iterdir())) > 2
    (tmp_path / "j-7.jsonl").write_text("somebody's own\n")
    (tmp_path / "j-old.jsonl").write_text("x")
    Journal(StillWorld(), spool=tmp_path / "j.jsonl", bounds=Bounds(octets=64 * KIB)).close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["j-7.jsonl", "j-old.jsonl", "j.jsonl"]


def test_a_part_that_cannot_begin_waits_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(StillWorld(), spool=tmp_path / "j.jsonl", bounds=Bounds(octets=64 * KIB))

    def refuse(*_: str) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        fill(journal, 100)
        assert "Permission denied" in (journal.problem or "")
        journal.flush()
        assert octets(tmp_path) <= 10 * KIB, "the part does not grow on"
        assert len(journal) == 100
    journal.flush()
    assert journal.problem is None
    assert [entry.order for entry in Reader(tmp_path / "j.jsonl")] == list(range(100))


def test_a_part_that_cannot_be_removed_is_said_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(StillWorld(), spool=tmp_path / "j.jsonl", bounds=Bounds(octets=64 * KIB))

    def refuse(*_: str) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        fill(journal, 1_000)
        assert "Permission denied" in (journal.problem or "")
        assert [entry.order for entry in journal] == list(range(1_000))
    journal.flush()
    assert journal.problem is None
    assert octets(tmp_path) <= 64 * KIB


def test_a_removed_file_does_not_end_the_journal(tmp_path: Path) -> None:
    journal = Journal(StillWorld(), spool=tmp_path / "j.jsonl", bounds=Bounds(octets=64 * KIB))
    fill(journal, 10)
    journal.flush()
    (tmp_path / "j.jsonl").unlink()
    fill(journal, 500)
    journal.flush()
    assert journal.problem is None
    last = (tmp_path / "j.jsonl").read_bytes().splitlines()
    assert decode(last[-1]).order == 509
