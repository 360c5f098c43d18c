"""``edgesim ports``: lists the documented ports between zones, and those that a deployment's firewalls block."""

from __future__ import annotations

import json

import click

EPILOG = """\b
Examples:
  edgesim ports                            the documented list
  edgesim ports small                      the same for a deployment: machines, addresses, its own port numbers
  edgesim ports lab.yaml --blocked         what its firewalls block, and by which rule
  edgesim ports lab.yaml --diagram         zones, firewalls, and what crosses each of them
  edgesim ports lab.yaml --json            for a script

Exit codes: 0 every required flow is open, 1 one is blocked, 2 the deployment could not be read."""


@click.command("ports", epilog=EPILOG, short_help="List the documented ports, and what a deployment's firewalls block.")
@click.argument("deployment", metavar="[DEPLOYMENT]", required=False)
@click.option("--blocked", is_flag=True, help="Only flows that a firewall blocks, at least in part.")
@click.option("--diagram", is_flag=True, help="Draw zones and firewalls, with what crosses each of them.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def command(deployment: str | None, blocked: bool, diagram: bool, as_json: bool) -> None:
    """List every documented flow between clients, Expressways and UC servers: source, target, ports, purpose.

    DEPLOYMENT is a YAML file or the name of a built-in one. Its firewalls are evaluated by the code that checks packets
    in a simulated or live lab, so the order, port ranges and hosts of rules count as they do there.
    """
    from edgesim.cli import ports_views
    from edgesim.cli.problems import deployment_problems
    from edgesim.deployment import load
    from edgesim.deployment.reach import flows

    if deployment is None:
        if blocked or diagram:
            raise click.UsageError(f"{'--blocked' if blocked else '--diagram'} needs a deployment.")
        if as_json:
            click.echo(_line(ports_views.documented_json()))
        else:
            ports_views.show_documented()
        return
    with deployment_problems():
        loaded = load(deployment)
    found = tuple(flows(loaded))
    shown = [each for each in found if not (blocked and each.open)]
    if as_json:
        click.echo(_line([ports_views.as_json(each) for each in shown]))
    elif diagram:
        ports_views.draw(loaded, shown)
    else:
        ports_views.show(loaded, found, shown)
    raise SystemExit(1 if any(not each.open and each.kind.required for each in found) else 0)


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
