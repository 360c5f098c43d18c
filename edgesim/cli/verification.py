"""Checks that scenarios can fail, and that the catalogue counts only those that hold.

A scenario must pass as it is, and fail under each of its mutations. A catalogue row that counts as shown by scenarios
that do not hold is a false count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import click

from edgesim.catalogue import Catalogue, Shown, Standing
from edgesim.cli import output
from edgesim.cli.problems import Problem
from edgesim.readiness.rules import RULES
from edgesim.scenario import Mutation, Outcome, Scenario
from edgesim.scenario.run import Options, run
from edgesim.scenario.sweep import shortcomings
from edgesim.scenario.verdict import Verdict

SEED = 1


def verify(scenarios: Sequence[Scenario], *, as_json: bool, counted: Sequence[Shown] = ()) -> int:
    """Run every scenario and its mutations, print the results, and return the exit code: 0 if all are right, else 1.

    ``counted`` are the catalogue entries that these scenarios show. Each must keep its standing when only the scenarios
    that hold are counted.
    """
    if not scenarios:
        raise Problem("no scenario shows these rows")
    wrong = runs = 0
    held: list[Scenario] = []
    for scenario in scenarios:
        before = wrong
        mutations: list[Mutation | None] = [None, *scenario.mutations]
        for problem in shortcomings(scenario, []) if not scenario.mutations else ():
            wrong += 1
            _say(as_json, scenario, None, None, problem)
        for mutation in mutations:
            verdict = run(scenario, Options(seed=SEED, mutation=mutation)).verdict
            runs += 1
            problem = _problem(scenario, mutation, verdict)
            wrong += bool(problem)
            _say(as_json, scenario, mutation, verdict, problem)
        if wrong == before:
            held.append(scenario)
    for row, problem in false_counts(counted, held):
        wrong += 1
        _say_row(as_json, row, problem)
    if not as_json:
        output.say()
        text = f"{len(scenarios)} scenarios, {runs} runs, {wrong} wrong"
        output.say(text, bold=True, fg="red" if wrong else "green")
    return 1 if wrong else 0


def false_counts(counted: Sequence[Shown], held: Sequence[Scenario]) -> Iterator[tuple[str, str]]:
    """Yield each row whose standing in the catalogue is better than the scenarios that hold support, and why."""
    catalogue = Catalogue.collect(held, RULES)
    for entry in counted:
        proved = catalogue.entry(entry.row.id)
        if entry.standing is Standing.SHOWN and proved.standing is not Standing.SHOWN:
            yield entry.row.id, f"counted as shown, but is {proved.standing.value}: lacks {'; '.join(proved.lacks)}"


def _say_row(as_json: bool, row: str, problem: str) -> None:
    if as_json:
        value = {"row": row, "as_it_must_be": False, "problem": problem}
        click.echo(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    else:
        output.say(f"  WRONG  {row}: {problem}", fg="red")


def _problem(scenario: Scenario, mutation: Mutation | None, verdict: Verdict) -> str:
    if mutation is not None:
        return "; ".join(shortcomings(scenario, [(mutation, verdict)]))
    if verdict.outcome in (Outcome.PASSED, Outcome.UNSUPPORTED):
        return ""
    return f"must pass, but {verdict.outcome.word}: {_short(verdict)}"


def _short(verdict: Verdict) -> str:
    return verdict.reason.partition("\n")[0]


def _say(as_json: bool, scenario: Scenario, mutation: Mutation | None, verdict: Verdict | None, problem: str) -> None:
    name = mutation.name if mutation is not None else ""
    if as_json:
        value = {
            "scenario": scenario.name,
            "mutation": name,
            "outcome": verdict.outcome.word if verdict is not None else "",
            "as_it_must_be": not problem,
            "problem": problem,
        }
        click.echo(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
        return
    if mutation is None and verdict is not None:
        output.say(scenario.name, bold=True)
    what = f"with {name}" if mutation is not None else "as it is" if verdict is not None else "mutations"
    if problem:
        output.say(f"  WRONG  {what}: {problem}", fg="red")
    else:
        assert verdict is not None
        output.say(f"  {'red' if mutation is not None else 'green':<6} {what}: {_short(verdict) or 'passed'}")
