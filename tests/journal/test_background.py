"""A journal that is written in the background: the same files, and a system that does not answer stops nothing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgesim.journal import Bounds, Journal, events, line_file
from edgesim.journal.line_file import LineFile
from edgesim.journal.reading import Reader
from edgesim.world.background import WAITING, Background
from tests.journal.still_world import StillWorld

KIB = 1024
HELD = 20_000
PROMPT = 10.0
"""Seconds that nothing here may take, however busy the machine: each is a matter of milliseconds."""


class Hang:
    """Every file of a journal hangs in its writes while ``hangs``."""

    def __init__(self) -> None:
        self.goes = threading.Event()
        self.goes.set()

    def install(self, patch: pytest.MonkeyPatch) -> Hang:
        opened = LineFile.open
        hang = self

        def open_here(file: LineFile) -> None:
            opened(file)
            raw: Any = file._file

            class Hanging:
                def __getattr__(self, name: str) -> Any:
                    return getattr(raw, name)

                def write(self, data: bytes) -> int:
                    hang.goes.wait()
                    return int(raw.write(data))

            file._file = Hanging()

        patch.setattr(LineFile, "open", open_here)
        return self


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hang]:
    made = Hang().install(monkeypatch)
    yield made
    made.goes.set()


def emit(journal: Journal, count: int, size: int = 100) -> None:
    for number in range(count):
        journal.record("expe", events.Note(text=f"{number} " + "x" * size))


def settled(journal: Journal) -> None:
    """Flush until everything is written."""
    for _ in range(500):
        journal.flush()
        if journal._spool is not None and journal._spool.is_written and journal.problem is None:
            return
        time.sleep(0.01)
    raise AssertionError(journal.problem)


def test_the_files_are_those_that_are_written_at_once(tmp_path: Path) -> None:
    for name, writer in (("at-once", None), ("later", Background("test"))):
        (tmp_path / name).mkdir()
        bounds = Bounds(octets=64 * KIB)
        journal = Journal(StillWorld(), spool=tmp_path / name / "j.jsonl", bounds=bounds, writer=writer)
        for _ in range(20):
            emit(journal, 100)
            if writer is not None:
                settled(journal)
        assert [entry.order for entry in journal] == list(range(journal.first, 2_000))
        journal.close()
        assert [entry.order for entry in journal] == list(range(journal.first, 2_000))
    one, other = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("at-once", "later")
    )
    assert len(one) > 6
    assert one == other


def test_everything_can_be_read_at_any_time(tmp_path: Path) -> None:
    bounds = Bounds(octets=256 * KIB)
    journal = Journal(StillWorld(), spool=tmp_path / "j.jsonl", bounds=bounds, writer=Background("test"))
    for count in range(1, 300):
        emit(journal, 10)
        assert journal[-1].order == 10 * count - 1
        if count % 20 == 0:
            found = [entry.order for entry in journal]
            assert found == list(range(found[0], 10 * count))
    journal.close()
    assert [entry.order for entry in Reader(tmp_path / "j.jsonl")] == list(range(journal.first, 2_990))


def test_a_write_that_hangs_blocks_nothing_else(tmp_path: Path, hang: Hang, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_file, "LATE", 0.05)
    path = tmp_path / "j.jsonl"
    bounds = Bounds(held=HELD, octets=64 * KIB)
    journal = Journal(StillWorld(), spool=path, bounds=bounds, writer=Background("test"))
    emit(journal, 20)
    settled(journal)
    hang.goes.clear()
    heard: list[int] = []
    journal.listen(lambda entry: heard.append(entry.sequence))
    began = time.monotonic()
    emit(journal, 500)
    journal.flush()
    assert time.monotonic() - began < PROMPT
    assert len(heard) == 500, "who listens hears everything"
    while journal.problem is None:
        assert time.monotonic() - began < PROMPT
        time.sleep(0.01)
    kept = len(journal)
    assert 20 < kept < 520
    assert f"the system does not answer ({path}); {520 - kept} entries are missing" in (journal.problem or "")
    assert [entry.order for entry in journal] == list(range(kept)), "readers see what waits"
    hang.goes.set()
    settled(journal)
    emit(journal, 10)
    journal.close()
    entries = list(Reader(path))
    assert [entry.order for entry in entries] == list(range(kept + 11))
    (gap,) = (entry for entry in entries if entry.kind == "journal.gap")
    assert isinstance(gap.event, events.JournalGap)
    assert (gap.order, gap.event.missing) == (kept, 520 - kept)


def test_it_closes_in_time_while_a_write_hangs(tmp_path: Path, hang: Hang) -> None:
    journal = Journal(StillWorld(), spool=tmp_path / "j", writer=Background("test"))
    hang.goes.clear()
    emit(journal, 5)
    began = time.monotonic()
    journal.close(0.2)
    assert 0.2 <= time.monotonic() - began < 0.2 + PROMPT
    assert "the system does not answer" in (journal.problem or "")
    assert [entry.order for entry in journal] == list(range(5))


def test_closing_waits_for_what_is_being_written(tmp_path: Path, hang: Hang) -> None:
    journal = Journal(StillWorld(), spool=tmp_path / "j", writer=Background("test"))
    hang.goes.clear()
    emit(journal, 5)
    threading.Timer(0.1, hang.goes.set).start()
    journal.close()
    assert journal.problem is None
    assert [json.loads(line)["order"] for line in (tmp_path / "j").read_bytes().splitlines()[1:]] == list(range(5))


def test_jobs_are_done_in_order_and_not_too_many_wait() -> None:
    background, gate, done = Background("test"), threading.Event(), list[int]()
    first = background.do(gate.wait)
    assert first is not None
    for _ in range(100):
        if background._jobs.empty():
            break
        time.sleep(0.01)
    jobs = [background.do(lambda number=number: done.append(number)) for number in range(WAITING + 5)]
    assert [job is None for job in jobs] == [False] * WAITING + [True] * 5
    gate.set()
    last = jobs[WAITING - 1]
    assert last is not None and last.wait(10 * PROMPT)
    assert done == list(range(WAITING))


def test_work_that_fails_raises_for_those_that_ask_for_its_result() -> None:
    background = Background("test")
    job = background.do(lambda: 1 // 0)
    assert job is not None and job.wait(10 * PROMPT)
    with pytest.raises(ZeroDivisionError):
        assert job.result
    after = background.do(lambda: 7)
    assert after is not None and after.wait(10 * PROMPT) and after.result == 7
