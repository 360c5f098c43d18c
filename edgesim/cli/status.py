"""``edgesim status``: shows the state of the running lab."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgesim.cli.remote import in_directory

if TYPE_CHECKING:
    from edgesim.control import LabStatus


@click.command("status", short_help="Show which hosts and links are up, and what is wrong.")
@in_directory
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def command(directory: Path | None, as_json: bool) -> None:
    """Show the hosts of the running lab with their states, and what is wrong.

    Exit codes: 0 all is up, 1 something is down, 2 there is no lab.
    """
    from edgesim.cli import output
    from edgesim.cli.remote import ask
    from edgesim.control import Hosts, Links, Status

    status = ask(directory, Status())
    hosts = ask(directory, Hosts()).hosts
    if as_json:
        links = ask(directory, Links()).links
        value = dataclasses.asdict(status) | {"hosts": [dataclasses.asdict(host) for host in hosts]}
        value["links"] = [dataclasses.asdict(link) for link in links]
        click.echo(json.dumps(value, separators=(",", ":")))
    else:
        processes = any(host.process for host in hosts)
        table = output.table("host", "state", "life", *(["process"] if processes else []), "address", "zone")
        for host in hosts:
            (address, zone), *more = host.addresses
            own = [str(host.process or "")] if processes else []
            table.add_row(host.name, host.state, str(host.incarnation), *own, address, zone)
            for address, zone in more:
                table.add_row("", "", "", *([""] if processes else []), address, zone)
        up = f"{status.hosts_up} of {status.hosts} hosts are up"
        output.say(
            f"{status.deployment}, {status.world}, for {status.seconds:.0f} s, {status.entries} entries: {up}",
            bold=True,
        )
        output.say()
        output.show(table)
        output.say()
        output.say(f"  {_doors(status)}")
        for problem in status.problems:
            output.say(f"  {problem}", fg="red")
    click.get_current_context().exit(1 if status.problems else 0)


def _doors(status: LabStatus) -> str:
    """Return a line with the numbers of connections, of refusals and of blocked addresses."""
    told = [f"{status.connections} connections of clients", f"{status.refused} refused so far"]
    if status.blocked:
        blocked = "1 address is" if status.blocked == 1 else f"{status.blocked} addresses are"
        told.append(f"{blocked} blocked (`edgesim control blocked`)")
    return ", ".join(told)
