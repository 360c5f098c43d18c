"""``edgesim journal join``: joins the journals that the nodes of a lab wrote."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import click


@click.command("join", short_help="Join the journals of several nodes into one.")
@click.argument(
    "files", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE...", nargs=-1, required=True
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", required=True, help="The file to write."
)
def command(files: tuple[Path, ...], out: Path) -> None:
    """Join the journals of a lab's nodes (`edgesim node`) into one, in the order in which things happened."""
    from edgesim.cli.problems import Problem
    from edgesim.journal import spool
    from edgesim.journal.codec import JournalFormatError
    from edgesim.journal.reading import Reader
    from edgesim.world import files as private

    try:
        readers = [Reader(file) for file in files]
        entries = [entry for reader in readers for entry in reader]
    except JournalFormatError as error:
        raise Problem(str(error)) from None
    except OSError as error:
        raise Problem(f"{error.filename}: {error.strerror}") from None
    headers = [reader.header for reader in readers]
    if len({(each.seed, each.epoch_ns) for each in headers}) > 1:
        raise Problem("these journals come from different labs, which have no common time")
    entries.sort(key=lambda entry: (entry.at_ns, entry.node, entry.incarnation, entry.sequence))
    numbers: Counter[str] = Counter()
    for order, entry in enumerate(entries):
        sequence = entry.sequence
        # an address outside the lab, or the journal itself: each file has its own sequence numbers for it
        if not entry.incarnation:
            numbers[entry.node] += 1
            sequence = numbers[entry.node]
        entries[order] = replace(entry, order=order, sequence=sequence)
    header = replace(headers[0], secrets=all(each.secrets for each in headers), part=0, first=0)
    try:
        private.keep_private(str(out))
        spool.write(out, header, entries)
    except OSError as error:
        raise Problem(f"{out}: {error.strerror or error}") from None
    click.echo(f"{len(entries)} entries of {len(files)} journals written to {out}")
