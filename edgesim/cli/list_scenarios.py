"""``edgesim list``: lists scenarios and deployments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgesim.scenario import Scenario


@click.command("list", short_help="List the scenarios and the built-in deployments.")
@click.argument("wanted", nargs=-1, metavar="[PATH|NAME]...")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def command(wanted: tuple[str, ...], as_json: bool) -> None:
    """List scenarios, all or some, and the built-in deployments."""
    from edgesim.cli import output
    from edgesim.cli.selection import chosen
    from edgesim.deployment import builtin, names
    from edgesim.scenario.places import relative

    scenarios = chosen(wanted)
    if as_json:
        value = {
            "scenarios": [
                {
                    "name": each.name,
                    "title": each.title,
                    "file": str(relative(each.path)),
                    "deployment": each.deployment,
                    "shows": list(each.shows),
                    "users": list(each.users),
                    "worlds": list(each.worlds),
                    "mutations": [mutation.name for mutation in each.mutations],
                    "tags": list(each.tags),
                }
                for each in scenarios
            ],
            "deployments": [{"name": name, "description": builtin(name).description} for name in names()],
        }
        click.echo(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
        return
    table = output.table()
    for heading, rows in _sections(scenarios).items():
        table.add_row(heading, style="bold")
        for name, text in rows:
            table.add_row(f"  {name}", text)
        table.add_row()
    output.show(table, indent=0)


def _sections(scenarios: Sequence[Scenario]) -> dict[str, list[tuple[str, str]]]:
    from edgesim.deployment import builtin, names
    from edgesim.scenario.places import relative

    found: dict[str, list[tuple[str, str]]] = {}
    for each in scenarios:
        found.setdefault(str(relative(each.path)), []).append((each.name, each.title))
    return found | {"deployments": [(name, builtin(name).description) for name in names()]}
