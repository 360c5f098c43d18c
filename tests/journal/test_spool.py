"""The file of a journal: what goes in comes out, equal runs give equal files, and it holds on to no memory."""

from __future__ import annotations

import gc
import json
import random
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.journal import Entry, events
from edgesim.journal.codec import VERSION, Header, JournalFormatError, decode, encode
from edgesim.journal.masking import present
from edgesim.journal.reading import Reader, read
from edgesim.journal.spool import Spool, write
from tests.each import holds_for_each
from tests.fuzz import fuzzed
from tests.journal import sample
from tests.journal.kinds import entry_of, event_of

OPEN = Header(world="sim", seed=7, epoch_ns=0, secrets=True)


def test_a_sign_in_survives_the_file(tmp_path: Path) -> None:
    entries = sample.sign_in()
    entries = [entry for entry in entries if not any(key.startswith("token:") for key in entry.keys)]
    write(tmp_path / "j", OPEN, entries)
    assert read(tmp_path / "j") == entries
    assert Reader(tmp_path / "j").header == OPEN


def test_every_kind_survives() -> None:
    def check(kind: str) -> None:
        entry = entry_of(event_of(kind, lambda: 'a"\\ \n\u2028\udc80é\x7f'), payload=b"\xff\0", keys=("user:é",))
        line = encode(entry)
        assert decode(line) == entry
        assert line.isascii()
        assert line.count(b"\n") == 1

    holds_for_each(check, ((kind,) for kind in sorted(events.KINDS)))


@fuzzed
@given(st.binary(max_size=60), st.text(max_size=20))
def test_any_payload_survives(payload: bytes, text: str) -> None:
    entry = entry_of(events.Note(text=text), payload=payload)
    line = encode(entry)
    assert decode(line) == entry
    values = json.loads(line)
    try:
        assert values.get("payload", "") == payload.decode()
    except UnicodeDecodeError:
        assert "payload_base64" in values


def test_equal_runs_give_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, sample.HEADER, sample.sign_in())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_one_octet_of_a_payload_shows_in_the_file() -> None:
    entry = sample.sign_in()[-1]
    lines = {encode(entry)}
    for place in range(len(entry.payload)):
        flipped = bytearray(entry.payload)
        flipped[place] ^= 0x01
        lines.add(encode(entry_of(entry.event, payload=bytes(flipped))))
    assert len(lines) == len(entry.payload) + 1


def test_reading_goes_on_while_writing(tmp_path: Path) -> None:
    entries = sample.sign_in()
    spool = Spool(tmp_path / "j", OPEN, buffer=2_000)
    for count, entry in enumerate(entries, 1):
        spool.append(entry)
        assert len(spool) == count
        assert spool[-1].order == entry.order
        if count == 10:
            window = iter(spool)
            assert next(window).order == 0
    assert [entry.order for entry in spool] == list(range(len(entries)))
    assert [entry.order for entry in spool[5:20:3]] == [5, 8, 11, 14, 17]
    assert [entry.order for entry in spool[::-1]] == list(range(len(entries)))[::-1]
    assert spool[3:][1].order == 4
    assert [e.id for e in spool.select(kind="sip.request")] == [e.id for e in entries if e.kind == "sip.request"]
    chosen = [e.id for e in entries[20:] if e.kind == "sip.request" and e.node == "expe"]
    assert [e.id for e in spool.select(kind="sip.request", node="expe", start=20)] == chosen
    assert list(spool.select(kind="no.such")) == []
    assert spool.since(1_000_000_000) == next(e.order for e in entries if e.at_ns >= 1_000_000_000)
    with pytest.raises(IndexError):
        spool[len(entries)]
    spool.close()
    with pytest.raises(ValueError, match="closed"):
        spool.append(entries[0])
    assert [entry.order for entry in spool] == list(range(len(entries)))


def test_what_a_spool_gives_back_is_masked_as_its_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "j", sample.HEADER)
    for entry in sample.sign_in():
        spool.append(entry)
    for written, found in zip(sample.sign_in(), spool, strict=True):
        assert found.payload == present(written).payload
    spool.close()
    assert list(Reader(tmp_path / "j"))[5].event == sample.sign_in()[5].event
    assert sample.COOKIE.encode() not in (tmp_path / "j").read_bytes()


def test_an_entry_does_not_stay_in_memory(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "j", OPEN, buffer=10_000)
    spool.append(entry_of(events.Note(text="warm-up"), payload=b"x"))
    gc.collect()
    tracemalloc.start()
    for number in range(2_000):
        spool.append(entry_of(events.Note(text="n"), number=number + 2, payload=b"x" * 1_000))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    spool.close()
    assert used < 2_000 * 100


def test_a_last_line_cut_short_is_reported_after_the_rest(tmp_path: Path) -> None:
    entries = sample.sign_in()[:5]
    path = tmp_path / "j"
    write(path, OPEN, entries)
    whole = path.read_bytes()
    last = whole.rstrip(b"\n").rindex(b"\n") + 1
    for end in range(last + 1, len(whole)):
        path.write_bytes(whole[:end])
        reader = Reader(path)
        assert list(reader) == entries[:4]
        assert reader.problem is not None
        assert f"line 6 is cut short after {end - last} octets" in reader.problem
    with pytest.raises(JournalFormatError, match="line 6: the last line is cut short"):
        read(path)
    path.write_bytes(whole)
    reader = Reader(path)
    assert list(reader) == entries
    assert reader.problem is None


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (b"", "not an edgesim journal"),
        (b"{}\n", "the first line lacks"),
        (b"[1]\n", "the first line lacks"),
        (b"\xff\xfe\n", "not an edgesim journal"),
        (b'{"edgesim":"journal","version":99}\n', f"schema version 99; this edgesim reads {VERSION}"),
        (b'{"edgesim":"journal","version":1}\n', "'world' is missing"),
        (b"[" * 100_000, "not an edgesim journal"),
    ],
)
def test_other_files_are_refused_with_a_reason(tmp_path: Path, first: bytes, reason: str) -> None:
    (tmp_path / "j").write_bytes(first)
    with pytest.raises(JournalFormatError, match=f"^line 1: .*{reason}"):
        Reader(tmp_path / "j")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"kind":"note"', b'"kind":"no.such"', "unknown kind of entry 'no.such'"),
        (b'"text":', b'"texts":', r"unknown fields \['texts'\], missing fields \['text'\]"),
        (b'"node":"expe",', b"", "'node' is missing"),
        (b'"payload":"p"', b'"payload_base64":"*"', "not an entry"),
        (b'"payload":"p"', b'"payload":"\\udc80"', "not an entry"),
        (b"{", b"", "not an entry"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path: Path, old: bytes, new: bytes, reason: str) -> None:
    line = encode(entry_of(events.Note(text="x"), payload=b"p"))
    assert old in line
    (tmp_path / "j").write_bytes(OPEN.encode() + line + line.replace(old, new, 1) + line)
    with pytest.raises(JournalFormatError, match=f"^line 3: .*{reason}") as caught:
        read(tmp_path / "j")
    assert caught.value.line == 3


@fuzzed
@given(st.integers(0, 2**32))
def test_damaged_lines_raise_only_the_journals_own_error(seed: int) -> None:
    dice = random.Random(seed)
    line = bytearray(encode(sample_entry(dice)))
    for _ in range(dice.randint(1, 4)):
        line[dice.randrange(len(line))] = dice.randrange(256)
    with suppress(JournalFormatError):
        decode(bytes(line), 7)


_ENTRIES = sample.sign_in()


def sample_entry(dice: random.Random) -> Entry[events.Event]:
    return dice.choice(_ENTRIES)
