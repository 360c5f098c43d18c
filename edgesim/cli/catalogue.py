"""``edgesim catalogue``: the documented behaviours, and what shows them."""

from __future__ import annotations

import json

import click

EPILOG = """\b
Kinds: R a requirement, B a behaviour, L a limitation.

\b
Examples:
  edgesim catalogue                     every row
  edgesim catalogue NET EP-02           a group and a row
  edgesim catalogue --shown             only rows that a scenario or rule shows
  edgesim catalogue --verify            check that every scenario fails under its mutations
  edgesim catalogue --verify NET-08     the scenarios of one row
  edgesim catalogue --verify mra_was_first
                                        one scenario, by its name, tag or path"""


@click.command("catalogue", epilog=EPILOG, short_help="List the documented behaviours and what shows each of them.")
@click.argument("wanted", nargs=-1, metavar="[ROW|GROUP|SCENARIO]...")
@click.option("--shown", is_flag=True, help="Only rows that a scenario or rule shows.")
@click.option(
    "--verify", is_flag=True, help="Run each scenario, and again under each of its mutations, where it must fail."
)
@click.option("--json", "as_json", is_flag=True, help="A list of objects; with --verify a line for each run.")
def command(wanted: tuple[str, ...], shown: bool, verify: bool, as_json: bool) -> None:
    """List what Cisco documents of the MRA edge, row by row, with the scenarios and rules that show it."""
    from edgesim.cli import catalogue_views, verification
    from edgesim.cli.problems import Problem
    from edgesim.cli.selection import chosen

    named = [each for each in wanted if not catalogue_views.is_row(each)] if verify else []
    if named:
        stories = chosen(named)
        wanted = tuple(each for each in wanted if each not in named)
        if not wanted:
            click.get_current_context().exit(verification.verify(stories, as_json=as_json))
    scenarios = chosen((), own=True)
    rows = catalogue_views.selected(scenarios, wanted, shown=shown)
    if not rows:
        raise Problem("no row of the catalogue matches", "Rows are called NET-01, EP-02 ..., groups NET, EP ...")
    if verify:
        ids = {entry.row.id for entry in rows}
        some = bool(wanted) or shown
        stories = [each for each in scenarios if not some or ids & set(each.shows)]
        if named:
            stories += [each for each in chosen(named) if each not in stories]
        click.get_current_context().exit(verification.verify(stories, as_json=as_json, counted=rows))
    if as_json:
        click.echo(json.dumps([entry.as_json() for entry in rows], ensure_ascii=False, indent=1))
    else:
        catalogue_views.show(rows)
