"""Prints what a check found."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import click

from edgesim.catalogue import row
from edgesim.cli import drawing, output
from edgesim.cli.problems import Problem
from edgesim.deployment import Deployment
from edgesim.journal import Entry, Event, Journal, Selection
from edgesim.journal.events import Step
from edgesim.journal.matchers import Matcher
from edgesim.readiness import Report, Reported, Rule, Severity

if TYPE_CHECKING:
    from edgesim.scenario.proof import Proof, Simulated

BEFORE, AFTER = 12, 4
"""How many rows of the ladder are shown around a symptom."""
COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.ADVICE: "cyan"}
LABEL = 12
"""Width in columns of the labels below a finding."""


def chosen(rules: Sequence[Rule], only: Sequence[str], ignore: Sequence[str]) -> tuple[Rule, ...]:
    """Return the rules that the options select; an option names a rule or a row. Raises `Problem`."""
    for name in (*only, *ignore):
        if not any(_named(rule, name) for rule in rules):
            raise Problem(f"no rule or row is called {name!r}", "`edgesim check --rules` lists them.")
    return tuple(
        rule
        for rule in rules
        if (not only or any(_named(rule, name) for name in only)) and not any(_named(rule, name) for name in ignore)
    )


def _named(rule: Rule, name: str) -> bool:
    return name == rule.name or name.upper() in rule.rows


def simulated(deployment: Deployment, report: Report) -> Simulated:
    """Sign in every client of a deployment, in the simulation. Raises `Problem` if the lab does not start."""
    from edgesim.scenario.play import DidNotStart
    from edgesim.scenario.proof import simulate

    try:
        return simulate(deployment, report)
    except DidNotStart as error:
        raise Problem(str(error)) from None


def proofs_json(simulated: Simulated) -> dict[str, Any]:
    """Return plain data: ``sign_ins`` as text, how many ``failed``, how many findings predict what was ``unseen``, and
    by finding what came: matcher and lab time in seconds, or None."""
    return {
        "sign_ins": list(simulated.sign_ins),
        "failed": simulated.failed,
        "unseen": simulated.unseen,
        "findings": [
            {
                "rule": proof.reported.rule.name,
                "field": proof.reported.finding.field,
                "shown": proof.shown,
                "seen": [{"matcher": str(matcher), "at": entry and entry.at} for matcher, entry in proof.seen],
                "broken": [{"matcher": str(matcher), "at": entry.at} for matcher, entry in proof.broken],
            }
            for proof in simulated.proofs
        ],
    }


def show(report: Report, proofs: Simulated | None = None, *, ladder: bool = False) -> None:
    """Print a report: each finding with its place, its effect and its remedy, or that the deployment is clean.

    With ``proofs`` each prediction is followed by when it came true in the simulation, and by the ``ladder`` around it.
    """
    source = report.deployment.source or report.deployment.name
    by_finding = {id(proof.reported): proof for proof in proofs.proofs} if proofs else {}
    for each in report.reported:
        _show(each, source, by_finding.get(id(each)), complete=proofs is None or proofs.complete)
        if ladder and proofs and (proof := by_finding.get(id(each))) and proof.shown:
            _ladder(proof, proofs.journal, report.deployment)
        output.say()
    if proofs is not None:
        output.say("simulated sign-ins:", bold=True)
        for line in proofs.sign_ins:
            output.say(f"  {line}")
        output.say()
    counts = ", ".join(
        f"{count} {name if count == 1 else several}"
        for count, name, several in (
            (report.count(Severity.ERROR), "error", "errors"),
            (report.count(Severity.WARNING), "warning", "warnings"),
            (report.count(Severity.ADVICE), "piece of advice", "pieces of advice"),
        )
        if count
    )
    checked = f"{report.checked} {'rule' if report.checked == 1 else 'rules'} checked"
    doubts = _doubts(proofs) if proofs is not None else ""
    if report.clean and not doubts:
        output.say(f"{source}: clean, {checked}", fg="green")
    else:
        output.say(f"{source}: {'; '.join(filter(None, (counts or 'nothing found', doubts, checked)))}", bold=True)


def _doubts(proofs: Simulated) -> str:
    """Return what went wrong in a simulation: sign-ins that failed, predictions that were not seen."""
    tried = sum(each.tried for each in proofs.attempts)
    parts = [f"{proofs.failed} of {tried} simulated sign-ins failed"] if proofs.failed else []
    if proofs.unseen:
        parts.append(f"{proofs.unseen} {'prediction' if proofs.unseen == 1 else 'predictions'} not seen")
    return ", ".join(parts)


def _ladder(proof: Proof, journal: Journal, deployment: Deployment) -> None:
    """Print the ladder around the last entry that a finding predicted."""
    last = max((entry for _, entry in proof.seen if entry is not None), key=lambda entry: entry.order)
    select = Selection(around=last.id, before=BEFORE, after=AFTER)
    met = {last.node, last.peer}
    others = {machine.name for machine in deployment.clients} - met
    if len(others) == len(deployment.clients):
        others = set()  # between servers: any client's sign-in may have caused it
    entries = [
        entry
        for entry in journal
        if entry.id == last.id or not (drawing.is_shutdown(entry) or _of_another(entry, others))
    ]
    output.say()
    drawing.show(drawing.build(entries, deployment, select=select, marks=[last.id]), indent="  ")


def _of_another(entry: Entry[Event], others: Collection[str]) -> bool:
    """Return whether an entry is about a client that the symptom is not about."""
    if isinstance(entry.event, Step):
        return any(entry.event.text.endswith(f" from {name}") for name in others)
    return entry.node in others or entry.peer in others


def _came(matcher: Matcher, proof: Proof | None, complete: bool) -> str:
    if proof is None:
        return ""
    entry = next((entry for one, entry in proof.seen if one is matcher), None)
    if entry is None:
        return "  (not seen)" if complete else "  (not seen: a sign-in failed before it, see below)"
    return f"  (seen at {entry.at:.3f} s, {entry.node})"


def _show(each: Reported, source: str, proof: Proof | None, *, complete: bool) -> None:
    severity, finding = each.rule.severity, each.finding
    place = f"{source}:{each.line}" if each.line else source
    head = click.style(f"{severity.value:<8}", fg=COLOURS[severity], bold=True)
    output.say(f"{head} {each.rule.name}  {place}  {finding.field}")
    output.say(_block("", finding.what))
    output.say(_block("symptom", finding.sees))
    if finding.prediction:
        for matcher in finding.prediction.awaits:
            output.say(_block("predicted", str(matcher) + _came(matcher, proof, complete)))
        for matcher in finding.prediction.never:
            broken = proof is not None and any(one is matcher for one, _ in proof.broken)
            output.say(_block("and never", str(matcher) + ("  (seen nevertheless)" if broken else "")))
    output.say(_block("to fix", finding.fix))
    for name in each.rule.rows:
        output.say(_block("documented", f"{name}: {row(name).statement}"))


def _block(label: str, text: str) -> str:
    lines = textwrap.wrap(text, max(40, output.width() - LABEL - 4), break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"  {label if not number else '':<{LABEL}}{line}" for number, line in enumerate(lines or [""]))


def show_rules(rules: Sequence[Rule], *, as_json: bool) -> None:
    """Print what is checked."""
    if as_json:
        listed = [
            {"rule": rule.name, "rows": list(rule.rows), "severity": rule.severity.value, "requires": rule.requires}
            for rule in rules
        ]
        click.echo(json.dumps(listed, ensure_ascii=False, separators=(",", ":")))
        return
    made = output.table("rule", "severity", "requires")
    for rule in rules:
        made.add_row(rule.name, rule.severity.value, rule.requires)
    output.show(made)
