"""``edgesim netstat``: lists the sockets of the running lab's hosts."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from edgesim.cli.remote import in_directory


@click.command("netstat", short_help="List the sockets of the running lab's hosts.")
@click.option("--host", metavar="HOST", help="Only this host's sockets.")
@in_directory
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def command(host: str | None, directory: Path | None, as_json: bool) -> None:
    """List the sockets of the running lab's hosts, or of one, like `netstat -an`."""
    from edgesim.cli.remote import ask
    from edgesim.control import Netstat
    from edgesim.world.netstat import netstat

    rows = ask(directory, Netstat(host=host)).rows
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(row) for row in rows], separators=(",", ":")))
    else:
        click.echo(netstat(rows))
