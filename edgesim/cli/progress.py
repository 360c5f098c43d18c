"""Shows the progress of a long run on standard error."""

from __future__ import annotations

import sys

import click

from edgesim.world.machine import stopwatch

TERMINAL_EVERY, PLAIN_EVERY = 0.1, 10.0
"""Seconds between two reports: on a terminal one line is rewritten, elsewhere each report is a line."""


class Progress:
    """Counts runs."""

    def __init__(self, total: int, *, shown: bool) -> None:
        self.total = total
        self.shown = shown
        self._done = self._failed = 0
        self._terminal = sys.stderr.isatty()
        self._began = self._last = stopwatch()
        self._dirty = False

    def step(self, *, failed: bool) -> None:
        """Count a run; report if it is time."""
        self._done += 1
        self._failed += failed
        now = stopwatch()
        if not self.shown or now - self._last < (TERMINAL_EVERY if self._terminal else PLAIN_EVERY):
            return
        self._last = now
        rate = self._done / max(now - self._began, 1e-9)
        left = (self.total - self._done) / rate
        text = f"{self._done} of {self.total} runs, {self._failed} failed, {rate:.0f}/s, {left:.0f} s left"
        if self._terminal:
            click.echo(f"\r{text:<70}", nl=False, err=True)
            self._dirty = True
        else:
            click.echo(text, err=True)

    def clear(self) -> None:
        """Erase the rewritten line."""
        if self._dirty:
            click.echo(f"\r{'':<70}\r", nl=False, err=True)
            self._dirty = False
