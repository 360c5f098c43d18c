"""The file of a journal: for its owner alone, and never another user's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from edgesim.journal import Bounds, Journal, events
from tests.journal.still_world import StillWorld


def test_its_owner_alone_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_text("an old one, open to all")
    path.chmod(0o644)
    journal = Journal(StillWorld(), spool=path, bounds=Bounds(octets=8192))
    for _ in range(100):
        journal.record("expe", events.Note(text="x" * 50))
    journal.close()
    assert len(list(tmp_path.iterdir())) > 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    assert b"an old one" not in path.read_bytes()


@pytest.mark.parametrize("plant", [os.symlink, os.link])
def test_a_planted_name_is_refused_and_its_target_stays(tmp_path: Path, plant: object) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    plant(target, tmp_path / "j")
    with pytest.raises(OSError, match=r"symbolic link|other names"):
        Journal(StillWorld(), spool=tmp_path / "j")
    assert target.read_text() == "precious"


def test_a_link_to_nowhere_makes_no_file_there(tmp_path: Path) -> None:
    (tmp_path / "j").symlink_to(tmp_path / "made")
    with pytest.raises(OSError, match="symbolic link"):
        Journal(StillWorld(), spool=tmp_path / "j")
    assert not (tmp_path / "made").exists()
