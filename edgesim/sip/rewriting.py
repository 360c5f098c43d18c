"""Serialises forwarded messages the way an Expressway does: with its own header order.

In public captures, messages sent by E and C have one order of headers regardless of their origin, one value per line in
Via, Route and Record-Route, other lists joined on one line, and no optional white space ("Troubleshooting Guide for
Cisco Webex Hybrid Call Service Connect", Cisco 212475; "Troubleshoot Collaboration Edge Issues", Cisco 118798; "How
Phone Services Failover works for Jabber 14 over MRA", Cisco 217244). The result is a new message; the received one
keeps its octets. Values that must not be joined (RFC 3261, 7.3.1) are not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Protocol, TypeVar

from edgesim.sip.message import Request, Response, unfolded
from edgesim.sip.names import canonical, spelled
from edgesim.sip.text import MAX_REMEMBERED, REMEMBERED, split

OTHERS = "*"
"""The position of all headers that an order does not name; they keep their relative order."""
_LISTS_TEXT = (
    "accept accept-encoding accept-language alert-info allow allow-events call-info contact content-encoding "
    "content-language error-info in-reply-to p-asserted-identity path proxy-require record-route recv-info "
    "remote-party-id require route send-info supported unsupported via warning"
)
_OTHERS_TEXT = (
    "content-disposition content-type event expires from min-se reason refer-to referred-by session-expires session-id "
    "subscription-state to"
)
LISTS = frozenset(_LISTS_TEXT.split())
"""Headers whose values may be joined on one line with commas."""
PARAMETERISED = LISTS | frozenset(_OTHERS_TEXT.split())
"""Headers in whose values white space around ``;``, ``=`` and ``,`` has no meaning."""
LENGTH = "content-length"
JOINED = LISTS | {LENGTH}
"""Headers that are written in a fixed position; repeated equal Content-Lengths become one."""
SEPARATORS = (";", "=", ",")
M = TypeVar("M", Request, Response)

_PIECES = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?$)|<[^>]*(?:>|$)|[;=,]|[ \t]+|[^"<;=, \t]+', re.DOTALL)
"""Quoted strings, bracketed addresses, separators, white space, the rest: linear in the input."""


class Writer(Protocol):
    """Returns a message as sent on the wire; does not change its argument."""

    def __call__(self, message: M, /) -> M: ...


def as_received(message: M) -> M:
    """Return the message with only the edits that a proxy must make."""
    return message


class Rewriter:
    """Rewrites messages.

    ``order`` lists the headers in output order, with `OTHERS` for the rest; ``apart`` are the lists written with one
    value per line.
    """

    def __init__(self, order: Sequence[str], apart: Sequence[str]) -> None:
        self._places = {canonical(name): place for place, name in enumerate(order)}
        self._others = self._places.get(OTHERS, len(order))
        self._starts = {canonical(name): f"{name}: ".encode() for name in order if name != OTHERS}
        self._apart = frozenset(canonical(name) for name in apart)
        self._remembered_line = lru_cache(REMEMBERED)(self._line)

    def __call__(self, message: M) -> M:
        """Return an equivalent new message."""
        names, lines, places, others = message.names, message.lines, self._places, self._others
        written: list[tuple[int, str, bytes]] = []
        done: set[str] = set()
        for name, line in zip(names, lines, strict=True):
            if name not in JOINED or (names.count(name) == 1 and name not in self._apart):
                short = len(line) <= MAX_REMEMBERED
                whole = self._remembered_line(name, line) if short else self._line(name, line)
                written.append((places.get(name, others), name, whole))
            elif name not in done:
                done.add(name)
                place, start = places.get(name, others), self._start(name, line)
                every = [each for other, each in zip(names, lines, strict=True) if other == name and name != LENGTH]
                written += [(place, name, start + value) for value in self._values(name, every or [line])]
        written.sort(key=itemgetter(0))
        return message.with_lines([line for _, _, line in written], [name for _, name, _ in written])

    def _line(self, name: str, line: bytes) -> bytes:
        return self._start(name, line) + _evened(name, line)

    def _values(self, name: str, lines: Sequence[bytes]) -> list[bytes]:
        """Return the values of a list, one for each output line."""
        text = b",".join(filter(None, [_even(name, line) for line in lines]))
        return _separate(text) if name in self._apart else [text]

    def _start(self, name: str, line: bytes) -> bytes:
        """Return the start of a header line: a known name in its usual spelling, any other as received."""
        start = self._starts.get(name)
        if start is None:
            known = spelled(name)
            start = (known.encode() if known else line[: line.index(b":")].rstrip()) + b": "
        return start


def _even(name: str, line: bytes) -> bytes:
    return _remembered(name, line) if len(line) <= MAX_REMEMBERED else _evened(name, line)


def _evened(name: str, line: bytes) -> bytes:
    """Return the value of a header line, unfolded and without optional white space."""
    text = line[line.index(b":") + 1 :].decode("utf-8", "surrogateescape").strip(" \t\r\n")
    text = unfolded(text)
    if name in PARAMETERISED:
        text = _without_blanks(text)
    elif name == "cseq":
        text = " ".join(text.split())
    return text.encode("utf-8", "surrogateescape")


def _without_blanks(text: str) -> str:
    """Return a value without white space around separators; other runs of it become one space."""
    kept: list[str] = []
    for piece in _PIECES.findall(text):
        if piece in SEPARATORS:
            if kept and kept[-1] == " ":
                kept.pop()
            kept.append(piece)
        elif not piece.isspace():
            kept.append(piece)
        elif kept and kept[-1] not in SEPARATORS:
            kept.append(" ")
    return "".join(kept)


_remembered = lru_cache(REMEMBERED)(_evened)


def _separate(text: bytes) -> list[bytes]:
    if b"," not in text:
        return [text]
    values = split(text.decode("utf-8", "surrogateescape"), ",")
    return [value.encode("utf-8", "surrogateescape") for value in values]
