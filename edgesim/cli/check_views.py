"""What a check found, for people."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

import click

from edgesim.catalogue import row
from edgesim.cli import output
from edgesim.cli.problems import Problem
from edgesim.readiness import Report, Reported, Rule, Severity

COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.ADVICE: "cyan"}
LABEL = 12
"""Columns of the labels below a finding."""


def chosen(rules: Sequence[Rule], only: Sequence[str], ignore: Sequence[str]) -> tuple[Rule, ...]:
    """Return the rules that the options leave; an option names a rule or a row. Raises `Problem`."""
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


def show(report: Report) -> None:
    """Print a report: each finding with its place, its effect and its remedy; a clean deployment is told so."""
    source = report.deployment.source or report.deployment.name
    for each in report.reported:
        _show(each, source)
    counts = ", ".join(
        f"{count} {name}"
        for count, name in (
            (report.count(Severity.ERROR), "errors"),
            (report.count(Severity.WARNING), "warnings"),
            (report.count(Severity.ADVICE), "advice"),
        )
        if count
    )
    if report.clean:
        output.say(f"{source}: clean, {report.checked} rules checked", fg="green")
    else:
        output.say(f"{source}: {counts}; {report.checked} rules checked", bold=True)


def _show(each: Reported, source: str) -> None:
    severity, finding = each.rule.severity, each.finding
    place = f"{source}:{each.line}" if each.line else source
    head = click.style(f"{severity.value:<8}", fg=COLOURS[severity], bold=True)
    output.say(f"{head} {each.rule.name}  {place}  {finding.field}")
    output.say(_block("", finding.what))
    output.say(_block("a client", finding.sees))
    if finding.prediction:
        for matcher in finding.prediction.awaits:
            output.say(_block("predicted", str(matcher)))
        for matcher in finding.prediction.never:
            output.say(_block("and never", str(matcher)))
    output.say(_block("to mend", finding.mend))
    for name in each.rule.rows:
        output.say(_block("documented", f"{name}: {row(name).statement}"))
    output.say()


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
