"""``edgesim check``: a deployment against every documented requirement."""

from __future__ import annotations

import json

import click

EPILOG = """\b
Examples:
  edgesim check small                      a built-in deployment
  edgesim check lab.yaml --json            for a script
  edgesim check lab.yaml --simulate --ladder   what a client sees, message by message
  edgesim check lab.yaml --strict          warnings fail too, for CI
  edgesim check lab.yaml --ignore CERT-16.self-signed
  edgesim check --rules                    the list of rules

Exit codes: 0 no errors, 1 errors (with --strict also warnings, with --simulate also a sign-in that failed or a
prediction that was not seen), 2 the deployment could not be read."""


@click.command("check", epilog=EPILOG, short_help="Check a deployment against the documented requirements.")
@click.argument("deployment", metavar="[DEPLOYMENT]", required=False)
@click.option(
    "--ignore", multiple=True, metavar="RULE", help="Leave out a rule, or all rules of a row; may be repeated."
)
@click.option("--only", multiple=True, metavar="RULE", help="Check only this rule or row; may be repeated.")
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@click.option(
    "--simulate", is_flag=True, help="Sign every user in, in the simulation, and show which predictions came true."
)
@click.option("--ladder", is_flag=True, help="With --simulate: the ladder around each symptom.")
@click.option("--rules", "list_rules", is_flag=True, help="List the rules; check nothing.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def command(
    deployment: str | None,
    ignore: tuple[str, ...],
    only: tuple[str, ...],
    strict: bool,
    simulate: bool,
    ladder: bool,
    list_rules: bool,
    as_json: bool,
) -> None:
    """Find where a deployment breaks a documented requirement, what a client will see, and how to fix it.

    DEPLOYMENT is a YAML file or the name of a built-in one. Predictions are the matchers that the simulation awaits.
    """
    from edgesim.cli import check_views
    from edgesim.cli.problems import deployment_problems
    from edgesim.deployment import load
    from edgesim.readiness import Severity, check
    from edgesim.readiness.rules import RULES

    rules = check_views.chosen(RULES, only, ignore)
    if list_rules:
        check_views.show_rules(rules, as_json=as_json)
        return
    if deployment is None:
        raise click.UsageError("Name a deployment: a YAML file, or one of those that `edgesim list` shows.")
    with deployment_problems():
        loaded = load(deployment)
    report = check(loaded, rules)
    proofs = check_views.simulated(loaded, report) if simulate or ladder else None
    if as_json:
        value = report.as_json() | ({"simulated": check_views.proofs_json(proofs)} if proofs else {})
        click.echo(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    elif proofs is not None:
        check_views.show(report, proofs, ladder=ladder)
    else:
        check_views.show(report)
    failing = report.count(Severity.ERROR) + (report.count(Severity.WARNING) if strict else 0)
    unsound = proofs is not None and (proofs.failed or proofs.unseen)
    raise SystemExit(1 if failing or unsound else 0)
