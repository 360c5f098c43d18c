"""A journal whose file cannot be written: nothing stops, nothing is half written, and what is missing is counted."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from edgesim.journal import Bounds, Journal, events
from edgesim.journal.codec import decode
from edgesim.journal.line_file import LineFile
from edgesim.journal.reading import read
from edgesim.world import Interface
from tests.journal.disks import Disk
from tests.journal.still_world import StillWorld

HELD = 20_000


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk().install(monkeypatch)


def journal_of(world: StillWorld, bounds: Bounds | None = None) -> Journal:
    world.add_host("expe", [Interface(name="eth0", address="198.51.100.4", zone="dmz")])
    return Journal(world, spool="j", bounds=bounds or Bounds(held=HELD))


def emit(journal: Journal, count: int = 1, size: int = 100) -> None:
    for _ in range(count):
        journal.record("expe", events.Note(text="x" * size))


def lines_of(disk: Disk, name: str = "j") -> list[bytes]:
    found = disk.files[name].getvalue()
    assert found.endswith(b"\n") or not found
    return found.splitlines(keepends=True)


def test_what_could_not_be_written_is_written_once_there_is_room(disk: Disk) -> None:
    journal = journal_of(StillWorld())
    emit(journal, 3)
    journal.flush()
    disk.room = disk.used + 500
    emit(journal, 20)
    journal.flush()
    assert journal.problem is not None
    assert "No space left on device" in journal.problem
    assert [decode(line).order for line in lines_of(disk)[1:]] == list(range(len(lines_of(disk)) - 1))
    assert [entry.order for entry in journal] == list(range(23)), "readers see what waits"
    disk.room += 100_000
    journal.flush()
    assert journal.problem is None
    assert [decode(line).sequence for line in lines_of(disk)[1:]] == list(range(1, 24))
    assert journal.select(kind="journal.gap") is not None
    assert len(journal.select(kind="journal.gap")) == 0


def test_what_is_missing_is_counted_and_said_in_its_place(disk: Disk) -> None:
    world = StillWorld()
    journal = journal_of(world)
    journal.flush()
    disk.room = disk.used
    world.time = 5_000_000_000
    emit(journal, 500)
    assert journal._spool is not None
    assert journal._spool._last.file.waiting <= HELD
    kept = len(journal)
    assert 0 < kept < 500
    journal.flush()
    assert f"{500 - kept:,} entries are missing" in (journal.problem or "")
    disk.room = 10**9
    world.time = 9_000_000_000
    journal.flush()
    emit(journal)
    found = [decode(line) for line in lines_of(disk)[1:]] if not journal.flush() else []
    (gap,) = (entry for entry in found if entry.kind == "journal.gap")
    assert gap.event == events.JournalGap(missing=500 - kept, reason="No space left on device (j)", since_ns=5 * 10**9)
    assert gap.order == kept and found[-1].order == kept + 1
    assert [entry.sequence for entry in found if entry.node == "expe"] == [*range(1, kept + 1), 501]


def test_the_dead_disk_is_no_reason_to_stop(disk: Disk) -> None:
    journal = journal_of(StillWorld())
    disk.broken = True
    heard: list[int] = []
    journal.listen(lambda entry: heard.append(entry.sequence))
    emit(journal, 3_000)
    journal.flush()
    assert heard == list(range(1, 3_001)), "who listens hears everything"
    journal.close()
    assert "Input/output error" in (journal.problem or "")
    assert len(list(journal)) == len(journal), "and what is held can still be read"


@pytest.mark.parametrize("seed", range(30))
def test_no_line_is_ever_half_there_or_twice(disk: Disk, seed: int) -> None:
    dice = random.Random(seed)
    journal = journal_of(StillWorld())
    emitted = 0
    for _ in range(300):
        what = dice.randrange(6)
        if what == 0:
            disk.room = disk.used + dice.choice((0, 1, 50, 300, 5_000))
        elif what == 1:
            disk.broken = dice.random() < 0.3
        elif what == 2:
            journal.flush()
            if not disk.broken and "j" in disk.files:
                for line in lines_of(disk):
                    json.loads(line)
        else:
            count = dice.randrange(8)
            emit(journal, count, dice.randrange(400))
            emitted += count
    disk.room, disk.broken = 10**9, False
    journal.flush()
    journal.close()
    found = [decode(line) for line in lines_of(disk)[1:]]
    assert [entry.order for entry in found] == list(range(len(found)))
    missing = sum(entry.event.missing for entry in found if isinstance(entry.event, events.JournalGap))
    assert sum(entry.node == "expe" for entry in found) + missing >= emitted
    sequences = [entry.sequence for entry in found if entry.node == "expe"]
    assert sequences == sorted(set(sequences))


def test_a_flush_is_tried_again_without_anybody_asking(disk: Disk) -> None:
    journal = journal_of(StillWorld())
    disk.room = 0
    emit(journal, 1_000)
    disk.room = 10**9
    emit(journal, 2_000)
    assert journal.problem is None
    assert len(journal.select(kind="journal.gap")) == 1


LIMITED = """
import resource, sys
from pathlib import Path
from edgesim.journal import Journal, events
from tests.journal.still_world import StillWorld

path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000_000))
journal = Journal(StillWorld(), spool=path)
for _ in range(200):
    journal.record("expe", events.Note(text="x" * 100))
journal.flush()
print(journal.problem, path.stat().st_size <= 10_000, path.read_bytes().endswith(b"\\n"))
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, 10_000_000))
journal.close()
print(journal.problem)
"""


def test_the_real_limit_of_a_process(tmp_path: Path) -> None:
    """The kernel ends a write in the middle of a line, then refuses: in a child, so that the limit goes with it."""
    path = tmp_path / "j"
    done = subprocess.run([sys.executable, "-c", LIMITED, path], capture_output=True, text=True, check=True)
    first, last = done.stdout.splitlines()
    assert first == f"the journal cannot be written: File too large ({path}); entries wait in memory True True"
    assert last == "None"
    assert [entry.sequence for entry in read(path)] == list(range(1, 201))


def test_a_partial_line_that_cannot_be_cut_off_is_written_over(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = journal_of(StillWorld())
    journal.flush()
    disk.room = disk.used + 150
    emit(journal, 2)
    with monkeypatch.context() as patch:
        patch.setattr("tests.journal.disks.DiskFile.truncate", lambda *_: (_ for _ in ()).throw(OSError(5, "no")))
        journal.flush()
    assert journal.problem is not None
    disk.room = 10**9
    journal.flush()
    assert [decode(line).sequence for line in lines_of(disk)[1:]] == [1, 2]


def test_a_closed_file_takes_nothing_more(tmp_path: Path) -> None:
    file = LineFile(str(tmp_path / "f"))
    file.open()
    file.add(b"a\n")
    assert file.flush()
    file.release()
    file.add(b"b\n")
    assert not file.flush()
    assert (tmp_path / "f").read_bytes() == b"a\n"
