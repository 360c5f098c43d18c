"""``edgesim up``: starts a lab on real sockets."""

from __future__ import annotations

from pathlib import Path

import click

from edgesim.cli import parameters
from edgesim.cli.remote import in_directory

EPILOG = """\b
Ports are the documented ones. DNS alone needs the right to bind a port below 1024: without
it the lab uses another port, which the table shows. To use 53 on Linux, either run as root or
  sudo sysctl net.ipv4.ip_unprivileged_port_start=53

\b
Examples:
  edgesim up                              the built-in deployment `small`
  edgesim up lab.yaml --dir ./state       your own deployment, with its state in ./state
  edgesim up cluster --network 127.7      beside another lab
  edgesim up --json                       for programs: one line of JSON when ready

\b
In another terminal: edgesim sign-in, status, netstat, zones, control."""


@click.command("up", epilog=EPILOG, short_help="Start a lab on real sockets of this machine.")
@click.argument("deployment", default="small", metavar="[DEPLOYMENT]")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON once the lab is ready.")
@in_directory
@parameters.network_option
@click.option("--dns-port", type=click.IntRange(1, 65535), help="The port of DNS. [default: 53 if allowed, else 10053]")
@click.option("--addresses", is_flag=True, help="Print the addresses that the lab would use, one a line, and exit.")
@click.option("--keylog", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write TLS secrets.")
@click.option(
    "--journal-size", type=click.IntRange(0), metavar="MIB", help="Megabytes of journal to keep. [default: 256; 0: all]"
)
@click.option(
    "--journal-days", type=click.FloatRange(0), metavar="DAYS", help="Days of journal to keep. [default: 7; 0: all]"
)
@click.option(
    "--plain-roots",
    is_flag=True,
    help="Make roots without name constraints, for clients that refuse those (mbedTLS). Never trust these system-wide.",
)
@click.option(
    "--processes",
    is_flag=True,
    help="Run each host in a process of its own: crash is kill -9, and a host can be frozen.",
)
@click.option("--seed", type=click.IntRange(0), help="Seed of tags, nonces and other random values. [default: random]")
def command(
    deployment: str,
    as_json: bool,
    directory: Path | None,
    network: str,
    dns_port: int | None,
    addresses: bool,
    keylog: Path | None,
    journal_size: int | None,
    journal_days: float | None,
    plain_roots: bool,
    processes: bool,
    seed: int | None,
) -> None:
    """Start a lab on loopback addresses of this machine, and run it until Ctrl-C.

    DEPLOYMENT is a YAML file or the name of a built-in deployment (`edgesim list`). Each host has its own address in
    127.0.0.0/8, so clients connect to the documented ports. Certificates come from private roots that are made once
    for this installation, and are valid for the lab's domains only.
    """
    from edgesim.cli import lab_views, places
    from edgesim.cli.live_lab import LiveLab
    from edgesim.cli.problems import Problem, deployment_problems
    from edgesim.deployment import load
    from edgesim.lab import on_loopback
    from edgesim.world import UnsupportedError

    with deployment_problems():
        loaded = load(deployment)
        try:
            moved = on_loopback(loaded, network=network, dns_port=dns_port)
        except (ValueError, UnsupportedError) as error:
            raise Problem(str(error)) from None
    if addresses:
        for spec in moved.host_specs():
            for interface in spec.interfaces:
                click.echo(interface.address)
        return
    chosen = {"defaults.journal.mebibytes": journal_size, "defaults.journal.days": journal_days}
    moved = moved.changed({name: value for name, value in chosen.items() if value is not None})
    lab = LiveLab(
        moved,
        places.state_directory(directory),
        seed=seed,
        keylog=keylog,
        plain_roots=plain_roots,
        processes=processes,
    )
    lab.run(lab_views.print_json if as_json else lab_views.print_tables)
    if not as_json:
        click.echo("\nstopped")
