"""Masks secrets, and values that no seed controls, for readers.

The writer of an entry marks the secrets of its payload as spans of octets. `mask` replaces such spans; `present` does
so for a whole entry: payload, the event's own fields (a header value repeats what is in the payload) and the keys whose
values are credentials (`SECRET_KEYS`). Every view and every file shows what `present` returns, unless secrets are
requested.

A short secret is replaced in fields only as a whole word: a password ``cisco`` does not mask half of ``/cisco-uds/``,
which would also reveal it.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from operator import is_
from typing import Any, AnyStr, Final

from edgesim.journal.bounds import EVERYTHING
from edgesim.journal.entry import Entry
from edgesim.journal.events import Event
from edgesim.journal.keys import KEY_KINDS, Key, aliased_key, kind_of, value_of

SECRET: Final = "<secret>"
"""The replacement of a secret of any length."""

SECRET_KEYS: Final = frozenset(kind.name for kind in KEY_KINDS.values() if kind.secret)
"""Kinds of correlation keys whose value is a credential."""

UNCONTROLLABLE_KEYS: Final = frozenset(kind.name for kind in KEY_KINDS.values() if kind.uncontrollable)
"""Kinds of correlation keys whose value no seed decides: files show an alias."""

_KEY_PREFIXES = tuple(f"{name}:" for name in sorted(SECRET_KEYS | UNCONTROLLABLE_KEYS))
_LONG = 12
_SHORT = 128
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_HEADER_LINE = re.compile(r"^([!-9;-~]+):[ \t]*(.*\S)", re.MULTILINE)
_FIELDS: dict[type[Event], tuple[str, ...]] = {}

Span = tuple[int, int]


class Aliases:
    """Stable names for values: ``<token#1>``, ``<token#2>`` ... in the order of first sight.

    One instance serves one reader (a file, a table), so that equal runs give equal aliases though the values differ.
    It remembers ``most`` of them and forgets the least recently used, so that a value gets a new alias if it comes back
    after that many others.
    """

    def __init__(self, most: int = EVERYTHING.aliases) -> None:
        self._most = most
        self._known: OrderedDict[tuple[str, str | bytes], str] = OrderedDict()
        self._counts: dict[str, int] = {}

    def alias(self, name: str, value: str) -> str:
        """Return the alias of ``value`` among those called ``name``. An alias, or a masked value, is its own alias."""
        if _is_placeholder(value):
            return value
        # A stranger's value may be long: its digest represents it.
        short = value if len(value) <= _SHORT else hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get((name, short))
        if known is not None:
            self._known.move_to_end((name, short))
            return known
        self._counts[name] = number = self._counts.get(name, 0) + 1
        known = self._known[name, short] = f"<{name}#{number}>"
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return known

    def key(self, key: Key) -> Key:
        """Return a correlation key with its value replaced: ``token:eyJ...`` becomes ``token:<token#1>``."""
        return aliased_key(key, self.alias(kind_of(key), value_of(key)))

    def __len__(self) -> int:
        return len(self._known)


def mask(payload: bytes, spans: Iterable[Span]) -> bytes:
    """Return ``payload`` with each span, in octets, replaced by `SECRET`. Spans may overlap or run past the end."""
    return _edit(payload, [(start, end, SECRET.encode()) for start, end in merged(spans, len(payload))], ())[0]


def merged(spans: Iterable[Span], size: int) -> list[Span]:
    """Return the spans in order, cut to ``0..size``, with those that overlap or touch joined, and no empty one."""
    result: list[Span] = []
    for low, high in sorted((min(span), max(span)) for span in spans):
        start, end = max(low, 0), min(high, size)
        if start >= end:
            continue
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def present(entry: Entry[Event], *, secrets: bool = False, aliases: Aliases | None = None) -> Entry[Event]:
    """Return the entry as a reader may see it; the same object where nothing has to be hidden.

    The spans of the result point at the placeholders, so that presenting twice changes nothing. ``aliases`` name the
    values of keys in `UNCONTROLLABLE_KEYS`, and of `SECRET_KEYS` unless ``secrets``; without it they show as `SECRET`.
    """
    hidden: list[tuple[str, str]] = []
    keys = entry.keys
    names = (UNCONTROLLABLE_KEYS if aliases is not None else frozenset()) if secrets else SECRET_KEYS
    if names and any(key.startswith(_KEY_PREFIXES) for key in keys):
        shown = []
        for key in keys:
            name, value = kind_of(key), value_of(key)
            if name in names and value and not _is_placeholder(value):
                alias = aliases.alias(name, value) if aliases is not None else SECRET
                hidden.append((value, alias))
                key = aliased_key(key, alias)
            shown.append(key)
        keys = tuple(shown)
    spans = [] if secrets or not entry.secrets else merged(entry.secrets, len(entry.payload))
    if not hidden and not spans:
        return entry
    payload, moved = _present_payload(entry, spans, hidden)
    found = dict.fromkeys(entry.payload[start:end] for start, end in spans)
    texts = [(text, SECRET) for secret in found if secret != SECRET.encode() for text in _texts(secret)]
    event = _present_event(entry.event, sorted(texts, key=_longest_first) + hidden)
    return replace(entry, payload=payload, secrets=moved, keys=keys, event=event)


def _longest_first(pair: tuple[str, str]) -> int:
    return -len(pair[0])


def _texts(secret: bytes) -> list[str]:
    """Return the texts by which a field may repeat a secret: itself, or the values of the header lines that it is."""
    texts = [secret.decode("utf-8", "surrogateescape")]
    if not secret.isascii():
        texts.append(secret.decode("latin-1"))
    if b":" in secret:
        texts += [line[1] for text in tuple(texts) for line in _HEADER_LINE.findall(text)]
    return texts


def _is_placeholder(value: str) -> bool:
    return value == SECRET or (value.startswith("<") and value.endswith(">") and "#" in value)


def _present_payload(
    entry: Entry[Event], spans: Sequence[Span], hidden: Sequence[tuple[str, str]]
) -> tuple[bytes, tuple[Span, ...]]:
    edits = [(start, end, SECRET.encode()) for start, end in spans]
    for value, alias in hidden:
        raw = value.encode("utf-8", "surrogateescape")
        for start in _places(entry.payload, raw):
            end = start + len(raw)
            if all(end <= low or high <= start for low, high, _ in edits):
                edits.append((start, end, alias.encode()))
    return _edit(entry.payload, sorted(edits), () if spans else entry.secrets)


def _edit(
    payload: bytes, edits: Sequence[tuple[int, int, bytes]], others: Sequence[Span]
) -> tuple[bytes, tuple[Span, ...]]:
    """Apply edits in order of place. Return the payload and its spans: the placeholders', or ``others`` moved."""
    parts: list[bytes] = []
    moved: list[Span] = []
    shifts: list[tuple[int, int, int]] = []
    done = length = 0
    for start, end, text in edits:
        parts += payload[done:start], text
        length += start - done
        moved.append((length, length + len(text)))
        shifts.append((start, end, length + len(text) - end))
        length += len(text)
        done = end
    parts.append(payload[done:])
    if others:
        moved = [(_shift(start, shifts, False), _shift(end, shifts, True)) for start, end in others]
    return b"".join(parts), tuple(moved)


def _shift(place: int, shifts: Sequence[tuple[int, int, int]], is_end: bool) -> int:
    """Move one end of a span; an end inside an edit moves to that edit's own end, so that spans only grow."""
    result = place
    before = 0
    for start, end, shift in shifts:
        if place >= end:
            result = place + shift
        elif place > start:
            return end + shift if is_end else start + before
        before = shift
    return result


def _present_event(event: Event, replacements: Sequence[tuple[str, str]]) -> Event:
    names = _FIELDS.get(type(event))
    if names is None:
        names = _FIELDS[type(event)] = tuple(f.name for f in fields(event))
    changes: dict[str, Any] = {}
    for name in names:
        value = getattr(event, name)
        shown = _present_value(value, replacements)
        if shown is not value:
            changes[name] = shown
    return replace(event, **changes) if changes else event


def _present_value(value: Any, replacements: Sequence[tuple[str, str]]) -> Any:
    if isinstance(value, str):
        for secret, placeholder in replacements:
            if secret in value:
                value = _replaced(value, secret, placeholder)
        return value
    if isinstance(value, tuple):
        shown = [_present_value(item, replacements) for item in value]
        return value if all(map(is_, shown, value)) else tuple(shown)
    return value


def _replaced(text: str, secret: str, placeholder: str) -> str:
    parts: list[str] = []
    done = 0
    for start in _places(text, secret):
        parts += text[done:start], placeholder
        done = start + len(secret)
    return "".join((*parts, text[done:]))


def _places(text: AnyStr, secret: AnyStr) -> list[int]:
    """Return where ``secret`` is in ``text``: anywhere when it is long, as a word when it is short."""
    found: list[int] = []
    if not secret:
        return found
    short = len(secret) < _LONG
    word_first, word_last = short and _is_word(secret[:1]), short and _is_word(secret[-1:])
    start = text.find(secret)
    while start >= 0:
        end = start + len(secret)
        inside = (word_first and start and _is_word(text[start - 1 : start])) or (
            word_last and _is_word(text[end : end + 1])
        )
        if not inside:
            found.append(start)
            start = text.find(secret, end)
        else:
            start = text.find(secret, start + 1)
    return found


def _is_word(character: str | bytes) -> bool:
    return (character.decode("latin-1") if isinstance(character, bytes) else character) in _WORD
