"""Prints the story of a run as it happens: steps, stages of clients, faults and failures."""

from __future__ import annotations

import click

from edgesim.cli import output
from edgesim.journal import Entry, Event, events

BEGAN, ENDED, FAILED = "began", "ended", "failed"
_UNICODE = {BEGAN: "▸", ENDED: "✓", FAILED: "✗"}
_ASCII = {BEGAN: ">", ENDED: "ok", FAILED: "x"}
_COLOURS = {"ok": "green", "failed": "red", "inside": "cyan", "outside": "cyan"}
SHOWN_STATES = ("crashed", "powered off", "frozen")
"""States of a host that belong to the story. Starts, and stops at the end, are left out."""


class Story:
    """A listener of a journal that prints the entries of the story."""

    def __init__(self) -> None:
        self._signs = _ASCII if output.is_ascii() else _UNICODE
        self._begun = False
        self._repeated: dict[str, int] = {}

    def __call__(self, entry: Entry[Event]) -> None:
        """Print an entry if it belongs to the story."""
        event = entry.event
        if isinstance(event, events.Step):
            self._begun = True
            self._step(entry, event)
        elif isinstance(event, events.ClientState):
            detail = f"  {event.detail}" if event.detail else ""
            word = click.style(f"{event.outcome:<8}", fg=_COLOURS.get(event.outcome))
            self._line(entry, f"{event.user:<8} {event.stage:<20} {word}{detail}")
        elif isinstance(event, events.FaultFired):
            self._fault(entry, event)
        elif isinstance(event, events.Note) and entry.node == "scenario":
            self._line(entry, event.text)
        elif isinstance(event, events.HostStateChanged) and self._begun and event.state in SHOWN_STATES:
            self._line(entry, f"{entry.node} {event.state}", fg="yellow")

    def finish(self) -> None:
        """Print how often each fault acted after its first time."""
        for name, times in self._repeated.items():
            if times:
                output.say(f"{'':16}fault {name}: {times} more {'time' if times == 1 else 'times'}", fg="magenta")
        self._repeated.clear()

    def _fault(self, entry: Entry[Event], event: events.FaultFired) -> None:
        if event.fault in self._repeated:
            self._repeated[event.fault] += 1
            return
        self._repeated[event.fault] = 0
        self._line(entry, event.summary(), fg="magenta")

    def _step(self, entry: Entry[Event], event: events.Step) -> None:
        self.finish()
        sign = self._signs.get(event.state, "")
        where = f"{entry.at:10.3f} s  {'  ' * event.depth}{sign}"
        if event.state == BEGAN:
            output.say(f"{where} {event.text}", bold=True)
        elif event.state == FAILED:
            output.say(f"{where} failed: {event.text}", fg="red")
        else:
            output.say(where, fg="green")

    def _line(self, entry: Entry[Event], text: str, **style: str | None) -> None:
        output.say(f"{entry.at:10.3f} s      {text}".rstrip(), **style)
