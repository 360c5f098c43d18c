"""Golden copies: what a forwarded message must look like, octet for octet, but for the values that change every time.

A golden copy is a file of the message as it arrives at its destination. ``<<name>>`` stands for a value that the caller
knows and that must be exactly this; ``<<~pattern>>`` for one that only has a form, as a regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"
_PLACE = re.compile(r"<<(~?)(.+?)>>")


class GoldenCopyError(AssertionError):
    """A forwarded message differs from its golden copy; the text shows the first line that does."""


class GoldenCopy:
    """A golden copy from ``golden/``, with the values of one sender put in."""

    def __init__(self, name: str, values: Mapping[str, str]) -> None:
        head, _, body = (FOLDER / name).read_bytes().decode("ascii").partition("\r\n\r\n")
        self._lines = [_compiled(line, values) for line in head.split("\r\n")]
        self._body = _compiled(body, values)
        whole = b"\r\n".join(line.pattern for line in self._lines) + b"\r\n\r\n" + self._body.pattern
        self._fits = re.compile(whole).fullmatch

    def compare(self, message: bytes) -> None:
        """Raise `GoldenCopyError` if ``message`` is not what it must be."""
        if self._fits(message) is None:
            raise GoldenCopyError(self._explain(message))

    def _explain(self, message: bytes) -> str:
        head, _, body = message.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        for number, (line, wanted) in enumerate(zip(lines, self._lines, strict=False), 1):
            if wanted.fullmatch(line) is None:
                return f"line {number} is {line!r}, the golden copy has {wanted.pattern!r}"
        if len(lines) != len(self._lines):
            return f"{len(lines)} header lines, the golden copy has {len(self._lines)}"
        return f"the body is {body!r}, the golden copy has {self._body.pattern!r}"


def _compiled(line: str, values: Mapping[str, str]) -> re.Pattern[bytes]:
    """Return a pattern for one line: text as it stands, values as given, patterns as they are."""
    parts, end = [], 0
    for place in _PLACE.finditer(line):
        parts.append(re.escape(line[end : place.start()]))
        parts.append(place[2] if place[1] else re.escape(values[place[2]]))
        end = place.end()
    parts.append(re.escape(line[end:]))
    return re.compile("".join(parts).encode("ascii"))
