"""How an Expressway writes a message that it sends on: in an order of its own.

Public captures of what E and C sent show one order of headers whoever had made the message, a value a line in Via,
Route and Record-Route, the values of other lists joined in one line, and no blanks where none are needed
("Troubleshooting Guide for Cisco Webex Hybrid Call Service Connect", Cisco 212475; "Troubleshoot Collaboration Edge
Issues", Cisco 118798; "How Phone Services Failover works for Jabber 14 over MRA", Cisco 217244). What is written is a
new message: the one that arrived keeps its octets. Values that must not be joined (RFC 3261, 7.3.1) are not.
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
"""The place, in an order, of the headers that it does not name: they stay in the order in which they came."""
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
"""Headers whose values may stand in one line, separated by commas."""
PARAMETERISED = LISTS | frozenset(_OTHERS_TEXT.split())
"""Headers in whose values blanks around ``;``, ``=`` and ``,`` mean nothing."""
LENGTH = "content-length"
JOINED = LISTS | {LENGTH}
"""Headers that are written in one place wherever their lines stood; of several lengths, which are equal, one."""
SEPARATORS = (";", "=", ",")
M = TypeVar("M", Request, Response)

_PIECES = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?$)|<[^>]*(?:>|$)|[;=,]|[ \t]+|[^"<;=, \t]+', re.DOTALL)
"""Quoted strings, addresses in brackets, separators, blanks, the rest: each character is looked at once."""


class Writer(Protocol):
    """Returns a message as it goes on the wire; what it is given stays as it is."""

    def __call__(self, message: M, /) -> M: ...


def as_received(message: M) -> M:
    """Send a message on byte for byte but for what a proxy must change."""
    return message


class Rewriter:
    """Rewrites messages.

    ``order`` names the headers in the order in which they are written, with `OTHERS` where all else goes; ``apart`` are
    the lists that get a line for each value.
    """

    def __init__(self, order: Sequence[str], apart: Sequence[str]) -> None:
        self._places = {canonical(name): place for place, name in enumerate(order)}
        self._others = self._places.get(OTHERS, len(order))
        self._starts = {canonical(name): f"{name}: ".encode() for name in order if name != OTHERS}
        self._apart = frozenset(canonical(name) for name in apart)
        self._remembered_line = lru_cache(REMEMBERED)(self._line)

    def __call__(self, message: M) -> M:
        """Return a new message that says the same."""
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
        """Return the values of a list, one for each line in which it is written."""
        text = b",".join(filter(None, [_even(name, line) for line in lines]))
        return _separate(text) if name in self._apart else [text]

    def _start(self, name: str, line: bytes) -> bytes:
        """Return how a header line begins: a known name in its usual spelling, any other as it came."""
        start = self._starts.get(name)
        if start is None:
            known = spelled(name)
            start = (known.encode() if known else line[: line.index(b":")].rstrip()) + b": "
        return start


def _even(name: str, line: bytes) -> bytes:
    return _remembered(name, line) if len(line) <= MAX_REMEMBERED else _evened(name, line)


def _evened(name: str, line: bytes) -> bytes:
    """Return the value of a header line, unfolded and without needless blanks."""
    text = line[line.index(b":") + 1 :].decode("utf-8", "surrogateescape").strip(" \t\r\n")
    text = unfolded(text)
    if name in PARAMETERISED:
        text = _without_blanks(text)
    elif name == "cseq":
        text = " ".join(text.split())
    return text.encode("utf-8", "surrogateescape")


def _without_blanks(text: str) -> str:
    """Return a value without blanks around separators, and with one blank wherever there are several."""
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
