"""Text for people: nothing in it moves a cursor, changes a colour, hides, or reorders what is beside it."""

from __future__ import annotations

import hashlib
import unicodedata
from functools import lru_cache

from rich.cells import cell_len, get_character_cell_size

from edgesim.journal.cutting import rest_of
from edgesim.journal.entry import Entry
from edgesim.journal.events import Event
from edgesim.journal.masking import present

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}
_OTHER_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Me"})


@lru_cache(maxsize=4096)
def _shown(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    category = unicodedata.category(character)
    code = ord(character)
    selector = 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
    if category in _OTHER_CATEGORIES or selector or (category == "Zs" and character != " "):
        if code < 0x100:
            return f"\\x{code:02x}"
        if 0xDC80 <= code <= 0xDCFF:  # an octet that was no UTF-8 (PEP 383)
            return f"\\x{code - 0xDC00:02x}"
        return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return character


def visible(text: str) -> str:
    """Return ``text`` on one line, every control, format, unassigned and odd space character as a backslash escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, unicodedata.normalize("NFC", text)))


def ascii_only(text: str) -> str:
    """Return ``text`` with every character beyond ASCII as a backslash escape."""
    return text.encode("ascii", "backslashreplace").decode("ascii")


def fit(text: str, cells: int, ellipsis: str = "…") -> str:
    """Cut ``text`` to a width in terminal cells, its end marked by ``ellipsis``."""
    if cell_len(text) <= cells:
        return text
    room = cells - len(ellipsis)
    return text[: _count(text, room)] + ellipsis if room >= 0 else ellipsis[:cells]


def wrap(text: str, cells: int, lines: int, ellipsis: str = "…") -> list[str]:
    """Break ``text`` into at most ``lines`` lines of at most ``cells`` terminal cells, at separators if it can."""
    result: list[str] = []
    while len(result) + 1 < lines and cell_len(text) > cells:
        count = max(_count(text, cells), 1)
        for marks, keep in ((" ", 0), ("/?&;,=", 1), (":@-_.", 1)):
            place = max(text.rfind(mark, 0, count + 1 - keep) for mark in marks)
            if place > count // 2:
                count = place + keep
                break
        result.append(text[:count].rstrip(" "))
        text = text[count:].lstrip(" ")
    return [*result, fit(text, cells, ellipsis)]


def _count(text: str, cells: int) -> int:
    """Return how many characters of ``text`` fit into ``cells``."""
    used = 0
    for count, character in enumerate(text):
        used += get_character_cell_size(character)
        if used > cells:
            return count
    return len(text)


def payload_lines(entry: Entry[Event], *, secrets: bool = False, limit: int | None = None) -> list[str]:
    """Return an entry's payload as lines for people: text where it is UTF-8 text, else a dump of octets.

    Secrets are masked unless ``secrets``. Past ``limit`` characters the rest is shown by its size and a digest, so that
    no change goes unseen. So is what the journal does not have.
    """
    payload = present(entry, secrets=secrets).payload
    if not payload:
        return []
    if b"\0" in payload:
        lines = _dump(payload)
    else:
        text = payload.decode("utf-8", "surrogateescape")
        odd = sum(1 for character in text if "\udc80" <= character <= "\udcff")
        if odd * 5 > len(text):
            lines = _dump(payload)
        else:
            lines = [visible(line.removesuffix("\r")) for line in text.split("\n")]
            if lines[-1] == "":
                lines.pop()
    if limit is not None:
        lines = _limited(lines, limit, payload, whole=entry.whole is None)
    rest = rest_of(entry)
    return lines if rest is None else [*lines, rest]


def _dump(payload: bytes) -> list[str]:
    lines = []
    for start in range(0, len(payload), 16):
        row = payload[start : start + 16]
        text = "".join(chr(octet) if 0x20 <= octet < 0x7F else "." for octet in row)
        lines.append(f"{start:04x}  {row.hex(' '):<47}  {text}")
    return lines


def _limited(lines: list[str], limit: int, payload: bytes, *, whole: bool) -> list[str]:
    used = 0
    for count, line in enumerate(lines):
        used += len(line) + 1
        if used > limit:
            if not whole:  # its length and digest follow
                return lines[:count]
            digest = hashlib.sha256(payload).hexdigest()[:12]
            return [*lines[:count], f"… {len(payload)} octets in all, SHA-256 {digest}"]
    return lines
