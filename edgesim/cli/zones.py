"""``edgesim zones``: shows the Expressway zones of the running lab."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from edgesim.cli.remote import in_directory


@click.command("zones", short_help="Show the Expressway zones of the running lab.")
@in_directory
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def command(directory: Path | None, as_json: bool) -> None:
    """Show the zones of the running lab's Expressways, and the SSH tunnels and XCP links that Expressway-C keeps up.

    Each has its state and the reason for it and, while Expressway-C waits, the time of its next attempt
    (`edgesim control retry` makes it at once).
    """
    from edgesim.cli import output
    from edgesim.cli.remote import ask
    from edgesim.control import Links, Zones

    zones, links = ask(directory, Zones()).zones, ask(directory, Links()).links
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(zone) for zone in zones], separators=(",", ":")))
        return
    from rich.text import Text

    table = output.table("host", "zone", "state", "peer or reason")
    for zone in zones:
        style = "green" if "Active" in zone.state else "red"
        table.add_row(zone.host, zone.zone, Text(zone.state, style), zone.reason)
    output.show(table)
    output.say()
    table = output.table("host", "link", "to", "state", "why", "next attempt")
    for link in links:
        if not link.what.startswith("zone "):
            again = "" if link.again_s is None else f"in {link.again_s:.0f} s"
            state = Text(link.state, "green" if link.stands else "red")
            table.add_row(link.host, link.what, link.peer, state, link.reason, again)
    output.show(table)
