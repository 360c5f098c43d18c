"""A failure as text: what was expected, what came instead, the ladder around it, and the line that replays it."""

from __future__ import annotations

from edgesim.journal import Journal, Selection, events, ladder, ladder_text
from edgesim.scenario.verdict import Outcome, Verdict

BEFORE, AFTER = 20, 6
"""How many entries the ladder of a failure shows before and after the place where it failed."""


def failure(verdict: Verdict, journal: Journal, *, width: int = 120) -> str:
    """Return the report of a verdict that is not ``passed``, in lines of at most ``width`` columns where they can be
    folded."""
    lines = [f"{verdict.where}: {verdict.title}" if verdict.where else verdict.title, ""]
    if verdict.expected:
        lines.append(f"{'expected':<9} {verdict.expected}")
        lines += [f"{'' if number else 'instead':<9} {text}" for number, text in enumerate(verdict.instead)]
        extra = verdict.reason.splitlines()[1 + len(verdict.instead) :]
        lines += [f"{'':<9} {text}" for text in extra]
    else:
        reasons = verdict.reason.splitlines() or ["no reason was given"]
        lines += [f"{'' if number else 'because':<9} {text}" for number, text in enumerate(reasons)]
    if verdict.steps:
        lines.append(f"{'step':<9} {verdict.steps[-1].strip()}")
    lines += [f"{'' if number else 'clients':<9} {text}" for number, text in enumerate(verdict.stages)]
    if verdict.outcome is Outcome.FAILED and verdict.ladder:
        at = verdict.around if verdict.expected.startswith("never") else verdict.around - 1
        lines += around(journal, at, width=width)
    return "\n".join([*lines, "", f"{'replay':<9} {verdict.replay}"])


def around(journal: Journal, place: int, *, width: int = 120) -> list[str]:
    """Return the lines of the ladder around a position in a journal; none where the journal is empty."""
    if not len(journal):
        return []
    place = min(max(place, 0), len(journal) - 1)
    marked = journal[place].id
    shown = [entry for entry in journal if not _shut_down(entry.event) or entry.id == marked]
    drawn = ladder.build(shown, select=Selection(around=marked, before=BEFORE, after=AFTER), marks=[marked])
    text = ladder_text.render(drawn, width)
    return ["", f"the ladder around it (entry {place} of {len(journal)}):", *text.splitlines()]


def _shut_down(event: events.Event) -> bool:
    return isinstance(event, events.HostStateChanged) and event.state == "stopped"
