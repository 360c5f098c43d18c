"""The course of a story: the sequence of kinds of entries and their nodes, without octets and times."""

from __future__ import annotations

import hashlib

from edgesim.journal import Entry, Event

LENGTH = 16
"""Hexadecimal digits of a course."""


class Course:
    """A digest of the sequence of (node, kind) of a journal's entries: give it to the journal as a listener.

    Two runs with the same course differ only in identifiers and times.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def __call__(self, entry: Entry[Event]) -> None:
        """Add an entry."""
        self._digest.update(f"{entry.node}\0{entry.event.kind}\n".encode())

    def __str__(self) -> str:
        return self._digest.hexdigest()[:LENGTH]
