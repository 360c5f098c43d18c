"""``edgesim node``: runs one host of a lab, alone in this process."""

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
  edgesim node --prepare cluster --dir ./lab --network 127.7   make the shared files only
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
    help="The directory that the nodes of the lab share.",
)
@click.option("--prepare", metavar="DEPLOYMENT", help="Make the files that the nodes share; run no node.")
@parameters.network_option
@click.option(
    "--own-addresses", is_flag=True, help="Keep the deployment's addresses: each node's machine has its own address."
)
@click.option("--dns-port", type=click.IntRange(1, 65535), help="The port of DNS. [default: 53 if allowed, else 10053]")
@click.option("--seed", type=click.IntRange(0), help="Seed of tags, nonces and other random values. [default: random]")
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
    """Run the host NAME of a lab until Ctrl-C. The directory gets a journal for each life of the host.

    The first node to start makes what all nodes share, from DEPLOYMENT (default: `small`): addresses, secrets,
    certificates and the lab's start time, in a file that only this user can read. The other nodes read it. Each
    node's disk is kept in the directory too, so a node that is killed and started again is the same host.
    """
    from edgesim.cli.node_lab import NodeLab, shared

    if (name is None) is (prepare is None):
        raise click.UsageError("Give either the NAME of a host or --prepare DEPLOYMENT.")
    where = "" if own_addresses else network
    found = shared(directory, prepare or deployment, network=where, dns_port=dns_port, seed=seed)
    if name is None:
        click.echo(f"{directory} holds the shared files of {found.deployment.name}")
        return
    NodeLab(found, directory, name).run(lambda text: click.echo(text))
    click.echo("\nstopped")
