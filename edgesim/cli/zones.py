"""``edgesim zones``: the Expressway zones of the running lab."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from edgesim.cli.asking import in_directory


@click.command("zones", short_help="Show the Expressway zones of the running lab.")
@in_directory
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def command(directory: Path | None, as_json: bool) -> None:
    """Show every zone of the running lab's Expressways, with its state and the reason for it."""
    from edgesim.cli import output
    from edgesim.cli.asking import ask
    from edgesim.control.commands import Zones

    zones = ask(directory, Zones()).zones
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(zone) for zone in zones], separators=(",", ":")))
        return
    from rich.text import Text

    table = output.table("host", "zone", "state", "with, or why")
    for zone in zones:
        style = "green" if "Active" in zone.state else "red"
        table.add_row(zone.host, zone.zone, Text(zone.state, style), zone.reason)
    output.show(table)
