"""Long messages: their beginning, their length and their digest, and no secret in any of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from edgesim.deployment.defaults import JournalDefaults
from edgesim.journal import Bounds, Entry, Event, Journal, events, ladder, ladder_text
from edgesim.journal.codec import encode
from edgesim.journal.reading import read
from edgesim.journal.visible import payload_lines
from tests.journal.still_world import StillWorld

BODY = b"POST / HTTP/1.1\r\n\r\n" + b"x" * (2 * 1024 * 1024 - 19)


def recorded(payload: bytes, secrets: tuple[tuple[int, int], ...] = ()) -> Entry[Event]:
    return Journal(StillWorld()).record("expe", events.Note(text="t"), direction="in", payload=payload, secrets=secrets)


def test_a_long_message_costs_little_and_says_what_it_was(tmp_path: Path) -> None:
    entry = recorded(BODY)
    assert len(encode(entry)) < 5_000
    assert entry.payload == BODY[:4096]
    assert entry.whole == (2_097_152, hashlib.sha256(BODY).hexdigest())
    assert payload_lines(entry)[-1] == f"… 2,097,152 octets, sha256 {hashlib.sha256(BODY).hexdigest()}"
    assert payload_lines(entry, limit=100)[-1] == payload_lines(entry)[-1]
    drawn = ladder_text.render(ladder.build([entry]), width=120, details=True)
    assert "… 2,097,152 octets, sha256" in drawn
    journal = Journal(StillWorld(), spool=tmp_path / "j")
    journal.record("expe", events.Note(text="t"), payload=BODY)
    journal.close()
    assert read(tmp_path / "j")[0].whole == entry.whole
    line = json.loads((tmp_path / "j").read_bytes().splitlines()[1])
    assert (line["payload_octets"], line["payload_sha256"]) == entry.whole


@pytest.mark.parametrize(("size", "kept"), [(65_536, 65_536), (65_537, 4_096)])
def test_the_limit(size: int, kept: int) -> None:
    entry = recorded(b"x" * size)
    assert len(entry.payload) == kept
    assert (entry.whole is None) is (size == kept)


def test_one_octet_far_behind_still_shows() -> None:
    changed = BODY[:-1] + b"y"
    assert encode(recorded(BODY)) != encode(recorded(changed))


def test_a_secret_over_the_cut_does_not_show_and_cannot_be_tried() -> None:
    secret = b"S3CRET" * 10
    payload = b"x" * 4090 + secret + b"x" * 100_000
    spans = ((4090, 4090 + len(secret)), (50_000, 50_010))
    entry = recorded(payload, spans)
    assert b"S3" not in encode(entry)
    assert entry.secrets == ((4090, 4096),)
    masked = payload[:4090] + b"<secret>" + payload[4090 + len(secret) : 50_000] + b"<secret>" + payload[50_010:]
    assert entry.whole is not None
    assert entry.whole.sha256 == hashlib.sha256(masked).hexdigest()


def test_journals_without_a_deployment_have_the_same_limits() -> None:
    named, bounds = JournalDefaults(), Bounds()
    assert (named.whole_bytes, named.beginning_bytes) == (bounds.whole, bounds.beginning)
