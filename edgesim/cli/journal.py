"""``edgesim journal``: shows a saved journal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from edgesim.cli import journal_join
from edgesim.journal.keys import user_key

EPILOG = """\b
Examples:
  edgesim journal run.jsonl                          the story, a line for each entry
  edgesim journal run.jsonl --ladder text --user alice
  edgesim journal run.jsonl --ladder svg > run.svg
  edgesim journal run.jsonl --kind sip --kind http --host expe
  edgesim journal run.jsonl --around 0.225           at 0.225 s of lab time; --details shows the entries' ids
  edgesim journal run.jsonl --around expe#1/42 --details
  edgesim journal join journal-*.jsonl --out all.jsonl    join the journals of several nodes"""


class JournalCommand(click.Command):
    """Shows a file, or joins several if the first word is ``join``."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args[:1] == ["join"]:
            return journal_join.command.make_context(f"{info_name} join", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command("journal", cls=JournalCommand, epilog=EPILOG, short_help="Show a saved journal.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--ladder", type=click.Choice(["text", "svg", "mermaid"]), help="Draw it as a ladder.")
@click.option("--user", "users", multiple=True, metavar="USER", help="Only entries about this user.")
@click.option(
    "--key", "keys", multiple=True, metavar="KEY", help="Only entries with this correlation key, e.g. call-id:..."
)
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only this kind or protocol, e.g. sip, dns.query.")
@click.option("--without", multiple=True, metavar="KIND", help="Leave this kind or protocol out.")
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="Only entries with this host at either end.")
@click.option("--around", metavar="ID|SECONDS", help="Only around an entry, e.g. expe#1/42, or a lab time in seconds.")
@click.option("--startup", is_flag=True, help="With --ladder: also draw what comes before the story.")
@click.option("--details", is_flag=True, help="Show ids, and payloads as they were decoded.")
@click.option("--width", type=click.IntRange(40, 1000), help="The width in columns. [default: the terminal's]")
@click.option(
    "--deployment",
    metavar="NAME",
    help="The deployment that the order of columns, and roles, come from. [default: a built-in one that fits]",
)
@click.option("--secrets", is_flag=True, help="Show secrets, if the file has them.")
@click.option("--json", "as_json", is_flag=True, help="Print the selected entries as lines of JSON.")
def command(
    file: Path,
    ladder: str | None,
    users: tuple[str, ...],
    keys: tuple[str, ...],
    kinds: tuple[str, ...],
    without: tuple[str, ...],
    hosts: tuple[str, ...],
    around: str | None,
    startup: bool,
    details: bool,
    width: int | None,
    deployment: str | None,
    secrets: bool,
    as_json: bool,
) -> None:
    """Show the journal of a run or a lab, line by line or as a ladder."""
    from edgesim.cli import drawing, output
    from edgesim.cli.lines import line
    from edgesim.cli.problems import Problem, deployment_problems
    from edgesim.deployment import load
    from edgesim.journal import Selection
    from edgesim.journal.codec import JournalFormatError, encode
    from edgesim.journal.reading import Reader
    from edgesim.journal.visible import payload_lines

    try:
        reader = Reader(file)
        entries = list(reader)
    except JournalFormatError as error:
        raise Problem(f"{file}: {error}") from None
    except OSError as error:
        raise Problem(f"{file}: {error.strerror}") from None
    if reader.dropped:
        click.echo(f"warning: {reader.dropped} earlier entries of {file} are no longer kept", err=True)
    if reader.problem:
        click.echo(f"warning: {reader.problem}", err=True)
    if secrets and not reader.header.secrets:
        click.echo(f"warning: {file} was written without its secrets", err=True)
    with deployment_problems():
        loaded = load(deployment) if deployment else drawing.likely(entries)
    select = Selection(
        stories=(*(user_key(user) for user in users), *keys),
        kinds=kinds,
        without=without,
        hosts=hosts,
        around=around,
    )
    try:
        if around is not None and "#" not in around:
            around = _nearest(replace(select, around=None).apply(entries), around)
            select = replace(select, around=around)
        chosen = select.apply(entries)
    except LookupError as error:
        raise Problem(str(error)) from None
    if not chosen:
        raise Problem(f"no entry of the {len(entries)} in {file} is selected", _there_is(entries))
    if as_json:
        for entry in chosen:
            click.echo(encode(entry, secrets=secrets), nl=False)
    elif ladder is None:
        for entry in chosen:
            output.say(line(entry, secrets=secrets))
            for text in (entry.id, *payload_lines(entry, secrets=secrets)) if details else ():
                output.say(f"{'':14}{text}")
    else:
        shown = drawing.story(entries, loaded) if chosen == entries else chosen
        before = 0 if startup or chosen != entries else drawing.beginning(shown, loaded)
        drawn = drawing.build(shown, loaded, secrets=secrets, marks=[around] if around else (), startup=before)
        if ladder == "text":
            drawing.show(drawn, width=width, details=details)
        else:
            click.echo(drawing.render(drawn, ladder), nl=False)


def _nearest(entries: list[Any], around: str) -> str:
    """Return the id of the entry nearest to a time in seconds, as the story and ladders show it. Raises `Problem`."""
    from edgesim.cli.problems import Problem

    try:
        seconds = float(around.removesuffix("s"))
    except ValueError:
        raise Problem(f"--around {around}: expected an id, such as expe#1/42, or seconds, such as 0.225") from None
    if not entries:
        raise Problem("none of the entries is selected")
    return str(min(entries, key=lambda entry: abs(entry.at - seconds)).id)


def _there_is(entries: list[Any]) -> str:
    kinds = sorted({entry.kind.partition(".")[0] for entry in entries})
    hosts = sorted({entry.node for entry in entries})
    users = sorted({key[5:] for entry in entries for key in entry.keys if key.startswith("user:")})
    return f"It has kinds {', '.join(kinds)}; hosts {', '.join(hosts)}; users {', '.join(users) or 'none'}."
