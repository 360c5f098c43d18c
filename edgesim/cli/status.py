"""``edgesim status``: the running lab at a glance."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from edgesim.cli.asking import in_directory


@click.command("status", short_help="Say what runs, and what does not.")
@in_directory
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def command(directory: Path | None, as_json: bool) -> None:
    """Show the hosts of the running lab with their states, and what is wrong with it.

    Exit code 1 if something does not run, 2 if there is no lab.
    """
    from edgesim.cli import output
    from edgesim.cli.asking import ask
    from edgesim.control.commands import Hosts, Status

    status = ask(directory, Status())
    hosts = ask(directory, Hosts()).hosts
    if as_json:
        value = dataclasses.asdict(status) | {"hosts": [dataclasses.asdict(host) for host in hosts]}
        click.echo(json.dumps(value, separators=(",", ":")))
    else:
        table = output.table("host", "state", "life", "address", "zone")
        for host in hosts:
            (address, zone), *more = host.addresses
            table.add_row(host.name, host.state, str(host.incarnation), address, zone)
            for address, zone in more:
                table.add_row("", "", "", address, zone)
        up = f"{status.hosts_up} of {status.hosts} hosts are up"
        output.say(
            f"{status.deployment}, {status.world}, for {status.seconds:.0f} s, {status.entries} entries: {up}",
            bold=True,
        )
        output.say()
        output.show(table)
        for problem in status.problems:
            output.say(f"  {problem}", fg="red")
    click.get_current_context().exit(1 if status.problems else 0)
