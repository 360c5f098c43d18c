"""Strangers in a journal: addresses that no host of the lab has. They may be many, and cost little."""

from __future__ import annotations

from typing import Final

from edgesim.journal.bounds import SECOND, Bounds

OTHERS: Final = "(others)"
"""The common node of strangers beyond those listed by address; no host can have this name."""


class Strangers:
    """Names for strangers, and how many entries they get.

    A stranger is named by its address, without the port. After ``bounds.strangers`` of them all further ones share
    `OTHERS`. There are at most ``bounds.stranger_entries`` entries per second about them; the rest is counted.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._names: dict[str, None] = {}
        self._second = -1
        self._entries = 0
        self._omitted = 0
        self._omitted_in = 0
        self._since_ns = 0

    def name(self, reported: str) -> str:
        """Return the name of a stranger that the world calls ``address:port``."""
        address, colon, port = reported.rpartition(":")
        name = address.strip("[]") if colon and port.isdigit() else reported
        if name in self._names:
            return name
        if len(self._names) >= self._bounds.strangers:
            return OTHERS
        self._names[name] = None
        return name

    def admits(self, at_ns: int) -> bool:
        """Return whether there is to be an entry about a stranger at a lab time; count it as left out otherwise."""
        second = at_ns // SECOND
        if second != self._second:
            self._second, self._entries = second, 0
        self._entries += 1
        if self._entries <= self._bounds.stranger_entries:
            return True
        if not self._omitted:
            self._since_ns = at_ns
        self._omitted += 1
        self._omitted_in = second
        return False

    def omitted(self, now_ns: int, *, final: bool = False) -> tuple[int, int]:
        """Return how many entries were left out, and since when, once their second is over or all is; else none."""
        if not self._omitted or (now_ns // SECOND == self._omitted_in and not final):
            return 0, 0
        found, self._omitted = (self._omitted, self._since_ns), 0
        return found
