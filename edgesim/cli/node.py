"""``edgesim node``: one host of a lab, alone in this process."""

from __future__ import annotations

from pathlib import Path

import click

from edgesim.cli import parameters

EPILOG = """\b
Examples, each in a shell, container or network namespace of its own:
  edgesim node dns-inside small --dir ./lab
  edgesim node ucm-pub --dir ./lab
  edgesim node expe --dir ./lab

\b
  edgesim node --prepare cluster --dir ./lab --network 127.7   only what all nodes share
  edgesim journal join ./lab/journal-*.jsonl --out ./lab/journal.jsonl"""


@click.command("node", epilog=EPILOG, short_help="Run one host of a lab, alone in this process.")
@click.argument("name", required=False, metavar="[NAME]")
@click.argument("deployment", required=False, metavar="[DEPLOYMENT]")
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="STATE",
    required=True,
    help="The directory that all nodes of the lab share.",
)
@click.option("--prepare", metavar="DEPLOYMENT", help="Make what the nodes share, and run none.")
@click.option(
    "--network",
    default="127.0",
    show_default=True,
    callback=parameters.network,
    metavar="127.N",
    help="What the lab's addresses begin with.",
)
@click.option("--own-addresses", is_flag=True, help="Keep the deployment's addresses: each node's machine has its own.")
@click.option("--dns-port", type=click.IntRange(1, 65535), help="The port of DNS. [default: 53 if allowed, else 10053]")
@click.option("--seed", type=click.IntRange(0), help="What tags, nonces and the like derive from. [default: random]")
def command(
    name: str | None,
    deployment: str | None,
    directory: Path,
    prepare: str | None,
    network: str,
    own_addresses: bool,
    dns_port: int | None,
    seed: int | None,
) -> None:
    """Run the host NAME of a lab until Ctrl-C, with a journal for each life in the directory.

    Whoever starts first makes what all nodes share, from DEPLOYMENT (`small` unless told): addresses, secrets,
    certificates and the lab's beginning, in a file that only this user can read. The others read it. A node's disk is
    kept there too, so that a node which is killed and started again is the same host in its next life.
    """
    from edgesim.cli.node_lab import NodeLab, shared

    if (name is None) is (prepare is None):
        raise click.UsageError("either the NAME of a host, or --prepare DEPLOYMENT.")
    where = "" if own_addresses else network
    found = shared(directory, prepare or deployment, network=where, dns_port=dns_port, seed=seed)
    if name is None:
        click.echo(f"{directory} holds what the nodes of {found.deployment.name} share")
        return
    NodeLab(found, directory, name).run(lambda text: click.echo(text))
    click.echo("\nstopped")
