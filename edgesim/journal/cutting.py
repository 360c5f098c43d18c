"""Long payloads in a journal: their beginning, their length, and a digest of all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from edgesim.journal.entry import Entry, Whole
from edgesim.journal.events import Event
from edgesim.journal.masking import SECRET, Span, merged


def beginning(payload: bytes, secrets: Iterable[Span], octets: int) -> tuple[bytes, tuple[Span, ...], Whole]:
    """Return the first ``octets`` of a payload, those secrets that begin in them, and what the whole of it was.

    A secret over the end is cut there too, so that none of it shows.
    """
    spans = merged(secrets, len(payload))
    digest = hashlib.sha256()
    view = memoryview(payload)
    done = 0
    for start, end in spans:
        digest.update(view[done:start])
        digest.update(SECRET.encode())
        done = end
    digest.update(view[done:])
    kept = tuple((start, min(end, octets)) for start, end in spans if start < octets)
    return payload[:octets], kept, Whole(len(payload), digest.hexdigest())


def rest_of(entry: Entry[Event]) -> str | None:
    """Return the line that views put behind a payload of which only the beginning is there."""
    whole = entry.whole
    return None if whole is None else f"… {whole.octets:,} octets, sha256 {whole.sha256}"
